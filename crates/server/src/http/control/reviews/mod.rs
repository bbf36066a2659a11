//! `/control/reviews`: identity checks that came to people, and what they decide.

mod view;
#[cfg(test)]
mod view_tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use boundary::approval::Decision;
use domain::control::Act;
use domain::refusal::{Kind, Refusal};
use domain::review::{ReviewState, ReviewWhy};
use store::reviews::ReviewFilter;

use super::look::Section;
use super::query::{Asked, address, narrowing};
use super::{Posted, Stop, Visitor, views};
use crate::app::App;
use crate::flows::Error;
use crate::flows::approvals::{self, ReviewQuery};
use crate::http::page::{List, Query};

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/reviews", get(list))
        .route("/control/reviews/{id}", get(show))
        .route("/control/reviews/{id}/sign", post(draft))
        .route("/control/reviews/{id}/decide", post(decide))
        .route("/control/reviews/{id}/second", post(second))
}

async fn list(State(app): State<Arc<App>>, visitor: Visitor, query: Asked) -> Result<Response, Stop> {
    let (params, ctx) = (narrowing(query), visitor.ctx());
    let list = List { keys: &app.keys, tenant: &ctx.principal.tenant, name: "reviews" };
    let query = Query::of(&params);
    let filter = ReviewFilter {
        user_identifier: query.text("user_identifier"),
        state: query.word("status", ReviewState::ALL),
        why: query.word("why", ReviewWhy::ALL),
    };
    let asked = ReviewQuery { filter, after: query.after(&list), limit: query.limit() };
    let (reviews, more) = approvals::list_reviews(&app, &ctx, query.finish(asked)?).await?;
    let oldest = reviews.last().filter(|_| more);
    let cursor = oldest.map(|oldest| list.cursor(oldest.came_at, oldest.verification_id.as_str()));
    let older = cursor.map(|cursor| address(Section::Reviews.path(), &params, Some(("cursor", &cursor))));
    Ok(view::list(&visitor, &params, &reviews, older.as_deref()).into_response())
}

async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    let (shown, to_sign) = approvals::read_review(&app, &visitor.ctx(), &id).await?;
    Ok(view::show(&visitor, &shown, to_sign.as_ref(), &view::Filled::default(), None).into_response())
}

async fn draft(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, fields): Posted,
) -> Result<Response, Stop> {
    visitor.permit(Act::DecideReview)?;
    let filled =
        view::Filled { decision: fields.text("decision").into(), reason: fields.text("reason").into() };
    let drafted = match Decision::parse(&filled.decision) {
        Some(decision) => {
            approvals::draft_review(&app, &visitor.ctx(), &id, (decision, &filled.reason)).await
        }
        None => Err(Refusal::field("decision", "must be one of the two").into()),
    };
    match drafted {
        Ok((shown, to_sign)) => Ok(view::sign(&visitor, &shown, &to_sign).into_response()),
        Err(Error::Refused(refusal)) if refusal.kind != Kind::NotFound => {
            let (shown, to_sign) = approvals::read_review(&app, &visitor.ctx(), &id).await?;
            let page = view::show(&visitor, &shown, to_sign.as_ref(), &filled, Some(&refusal));
            Ok(views::refused(page, &refusal))
        }
        Err(error) => Err(error.into()),
    }
}

async fn decide(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, fields): Posted,
) -> Result<Redirect, Stop> {
    visitor.permit(Act::DecideReview)?;
    let signed = (fields.raw("document"), fields.raw("credential"));
    approvals::sign_review(&app, &visitor.ctx(), &id, signed).await?;
    Ok(Redirect::to(&format!("/control/reviews/{id}")))
}

async fn second(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, fields): Posted,
) -> Result<Redirect, Stop> {
    visitor.permit(Act::SecondReview)?;
    approvals::second_review(&app, &visitor.ctx(), &id, fields.raw("credential")).await?;
    Ok(Redirect::to(&format!("/control/reviews/{id}")))
}
