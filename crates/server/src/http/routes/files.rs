//! `/v1/partner/secure/file` and `/v1/secure/file`: encrypted files.

use std::sync::Arc;

use api::error::ErrorBody;
use api::file::{StoreFileForm, StoreFileResponse};
use axum::Json;
use axum::extract::State;
use domain::audit::hex;
use domain::backup::BackupKind;
use domain::refusal::Refusal;
use serde_json::{Map, Value};

use crate::app::App;
use crate::flows::{self, Ctx, StoreFile};
use crate::http::caller::Caller;
use crate::http::error::Failure;
use crate::http::file_form::FileForm;
use crate::http::form::Form;

/// Stores one encrypted file under an assigned key.
#[utoipa::path(post, path = "/v1/partner/secure/file", tag = "partner", operation_id = "store_file",
    request_body(content = StoreFileForm, content_type = "multipart/form-data"),
    responses((status = 200, body = StoreFileResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn store(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    form: FileForm,
) -> Result<Json<StoreFileResponse>, Failure> {
    answer(&app, ctx, form).await
}

/// Stores one encrypted file under a key.
#[utoipa::path(post, path = "/v1/secure/file", tag = "institution", operation_id = "store_own_file",
    request_body(content = StoreFileForm, content_type = "multipart/form-data"),
    responses((status = 200, body = StoreFileResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn store_own(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    form: FileForm,
) -> Result<Json<StoreFileResponse>, Failure> {
    answer(&app, ctx, form).await
}

async fn answer(app: &App, ctx: Ctx, form: FileForm) -> Result<Json<StoreFileResponse>, Failure> {
    // The form may have taken hours to come: what is done now is done now.
    let ctx = Ctx { now: app.clock.now(), ..ctx };
    let command = parse_file(form)?;
    let mut metadata = command.metadata.clone();
    let stored = flows::store_file(app, &ctx, command).await?;
    metadata.insert("stored_at".to_owned(), stored.stored_at.rfc3339().into());
    Ok(Json(StoreFileResponse {
        backup_id: stored.backup_id,
        backup_type: BackupKind::File.to_string(),
        data_size: stored.data_size,
        sha256: hex(&stored.sha256),
        metadata,
    }))
}

fn parse_file(form: FileForm) -> Result<StoreFile, Refusal> {
    let mut members = Map::new();
    if let Some(text) = &form.public_key {
        members.insert("public_key".to_owned(), String::from_utf8_lossy(text).into());
    }
    let metadata = form.metadata.as_deref().map(serde_json::from_slice::<Value>);
    if let Some(Ok(metadata)) = &metadata {
        members.insert("metadata".to_owned(), metadata.clone());
    }
    let fields = Form::of(&members);
    if let Some(Err(_)) = metadata {
        fields.fault("metadata", "must be JSON");
    }
    match &form.file {
        None => fields.fault("file", "is required"),
        Some(file) if file.size == 0 => fields.fault("file", "must not be empty"),
        Some(_) => {}
    }
    let (public_key, metadata) = (fields.public_key("public_key"), fields.metadata("metadata"));
    let file = fields.finish(form.file)?;
    // Without a file the form was not finished.
    let file = file.ok_or_else(|| Refusal::field("file", "is required"))?;
    Ok(StoreFile { public_key, file, metadata })
}
