//! `/control/keys`: what backups are encrypted to.

pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use domain::access::Deed;
use domain::audit::hex;
use domain::control::Act;
use domain::key::{KeyEnvironment, KeyState};
use store::listings::{BackupFilter, KeyFilter};

use super::look::parts::Notice;
use super::look::{Page, Section};
use super::query::{Asked, address, narrowing};
use super::{Posted, Stop, Visitor};
use crate::app::App;
use crate::flows::{self, BackupQuery, KeyQuery, RotateKey};
use crate::http::page::{List, Query};

/// How many of the backups under a key stand on its page.
const BACKUPS_MAX: u32 = 20;

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/keys", get(list))
        .route("/control/keys/{id}", get(show))
        .route("/control/keys/{id}/public-key.txt", get(public_key))
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
    };
    let asked = KeyQuery { filter, after: query.after(&list), limit: query.limit() };
    let (keys, more) = flows::list_keys(&app, &ctx, query.finish(asked)?).await?;
    let cursor = keys.last().filter(|_| more).map(|last| list.cursor(last.assigned_at, last.id.as_str()));
    let older = cursor.map(|cursor| address(Section::Keys.path(), &params, Some(("cursor", &cursor))));
    Ok(view::list(&visitor.shell(Section::Keys), &view::Listed { params: &params, keys: &keys, older }))
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
    let ctx = visitor.ctx_at(Deed::ReadOwnKey);
    ctx.principal.permit(Deed::ReadOwnKey)?;
    let (key, acts) = flows::read_key(&app, &ctx, &id).await?;
    let filter = BackupFilter { key_id: Some(key.id.clone()), ..BackupFilter::default() };
    let query = BackupQuery { filter, after: None, limit: BACKUPS_MAX };
    let (backups, _) = flows::list_backups(&app, &visitor.ctx_at(Deed::ListOwnBackups), query).await?;
    let mut shell = visitor.shell(Section::Keys).under(Section::Keys.path(), Section::Keys.name());
    shell.notice = notice;
    let may_rotate = visitor.may(Act::RotateKey);
    Ok(view::show(&shell, &view::Shown { key: &key, acts: &acts, backups: &backups, may_rotate }))
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
