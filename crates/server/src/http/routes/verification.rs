//! `/v1/verification`: identity checks.

use std::sync::Arc;

use api::error::ErrorBody;
use api::retail::{SimulateRequest, SimulateResponse, StartRequest, StartResponse, StatusResponse};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use domain::refusal::{Kind, Refusal};
use domain::verification::Action;
use serde_json::{Map, Value};

use super::Params;
use crate::app::App;
use crate::flows::{self, StartVerification};
use crate::http::body::JsonObject;
use crate::http::caller::Caller;
use crate::http::error::Failure;
use crate::http::form::{Form, decode_hex};

/// Begins an identity check.
#[utoipa::path(post, path = "/v1/verification/start", tag = "retail", request_body = StartRequest,
    params(("x-override-status" = Option<String>, Header, description = "Sandbox only: what the simulated provider does at once")),
    responses((status = 200, body = StartResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn start(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    headers: HeaderMap,
    JsonObject(body): JsonObject,
) -> Result<Json<StartResponse>, Failure> {
    let command = parse_start(&body, override_status(&headers)?)?;
    let id = flows::start_verification(&app, &ctx, command).await?;
    Ok(Json(StartResponse { verification_id: id.to_string() }))
}

fn parse_start(
    body: &Map<String, Value>,
    override_status: Option<Action>,
) -> Result<StartVerification, Refusal> {
    let form = Form::of(body);
    let user_identifier = form.identifier("user_identifier");
    let gpg_fingerprint = form.optional_text("gpg_fingerprint").map(|text| text.to_ascii_uppercase());
    if gpg_fingerprint
        .as_ref()
        .is_some_and(|text| !matches!(decode_hex(text).map(|bytes| bytes.len()), Some(20 | 32)))
    {
        form.fault("gpg_fingerprint", "must be an OpenPGP fingerprint: 40 or 64 hexadecimal digits");
    }
    form.finish(StartVerification { user_identifier, gpg_fingerprint, override_status })
}

fn override_status(headers: &HeaderMap) -> Result<Option<Action>, Refusal> {
    let Some(value) = headers.get("x-override-status") else { return Ok(None) };
    let action = value.to_str().ok().and_then(Action::parse).filter(|action| action.is_override());
    action.map(Some).ok_or_else(|| {
        let names: Vec<_> =
            Action::ALL.iter().filter(|action| action.is_override()).map(|action| action.as_str()).collect();
        let text = format!("`x-override-status` must be one of {}", names.join(", "));
        Refusal::new(Kind::Invalid, "override-unknown", text)
    })
}

/// Says where an identity check stands.
#[utoipa::path(get, path = "/v1/verification/status", tag = "retail",
    params(("verification_id" = String, Query, description = "The inquiry")),
    responses((status = 200, body = StatusResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn status(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    params: Params,
) -> Result<Json<StatusResponse>, Failure> {
    let id = params.get("verification_id").ok_or_else(|| Refusal::field("verification_id", "is required"))?;
    let inquiry = flows::read_verification(&app, &ctx, id).await?.verification;
    Ok(Json(StatusResponse {
        verification_id: inquiry.id.to_string(),
        status: inquiry.state.status().to_owned(),
        updated_at: inquiry.updated_at.rfc3339(),
        inquiry_status: inquiry.state.to_string(),
    }))
}

/// Plays the identity provider (sandbox only).
#[utoipa::path(post, path = "/v1/verification/simulate", tag = "sandbox", request_body = SimulateRequest,
    responses((status = 200, body = SimulateResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn simulate(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    JsonObject(body): JsonObject,
) -> Result<Json<SimulateResponse>, Failure> {
    let (id, action) = parse_simulate(&body)?;
    let id = flows::simulate_verification(&app, &ctx, &id, action).await?;
    Ok(Json(SimulateResponse { ok: true, inquiry_id: id.to_string() }))
}

fn parse_simulate(body: &Map<String, Value>) -> Result<(String, Action), Refusal> {
    let form = Form::of(body);
    let words: Vec<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
    let id = form.text("verification_id");
    let action = form.word("action", &form.text("action"), Action::parse, &words);
    form.finish((id, action.unwrap_or(Action::Start)))
}
