//! `/v1/partner`: wallet providers.

use std::sync::Arc;

use api::error::ErrorBody;
use api::institution::StoreOwnResponse;
use api::partner::{
    AssignKeyRequest, AssignKeyResponse, AssignmentMetadata, StoreDataRequest, StoreDataResponse,
};
use axum::Json;
use axum::extract::State;
use domain::backup::{BackupKind, CheckState};
use domain::key::{KeyEnvironment, KeyType};
use domain::limits::IDENTIFIER_CHARS_MAX;
use domain::refusal::Refusal;
use serde_json::{Map, Value};

use super::{public_key_hex, sign_with, signed_fields};
use crate::app::App;
use crate::flows::{self, AssignKey, Ctx, StoreData};
use crate::http::body::JsonObject;
use crate::http::caller::Caller;
use crate::http::error::Failure;
use crate::http::form::Form;

/// Assigns a key to a user of an organisation.
#[utoipa::path(post, path = "/v1/partner/keys", tag = "partner", request_body = AssignKeyRequest,
    responses((status = 200, body = AssignKeyResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn assign_key(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    JsonObject(body): JsonObject,
) -> Result<Json<AssignKeyResponse>, Failure> {
    let key = flows::assign_key(&app, &ctx, parse_assign(&body)?).await?;
    Ok(Json(AssignKeyResponse {
        key_id: key.id.to_string(),
        public_key: public_key_hex(&key.public_key),
        signature: key.signature,
        signed_payload: key.signed_payload,
        signed_fields: signed_fields(key.signed_fields.as_deref()),
        customer_id: key.customer_id.unwrap_or_default(),
        package_id: key.package_id.unwrap_or_default(),
        metadata: AssignmentMetadata { customer_name: key.customer_name, package_name: key.package_name },
        key_environment: key.key_environment.to_string(),
        key_type: key.key_type.to_string(),
        assigned_at: key.assigned_at.rfc3339(),
        kid: key.kid.unwrap_or_default(),
    }))
}

fn parse_assign(body: &Map<String, Value>) -> Result<AssignKey, Refusal> {
    let form = Form::of(body);
    let types: Vec<_> = KeyType::ALL.iter().map(|word| word.as_str()).collect();
    let environments: Vec<_> = KeyEnvironment::ALL.iter().map(|word| word.as_str()).collect();
    let key_type = form.optional_text("key_type").unwrap_or_else(|| KeyType::Rsa4096.as_str().to_owned());
    let environment = form.text("key_environment");
    let (organisation, package) = (form.object("organisation"), form.object("package"));
    let command = AssignKey {
        user_identifier: form.identifier("user_identifier"),
        customer: Some(named(&organisation, "customer_id", "customer_name")),
        package: Some(named(&package, "package_id", "package_name")),
        one_each: true,
        key_type: form.word("key_type", &key_type, KeyType::parse, &types).unwrap_or(KeyType::Rsa4096),
        environment: form
            .word("key_environment", &environment, KeyEnvironment::parse, &environments)
            .unwrap_or(KeyEnvironment::Hot),
        sign_with: sign_with(&form, |_| true),
    };
    form.finish(command)
}

/// An id and a name.
pub(super) fn named(form: &Form<'_>, id: &str, name: &str) -> (String, Option<String>) {
    (form.identifier(id), form.optional_name(name, IDENTIFIER_CHARS_MAX))
}

/// Stores one ciphertext under an assigned key.
#[utoipa::path(post, path = "/v1/partner/secure/data", tag = "partner", request_body = StoreDataRequest,
    responses((status = 200, body = StoreDataResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn store_data(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    JsonObject(body): JsonObject,
) -> Result<Json<StoreDataResponse>, Failure> {
    let own = store(&app, &ctx, &body, true).await?;
    Ok(Json(StoreDataResponse {
        backup_id: own.backup_id,
        checksum: own.checksum.unwrap_or_default(),
        data_size: own.data_size,
        backup_type: own.backup_type,
        metadata: own.metadata,
    }))
}

/// Stores a ciphertext: a partner's always has a checksum, an institution's may have none.
pub(super) async fn store(
    app: &App,
    ctx: &Ctx,
    body: &Map<String, Value>,
    needs_checksum: bool,
) -> Result<StoreOwnResponse, Failure> {
    let (command, checksum) = parse_store(body, needs_checksum)?;
    let mut metadata = command.metadata.clone();
    let (stored, check) = flows::store_data(app, ctx, command).await?;
    metadata.insert("stored_at".to_owned(), stored.stored_at.rfc3339().into());
    if check == CheckState::UnverifiedCold {
        metadata.insert("check".to_owned(), check.as_str().into());
    }
    Ok(StoreOwnResponse {
        backup_id: stored.backup_id,
        checksum,
        data_size: stored.data_size,
        backup_type: BackupKind::Data.to_string(),
        metadata,
    })
}

/// The command, and the checksum as it was sent.
fn parse_store(
    body: &Map<String, Value>,
    needs_checksum: bool,
) -> Result<(StoreData, Option<String>), Refusal> {
    let form = Form::of(body);
    if form.optional_text("padding_type").is_some_and(|padding| padding != "OAEP") {
        form.fault("padding_type", "must be OAEP");
    }
    let is_given = needs_checksum || form.value("checksum").is_some();
    let (sum, checksum) = is_given.then(|| form.checksum("checksum")).unzip();
    let command = StoreData {
        public_key: form.public_key("public_key"),
        ciphertext: form.base64("data"),
        checksum,
        metadata: form.metadata("metadata"),
    };
    form.finish((command, sum))
}
