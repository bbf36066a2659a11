//! Has an event sent to a webhook endpoint again.

use domain::access::Deed;
use domain::ids::EventId;
use domain::refusal::Refusal;
use store::webhook_deliveries;

use super::create_webhook::webhook_entry;
use super::list_deliveries::Delivered;
use super::list_webhooks::find_webhook;
use super::test_webhook::must_be_enabled;
use super::{Ctx, Error};
use crate::app::App;

/// The delivery, which is due now: from the first step on, unless it was still being tried.
pub async fn redeliver(app: &App, ctx: &Ctx, id: &str, delivery_id: &str) -> Result<Delivered, Error> {
    ctx.principal.permit(Deed::Redeliver)?;
    let endpoint = find_webhook(app, ctx, id).await?;
    let event: EventId = delivery_id.parse().map_err(|_| Refusal::not_found())?;
    let (tenant, now) = (ctx.principal.tenant.clone(), ctx.now);
    let entry = webhook_entry(ctx, app, "webhook.redelivered", &endpoint.id);
    app.db
        .write("redeliver", move |tx| {
            let deliveries = webhook_deliveries::of(&tenant);
            if deliveries.find(tx, &endpoint.id, &event)?.is_none() {
                return Err(Error::from(Refusal::not_found()));
            }
            must_be_enabled(&endpoint)?;
            deliveries.set_anew(tx, &endpoint.id, &event, now)?;
            store::audit::of(&tenant).append(tx, &entry)?;
            let delivery = deliveries.find(tx, &endpoint.id, &event)?.ok_or_else(Refusal::not_found)?;
            let attempts = deliveries.list_attempts(tx, &endpoint.id, &event, &event)?;
            Ok(Delivered { delivery, attempts })
        })
        .await
}
