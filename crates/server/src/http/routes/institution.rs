//! `/v1/keys`, `/v1/secure`, `/v1/backups`: institutions. What is as with partners is theirs.

use std::sync::Arc;

use api::error::ErrorBody;
use api::institution::{
    BackupVerdict, KeyVerdict, NewKeyRequest, NewKeyResponse, StoreOwnRequest, StoreOwnResponse,
};
use api::partner::AssignmentMetadata;
use api::stored::{
    BackupList, BackupPage, BackupShown, DeleteResponse, KeyDetails, KeyList, KeyPage, RotateKeyRequest,
    RotateKeyResponse,
};
use axum::Json;
use axum::extract::State;
use boundary::statement::Field;
use domain::key::{KeyEnvironment, KeyType};
use domain::refusal::Refusal;
use serde_json::{Map, Value};
use store::keys::CustomerKey;

use super::partner::{self, named};
use super::{Params, public_key_hex, sign_with, signed_fields, stored_backups, stored_keys};
use crate::app::App;
use crate::flows::{self, AssignKey};
use crate::http::body::{JsonObject, MaybeJsonObject};
use crate::http::caller::Caller;
use crate::http::error::Failure;
use crate::http::form::Form;
use crate::http::path_id::PathId;

/// Assigns a new key to a user.
#[utoipa::path(post, path = "/v1/keys", tag = "institution", operation_id = "new_key", request_body = NewKeyRequest,
    responses((status = 200, body = NewKeyResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn assign_key(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    JsonObject(body): JsonObject,
) -> Result<Json<NewKeyResponse>, Failure> {
    Ok(Json(answered(flows::assign_key(&app, &ctx, parse_assign(&body)?).await?)))
}

/// A key as its assignment answers it.
pub(super) fn answered(key: CustomerKey) -> NewKeyResponse {
    NewKeyResponse {
        key_id: key.id.to_string(),
        public_key: public_key_hex(&key.public_key),
        signature: key.signature,
        signed_payload: key.signed_payload,
        signed_fields: signed_fields(key.signed_fields.as_deref()),
        customer_id: key.customer_id,
        package_id: key.package_id,
        metadata: AssignmentMetadata { customer_name: key.customer_name, package_name: key.package_name },
        key_environment: key.key_environment.to_string(),
        key_type: key.key_type.to_string(),
        assigned_at: key.assigned_at.rfc3339(),
        kid: key.kid.unwrap_or_default(),
    }
}

fn parse_assign(body: &Map<String, Value>) -> Result<AssignKey, Refusal> {
    let form = Form::of(body);
    let types: Vec<_> = KeyType::ALL.iter().map(|word| word.as_str()).collect();
    let environments: Vec<_> = KeyEnvironment::ALL.iter().map(|word| word.as_str()).collect();
    let key_type = form.text("key_type");
    let environment =
        form.optional_text("key_environment").unwrap_or_else(|| KeyEnvironment::Hot.as_str().to_owned());
    let organisation = form.optional_object("organisation");
    let package = form.optional_object("package");
    let resolves = |field| match field {
        Field::ExternalCustomerId => organisation.is_some(),
        Field::ExternalPackageId => package.is_some(),
        _ => true,
    };
    let command = AssignKey {
        user_identifier: form.identifier("user_identifier"),
        customer: organisation.as_ref().map(|inner| named(inner, "customer_id", "customer_name")),
        package: package.as_ref().map(|inner| named(inner, "package_id", "package_name")),
        one_each: false,
        key_type: form.word("key_type", &key_type, KeyType::parse, &types).unwrap_or(KeyType::Rsa4096),
        environment: form
            .word("key_environment", &environment, KeyEnvironment::parse, &environments)
            .unwrap_or(KeyEnvironment::Hot),
        sign_with: sign_with(&form, resolves),
    };
    form.finish(command)
}

/// Replaces a key by a new one, which all that it guards answers to from then on.
#[utoipa::path(post, path = "/v1/keys/{key_id}/rotate", tag = "institution", operation_id = "rotate_own_key",
    request_body = Option<RotateKeyRequest>, params(("key_id" = String, Path, description = "The key")),
    responses((status = 200, body = RotateKeyResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn rotate_key(
    app: State<Arc<App>>,
    caller: Caller,
    id: PathId,
    body: MaybeJsonObject,
) -> Result<Json<RotateKeyResponse>, Failure> {
    stored_keys::rotate(app, caller, id, body).await
}

/// Stores one ciphertext under a key.
#[utoipa::path(post, path = "/v1/secure/data", tag = "institution", operation_id = "store_own_data", request_body = StoreOwnRequest,
    responses((status = 200, body = StoreOwnResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn store_data(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    JsonObject(body): JsonObject,
) -> Result<Json<StoreOwnResponse>, Failure> {
    Ok(Json(partner::store(&app, &ctx, &body, false).await?))
}

/// Has the enclave rebuild a key and prove its pair.
#[utoipa::path(get, path = "/v1/keys/{key_id}/verify", tag = "institution", operation_id = "verify_key",
    params(("key_id" = String, Path, description = "The key")),
    responses((status = 200, body = KeyVerdict), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn verify_key(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathId(id): PathId,
) -> Result<Json<KeyVerdict>, Failure> {
    let verdict = flows::verify_key(&app, &ctx, &id).await?;
    let message = if verdict.holds { "Key is valid" } else { "Key is not valid" };
    let shares = verdict.shares.map_or(String::new(), |shares| format!("; {shares}"));
    Ok(Json(KeyVerdict { message: format!("{message}{shares}"), is_key_valid: verdict.holds }))
}

/// Has the enclave open a backup and compare its checksum.
#[utoipa::path(get, path = "/v1/backups/{backup_id}/verify", tag = "institution", operation_id = "verify_backup",
    params(("backup_id" = String, Path, description = "The backup")),
    responses((status = 200, body = BackupVerdict), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn verify_backup(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathId(id): PathId,
) -> Result<Json<BackupVerdict>, Failure> {
    let is_backup_valid = flows::verify_backup(&app, &ctx, &id).await?.holds;
    let message = if is_backup_valid { "Backup is valid" } else { "Backup is not valid" };
    Ok(Json(BackupVerdict { message: message.to_owned(), is_backup_valid }))
}

/// Lists keys, newest first, superseded ones too.
#[utoipa::path(get, path = "/v1/keys", tag = "institution", operation_id = "list_own_keys",
    params(KeyList),
    responses((status = 200, body = KeyPage), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn list_keys(
    app: State<Arc<App>>,
    caller: Caller,
    params: Params,
) -> Result<Json<KeyPage>, Failure> {
    stored_keys::list(app, caller, params).await
}

/// Reads one key, with its history.
#[utoipa::path(get, path = "/v1/keys/{key_id}", tag = "institution", operation_id = "read_own_key",
    params(("key_id" = String, Path, description = "The key")),
    responses((status = 200, body = KeyDetails), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn read_key(app: State<Arc<App>>, caller: Caller, id: PathId) -> Result<Json<KeyDetails>, Failure> {
    stored_keys::read(app, caller, id).await
}

/// Lists backups, newest first, deleted ones too.
#[utoipa::path(get, path = "/v1/backups", tag = "institution", operation_id = "list_own_backups",
    params(BackupList),
    responses((status = 200, body = BackupPage), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn list_backups(
    app: State<Arc<App>>,
    caller: Caller,
    params: Params,
) -> Result<Json<BackupPage>, Failure> {
    stored_backups::list(app, caller, params).await
}

/// Reads what is known about one backup.
#[utoipa::path(get, path = "/v1/backups/{backup_id}", tag = "institution", operation_id = "read_own_backup",
    params(("backup_id" = String, Path, description = "The backup")),
    responses((status = 200, body = BackupShown), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn read_backup(
    app: State<Arc<App>>,
    caller: Caller,
    id: PathId,
) -> Result<Json<BackupShown>, Failure> {
    stored_backups::read(app, caller, id).await
}

/// Has a backup deleted after thirty days; until then nobody gets it, and it can be restored.
#[utoipa::path(delete, path = "/v1/backups/{backup_id}", tag = "institution", operation_id = "delete_own_backup",
    params(("backup_id" = String, Path, description = "The backup")),
    responses((status = 200, body = DeleteResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn delete_backup(
    app: State<Arc<App>>,
    caller: Caller,
    id: PathId,
) -> Result<Json<DeleteResponse>, Failure> {
    stored_backups::delete(app, caller, id).await
}

/// Keeps a backup whose deletion was asked for.
#[utoipa::path(post, path = "/v1/backups/{backup_id}/restore", tag = "institution", operation_id = "restore_own_backup",
    params(("backup_id" = String, Path, description = "The backup")),
    responses((status = 200, body = BackupShown), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn restore_backup(
    app: State<Arc<App>>,
    caller: Caller,
    id: PathId,
) -> Result<Json<BackupShown>, Failure> {
    stored_backups::restore(app, caller, id).await
}
