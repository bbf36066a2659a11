//! Who calls: the credential of a call, found valid.

use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use domain::access::Deed;

use super::error::Failure;
use super::request_id::RequestId;
use crate::app::App;
use crate::flows::{self, Ctx, Error};

/// The context of a call by an authenticated credential.
pub struct Caller(pub Ctx);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let now = app.clock.now();
        let principal = flows::authenticate(app, credential(parts), now).await?;
        let path = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let deed = Deed::of_route(parts.method.as_str(), path);
        let deed = deed.ok_or_else(|| Error::fault("finding a route in the access table"))?;
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        Ok(Self(flows::admit_call(app, principal, deed, now, request_id).await?))
    }
}

/// `X-API-Key`, or else the bearer value.
fn credential(parts: &Parts) -> &str {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = || {
        let (scheme, value) = header(AUTHORIZATION.as_str())?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| value.trim())
    };
    header("x-api-key").or_else(bearer).unwrap_or("")
}
