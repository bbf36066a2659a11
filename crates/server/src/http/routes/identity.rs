//! `/identity`: the sandbox's page for playing the person who is checked.
//!
//! The page's address is all that it takes: whoever has it was given the inquiry's id by the wallet. A form of
//! another site is not taken.

use std::collections::HashMap;
use std::sync::Arc;

use api::sandbox::PlayForm;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use domain::limits::IDENTIFIER_CHARS_MAX;
use domain::refusal::{Kind, Refusal};
use domain::verification::Action;

use crate::app::App;
use crate::edge::identity::simulated::Person;
use crate::flows::{self, Error, PlayCustomer};
use crate::http::body;
use crate::http::error::Failure;
use crate::http::pages::Page;
use crate::http::pages::identity::{self as page, Notice};
use crate::http::path_id::PathId;
use crate::http::request_id::RequestId;
use crate::http::same_origin::is_from_here;

/// Shows the check.
#[utoipa::path(get, path = "/identity/{verification_id}", tag = "sandbox", operation_id = "identity_page",
    params(("verification_id" = String, Path, description = "The inquiry"),
        ("done" = Option<String>, Query, description = "What was just played")),
    responses((status = 200, description = "A page", content_type = "text/html"), (status = 404, description = "A page that says so", content_type = "text/html")))]
pub async fn show(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Failure> {
    let played = match flows::find_played(&app, &id).await {
        Err(error) => return unknown(error),
        Ok(played) => played,
    };
    let done = query.get("done").and_then(|word| Action::parse(word));
    let told = done.and_then(|action| page::told(action, played.inquiry.verification.state));
    let notice = told.map(|text| Notice { is_fault: false, text: text.to_owned() });
    Ok(Page(StatusCode::OK, page::check(&played, &played.person, notice.as_ref())).into_response())
}

/// Plays the person.
#[utoipa::path(post, path = "/identity/{verification_id}", tag = "sandbox", operation_id = "identity_deed",
    request_body(content = PlayForm, content_type = "application/x-www-form-urlencoded"),
    params(("verification_id" = String, Path, description = "The inquiry")),
    responses((status = 303, description = "Done: back to the page"), (status = "4XX", description = "A page that says why not", content_type = "text/html")))]
pub async fn play(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, Failure> {
    let now = app.clock.now();
    let (parts, body) = request.into_parts();
    if !is_from_here(&parts.headers) {
        let text = "The form came from another site. Open the page of the check itself, and play there.";
        return Ok(Page(StatusCode::FORBIDDEN, page::refused(text)).into_response());
    }
    let Some((action, person)) = parse(&body::read(body).await?) else {
        let text = "That is no form of this page: go back, give both names and a birthday, and try again.";
        return Ok(Page(StatusCode::BAD_REQUEST, page::refused(text)).into_response());
    };
    let command = PlayCustomer { verification_id: id.clone(), action, person: person.clone() };
    match flows::play_customer(&app, command, now, &request_id(&parts)).await {
        Ok(()) => Ok(Redirect::to(&format!("/identity/{id}?done={action}")).into_response()),
        Err(error) => not_done(&app, &id, &person, error).await,
    }
}

/// The page again, saying why it was not done.
async fn not_done(app: &App, id: &str, person: &Person, error: Error) -> Result<Response, Failure> {
    let (status, text) = match &error {
        Error::Refused(Refusal { kind: Kind::Conflict, .. }) => {
            (StatusCode::CONFLICT, "Not done: the check has moved on meanwhile.")
        }
        Error::Refused(Refusal { kind: Kind::Unavailable, .. }) => {
            (StatusCode::SERVICE_UNAVAILABLE, "Not done: the service is incomplete right now. Try again.")
        }
        _ => return unknown(error),
    };
    match flows::find_played(app, id).await {
        Err(error) => unknown(error),
        Ok(played) => {
            let notice = Notice { is_fault: true, text: text.to_owned() };
            Ok(Page(status, page::check(&played, person, Some(&notice))).into_response())
        }
    }
}

/// The page for a check that is not there; any other fault is not the page's.
fn unknown(error: Error) -> Result<Response, Failure> {
    match error {
        Error::Refused(Refusal { kind: Kind::NotFound, .. }) => {
            Ok(Page(StatusCode::NOT_FOUND, page::unknown()).into_response())
        }
        error => Err(error.into()),
    }
}

/// What the form says; none where it is no form of the page's.
fn parse(body: &[u8]) -> Option<(Action, Person)> {
    let form: HashMap<_, _> = form_urlencoded::parse(body).collect();
    let text = |name: &str| {
        let text = form.get(name)?.trim();
        let fits = (1..=IDENTIFIER_CHARS_MAX).contains(&text.chars().count());
        (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
    };
    let birthdate = text("birthdate").filter(|text| is_date(text))?;
    let person = Person { first_name: text("first_name")?, last_name: text("last_name")?, birthdate };
    Some((Action::parse(form.get("action")?)?, person))
}

/// `YYYY-MM-DD`, as a browser's date field sends it.
fn is_date(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let number = |at: usize, digits: usize| {
        let part =
            parts.get(at).filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()));
        part.and_then(|part| part.parse::<u32>().ok())
    };
    let (year, month, day) = (number(0, 4), number(1, 2), number(2, 2));
    parts.len() == 3
        && year.is_some_and(|year| year > 0)
        && month.is_some_and(|month| (1..=12).contains(&month))
        && day.is_some_and(|day| (1..=31).contains(&day))
}

fn request_id(parts: &Parts) -> String {
    parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}
