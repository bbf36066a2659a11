//! The markup of Control's pages on people. Each function makes a page out of what it shows, and asks nothing.

pub mod account;
pub mod invitation;
mod set_up;
pub mod sign_in;
pub mod team;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use domain::control::Act;
use domain::ids::VerificationId;
use domain::refusal::{Kind, Refusal};
use maud::{Markup, html};

use super::Visitor;
use super::look::parts::Notice;
use super::look::{Page, Section, bare, page, parts};
use crate::http::error::Failure;

/// The first page.
pub fn home(visitor: &Visitor) -> Page {
    let content = html! {
        (parts::lead(&format!("You are signed in as {}.", visitor.person.name)))
        dl {
            dt { a href="/control/notices" { "Notices" } }
            dd { @match visitor.unread { 0 => "Nothing new.", 1 => "One that you have not read.", n => { (n) " that you have not read." } } }
            dt { a href="/control/recoveries" { "Recoveries" } }
            dd { "What was asked for, what waits for a vote, and what is ready." }
            dt { a href="/control/reviews" { "Reviews" } }
            dd { "Identity checks that people decide." }
            dt { a href="/control/acls" { "Lists" } }
            dd { "Who decides about which keys, and by which rule." }
            dt { a href="/control/backups" { "Backups" } " and " a href="/control/keys" { "keys" } }
            dd { "What is stored, for whom, and what guards it." }
            @if visitor.may(Act::SeeTeam) { dt { a href="/control/team" { "Team" } } dd { "The people of " (visitor.tenant.name) "." } }
            dt { a href="/control/account" { "Your account" } }
            dd { "Password, passkeys, sessions." }
        }
    };
    page(&visitor.shell(Section::Account), "Welcome", &content)
}

/// A page that says what failed.
pub fn failed(status: StatusCode, text: &str, request_id: &str, is_sandbox: bool) -> Page {
    let title = match status {
        StatusCode::NOT_FOUND => "There is no such page",
        StatusCode::FORBIDDEN => "This is not yours to do",
        StatusCode::SERVICE_UNAVAILABLE => "Not just now",
        StatusCode::TOO_MANY_REQUESTS => "Too often",
        StatusCode::INTERNAL_SERVER_ERROR => "This went wrong",
        _ => "This was not done",
    };
    let content = html! {
        p { (text) }
        p { a href="/control" { "To the first page" } }
        @if status.is_server_error() { p.soft { "Whoever runs the service finds this in its log as " code { (request_id) } "." } }
    };
    bare(title, is_sandbox, &content).with_status(status)
}

/// A refusal in words for whoever looks at a page.
pub fn said(refusal: &Refusal) -> String {
    match refusal.kind {
        Kind::NotFound => "What you look for is not here, or is not yours to see.".to_owned(),
        Kind::MethodNotAllowed => "This page is not used this way. Go back, and load it anew.".to_owned(),
        Kind::Unavailable => format!("{} Try again in a moment.", sentence(&refusal.text)),
        _ => sentence(&refusal.text),
    }
}

/// The page again, with the status of why it was not done.
pub fn refused(page: Page, refusal: &Refusal) -> Response {
    let status = Failure::from(refusal.clone()).status();
    let mut response = page.with_status(status).into_response();
    if let Some(seconds) = refusal.retry_after_s {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// With a capital first and a full stop last.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// Why a form was not taken, above it: by its fields where it names some.
pub(super) fn why(refusal: Option<&Refusal>) -> Markup {
    html! {
        @match refusal {
            None => {},
            Some(refusal) if refusal.fields.is_empty() => (parts::notice(&Notice::bad(said(refusal)))),
            Some(refusal) => (parts::errors(&refusal.fields)),
        }
    }
}

/// What is wrong with a field.
pub(super) fn fault_of<'r>(refusal: Option<&'r Refusal>, name: &str) -> Option<&'r str> {
    refusal?.fields.get(name)?.first().map(String::as_str)
}

/// Where somebody goes on with an identity check of his own.
pub(super) fn check_path(id: &VerificationId) -> String {
    format!("/control/identity/{id}")
}
