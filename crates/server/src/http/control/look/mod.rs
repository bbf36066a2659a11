//! The look of Control: the frame around every page, the parts that pages are made of, the style and the scripts.
//!
//! A page's markup is made by a view function from what it shows and a [`Shell`]; nothing here asks anything. A part
//! never tells a state by its colour alone: there is a shape and a word beside it.

mod clock;
mod forms;
mod marks;
pub mod parts;
#[cfg(test)]
pub mod samples;
mod shell;
mod statics;
#[cfg(test)]
pub mod well_formed;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::Markup;

pub use clock::{Clock, Zone};
pub use shell::{Section, Shell, bare, page};
pub use statics::routes;

use crate::http::error::Whole;

/// What a page may do: be shown with our style, run our scripts, and send its forms back to us. A picture within a
/// page is the square code for an authenticator app.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What goes with every answer of Control. The referrer stays within the service: with none at all a browser would
/// not say whose form it sends.
pub const GUARDS: [(HeaderName, &str); 6] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("x-frame-options"), "DENY"),
];

/// A page with a status; 200 unless said.
#[derive(Debug)]
pub struct Page(pub StatusCode, pub Markup);

impl Page {
    /// The same page under another status.
    pub fn with_status(self, status: StatusCode) -> Self {
        Self(status, self.1)
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = (self.0, self.1.into_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        for (name, value) in GUARDS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response.extensions_mut().insert(Whole);
        response
    }
}
