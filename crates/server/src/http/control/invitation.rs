//! `/control/invitation` and `/control/onboarding`: the way in.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use domain::refusal::Refusal;
use store::sessions::Found;

use super::sign_in::{go_on, said_in_form};
use super::views::invitation as view;
use super::views::refused;
use super::visitor::{Stranger, Unfinished, UnfinishedPosted};
use super::{Fields, Stop, cookie};
use crate::app::App;
use crate::flows::people::{self, NewFactor};

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/invitation", get(show_invitation).post(accept))
        .route("/control/onboarding", get(show_onboarding).post(onboard))
}

async fn show_invitation(
    State(app): State<Arc<App>>,
    query: Query<HashMap<String, String>>,
) -> Result<Response, Stop> {
    let token = query.get("token").map_or("", String::as_str);
    let found = people::find_invitation(&app, token, app.clock.now()).await?;
    Ok(view::invitation(app.sandbox.is_some(), token, &found, None).into_response())
}

async fn accept(State(app): State<Arc<App>>, Stranger(arrival, fields): Stranger) -> Result<Response, Stop> {
    let (token, password) = (fields.raw("token"), fields.raw("new_password"));
    let accepted = if password == fields.raw("repeated_password") {
        people::accept_invitation(&app, token, password, &arrival).await
    } else {
        Err(Refusal::field("repeated_password", "is not the same as the first").into())
    };
    match accepted {
        Ok(begun) => go_on(&app, &begun, "/control/onboarding"),
        Err(error) => {
            let refusal = said_in_form(error)?;
            let found = people::find_invitation(&app, token, arrival.now).await?;
            Ok(refused(view::invitation(app.sandbox.is_some(), token, &found, Some(&refusal)), &refusal))
        }
    }
}

async fn show_onboarding(
    State(app): State<Arc<App>>,
    unfinished: Unfinished<true>,
) -> Result<Response, Stop> {
    let setup = people::ask_to_set_up(&app, &unfinished.found, unfinished.arrival.now).await?;
    Ok(onboarding(&app, &unfinished.found, &setup, None).into_response())
}

async fn onboard(
    State(app): State<Arc<App>>,
    UnfinishedPosted(unfinished, fields): UnfinishedPosted<true>,
) -> Result<Response, Stop> {
    let (found, arrival) = (&unfinished.found, &unfinished.arrival);
    match people::finish_onboarding(&app, found, new_factor(&fields), arrival).await {
        Ok(joined) => {
            let page = view::joined(app.sandbox.is_some(), found, &joined.begun.session.csrf, &joined.codes)
                .into_response();
            Ok(cookie::with_token(page, &joined.begun.token, people::control(&app)?))
        }
        Err(error) => {
            let refusal = said_in_form(error)?;
            let setup = people::ask_to_set_up(&app, found, arrival.now).await?;
            Ok(refused(onboarding(&app, found, &setup, Some(&refusal)), &refusal))
        }
    }
}

fn onboarding(
    app: &App,
    found: &Found,
    setup: &people::Setup,
    refused: Option<&Refusal>,
) -> super::look::Page {
    view::onboarding(app.sandbox.is_some(), found, setup, refused)
}

/// The new factor that a form holds: the browser's answer, or else a code.
pub fn new_factor(fields: &Fields) -> NewFactor {
    match fields.text("credential") {
        "" => NewFactor::Totp(fields.text("code").to_owned()),
        answer => NewFactor::Passkey(answer.to_owned(), fields.text("label").to_owned()),
    }
}
