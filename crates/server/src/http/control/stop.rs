//! Why a page is not shown: another one instead, or a failure that becomes a page on its way out.

use axum::response::{IntoResponse, Redirect, Response};
use domain::refusal::Refusal;

use crate::flows::Error;
use crate::http::error::Failure;

/// What is answered instead.
pub struct Stop(Box<Response>);

impl Stop {
    /// This answer instead.
    pub fn with(response: impl IntoResponse) -> Self {
        Self(Box::new(response.into_response()))
    }

    /// Another page instead.
    pub fn to(path: &str) -> Self {
        Self::with(Redirect::to(path))
    }
}

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::with(failure)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Failure::from(refusal).into()
    }
}
