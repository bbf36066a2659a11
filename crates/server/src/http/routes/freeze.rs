//! `/v1/freeze`: the account's emergency brake. It turns a yes into a no; what it stops goes on when its time is over,
//! or when an owner says so in Control.

use std::sync::Arc;

use api::error::ErrorBody;
use api::freeze::{FreezeRequest, FreezeState};
use axum::Json;
use axum::extract::State;
use boundary::freeze::FREEZE_HOURS_MAX;
use domain::limits::FREEZE_HOURS_DEFAULT;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use serde_json::{Map, Value};

use crate::app::App;
use crate::flows;
use crate::http::body::MaybeJsonObject;
use crate::http::caller::Caller;
use crate::http::error::Failure;
use crate::http::form::Form;

/// Has the enclave release nothing of this account for a time, whoever asks and whatever was approved. Checks, stores
/// and rotations go on.
#[utoipa::path(post, path = "/v1/freeze", operation_id = "freeze", tag = "credentials", request_body = Option<FreezeRequest>,
    responses((status = 200, body = FreezeState), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn freeze(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    MaybeJsonObject(body): MaybeJsonObject,
) -> Result<Json<FreezeState>, Failure> {
    Ok(Json(state(flows::freeze_tenant(&app, &ctx, hours(&body)?).await?)))
}

/// Says whether the account is frozen, by the enclave's own word.
#[utoipa::path(get, path = "/v1/freeze", operation_id = "read_freeze", tag = "credentials",
    responses((status = 200, body = FreezeState), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn read(State(app): State<Arc<App>>, Caller(ctx): Caller) -> Result<Json<FreezeState>, Failure> {
    Ok(Json(state(flows::read_freeze(&app, &ctx).await?)))
}

fn state(until: Option<Timestamp>) -> FreezeState {
    FreezeState { frozen: until.is_some(), frozen_until: until.map(Timestamp::rfc3339) }
}

fn hours(body: &Map<String, Value>) -> Result<u32, Refusal> {
    let form = Form::of(body);
    let Some(value) = form.value("hours") else { return form.finish(FREEZE_HOURS_DEFAULT) };
    // However JSON writes it: to JSON Schema 107.0 is an integer too.
    let hours = value.as_f64().and_then(|hours| hours.to_string().parse().ok());
    let hours = hours.filter(|hours| (1..=FREEZE_HOURS_MAX).contains(hours));
    if hours.is_none() {
        form.fault("hours", format!("must be a whole number from 1 to {FREEZE_HOURS_MAX}"));
    }
    form.finish(hours.unwrap_or_default())
}
