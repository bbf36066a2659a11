//! `/v1/partner/keys`: what was assigned.

use std::sync::Arc;

use api::error::ErrorBody;
use api::partner::AssignmentMetadata;
use api::stored::{KeyAct, KeyDetails, KeyList, KeyPage, KeyShown, RotateKeyRequest, RotateKeyResponse};
use axum::Json;
use axum::extract::State;
use domain::key::{KeyEnvironment, KeyState};
use domain::refusal::Refusal;
use serde_json::{Map, Value};
use store::listings::{KeyFilter, ListedKey};

use super::institution::answered;
use super::{Params, public_key_hex, sign_with, signed_fields};
use crate::app::App;
use crate::flows::{self, KeyQuery, RotateKey};
use crate::http::body::MaybeJsonObject;
use crate::http::caller::Caller;
use crate::http::error::Failure;
use crate::http::form::Form;
use crate::http::page::{List, Query};
use crate::http::path_id::PathId;

/// Lists keys, newest first, superseded ones too.
#[utoipa::path(get, path = "/v1/partner/keys", tag = "partner", operation_id = "list_keys",
    params(KeyList),
    responses((status = 200, body = KeyPage), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    params: Params,
) -> Result<Json<KeyPage>, Failure> {
    let list = List { keys: &app.keys, tenant: &ctx.principal.tenant, name: "keys" };
    let query = Query::of(&params);
    let filter = KeyFilter {
        user_identifier: query.text("user_identifier"),
        customer_id: query.text("customer_id"),
        package_id: query.text("package_id"),
        state: query.word("status", KeyState::ALL),
        key_environment: query.word("key_environment", KeyEnvironment::ALL),
        acl_id: None,
    };
    let asked = KeyQuery { filter, after: query.after(&list), limit: query.limit() };
    let (keys, more) = flows::list_keys(&app, &ctx, query.finish(asked)?).await?;
    let next_cursor =
        keys.last().filter(|_| more).map(|last| list.cursor(last.assigned_at, last.id.as_str()));
    Ok(Json(KeyPage { data: keys.into_iter().map(shown).collect(), next_cursor }))
}

/// Reads one key, with its history.
#[utoipa::path(get, path = "/v1/partner/keys/{key_id}", tag = "partner", operation_id = "read_key",
    params(("key_id" = String, Path, description = "The key")),
    responses((status = 200, body = KeyDetails), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn read(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathId(id): PathId,
) -> Result<Json<KeyDetails>, Failure> {
    let (key, acts) = flows::read_key(&app, &ctx, &id).await?;
    let history = acts.into_iter().map(|act| KeyAct {
        time: act.time.rfc3339(),
        action: act.action,
        actor_type: act.actor_type,
        actor: act.actor,
    });
    Ok(Json(KeyDetails { history: history.collect(), key: shown(key) }))
}

/// Replaces a key by a new one, which all that it guards answers to from then on.
#[utoipa::path(post, path = "/v1/partner/keys/{key_id}/rotate", tag = "partner", operation_id = "rotate_key",
    request_body = Option<RotateKeyRequest>, params(("key_id" = String, Path, description = "The key")),
    responses((status = 200, body = RotateKeyResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn rotate(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathId(key_id): PathId,
    MaybeJsonObject(body): MaybeJsonObject,
) -> Result<Json<RotateKeyResponse>, Failure> {
    let key = flows::rotate_key(&app, &ctx, parse_rotate(key_id, &body)?).await?;
    let supersedes = key.supersedes.as_ref().map(ToString::to_string).unwrap_or_default();
    Ok(Json(RotateKeyResponse { key: answered(key), supersedes }))
}

fn parse_rotate(key_id: String, body: &Map<String, Value>) -> Result<RotateKey, Refusal> {
    let form = Form::of(body);
    // Whether the key has each of the fields, only the key says.
    let sign_with = sign_with(&form, |_| true);
    form.finish(RotateKey { key_id, sign_with })
}

fn shown(key: ListedKey) -> KeyShown {
    KeyShown {
        key_id: key.id.to_string(),
        user_identifier: key.user_identifier,
        status: key.state.to_string(),
        public_key: public_key_hex(&key.public_key),
        signature: key.signature,
        signed_payload: key.signed_payload,
        signed_fields: signed_fields(key.signed_fields.as_deref()),
        key_type: key.key_type.to_string(),
        key_environment: key.key_environment.to_string(),
        customer_id: key.customer_id,
        package_id: key.package_id,
        metadata: AssignmentMetadata { customer_name: key.customer_name, package_name: key.package_name },
        assigned_at: key.assigned_at.rfc3339(),
        kid: key.kid.unwrap_or_default(),
        supersedes: key.supersedes.map(|id| id.to_string()),
        superseded_by: key.superseded_by.map(|id| id.to_string()),
        backups_count: key.backups,
    }
}
