//! `/v1/sandbox`: what only a rehearsal needs.

use std::sync::Arc;

use api::error::ErrorBody;
use api::sandbox::{CeremonyResponse, DamageRequest, DamageResponse, ResetResponse};
use axum::Json;
use axum::extract::State;
use domain::refusal::Refusal;
use serde_json::{Map, Value};

use crate::app::App;
use crate::flows;
use crate::http::body::JsonObject;
use crate::http::caller::Caller;
use crate::http::error::Failure;
use crate::http::form::Form;

/// Makes an item fail at its recovery.
#[utoipa::path(post, path = "/v1/sandbox/damage", tag = "sandbox", request_body = DamageRequest,
    responses((status = 200, body = DamageResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn damage(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    JsonObject(body): JsonObject,
) -> Result<Json<DamageResponse>, Failure> {
    let backup_id = parse(&body)?;
    flows::damage_backup(&app, &ctx, &backup_id).await?;
    Ok(Json(DamageResponse { ok: true, backup_id }))
}

/// Has the offline enclave do now what waits for it, and answers when it is done.
#[utoipa::path(post, path = "/v1/sandbox/ceremony", tag = "sandbox",
    responses((status = 200, body = CeremonyResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn ceremony(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
) -> Result<Json<CeremonyResponse>, Failure> {
    let keys_added = flows::run_ceremony(&app, &ctx).await?;
    Ok(Json(CeremonyResponse { ok: true, keys_added }))
}

/// Begins anew: users, keys, verifications, backups, recoveries and deliveries of the calling tenant are gone;
/// credentials, webhooks and settings stay. A new log begins, whose first entry names the end of the old.
#[utoipa::path(post, path = "/v1/sandbox/reset", tag = "sandbox",
    responses((status = 200, body = ResetResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn reset(State(app): State<Arc<App>>, Caller(ctx): Caller) -> Result<Json<ResetResponse>, Failure> {
    flows::reset_sandbox(&app, &ctx).await?;
    Ok(Json(ResetResponse { ok: true }))
}

fn parse(body: &Map<String, Value>) -> Result<String, Refusal> {
    let form = Form::of(body);
    let backup_id = form.text("backup_id");
    form.finish(backup_id)
}
