//! `/control/recoveries`: asking for what a list guards, voting on it, and fetching it.

mod view;
#[cfg(test)]
mod view_tests;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::control::Act;
use serde::Deserialize;

use super::acls::{approves, said_in_form};
use super::{Posted, Stop, Visitor, stored, views};
use crate::app::App;
use crate::flows;
use crate::flows::approvals::{self, CastVote, RequestRecovery};

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/recoveries", get(list).post(ask))
        .route("/control/recoveries/new", get(show_new))
        .route("/control/recoveries/{id}", get(show))
        .route("/control/recoveries/{id}/request", get(request_file))
        .route("/control/recoveries/{id}/vote", post(vote))
        .route("/control/recoveries/{id}/ballot", post(ballot))
        .route("/control/recoveries/{id}/stop", post(stop))
        .route("/control/recoveries/{id}/link", post(link))
        .route("/control/recoveries/{id}/package", get(package))
        .route("/control/recoveries/{id}/record.jws", get(record))
}

#[derive(Deserialize)]
struct Before {
    before: Option<String>,
}

async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<Before>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    let before = query.before.as_deref();
    let recoveries = approvals::list_recoveries(&app, &visitor.ctx(), before).await?;
    Ok(view::list(&visitor, &recoveries, before.is_some()).into_response())
}

#[derive(Deserialize)]
struct Named {
    backup: Option<String>,
    key: Option<String>,
}

async fn show_new(Query(named): Query<Named>, visitor: Visitor) -> Result<Response, Stop> {
    visitor.permit(Act::RequestRecovery)?;
    let named = RequestRecovery {
        backups: named.backup.into_iter().collect(),
        keys: named.key.into_iter().collect(),
        reason: String::new(),
        certificate: String::new(),
    };
    Ok(view::ask(&visitor, &named, None).into_response())
}

async fn ask(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Response, Stop> {
    let words = |name: &str| {
        let text: Vec<String> = fields.all(name).flat_map(str::split_whitespace).map(str::to_owned).collect();
        text
    };
    let command = RequestRecovery {
        backups: words("backups"),
        keys: words("keys"),
        reason: fields.text("reason").to_owned(),
        certificate: fields.text("certificate").to_owned(),
    };
    match approvals::request_recovery(&app, &visitor.ctx(), command.clone()).await {
        Ok(id) => Ok(Redirect::to(&format!("/control/recoveries/{id}")).into_response()),
        Err(error) => {
            let refusal = said_in_form(error)?;
            Ok(views::refused(view::ask(&visitor, &command, Some(&refusal)), &refusal))
        }
    }
}

async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    let (shown, to_sign) = approvals::read_recovery(&app, &visitor.ctx(), &id).await?;
    let record = flows::find_record(&app, &visitor.ctx(), shown.recovery.id.as_str()).await?;
    Ok(view::show(&visitor, &shown, to_sign.as_ref(), record.as_ref()).into_response())
}

async fn record(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    let (shown, _) = approvals::read_recovery(&app, &visitor.ctx(), &id).await?;
    let kept = flows::read_record(&app, &visitor.ctx(), shown.recovery.id.as_str()).await?;
    Ok(stored::record_file("recovery", kept))
}

/// What is voted on, as a file, for whoever looks at it and signs away from any network.
async fn request_file(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    let (shown, _) = approvals::read_recovery(&app, &visitor.ctx(), &id).await?;
    let name = format!("attachment; filename=\"recovery-{}.json\"", shown.recovery.id);
    Ok(([(CONTENT_DISPOSITION, name)], Json(shown.request())).into_response())
}

async fn vote(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, fields): Posted,
) -> Result<Redirect, Stop> {
    visitor.permit(Act::Vote)?;
    let (approve, credential) = (approves(&fields)?, fields.raw("credential").to_owned());
    approvals::vote(&app, &visitor.ctx(), &id, &CastVote::Passkey { approve, credential }).await?;
    Ok(Redirect::to(&format!("/control/recoveries/{id}")))
}

async fn ballot(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, fields): Posted,
) -> Result<Redirect, Stop> {
    visitor.permit(Act::Vote)?;
    let cast = CastVote::File(fields.text("ballot").to_owned());
    approvals::vote(&app, &visitor.ctx(), &id, &cast).await?;
    Ok(Redirect::to(&format!("/control/recoveries/{id}")))
}

async fn stop(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, fields): Posted,
) -> Result<Redirect, Stop> {
    visitor.permit(Act::Vote)?;
    approvals::stop_recovery(&app, &visitor.ctx(), &id, fields.raw("credential")).await?;
    Ok(Redirect::to(&format!("/control/recoveries/{id}")))
}

async fn link(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, _): Posted,
) -> Result<Response, Stop> {
    visitor.permit(Act::DownloadRecovery)?;
    let token = approvals::make_link(&app, &visitor.ctx(), &id).await?;
    Ok(view::link(&visitor, &id, &token).into_response())
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
}

async fn package(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    visitor: Visitor,
    Query(Token { token }): Query<Token>,
) -> Result<Response, Stop> {
    visitor.permit(Act::DownloadRecovery)?;
    let download = approvals::download_recovery(&app, &visitor.ctx(), &id, &token).await?;
    let name = format!("attachment; filename=\"recovery-{}.tar.gpg\"", download.id);
    let headers = [(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_DISPOSITION, name)];
    Ok((headers, download.message).into_response())
}
