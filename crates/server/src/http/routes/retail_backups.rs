//! `/v1/backup`: retail customers' backups.

use std::sync::Arc;

use api::error::ErrorBody;
use api::retail::{
    RecoverRequest, RecoverResponse, RecoveredItem, RecoveryPackage, StoreRequest, StoreResponse, StoredItem,
};
use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::limits::{ITEM_KEY_CHARS_MAX, STORE_ITEMS_MAX};
use domain::refusal::Refusal;
use serde_json::{Map, Value};

use super::text_of;
use crate::app::App;
use crate::flows::{self, Ctx, ItemToStore, RecoverRetail, Recovered, StoreBackup};
use crate::http::body::JsonObject;
use crate::http::caller::Caller;
use crate::http::error::Failure;
use crate::http::form::Form;

/// Stores 1 to 3 encrypted items.
#[utoipa::path(post, path = "/v1/backup/store", tag = "retail", request_body = StoreRequest,
    responses((status = 200, body = StoreResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn store(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    JsonObject(body): JsonObject,
) -> Result<Json<StoreResponse>, Failure> {
    let (command, sums) = parse_store(&body)?;
    let names: Vec<_> = command.items.iter().map(|item| item.item_key.clone()).collect();
    let mut metadata = command.metadata.clone();
    let stored = flows::store_backup(&app, &ctx, command).await?;
    let stored_at = stored.first().map_or(ctx.now, |first| first.stored_at);
    metadata.insert("api_key_entity_type".to_owned(), ctx.principal.tenant_kind.as_str().into());
    metadata.insert("stored_at".to_owned(), stored_at.rfc3339().into());
    metadata.insert("backup_items_count".to_owned(), stored.len().into());
    let backup = stored.into_iter().zip(names).zip(sums).map(|((stored, item_key), checksum)| StoredItem {
        item_key,
        backup_id: stored.backup_id,
        checksum,
        data_size: stored.data_size,
    });
    Ok(Json(StoreResponse { backup_type: "data".to_owned(), metadata, backup: backup.collect() }))
}

/// The command, and each item's checksum as it was sent.
fn parse_store(body: &Map<String, Value>) -> Result<(StoreBackup, Vec<String>), Refusal> {
    let form = Form::of(body);
    let mut items: Vec<ItemToStore> = Vec::new();
    let mut sums = Vec::new();
    for item in form.objects("backup", 1..=STORE_ITEMS_MAX) {
        let item_key = item.text("item_key");
        item.optional_name("item_key", ITEM_KEY_CHARS_MAX);
        if !item_key.is_empty() && items.iter().any(|other| other.item_key == item_key) {
            item.fault("item_key", "is the name of another item of this call");
        }
        let ciphertext = item.base64("item_value");
        let (sum, checksum) = item.checksum("item_checksum");
        items.push(ItemToStore { item_key, ciphertext, checksum });
        sums.push(sum);
    }
    let command = StoreBackup {
        user_identifier: form.identifier("user_identifier"),
        verification_id: form.text("verification_id"),
        public_key: form.public_key("public_key"),
        items,
        metadata: form.metadata("metadata"),
    };
    form.finish((command, sums))
}

/// Releases everything a user has stored, encrypted to his own OpenPGP key.
#[utoipa::path(post, path = "/v1/backup/recover", tag = "retail", request_body = RecoverRequest,
    responses((status = 200, body = RecoverResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn recover(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    JsonObject(body): JsonObject,
) -> Result<Json<RecoverResponse>, Failure> {
    let command = parse_recover(&body)?;
    let (user_identifier, verification_id) =
        (command.user_identifier.clone(), command.verification_id.clone());
    let mut recovered = flows::recover_retail(&app, &ctx, command).await?;
    let release_record = recovered.record.take();
    let backup = recovered_items(&ctx, recovered);
    Ok(Json(RecoverResponse { user_identifier, verification_id, backup, release_record }))
}

fn parse_recover(body: &Map<String, Value>) -> Result<RecoverRetail, Refusal> {
    let form = Form::of(body);
    let command = RecoverRetail {
        user_identifier: form.identifier("user_identifier"),
        verification_id: form.text("verification_id"),
        certificate: form.text("gpg_public_key"),
        request_signature: form.optional_text("request_signature"),
    };
    form.finish(command)
}

/// Both published editions of an item at once.
fn recovered_items(ctx: &Ctx, recovered: Recovered) -> Vec<RecoveredItem> {
    let recovery_id = recovered.recovery_id.to_string();
    let items = recovered.items.into_iter().map(|item| {
        let mut answer = RecoveredItem {
            backup_id: item.backup_id.to_string(),
            backup_item_key: item.item_key.clone(),
            item_key: item.item_key,
            recovery_id: None,
            recovery_package: None,
            item_value: None,
            item_checksum: None,
            original_filename: None,
            content_type: None,
            original_size: None,
            metadata: None,
            error: None,
        };
        let Some((armoured, plaintext_bytes)) = item.message else {
            answer.error = Some("this item could not be recovered; the others are not affected".to_owned());
            return answer;
        };
        let data = STANDARD.encode(armoured);
        let mut metadata = item.metadata;
        answer.original_filename = text_of(&metadata, "original_filename");
        answer.content_type = text_of(&metadata, "content_type");
        metadata.insert("recovered_at".to_owned(), ctx.now.rfc3339().into());
        answer.metadata = Some(metadata);
        answer.recovery_id = Some(recovery_id.clone());
        answer.item_value = Some(data.clone());
        answer.recovery_package = Some(RecoveryPackage { algorithm: "gpg".to_owned(), data });
        answer.item_checksum = Some(item.checksum);
        answer.original_size = Some(plaintext_bytes.to_string());
        answer
    });
    items.collect()
}
