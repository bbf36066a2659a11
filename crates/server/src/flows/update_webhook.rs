//! Changes a webhook endpoint, or switches it on or off.

use domain::access::Deed;
use domain::refusal::Refusal;
use domain::webhook::{DisabledReason, EndpointState, EventFilter};
use store::webhooks::{self, Endpoint};
use store::{StoreError, webhook_deliveries};

use super::create_webhook::webhook_entry;
use super::list_webhooks::find_webhook;
use super::{Ctx, Error};
use crate::app::App;

/// What is to be changed; what is none stays.
pub struct UpdateWebhook {
    /// Where it is.
    pub url: Option<String>,
    /// Which events it wants.
    pub events: Option<EventFilter>,
    /// The tenant's own words.
    pub description: Option<String>,
    /// Whether it gets anything.
    pub enabled: Option<bool>,
}

/// The endpoint as it is now. Switching it off parks what waits for it.
pub async fn update_webhook(
    app: &App,
    ctx: &Ctx,
    id: &str,
    change: UpdateWebhook,
) -> Result<Endpoint, Error> {
    ctx.principal.permit(Deed::UpdateWebhook)?;
    let read = |url: &String| app.outbound.targets().read(url).map_err(|fault| Refusal::field("url", fault));
    let url = change.url.as_ref().map(read).transpose()?;
    let id = find_webhook(app, ctx, id).await?.id;
    let (tenant, now) = (ctx.principal.tenant.clone(), ctx.now);
    let entry = webhook_entry(ctx, app, "webhook.updated", &id);
    let changed = app.db.write("update_webhook", move |tx| {
        let Some(mut endpoint) = webhooks::of(&tenant).find(tx, &id)? else { return Ok(None) };
        if let Some(target) = &url {
            endpoint.url.clone_from(&target.url);
        }
        if let Some(events) = &change.events {
            endpoint.events = events.clone();
        }
        if let Some(description) = &change.description {
            endpoint.description.clone_from(description);
        }
        match change.enabled {
            Some(true) => {
                endpoint.state = EndpointState::Enabled;
                (endpoint.disabled_reason, endpoint.failing_since) = (None, None);
            }
            Some(false) if endpoint.state == EndpointState::Enabled => {
                endpoint.state = EndpointState::Disabled;
                endpoint.disabled_reason = Some(DisabledReason::Asked);
                webhook_deliveries::of(&tenant).park_all(tx, &id, now)?;
            }
            _ => {}
        }
        endpoint.updated_at = now;
        if !webhooks::of(&tenant).set(tx, &endpoint)? {
            return Ok(None);
        }
        store::audit::of(&tenant).append(tx, &entry)?;
        Ok::<_, StoreError>(Some(endpoint))
    });
    Ok(changed.await?.ok_or_else(Refusal::not_found)?)
}
