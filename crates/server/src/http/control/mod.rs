//! Control: the pages by which people rule over what is stored.
//!
//! Each area is a file with its own `routes()`; its markup is in [`views`]. A handler takes a [`Visitor`] or, for a
//! form, a [`Posted`], asks whether his role does this, calls one flow, and shows a page or leads to one.

mod account;
mod acls;
mod backups;
mod cookie;
mod destruction;
mod fields;
mod freeze;
mod invitation;
mod keys;
mod log;
pub mod look;
mod notices;
mod query;
mod recoveries;
mod reviews;
mod settings;
mod sign_in;
mod stop;
mod stored;
mod team;
#[cfg(test)]
mod view_tests;
mod views;
mod visitor;
mod words;
mod zone;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use tower_http::catch_panic::CatchPanicLayer;

pub use fields::Fields;
pub use stop::Stop;
pub use visitor::{Posted, Visitor};

use super::error::{Failure, Whole};
use super::request_id::RequestId;
use crate::app::App;
use crate::flows::people;

/// Every page of Control. What fails becomes a page, and each answer tells the browser what a page may do.
pub fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/control", get(home))
        .merge(sign_in::routes())
        .merge(backups::routes())
        .merge(keys::routes())
        .merge(destruction::routes())
        .merge(log::routes())
        .merge(notices::routes())
        .merge(settings::routes())
        .merge(freeze::routes())
        .merge(zone::routes())
        .merge(invitation::routes())
        .merge(account::routes())
        .merge(team::routes())
        .merge(acls::routes())
        .merge(recoveries::routes())
        .merge(reviews::routes())
        .merge(look::routes())
        // So that a path that is none is answered as all of Control is.
        .route("/control/", any(nothing))
        .route("/control/{*rest}", any(nothing))
        .layer(CatchPanicLayer::new())
        .layer(from_fn_with_state(Arc::clone(app), guard))
}

async fn home(visitor: Visitor) -> Response {
    views::home(&visitor).into_response()
}

async fn nothing() -> StatusCode {
    StatusCode::NOT_FOUND
}

/// Makes a page of every failure, and puts the guards of Control on every answer.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let response = if people::control(&app).is_ok() {
        next.run(request).await
    } else {
        StatusCode::NOT_FOUND.into_response()
    };
    let mut response = as_page(response, &id, app.sandbox.is_some());
    let is_static = response.headers().get(CACHE_CONTROL).is_some_and(|value| value != "no-store");
    put_guards(response.headers_mut(), is_static);
    response
}

fn put_guards(headers: &mut HeaderMap, is_static: bool) {
    for (name, value) in look::GUARDS {
        if !(is_static && name == CACHE_CONTROL) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// The answer as it is, or the page that says what failed.
fn as_page(mut response: Response, id: &str, is_sandbox: bool) -> Response {
    if response.extensions().get::<Whole>().is_some() {
        return response;
    }
    let failure = response.extensions_mut().remove::<Failure>();
    let failure = failure.or_else(|| Failure::of_bare(response.status()));
    let Some(failure) = failure else { return response };
    let status = failure.status();
    let (text, retry_after_s) = match &failure {
        Failure::Refused(refusal) => (views::said(refusal), refusal.retry_after_s),
        Failure::Internal { doing, cause } => {
            tracing::error!(doing, cause, request_id = id, "a page failed inside");
            (
                "Something went wrong inside, and nothing more is known here. Try again in a moment."
                    .to_owned(),
                None,
            )
        }
    };
    let mut page = views::failed(status, &text, id, is_sandbox).into_response();
    for (name, value) in response.headers() {
        // What the router said beside its status, such as `Allow`, and a cookie that is taken back.
        if !page.headers().contains_key(name) && name != axum::http::header::CONTENT_LENGTH {
            page.headers_mut().append(name, value.clone());
        }
    }
    if let Some(seconds) = retry_after_s {
        page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    page
}
