//! `/control/sign-in`, `/control/second-factor`, `/control/prove`, `/control/sign-out`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use domain::person::Purpose;
use domain::refusal::{Kind, Refusal};

use super::views::sign_in::{self as view, Asking};
use super::visitor::{Stranger, Unfinished, UnfinishedPosted, safe_next, with_next};
use super::{Fields, Posted, Stop, Visitor, cookie};
use crate::app::App;
use crate::flows::Error;
use crate::flows::people::{self, Begun, Factor};

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/sign-in", get(show_sign_in).post(sign_in))
        .route("/control/second-factor", get(show_second_factor).post(second_factor))
        .route("/control/prove", get(show_prove).post(prove))
        .route("/control/sign-out", post(sign_out))
}

type Asked = Query<HashMap<String, String>>;

fn next_of(query: &Asked) -> String {
    safe_next(query.get("next").map_or("", String::as_str)).to_owned()
}

async fn show_sign_in(State(app): State<Arc<App>>, query: Asked) -> Response {
    view::sign_in(app.sandbox.is_some(), "", &next_of(&query), None).into_response()
}

async fn sign_in(State(app): State<Arc<App>>, Stranger(arrival, fields): Stranger) -> Result<Response, Stop> {
    let next = safe_next(fields.text("next"));
    let begun = people::sign_in(&app, fields.text("email"), fields.raw("password"), &arrival).await;
    match begun {
        Ok(begun) => go_on(&app, &begun, &with_next("/control/second-factor", next)),
        Err(error) => {
            let refusal = said_in_form(error)?;
            let page = view::sign_in(app.sandbox.is_some(), fields.text("email"), next, Some(&refusal));
            Ok(super::views::refused(page, &refusal))
        }
    }
}

async fn show_second_factor(
    State(app): State<Arc<App>>,
    query: Asked,
    half: Unfinished<false>,
) -> Result<Response, Stop> {
    let ways = people::ask_for_factor(&app, &half.found, Purpose::SignIn, half.arrival.now).await?;
    let (csrf, next) = (&half.found.session.csrf, next_of(&query));
    let asking = Asking { action: "/control/second-factor", csrf, next: &next, ways: &ways, refused: None };
    Ok(view::second_factor(app.sandbox.is_some(), &asking).into_response())
}

async fn second_factor(
    State(app): State<Arc<App>>,
    UnfinishedPosted(half, fields): UnfinishedPosted<false>,
) -> Result<Response, Stop> {
    let next = safe_next(fields.text("next"));
    let factor = factor_of(&fields, Purpose::SignIn);
    let error = match people::show_second_factor(&app, &half.found, factor, &half.arrival).await {
        Ok(begun) => return go_on(&app, &begun, next),
        Err(error) => error,
    };
    let refusal = said_in_form(error)?;
    if refusal.code == "session-over" {
        return Ok(super::views::refused(
            view::sign_in(app.sandbox.is_some(), "", next, Some(&refusal)),
            &refusal,
        ));
    }
    let ways = people::ask_for_factor(&app, &half.found, Purpose::SignIn, half.arrival.now).await?;
    let csrf = &half.found.session.csrf;
    let asking =
        Asking { action: "/control/second-factor", csrf, next, ways: &ways, refused: Some(&refusal) };
    Ok(super::views::refused(view::second_factor(app.sandbox.is_some(), &asking), &refusal))
}

async fn show_prove(State(app): State<Arc<App>>, query: Asked, visitor: Visitor) -> Result<Response, Stop> {
    let ways = people::ask_for_factor(&app, &visitor.found, Purpose::Prove, visitor.now).await?;
    let next = next_of(&query);
    let asking =
        Asking { action: "/control/prove", csrf: &visitor.csrf, next: &next, ways: &ways, refused: None };
    Ok(view::prove(&visitor, &asking).into_response())
}

async fn prove(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Response, Stop> {
    let next = safe_next(fields.text("next"));
    let factor = factor_of(&fields, Purpose::Prove);
    let Err(error) = people::prove(&app, &visitor.found, factor, &visitor.arrival).await else {
        return Ok(Redirect::to(next).into_response());
    };
    let refusal = said_in_form(error)?;
    let ways = people::ask_for_factor(&app, &visitor.found, Purpose::Prove, visitor.now).await?;
    let csrf = &visitor.csrf;
    let asking = Asking { action: "/control/prove", csrf, next, ways: &ways, refused: Some(&refusal) };
    Ok(super::views::refused(view::prove(&visitor, &asking), &refusal))
}

async fn sign_out(State(app): State<Arc<App>>, Posted(visitor, _): Posted) -> Result<Response, Stop> {
    people::sign_out(&app, &visitor.found, &visitor.arrival).await?;
    let gone = Redirect::to("/control/sign-in").into_response();
    Ok(cookie::with_token(gone, "", people::control(&app)?))
}

/// To the next page, with the new session's token.
pub fn go_on(app: &App, begun: &Begun, next: &str) -> Result<Response, Stop> {
    Ok(cookie::with_token(Redirect::to(next).into_response(), &begun.token, people::control(app)?))
}

/// The proof that a form holds: whichever of its fields is filled.
fn factor_of(fields: &Fields, purpose: Purpose) -> Factor {
    match (fields.text("credential"), fields.text("recovery_code")) {
        ("", "") => Factor::Totp(fields.text("code").to_owned()),
        ("", code) => Factor::RecoveryCode(code.to_owned()),
        (answer, _) => Factor::Passkey(answer.to_owned(), purpose),
    }
}

/// What a form shows above itself; a fault, and what is away, is a page of its own.
pub fn said_in_form(error: Error) -> Result<Refusal, Stop> {
    match error {
        Error::Refused(refusal) if refusal.kind != Kind::Unavailable && refusal.kind != Kind::NotFound => {
            Ok(refusal)
        }
        error => Err(error.into()),
    }
}
