//! Lists a tenant's audit log: every act that was answered before this call is in it.

use domain::access::Deed;
use domain::limits::PAGE_DEFAULT;
use store::StoreError;
use store::audit::{self, Filter, Sequenced};

use super::sequence_audit::sequence_audit;
use super::{Ctx, Error, page_limit};
use crate::app::App;

/// Which entries.
#[derive(Default)]
pub struct AuditQuery {
    /// Only those that match.
    pub filter: Filter,
    /// Only those after this one.
    pub after_seq: i64,
    /// At most so many; the usual number when nobody says.
    pub limit: Option<u32>,
}

/// A page of the log, ascending, and whether there is more.
pub async fn list_audit(app: &App, ctx: &Ctx, query: AuditQuery) -> Result<(Vec<Sequenced>, bool), Error> {
    ctx.principal.permit(Deed::ReadAudit)?;
    let limit = page_limit(query.limit)?;
    let head = sequence_audit(app, &ctx.principal.tenant, ctx.now).await?;
    let tenant = ctx.principal.tenant.clone();
    let page = app.db.read("list_audit", move |rx| {
        audit::of(&tenant).list(rx, &query.filter, (query.after_seq, head.seq), i64::from(limit) + 1)
    });
    let mut page: Vec<Sequenced> = page.await.map_err(|error: StoreError| Error::from(error))?;
    let more = page.len() > limit as usize;
    page.truncate(limit as usize);
    Ok((page, more))
}

/// A page of the log, newest first: the entries before the place `before_seq`; and whether there is more.
pub async fn latest_audit(
    app: &App,
    ctx: &Ctx,
    filter: Filter,
    before_seq: Option<i64>,
) -> Result<(Vec<Sequenced>, bool), Error> {
    ctx.principal.permit(Deed::ReadAudit)?;
    let head = sequence_audit(app, &ctx.principal.tenant, ctx.now).await?;
    let tenant = ctx.principal.tenant.clone();
    let last_seq = before_seq.map_or(head.seq, |before| head.seq.min(before.saturating_sub(1)));
    let page = app.db.read("latest_audit", move |rx| {
        audit::of(&tenant).list_latest(rx, &filter, last_seq, i64::from(PAGE_DEFAULT) + 1)
    });
    let mut page: Vec<Sequenced> = page.await.map_err(|error: StoreError| Error::from(error))?;
    let more = page.len() > PAGE_DEFAULT as usize;
    page.truncate(PAGE_DEFAULT as usize);
    Ok((page, more))
}
