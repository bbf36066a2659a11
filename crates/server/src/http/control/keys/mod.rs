//! `/control/keys`: what backups are encrypted to.

pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use domain::access::Deed;
use domain::audit::hex;
use domain::control::Act;
use domain::key::{KeyEnvironment, KeyState};
use store::listings::{BackupFilter, KeyFilter};

use super::look::parts::Notice;
use super::look::{Page, Section};
use super::query::{Asked, address, narrowing};
use super::stored::{self, Listed};
use super::{Posted, Stop, Visitor};
use crate::app::App;
use crate::flows::{self, BackupQuery, KeyQuery, RotateKey, Verdict};
use crate::http::page::{List, Query};

/// How many of the backups under a key stand on its page.
const BACKUPS_MAX: u32 = 20;

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/keys", get(list))
        .route("/control/keys/{id}", get(show))
        .route("/control/keys/{id}/public-key.txt", get(public_key))
        .route("/control/keys/{id}/check", post(check))
        .route("/control/keys/{id}/record.jws", get(record))
        .route("/control/keys/{id}/rotate", post(rotate))
}

async fn list(State(app): State<Arc<App>>, visitor: Visitor, query: Asked) -> Result<Page, Stop> {
    let (params, ctx) = (narrowing(query), visitor.ctx_at(Deed::ListOwnKeys));
    ctx.principal.permit(Deed::ListOwnKeys)?;
    let list = List { keys: &app.keys, tenant: &ctx.principal.tenant, name: "keys" };
    let query = Query::of(&params);
    let filter = KeyFilter {
        user_identifier: query.text("user_identifier"),
        customer_id: query.text("customer_id"),
        package_id: query.text("package_id"),
        state: query.word("status", KeyState::ALL),
        key_environment: query.word("key_environment", KeyEnvironment::ALL),
        acl_id: query.parsed("acl_id", |text| text.parse().ok(), "must be the id of a list"),
    };
    let asked = KeyQuery { filter, after: query.after(&list), limit: query.limit() };
    let (keys, more) = flows::list_keys(&app, &ctx, query.finish(asked)?).await?;
    let cursor = keys.last().filter(|_| more).map(|last| list.cursor(last.assigned_at, last.id.as_str()));
    let older = cursor.map(|cursor| address(Section::Keys.path(), &params, Some(("cursor", &cursor))));
    let acls = stored::acls(&app, &visitor).await?;
    let listed = Listed { params: &params, rows: &keys, older, acls: &acls };
    Ok(view::list(&visitor.shell(Section::Keys), &listed))
}

async fn show(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
    query: Asked,
) -> Result<Page, Stop> {
    let notice = match narrowing(query).get("said").map(String::as_str) {
        Some("replaced") => Some(Notice::good("The key was replaced. This is the new one.")),
        Some("unconfirmed") => Some(Notice::bad("Nothing was done: tick the box to say that you mean it.")),
        _ => None,
    };
    shown(&app, &visitor, &id, None, notice).await
}

/// The page of one key, with what a check found and what is said above it.
async fn shown(
    app: &App,
    visitor: &Visitor,
    id: &str,
    check: Option<&Verdict>,
    notice: Option<Notice>,
) -> Result<Page, Stop> {
    let ctx = visitor.ctx_at(Deed::ReadOwnKey);
    ctx.principal.permit(Deed::ReadOwnKey)?;
    let (key, acts) = flows::read_key(app, &ctx, id).await?;
    let filter = BackupFilter { key_id: Some(key.id.clone()), ..BackupFilter::default() };
    let query = BackupQuery { filter, after: None, limit: BACKUPS_MAX };
    let (backups, _) = flows::list_backups(app, &visitor.ctx_at(Deed::ListOwnBackups), query).await?;
    let record = flows::find_record(app, &ctx, key.id.as_str()).await?;
    let mut shell = visitor.shell(Section::Keys).under(Section::Keys.path(), Section::Keys.name());
    shell.notice = notice;
    let may = view::May {
        check: visitor.may(Act::CheckBackup),
        rotate: visitor.may(Act::RotateKey),
        destroy: visitor.may(Act::DestroyKey),
    };
    let shown = view::Shown { key: &key, acts: &acts, backups: &backups, check, record, may };
    Ok(view::show(&shell, &shown))
}

async fn check(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, _): Posted,
) -> Result<Page, Stop> {
    let ctx = visitor.ctx_at(Deed::VerifyKey);
    ctx.principal.permit(Deed::VerifyKey)?;
    let verdict = flows::check_key(&app, &ctx, &id).await?;
    shown(&app, &visitor, &id, Some(&verdict), None).await
}

async fn record(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Stop> {
    let ctx = visitor.ctx_at(Deed::ReadOwnKey);
    ctx.principal.permit(Deed::ReadOwnKey)?;
    let (key, _) = flows::read_key(&app, &ctx, &id).await?;
    Ok(stored::record_file("key", flows::read_record(&app, &ctx, key.id.as_str()).await?))
}

/// The public key as the API gives it: hexadecimal digits, and the end of the line.
async fn public_key(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Stop> {
    let ctx = visitor.ctx_at(Deed::ReadOwnKey);
    ctx.principal.permit(Deed::ReadOwnKey)?;
    let (key, _) = flows::read_key(&app, &ctx, &id).await?;
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"public-key-{}.txt\"", key.id)),
    ];
    Ok((headers, format!("{}\n", hex(&key.public_key))))
}

async fn rotate(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, fields): Posted,
) -> Result<Redirect, Stop> {
    let back = format!("{}/{id}", Section::Keys.path());
    visitor.permit_freshly(Act::RotateKey, &back)?;
    if fields.text("confirmed") != "yes" {
        return Ok(Redirect::to(&format!("{back}?said=unconfirmed")));
    }
    let command = RotateKey { key_id: id, sign_with: Vec::new() };
    let key = flows::rotate_key(&app, &visitor.ctx_at(Deed::RotateOwnKey), command).await?;
    Ok(Redirect::to(&format!("{}/{}?said=replaced", Section::Keys.path(), key.id)))
}
