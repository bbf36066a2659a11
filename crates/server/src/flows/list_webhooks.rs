//! Shows a tenant's webhook endpoints.

use domain::access::Deed;
use domain::ids::WebhookId;
use domain::refusal::Refusal;
use store::StoreError;
use store::webhooks::{self, Endpoint};

use super::{Ctx, Error, page_limit};
use crate::app::App;

/// A page of endpoints, newest first, and whether there is more.
pub async fn list_webhooks(
    app: &App,
    ctx: &Ctx,
    before: Option<WebhookId>,
    limit: Option<u32>,
) -> Result<(Vec<Endpoint>, bool), Error> {
    ctx.principal.permit(Deed::ListWebhooks)?;
    let limit = page_limit(limit)?;
    let tenant = ctx.principal.tenant.clone();
    let page = app.db.read("list_webhooks", move |rx| {
        webhooks::of(&tenant).list(rx, before.as_ref(), i64::from(limit) + 1)
    });
    let mut page: Vec<Endpoint> = page.await.map_err(|error: StoreError| Error::from(error))?;
    let more = page.len() > limit as usize;
    page.truncate(limit as usize);
    Ok((page, more))
}

/// One endpoint.
pub async fn read_webhook(app: &App, ctx: &Ctx, id: &str) -> Result<Endpoint, Error> {
    ctx.principal.permit(Deed::ReadWebhook)?;
    find_webhook(app, ctx, id).await
}

/// The tenant's endpoint of this id.
pub(super) async fn find_webhook(app: &App, ctx: &Ctx, id: &str) -> Result<Endpoint, Error> {
    let id: WebhookId = id.parse().map_err(|_| Refusal::not_found())?;
    let tenant = ctx.principal.tenant.clone();
    let found = app.db.read("find_webhook", move |rx| webhooks::of(&tenant).find(rx, &id));
    let found = found.await.map_err(|error: StoreError| Error::from(error))?;
    Ok(found.ok_or_else(Refusal::not_found)?)
}
