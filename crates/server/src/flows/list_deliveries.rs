//! Shows what a webhook endpoint was sent, and how every try went.

use domain::access::Deed;
use domain::ids::EventId;
use store::StoreError;
use store::webhook_deliveries::{self, Attempt, Delivery};

use super::list_webhooks::find_webhook;
use super::{Ctx, Error, page_limit};
use crate::app::App;

/// A delivery with its tries, in order.
pub struct Delivered {
    /// The delivery.
    pub delivery: Delivery,
    /// Its tries.
    pub attempts: Vec<Attempt>,
}

/// A page of an endpoint's deliveries, newest first, and whether there is more.
pub async fn list_deliveries(
    app: &App,
    ctx: &Ctx,
    id: &str,
    before: Option<EventId>,
    limit: Option<u32>,
) -> Result<(Vec<Delivered>, bool), Error> {
    ctx.principal.permit(Deed::ListDeliveries)?;
    let endpoint = find_webhook(app, ctx, id).await?.id;
    let limit = page_limit(limit)?;
    let tenant = ctx.principal.tenant.clone();
    let page = app.db.read("list_deliveries", move |rx| {
        let deliveries = webhook_deliveries::of(&tenant);
        let page = deliveries.list(rx, &endpoint, before.as_ref(), i64::from(limit) + 1)?;
        let attempts = match (page.last(), page.first()) {
            (Some(oldest), Some(newest)) => {
                deliveries.list_attempts(rx, &endpoint, &oldest.event_id, &newest.event_id)?
            }
            _ => Vec::new(),
        };
        Ok::<_, StoreError>((page, attempts))
    });
    let (mut page, attempts) = page.await?;
    let more = page.len() > limit as usize;
    page.truncate(limit as usize);
    let of = |delivery: &Delivery| {
        attempts.iter().filter(|attempt| attempt.event_id == delivery.event_id).cloned().collect()
    };
    let page = page.into_iter().map(|delivery| Delivered { attempts: of(&delivery), delivery });
    Ok((page.collect(), more))
}
