//! Whence a call comes, and what its answer says of the caller's rate.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use domain::rate::Standing;

use crate::app::App;
use crate::edge::address::caller_address;

/// The other end of the connection, in the extensions of each of its calls.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Where the credential's standing is noted once it is known.
#[derive(Clone, Default)]
pub struct Noted(Arc<OnceLock<Standing>>);

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Says in each answer of an authenticated call how the credential stands.
pub async fn announce(mut request: Request, next: Next) -> Response {
    let noted = Noted::default();
    request.extensions_mut().insert(noted.clone());
    let mut response = next.run(request).await;
    if let Some(standing) = noted.0.get() {
        let headers = response.headers_mut();
        headers.insert(LIMIT, HeaderValue::from(standing.limit));
        headers.insert(REMAINING, HeaderValue::from(standing.remaining));
        headers.insert(RESET, HeaderValue::from(standing.reset_s));
    }
    response
}

/// Notes how the credential of this call stands.
pub fn note(parts: &Parts, standing: Standing) {
    if let Some(noted) = parts.extensions.get::<Noted>() {
        // A call is admitted once.
        let _ = noted.0.set(standing);
    }
}

/// The caller's address: of the connection, or as a trusted proxy tells it.
pub fn address(parts: &Parts, app: &App) -> IpAddr {
    let peer = parts.extensions.get::<Peer>().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0);
    let forwarded =
        parts.headers.get_all("x-forwarded-for").iter().map(|value| value.to_str().unwrap_or("?"));
    let forwarded: Vec<&str> = forwarded.collect();
    caller_address(peer, &forwarded.join(","), &app.rates.trusted_proxies)
}
