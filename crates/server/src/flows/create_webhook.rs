//! Registers a webhook endpoint.

use domain::access::Deed;
use domain::ids::WebhookId;
use domain::limits::WEBHOOKS_PER_TENANT_MAX;
use domain::refusal::{Kind, Refusal};
use domain::webhook::{EndpointState, EventFilter, WebhookSecret};
use store::audit::AuditEntry;
use store::seal::Place;
use store::webhooks::{self, Endpoint};

use super::repeat_call::SecretShown;
use super::{Ctx, Error};
use crate::app::App;

/// What an endpoint is to be.
pub struct CreateWebhook {
    /// Where it is.
    pub url: String,
    /// Which events it wants.
    pub events: EventFilter,
    /// The tenant's own words.
    pub description: String,
}

/// The endpoint, and its secret, which is never shown again.
pub async fn create_webhook(
    app: &App,
    ctx: &Ctx,
    command: CreateWebhook,
) -> Result<(Endpoint, WebhookSecret), Error> {
    ctx.principal.permit(Deed::CreateWebhook)?;
    let url = app.outbound.targets().read(&command.url).map_err(|fault| Refusal::field("url", fault))?.url;
    let id = WebhookId::new(ctx.now, &mut app.chance());
    let secret = WebhookSecret::new(&mut app.chance());
    let sealed = app.keys.seal(secret_place(&id), secret.expose().as_bytes())?;
    let endpoint = Endpoint {
        id,
        url,
        description: command.description,
        events: command.events,
        state: EndpointState::Enabled,
        disabled_reason: None,
        secret: sealed,
        previous_secret: None,
        previous_until: None,
        failing_since: None,
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    let (tenant, new) = (ctx.principal.tenant.clone(), endpoint.clone());
    let entry = webhook_entry(ctx, app, "webhook.created", &endpoint.id);
    let shown = SecretShown::of(app, ctx.named.as_ref(), endpoint.id.as_str())?;
    app.db
        .write("create_webhook", move |tx| {
            if !webhooks::of(&tenant).insert(tx, &new)? {
                let text =
                    format!("an account has at most {WEBHOOKS_PER_TENANT_MAX} webhooks; delete one first");
                return Err(Error::from(Refusal::new(Kind::Conflict, "webhook-limit", text)));
            }
            store::audit::of(&tenant).append(tx, &entry)?;
            shown.write(tx)
        })
        .await?;
    Ok((endpoint, secret))
}

/// Where the secret that signs lies.
pub(super) fn secret_place(id: &WebhookId) -> Place<'_> {
    Place { table: "webhook_endpoints", row: id.as_str(), column: "secret" }
}

/// Where the one before it lies.
pub(super) fn previous_place(id: &WebhookId) -> Place<'_> {
    Place { table: "webhook_endpoints", row: id.as_str(), column: "previous_secret" }
}

/// An entry on a webhook. It has no member of its own for one: its reason says which.
pub(super) fn webhook_entry(ctx: &Ctx, app: &App, action: &str, id: &WebhookId) -> AuditEntry {
    AuditEntry { reason: Some(format!("webhook {id}")), ..ctx.entry(app, action) }
}
