//! `/control/account`: one's own password, factors, recovery codes and sessions.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use domain::control::Act;
use domain::refusal::Refusal;

use super::invitation::new_factor;
use super::sign_in::{go_on, said_in_form};
use super::views::account as view;
use super::views::refused;
use super::{Posted, Stop, Visitor, cookie};
use crate::app::App;
use crate::edge::identity::Provider;
use crate::flows::Error;
use crate::flows::approvals::{self, Baseline};
use crate::flows::people::{self, Begun};
use crate::http::path_id::PathId;

const HERE: &str = "/control/account";
const FACTORS: &str = "/control/account/factors";

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/account", get(show))
        .route("/control/account/check", post(begin_check))
        .route("/control/identity/{verification_id}", get(open_check))
        .route("/control/account/password", post(change_password))
        .route("/control/account/factors", get(show_factors).post(add_factor))
        .route("/control/account/passkeys/{passkey_id}/remove", post(remove_passkey))
        .route("/control/account/totp/remove", post(remove_totp))
        .route("/control/account/recovery-codes", post(make_codes))
        .route("/control/account/sessions/{session_id}/end", post(end_session))
}

async fn show(
    State(app): State<Arc<App>>,
    query: Query<HashMap<String, String>>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    visitor.permit(Act::KeepOwnAccount)?;
    let account = people::read_account(&app, &visitor.found).await?;
    let done = query.get("done").map(String::as_str);
    let baseline = baseline(&app, &visitor).await?;
    Ok(view::account(&visitor, &account, baseline.as_ref(), done, None).into_response())
}

/// Where the identity check of whoever is to have one stands.
async fn baseline(app: &App, visitor: &Visitor) -> Result<Option<Baseline>, Error> {
    if !visitor.may(Act::RequestRecovery) {
        return Ok(None);
    }
    approvals::read_baseline(app, &visitor.ctx()).await.map(Some)
}

/// Begins the check. One that is played here is led to at once; to a provider's own page leads a link of the account's
/// page, since no form here may lead off this site.
async fn begin_check(State(app): State<Arc<App>>, Posted(visitor, _): Posted) -> Result<Redirect, Stop> {
    visitor.permit(Act::RequestRecovery)?;
    let begun = approvals::begin_baseline(&app, &visitor.ctx()).await?;
    let is_played = matches!(app.provider, Some(Provider::Simulated));
    Ok(match begun {
        Some(id) if is_played => Redirect::to(&format!("/identity/{id}")),
        _ => Redirect::to(HERE),
    })
}

/// Leads to where a check of one's own is gone on with.
async fn open_check(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
    visitor: Visitor,
) -> Result<Redirect, Stop> {
    visitor.permit(Act::RequestRecovery)?;
    Ok(Redirect::to(&approvals::open_person_check(&app, &visitor.ctx(), &id).await?))
}

async fn change_password(
    State(app): State<Arc<App>>,
    Posted(visitor, fields): Posted,
) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::KeepOwnAccount, HERE)?;
    let (current, new) = (fields.raw("current_password"), fields.raw("new_password"));
    let changed = if new == fields.raw("repeated_password") {
        people::change_password(&app, &visitor.found, current, new, &visitor.arrival).await
    } else {
        Err(Refusal::field("repeated_password", "is not the same as the first").into())
    };
    changed_account(&app, &visitor, changed, "password").await
}

async fn show_factors(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::KeepOwnAccount, FACTORS)?;
    let setup = people::ask_to_set_up(&app, &visitor.found, visitor.now).await?;
    Ok(view::factors(&visitor, &setup, None).into_response())
}

async fn add_factor(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::KeepOwnAccount, FACTORS)?;
    match people::add_factor(&app, &visitor.found, new_factor(&fields), &visitor.arrival).await {
        Ok(begun) => go_on(&app, &begun, &done("factor")),
        Err(error) => {
            let refusal = said_in_form(error)?;
            let setup = people::ask_to_set_up(&app, &visitor.found, visitor.now).await?;
            Ok(refused(view::factors(&visitor, &setup, Some(&refusal)), &refusal))
        }
    }
}

async fn remove_passkey(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
    Posted(visitor, _): Posted,
) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::KeepOwnAccount, HERE)?;
    let changed = people::remove_passkey(&app, &visitor.found, &id, &visitor.arrival).await;
    changed_account(&app, &visitor, changed, "removed").await
}

async fn remove_totp(State(app): State<Arc<App>>, Posted(visitor, _): Posted) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::KeepOwnAccount, HERE)?;
    let changed = people::remove_totp(&app, &visitor.found, &visitor.arrival).await;
    changed_account(&app, &visitor, changed, "removed").await
}

async fn make_codes(State(app): State<Arc<App>>, Posted(visitor, _): Posted) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::KeepOwnAccount, HERE)?;
    let (begun, codes) = people::make_recovery_codes(&app, &visitor.found, &visitor.arrival).await?;
    // The page's own forms are the new session's.
    let mut visitor = visitor;
    visitor.csrf.clone_from(&begun.session.csrf);
    let page = view::recovery_codes(&visitor, &codes).into_response();
    Ok(cookie::with_token(page, &begun.token, people::control(&app)?))
}

async fn end_session(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
    Posted(visitor, _): Posted,
) -> Result<Response, Stop> {
    visitor.permit(Act::KeepOwnAccount)?;
    people::end_session(&app, &visitor.found, &id, &visitor.arrival).await?;
    Ok(Redirect::to(&done("session")).into_response())
}

/// On to the account's page under the new session, or the page again with why it was not done.
async fn changed_account(
    app: &App,
    visitor: &Visitor,
    changed: Result<Begun, Error>,
    word: &str,
) -> Result<Response, Stop> {
    match changed {
        Ok(begun) => go_on(app, &begun, &done(word)),
        Err(error) => {
            let refusal = said_in_form(error)?;
            let account = people::read_account(app, &visitor.found).await?;
            let baseline = baseline(app, visitor).await?;
            let page = view::account(visitor, &account, baseline.as_ref(), None, Some(&refusal));
            Ok(refused(page, &refusal))
        }
    }
}

fn done(word: &str) -> String {
    format!("{HERE}?done={word}")
}
