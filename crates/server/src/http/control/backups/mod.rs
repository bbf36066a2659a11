//! `/control/backups`: what is stored.

pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use domain::access::Deed;
use domain::backup::{BackupKind, BackupState};
use domain::control::Act;
use domain::key::KeyEnvironment;
use store::audit::Filter;
use store::listings::BackupFilter;

use super::look::parts::Notice;
use super::look::{Page, Section};
use super::query::{Asked, address, narrowing};
use super::stored::{self, Listed};
use super::{Posted, Stop, Visitor};
use crate::app::App;
use crate::flows::{self, AuditQuery, BackupQuery, Verdict};
use crate::http::page::{List, Query};

/// How much of a backup's history is shown.
const HISTORY_MAX: u32 = 100;

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/backups", get(list))
        .route("/control/backups/{id}", get(show))
        .route("/control/backups/{id}/check", post(check))
        .route("/control/backups/{id}/record.jws", get(record))
        .route("/control/backups/{id}/delete", post(delete))
        .route("/control/backups/{id}/restore", post(restore))
}

async fn list(State(app): State<Arc<App>>, visitor: Visitor, query: Asked) -> Result<Page, Stop> {
    let (params, ctx) = (narrowing(query), visitor.ctx_at(Deed::ListOwnBackups));
    ctx.principal.permit(Deed::ListOwnBackups)?;
    let list = List { keys: &app.keys, tenant: &ctx.principal.tenant, name: "backups" };
    let query = Query::of(&params);
    let filter = BackupFilter {
        user_identifier: query.text("user_identifier"),
        key_id: query.parsed("key_id", |text| text.parse().ok(), "must be the id of a key"),
        customer_id: query.text("customer_id"),
        package_id: query.text("package_id"),
        state: query.word("status", BackupState::ALL),
        kind: query.word("backup_type", BackupKind::ALL),
        key_environment: query.word("key_environment", KeyEnvironment::ALL),
        acl_id: query.parsed("acl_id", |text| text.parse().ok(), "must be the id of a list"),
    };
    let asked = BackupQuery { filter, after: query.after(&list), limit: query.limit() };
    let (backups, more) = flows::list_backups(&app, &ctx, query.finish(asked)?).await?;
    let cursor = backups.last().filter(|_| more).map(|last| list.cursor(last.stored_at, last.id.as_str()));
    let older = cursor.map(|cursor| address(Section::Backups.path(), &params, Some(("cursor", &cursor))));
    let acls = stored::acls(&app, &visitor).await?;
    let listed = Listed { params: &params, rows: &backups, older, acls: &acls };
    Ok(view::list(&visitor.shell(Section::Backups), &listed))
}

async fn show(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
    query: Asked,
) -> Result<Page, Stop> {
    let notice = match narrowing(query).get("said").map(String::as_str) {
        Some("deleting") => {
            Some(Notice::waiting("It will be deleted in thirty days. Until then it can be kept after all."))
        }
        Some("kept") => Some(Notice::good("It is kept.")),
        _ => None,
    };
    shown(&app, &visitor, &id, None, notice).await
}

/// The page of one backup, with what a check found and what is said above it.
async fn shown(
    app: &App,
    visitor: &Visitor,
    id: &str,
    check: Option<&Verdict>,
    notice: Option<Notice>,
) -> Result<Page, Stop> {
    let ctx = visitor.ctx_at(Deed::ReadOwnBackup);
    ctx.principal.permit(Deed::ReadOwnBackup)?;
    let backup = flows::read_backup(app, &ctx, id).await?;
    let filter = Filter { backup_id: Some(backup.id.clone()), ..Filter::default() };
    let query = AuditQuery { filter, after_seq: 0, limit: Some(HISTORY_MAX) };
    let (entries, _) = flows::list_audit(app, &visitor.ctx_at(Deed::ReadAudit), query).await?;
    let history: Vec<_> = entries.into_iter().map(|sequenced| sequenced.entry).collect();
    let record = flows::find_record(app, &ctx, backup.id.as_str()).await?;
    let may = view::May { check: visitor.may(Act::CheckBackup), delete: visitor.may(Act::DeleteBackup) };
    let mut shell = visitor.shell(Section::Backups).under(Section::Backups.path(), Section::Backups.name());
    shell.notice = notice;
    Ok(view::show(&shell, &view::Shown { backup: &backup, history: &history, check, record, may }))
}

async fn check(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, _): Posted,
) -> Result<Page, Stop> {
    let ctx = visitor.ctx_at(Deed::VerifyBackup);
    ctx.principal.permit(Deed::VerifyBackup)?;
    let verdict = flows::check_backup(&app, &ctx, &id).await?;
    shown(&app, &visitor, &id, Some(&verdict), None).await
}

async fn record(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Stop> {
    let ctx = visitor.ctx_at(Deed::ReadOwnBackup);
    ctx.principal.permit(Deed::ReadOwnBackup)?;
    let backup = flows::read_backup(&app, &ctx, &id).await?;
    Ok(stored::record_file("backup", flows::read_record(&app, &ctx, backup.id.as_str()).await?))
}

async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, _): Posted,
) -> Result<Redirect, Stop> {
    let back = format!("{}/{id}", Section::Backups.path());
    visitor.permit_freshly(Act::DeleteBackup, &back)?;
    flows::delete_backup(&app, &visitor.ctx_at(Deed::DeleteOwnBackup), &id).await?;
    Ok(Redirect::to(&format!("{back}?said=deleting")))
}

async fn restore(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, _): Posted,
) -> Result<Redirect, Stop> {
    visitor.permit(Act::DeleteBackup)?;
    flows::restore_backup(&app, &visitor.ctx_at(Deed::RestoreOwnBackup), &id).await?;
    Ok(Redirect::to(&format!("{}/{id}?said=kept", Section::Backups.path())))
}
