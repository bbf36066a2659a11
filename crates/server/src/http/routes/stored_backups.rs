//! `/v1/partner/backups`: what was stored.

use std::sync::Arc;

use api::error::ErrorBody;
use api::stored::{BackupList, BackupPage, BackupShown, DeleteResponse};
use axum::Json;
use axum::extract::State;
use domain::audit::hex;
use domain::backup::{BackupKind, BackupState};
use domain::time::Timestamp;
use serde_json::{Map, Value};
use store::listings::{BackupFilter, ListedBackup};

use super::Params;
use crate::app::App;
use crate::flows::{self, BackupQuery};
use crate::http::caller::Caller;
use crate::http::error::Failure;
use crate::http::page::{List, Query};
use crate::http::path_id::PathId;

/// Lists backups, newest first, deleted ones too.
#[utoipa::path(get, path = "/v1/partner/backups", tag = "partner", operation_id = "list_backups",
    params(BackupList),
    responses((status = 200, body = BackupPage), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    params: Params,
) -> Result<Json<BackupPage>, Failure> {
    let list = List { keys: &app.keys, tenant: &ctx.principal.tenant, name: "backups" };
    let query = Query::of(&params);
    let filter = BackupFilter {
        user_identifier: query.text("user_identifier"),
        key_id: query.parsed("key_id", |text| text.parse().ok(), "must be the id of a key"),
        customer_id: query.text("customer_id"),
        package_id: query.text("package_id"),
        state: query.word("status", BackupState::ALL),
        kind: query.word("backup_type", BackupKind::ALL),
        key_environment: None,
        acl_id: None,
    };
    let asked = BackupQuery { filter, after: query.after(&list), limit: query.limit() };
    let (backups, more) = flows::list_backups(&app, &ctx, query.finish(asked)?).await?;
    let next_cursor =
        backups.last().filter(|_| more).map(|last| list.cursor(last.stored_at, last.id.as_str()));
    Ok(Json(BackupPage { data: backups.into_iter().map(shown).collect(), next_cursor }))
}

/// Reads what is known about one backup.
#[utoipa::path(get, path = "/v1/partner/backups/{backup_id}", tag = "partner", operation_id = "read_backup",
    params(("backup_id" = String, Path, description = "The backup")),
    responses((status = 200, body = BackupShown), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn read(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathId(id): PathId,
) -> Result<Json<BackupShown>, Failure> {
    Ok(Json(shown(flows::read_backup(&app, &ctx, &id).await?)))
}

/// Has a backup deleted after thirty days; until then nobody gets it, and it can be restored.
#[utoipa::path(delete, path = "/v1/partner/backups/{backup_id}", tag = "partner", operation_id = "delete_backup",
    params(("backup_id" = String, Path, description = "The backup")),
    responses((status = 200, body = DeleteResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathId(id): PathId,
) -> Result<Json<DeleteResponse>, Failure> {
    let delete_after = flows::delete_backup(&app, &ctx, &id).await?;
    Ok(Json(DeleteResponse { delete_after: delete_after.rfc3339() }))
}

/// Keeps a backup whose deletion was asked for.
#[utoipa::path(post, path = "/v1/partner/backups/{backup_id}/restore", tag = "partner", operation_id = "restore_backup",
    params(("backup_id" = String, Path, description = "The backup")),
    responses((status = 200, body = BackupShown), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn restore(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathId(id): PathId,
) -> Result<Json<BackupShown>, Failure> {
    Ok(Json(shown(flows::restore_backup(&app, &ctx, &id).await?)))
}

fn shown(backup: ListedBackup) -> BackupShown {
    let mut metadata: Map<String, Value> = serde_json::from_str(&backup.metadata).unwrap_or_default();
    metadata.insert("stored_at".to_owned(), backup.stored_at.rfc3339().into());
    BackupShown {
        backup_id: backup.id.to_string(),
        key_id: backup.key_id.to_string(),
        key_environment: backup.key_environment.to_string(),
        user_identifier: backup.user_identifier,
        customer_id: backup.customer_id,
        package_id: backup.package_id,
        backup_type: backup.kind.to_string(),
        status: backup.state.to_string(),
        check: backup.check_state.to_string(),
        item_key: backup.item_key,
        data_size: backup.data_size,
        sha256: backup.stored_sha256.as_ref().map(|digest| hex(digest)),
        metadata,
        updated_at: backup.updated_at.rfc3339(),
        delete_after: backup.delete_after.map(Timestamp::rfc3339),
    }
}
