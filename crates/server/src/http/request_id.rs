//! Every call has an id: the caller's, if it sent a sane one, else ours.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use domain::ids::EventId;
use tracing::Instrument as _;

use super::trace::span_of;
use crate::app::App;

/// The id of a call, in its extensions.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

const HEADER: &str = "x-request-id";
const CHARS_MAX: usize = 128;

/// Names the call, answers with the name, and logs how it ended.
pub async fn name(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let begun = app.clock.now();
    let given = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).filter(|id| is_sane(id));
    // Any id type mints the same text; no row ever bears this one.
    let id = given.map_or_else(|| EventId::new(begun, &mut app.chance()).to_string(), str::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = span_of(&request, &id);
    let mut response = next.run(request).instrument(span.clone()).await;
    // An id that is sane, or a UUID, is a valid header value.
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    span.record("status", response.status().as_u16());
    let _within = span.enter();
    let ms = app.clock.now().since(begun).as_millis();
    tracing::info!(%method, path, status = response.status().as_u16(), ms, request_id = id, "answered");
    response
}

fn is_sane(id: &str) -> bool {
    (1..=CHARS_MAX).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
