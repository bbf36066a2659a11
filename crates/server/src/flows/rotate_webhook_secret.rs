//! Gives a webhook endpoint a new secret; for a day the one before signs too.

use domain::access::Deed;
use domain::limits::WEBHOOK_ROTATION;
use domain::refusal::{Kind, Refusal};
use domain::webhook::WebhookSecret;
use store::webhooks::{self, Endpoint};

use super::create_webhook::{previous_place, secret_place, webhook_entry};
use super::list_webhooks::find_webhook;
use super::repeat_call::SecretShown;
use super::{Ctx, Error};
use crate::app::App;

/// The endpoint, and its new secret, which is never shown again.
pub async fn rotate_webhook_secret(
    app: &App,
    ctx: &Ctx,
    id: &str,
) -> Result<(Endpoint, WebhookSecret), Error> {
    ctx.principal.permit(Deed::RotateWebhookSecret)?;
    let was = find_webhook(app, ctx, id).await?;
    let secret = WebhookSecret::new(&mut app.chance());
    let previous = app.keys.open(secret_place(&was.id), &was.secret)?;
    let endpoint = Endpoint {
        secret: app.keys.seal(secret_place(&was.id), secret.expose().as_bytes())?,
        previous_secret: Some(app.keys.seal(previous_place(&was.id), &previous)?),
        previous_until: Some(ctx.now + WEBHOOK_ROTATION),
        updated_at: ctx.now,
        ..was.clone()
    };
    let (tenant, new) = (ctx.principal.tenant.clone(), endpoint.clone());
    let entry = webhook_entry(ctx, app, "webhook.secret-rotated", &endpoint.id);
    let shown = SecretShown::of(app, ctx.named.as_ref(), endpoint.id.as_str())?;
    app.db
        .write("rotate_webhook_secret", move |tx| {
            if !webhooks::of(&tenant).set_secret(tx, &new, &was.secret)? {
                let text = "another call gave this webhook a new secret at the same moment";
                return Err(Error::from(Refusal::new(Kind::Conflict, "webhook-changed", text)));
            }
            store::audit::of(&tenant).append(tx, &entry)?;
            shown.write(tx)
        })
        .await?;
    Ok((endpoint, secret))
}
