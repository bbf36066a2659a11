//! `/v1/providers`: where identity providers report.

use std::sync::Arc;

use api::error::ErrorBody;
use api::provider::EventResponse;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::request::Parts;

use crate::app::App;
use crate::edge::identity::{SignedEvent, persona};
use crate::flows;
use crate::http::body;
use crate::http::error::Failure;
use crate::http::rate_limit;
use crate::http::request_id::RequestId;

/// Takes an event of Persona. Its signature is its credential.
#[utoipa::path(post, path = "/v1/providers/persona/webhook", tag = "providers", operation_id = "persona_webhook",
    params(("Persona-Signature" = String, Header, description = "`t=<unix seconds>,v1=<hex>`, twice while a secret is rotated")),
    responses((status = 200, body = EventResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn persona_webhook(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Json<EventResponse>, Failure> {
    let now = app.clock.now();
    let (parts, body) = request.into_parts();
    let event = SignedEvent {
        provider: persona::NAME.to_owned(),
        signature: signature(&parts),
        body: body::read(body).await?,
    };
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let received = flows::receive_provider_event(&app, event, now, &request_id).await;
    received
        .map_err(|error| flows::count_failure(&app, error, rate_limit::address(&parts, &app), &[], now))?;
    Ok(Json(EventResponse { ok: true }))
}

/// The one header that signs; empty, which signs nothing, where there is none, or more than one, or no text.
fn signature(parts: &Parts) -> String {
    let mut values = parts.headers.get_all(persona::SIGNATURE).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(text), None) => text.to_owned(),
        _ => String::new(),
    }
}
