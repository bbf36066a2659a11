//! Deletes a webhook endpoint, with what waits for it.

use domain::access::Deed;
use domain::ids::WebhookId;
use domain::refusal::Refusal;
use store::webhooks;

use super::create_webhook::webhook_entry;
use super::{Ctx, Error};
use crate::app::App;

/// Deletes it.
pub async fn delete_webhook(app: &App, ctx: &Ctx, id: &str) -> Result<(), Error> {
    ctx.principal.permit(Deed::DeleteWebhook)?;
    let id: WebhookId = id.parse().map_err(|_| Refusal::not_found())?;
    let tenant = ctx.principal.tenant.clone();
    let entry = webhook_entry(ctx, app, "webhook.deleted", &id);
    app.db
        .write("delete_webhook", move |tx| {
            if !webhooks::of(&tenant).delete(tx, &id)? {
                return Err(Error::from(Refusal::not_found()));
            }
            Ok(store::audit::of(&tenant).append(tx, &entry)?)
        })
        .await
}
