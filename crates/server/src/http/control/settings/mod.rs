//! `/control/settings`: credentials, webhooks, the policy for recoveries, signing keys, limits, and beginning anew.

mod credentials;
pub mod credentials_view;
mod policy;
pub mod policy_view;
pub mod view;
#[cfg(test)]
mod view_tests;
mod webhooks;
pub mod webhooks_view;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use domain::access::Deed;
use domain::control::Act;
use domain::refusal::Refusal;

use super::look::{Page, Section};
use super::{Posted, Stop, Visitor};
use crate::app::App;
use crate::flows::{self, Error};

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/settings", get(overview))
        .route("/control/settings/signing-keys", get(signing_keys))
        .route("/control/settings/limits", get(limits))
        .route("/control/settings/reset", get(show_reset).post(reset))
        .merge(credentials::routes())
        .merge(policy::routes())
        .merge(webhooks::routes())
}

async fn overview(visitor: Visitor) -> Result<Page, Stop> {
    visitor.permit(Act::SeeSettings)?;
    Ok(view::overview(&visitor.shell(Section::Settings)))
}

async fn signing_keys(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Page, Stop> {
    visitor.permit(Act::SeeSettings)?;
    let welcome = app.welcome().await.map_err(Error::from)?;
    Ok(view::signing_keys(&visitor.shell(Section::Settings), &welcome.signing_keys))
}

async fn limits(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Page, Stop> {
    visitor.permit(Act::SeeSettings)?;
    Ok(view::limits(&visitor.shell(Section::Settings), app.rates.of_calls, app.rates.of_failures))
}

async fn show_reset(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Page, Stop> {
    app.sandbox.as_ref().ok_or_else(Refusal::no_such_path)?;
    visitor.permit(Act::Rehearse)?;
    Ok(view::reset(&visitor.shell(Section::Settings), None))
}

async fn reset(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Response, Stop> {
    app.sandbox.as_ref().ok_or_else(Refusal::no_such_path)?;
    visitor.permit_freshly(Act::Rehearse, view::RESET)?;
    if !fields.text("confirmation").eq_ignore_ascii_case(view::RESET_WORDS) {
        let fault = format!("These are not the words: type “{}”.", view::RESET_WORDS);
        let refusal = Refusal::field("confirmation", fault.clone());
        let page = view::reset(&visitor.shell(Section::Settings), Some(&fault));
        return Ok(super::views::refused(page, &refusal));
    }
    flows::reset_sandbox(&app, &visitor.ctx_at(Deed::ResetSandbox)).await?;
    Ok(Redirect::to(Section::Log.path()).into_response())
}

/// What is wrong with each field of a form.
type Faults = BTreeMap<String, Vec<String>>;

/// What is wrong with the fields of a form, where that is all that is wrong.
fn faults(error: Error) -> Result<(Faults, Refusal), Stop> {
    match error {
        Error::Refused(refusal) if !refusal.fields.is_empty() => Ok((refusal.fields.clone(), refusal)),
        error => Err(error.into()),
    }
}

/// A single fault of one field.
fn fault(name: &str, text: &str) -> (String, Vec<String>) {
    (name.to_owned(), vec![text.to_owned()])
}
