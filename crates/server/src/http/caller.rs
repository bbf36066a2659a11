//! Who calls: the credential of a call, found valid.

use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use domain::access::{Deed, Principal};
use domain::time::Timestamp;

use super::error::Failure;
use super::rate_limit;
use super::request_id::RequestId;
use crate::app::App;
use crate::flows::{self, Ctx, Error};

/// The context of a call by an authenticated credential.
pub struct Caller(pub Ctx);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        // A named call was admitted before its body was read.
        if let Some(ctx) = parts.extensions.remove::<Ctx>() {
            return Ok(Self(ctx));
        }
        let now = app.clock.now();
        let given = Given::of(parts);
        let principal = given.authenticate(app, now).await.map_err(|error| {
            let address = rate_limit::address(parts, app);
            flows::count_failure(app, error, address, &[given.api_key, given.bearer], now)
        })?;
        let (standing, admitted) = flows::count_call(app, &principal, now);
        rate_limit::note(parts, standing);
        admitted?;
        let path = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        // What may be got may be asked for without its body (RFC 9110 §9.3.2).
        let method = if parts.method == Method::HEAD { "GET" } else { parts.method.as_str() };
        let deed = Deed::of_route(method, path);
        let deed = deed.ok_or_else(|| Error::fault("finding a route in the access table"))?;
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        Ok(Self(flows::admit_call(app, principal, deed, now, request_id).await?))
    }
}

/// The credentials that a call shows; empty where it shows none.
struct Given<'c> {
    api_key: &'c str,
    bearer: &'c str,
}

impl<'c> Given<'c> {
    fn of(parts: &'c Parts) -> Self {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = header(AUTHORIZATION.as_str()).and_then(|value| value.split_once(' '));
        let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        Self {
            api_key: header("x-api-key").unwrap_or(""),
            bearer: bearer.map_or("", |(_, value)| value.trim()),
        }
    }

    /// The principal of `X-API-Key`, or else of the bearer value: either is enough.
    async fn authenticate(&self, app: &App, now: Timestamp) -> Result<Principal, Error> {
        let api_key = flows::authenticate(app, self.api_key, now).await;
        match (&api_key, self.bearer) {
            (Err(Error::Refused(_)), bearer) if !bearer.is_empty() => {
                flows::authenticate(app, bearer, now).await
            }
            _ => api_key,
        }
    }
}
