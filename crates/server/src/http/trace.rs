//! The span of a call: within it stands whatever is logged and traced of the call.

use axum::extract::Request;
use axum::http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::measure::{known, template};

/// The header by which a caller's trace goes on (W3C Trace Context §3.2).
const TRACEPARENT: &str = "traceparent";

/// The span of this call, in the caller's trace if it names one. Of the level of errors, so that whatever is logged at
/// all names its call.
pub fn span_of(request: &Request, request_id: &str) -> Span {
    let (method, route) = (known(request.method()), template(request));
    let span = tracing::error_span!("call", request_id, method, route, status = Empty);
    if request.headers().contains_key(TRACEPARENT) {
        let caller = TraceContextPropagator::new().extract(&Named(request.headers()));
        // An error means that nobody exports traces.
        let _ = span.set_parent(caller);
    }
    span
}

/// The one header that is read: `tracestate` would carry a stranger's text into the traces.
struct Named<'h>(&'h HeaderMap);

impl Extractor for Named<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then(|| self.0.get(key)?.to_str().ok())?
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}
