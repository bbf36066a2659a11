//! `/control/keys/{id}/destruction`: a key is destroyed by two people, after days in which others may stop it.

mod view;
#[cfg(test)]
mod view_tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use domain::control::Act;
use domain::limits::DESTRUCTION_DAYS_MAX;
use domain::refusal::Refusal;

use super::acls::said_in_form;
use super::look::Page;
use super::look::parts::Notice;
use super::query::{Asked, narrowing};
use super::views::refused;
use super::{Posted, Stop, Visitor};
use crate::app::App;
use crate::flows::destruction::{self, AskDestruction};

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/keys/{id}/destruction", get(show).post(ask))
        .route("/control/keys/{id}/destruction/confirm", post(confirm))
        .route("/control/keys/{id}/destruction/stop", post(stop))
        .route("/control/keys/{id}/destruction/hasten", post(hasten))
}

async fn show(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
    query: Asked,
) -> Result<Page, Stop> {
    let notice = match narrowing(query).get("said").map(String::as_str) {
        Some("asked") => {
            Some(Notice::waiting("Another owner has to confirm it. Until then nothing happens."))
        }
        Some("confirmed") => Some(Notice::waiting("The days run. Everybody was told.")),
        Some("stopped") => Some(Notice::good("It was stopped.")),
        Some("hastened") => Some(Notice::waiting("The days are over. The end comes within seconds.")),
        Some("unconfirmed") => Some(Notice::bad("Nothing was done: tick the box to say that you mean it.")),
        _ => None,
    };
    let asked = AskDestruction { days: DESTRUCTION_DAYS_MAX.to_string(), ..AskDestruction::default() };
    shown(&app, &visitor, &id, (&asked, None), notice).await
}

async fn shown(
    app: &App,
    visitor: &Visitor,
    id: &str,
    (asked, refusal): (&AskDestruction, Option<&Refusal>),
    notice: Option<Notice>,
) -> Result<Page, Stop> {
    visitor.permit(Act::SeeBackups)?;
    let found = destruction::read_destruction(app, &visitor.ctx(), id).await?;
    Ok(view::show(visitor, &found, (asked, refusal), notice))
}

async fn ask(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, fields): Posted,
) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::DestroyKey, &path(&id))?;
    let asked =
        AskDestruction { reason: fields.raw("reason").to_owned(), days: fields.text("days").to_owned() };
    match destruction::ask_destruction(&app, &visitor.ctx(), &id, &asked).await {
        Ok(()) => Ok(told(&id, "asked").into_response()),
        Err(error) => {
            let refusal = said_in_form(error)?;
            Ok(refused(shown(&app, &visitor, &id, (&asked, Some(&refusal)), None).await?, &refusal))
        }
    }
}

async fn confirm(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, fields): Posted,
) -> Result<Redirect, Stop> {
    visitor.permit_freshly(Act::DestroyKey, &path(&id))?;
    if fields.text("confirmed") != "yes" {
        return Ok(told(&id, "unconfirmed"));
    }
    destruction::confirm_destruction(&app, &visitor.ctx(), &id, fields.text("asked_at")).await?;
    Ok(told(&id, "confirmed"))
}

async fn stop(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, _): Posted,
) -> Result<Redirect, Stop> {
    visitor.permit_freshly(Act::KeepKey, &path(&id))?;
    destruction::stop_destruction(&app, &visitor.ctx(), &id).await?;
    Ok(told(&id, "stopped"))
}

async fn hasten(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, _): Posted,
) -> Result<Redirect, Stop> {
    visitor.permit(Act::Rehearse)?;
    destruction::hasten_destruction(&app, &visitor.ctx(), &id).await?;
    Ok(told(&id, "hastened"))
}

fn path(id: &str) -> String {
    format!("/control/keys/{id}/destruction")
}

fn told(id: &str, said: &str) -> Redirect {
    Redirect::to(&format!("{}?said={said}", path(id)))
}
