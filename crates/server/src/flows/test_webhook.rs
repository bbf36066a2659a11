//! Sends a webhook endpoint an event that reports nothing, to see whether it works.

use boundary::json::Value as Json;
use domain::access::Deed;
use domain::ids::EventId;
use domain::refusal::{Kind, Refusal};
use domain::webhook::{EndpointState, TEST_EVENT};
use store::StoreError;
use store::webhooks::Endpoint;

use super::create_webhook::webhook_entry;
use super::list_webhooks::find_webhook;
use super::{Ctx, Error, event, tell_one};
use crate::app::App;

/// The id of the event, which is on its way.
pub async fn test_webhook(app: &App, ctx: &Ctx, id: &str) -> Result<EventId, Error> {
    ctx.principal.permit(Deed::TestWebhook)?;
    let endpoint = find_webhook(app, ctx, id).await?;
    must_be_enabled(&endpoint)?;
    let data = vec![("webhook_id", Json::text(endpoint.id.to_string()))];
    let test = event(&app.minter, ctx.now, TEST_EVENT, data);
    let (tenant, env, event_id) = (ctx.principal.tenant.clone(), app.env, test.id.clone());
    let entry = webhook_entry(ctx, app, "webhook.tested", &endpoint.id);
    let told = app.db.write("test_webhook", move |tx| {
        // It may be gone by now.
        if store::webhooks::of(&tenant).find(tx, &endpoint.id)?.is_none() {
            return Ok(false);
        }
        tell_one(tx, &tenant, env, &test, &endpoint.id)?;
        store::audit::of(&tenant).append(tx, &entry)?;
        Ok::<_, StoreError>(true)
    });
    if told.await? { Ok(event_id) } else { Err(Refusal::not_found().into()) }
}

/// Nothing is sent to an endpoint that is off.
pub(super) fn must_be_enabled(endpoint: &Endpoint) -> Result<(), Refusal> {
    if endpoint.state == EndpointState::Enabled {
        return Ok(());
    }
    let text = "this webhook is switched off; set `enabled` first";
    Err(Refusal::new(Kind::Conflict, "webhook-disabled", text))
}
