//! `/control/notices`: what somebody was told; and `/control/outbox`, the mails that a sandbox would send.

pub mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::{get, post};
use domain::ids::NoticeId;
use domain::refusal::Refusal;

use super::look::{Clock, Page, Section};
use super::query::{Asked, narrowing};
use super::{Posted, Stop, Visitor};
use crate::app::App;
use crate::flows;

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/notices", get(list))
        .route("/control/notices/read", post(read))
        .route("/control/outbox", get(outbox))
}

async fn list(State(app): State<Arc<App>>, visitor: Visitor, query: Asked) -> Result<Page, Stop> {
    let before = cursor(query)?;
    let is_further = before.is_some();
    let (notices, more) = flows::list_notices(&app, &visitor.ctx(), before).await?;
    let last = notices.last().filter(|_| more);
    let older = last.map(|(notice, _)| format!("{}?cursor={}", Section::Notices.path(), notice.id));
    let listed = view::Listed { notices: &notices, older, is_further };
    Ok(view::list(&visitor.shell(Section::Notices), &listed))
}

/// Where a list goes on.
fn cursor(query: Asked) -> Result<Option<NoticeId>, Refusal> {
    let before = narrowing(query).get("cursor").map(|cursor| cursor.parse());
    before.transpose().map_err(|_| Refusal::not_found())
}

async fn read(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Redirect, Stop> {
    let one = Some(fields.text("notice")).filter(|id| !id.is_empty());
    flows::mark_notices(&app, &visitor.ctx(), one).await?;
    Ok(Redirect::to(Section::Notices.path()))
}

/// Open to whoever reaches a sandbox: an invitation is for somebody who cannot sign in yet.
async fn outbox(State(app): State<Arc<App>>, query: Asked) -> Result<Page, Stop> {
    let before = cursor(query)?;
    let is_further = before.is_some();
    let (mails, more) = flows::list_kept_mails(&app, before).await?;
    let last = mails.last().filter(|_| more);
    let older = last.map(|(mail, _)| format!("{}?cursor={}", view::OUTBOX, mail.id));
    Ok(view::outbox(Clock::utc(app.clock.now()), &view::Outbox { mails: &mails, older, is_further }))
}
