//! Errors on their way out: the one place that knows status codes.
//!
//! A handler's failure travels inside the response as a value; [`render`], outermost, writes the body, since
//! only there the request id is at hand.

use std::collections::BTreeMap;

use api::error::ErrorBody;
use axum::Json;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::refusal::{Kind, Refusal};

use super::request_id::RequestId;
use crate::flows::Error;

/// A call that did not succeed.
#[derive(Clone)]
pub enum Failure {
    /// A rule says no.
    Refused(Refusal),
    /// Something broke: for the log, never for the caller.
    Internal {
        /// What was being done.
        doing: &'static str,
        /// The cause and its causes.
        cause: String,
    },
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => Self::Refused(refusal),
            Error::Fault(fault) => Self::Internal { doing: fault.doing, cause: fault.chain() },
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl Failure {
    /// The status that says so.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Refused(refusal) => match refusal.kind {
                Kind::Invalid => StatusCode::BAD_REQUEST,
                Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
                Kind::Forbidden => StatusCode::FORBIDDEN,
                Kind::NotFound => StatusCode::NOT_FOUND,
                Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
                Kind::TooSlow => StatusCode::REQUEST_TIMEOUT,
                Kind::Conflict => StatusCode::CONFLICT,
                Kind::Mismatch => StatusCode::UNPROCESSABLE_ENTITY,
                Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                Kind::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
                Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            },
        }
    }

    /// What the router and the panic guard say by status alone, as a failure.
    pub(super) fn of_bare(status: StatusCode) -> Option<Self> {
        let refused = |kind, code, text| Some(Self::Refused(Refusal::new(kind, code, text)));
        match status {
            StatusCode::NOT_FOUND => Some(Self::Refused(Refusal::no_such_path())),
            StatusCode::METHOD_NOT_ALLOWED => refused(
                Kind::MethodNotAllowed,
                "method-not-allowed",
                "this path does not take this method; see `Allow`",
            ),
            StatusCode::INTERNAL_SERVER_ERROR => {
                Some(Self::Internal { doing: "answering", cause: "a panic; its message is above".to_owned() })
            }
            _ => None,
        }
    }

    fn body(self, request_id: String) -> ErrorBody {
        let error = self.status().canonical_reason().unwrap_or_default().to_owned();
        let (message, code, fields) = match self {
            Self::Refused(refusal) => (refusal.text, refusal.code, refusal.fields),
            Self::Internal { .. } => {
                let text = "something went wrong inside; the request id finds it in the service's log";
                (text.to_owned(), "internal", BTreeMap::new())
            }
        };
        let errors = (!fields.is_empty()).then_some(fields);
        ErrorBody { message, error, code: code.to_owned(), request_id, errors }
    }
}

/// Writes the body of every failure, the router's own included.
pub async fn render(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    rendered(next.run(request).await, id)
}

/// In the extensions of a response that is whole as it is: a page, also where its status is an error's.
#[derive(Clone, Copy)]
pub struct Whole;

/// The response with the body of its failure, if it is one.
pub fn rendered(mut response: Response, id: String) -> Response {
    if response.extensions().get::<Whole>().is_some() {
        return response;
    }
    let failure =
        response.extensions_mut().remove::<Failure>().or_else(|| Failure::of_bare(response.status()));
    let Some(failure) = failure else { return response };
    let status = failure.status();
    let retry_after_s = match &failure {
        Failure::Refused(refusal) => refusal.retry_after_s,
        Failure::Internal { doing, cause } => {
            tracing::error!(doing, cause, request_id = id, "a call failed inside");
            None
        }
    };
    let mut rendered = (status, Json(failure.body(id))).into_response();
    for (name, value) in response.headers() {
        // What the router said beside its status, such as `Allow`.
        if name != CONTENT_TYPE && name != CONTENT_LENGTH {
            rendered.headers_mut().insert(name, value.clone());
        }
    }
    if let Some(seconds) = retry_after_s {
        rendered.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        rendered.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    rendered
}
