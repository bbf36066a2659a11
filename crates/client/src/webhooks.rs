//! Webhooks: the endpoints, and what was sent to them. What arrives is verified in [`crate::webhook`].

use api::webhook::{
    CreateWebhookRequest, Delivery, DeliveryPage, TestWebhookResponse, UpdateWebhookRequest, Webhook,
    WebhookPage, WebhookWithSecret,
};

use crate::call::{Call, part};
use crate::client::Client;
use crate::error::Error;

/// Where in a list, and how much of it.
#[derive(Clone, Debug, Default)]
pub struct Paging {
    /// How many to a page, 1 to 200.
    pub limit: Option<u32>,
    /// The page before's `next_cursor`.
    pub cursor: Option<String>,
}

impl Paging {
    pub(crate) fn of(&self, call: Call) -> Call {
        call.query("limit", self.limit).query("cursor", self.cursor.as_ref())
    }
}

/// The calls of scope `webhooks`.
#[derive(Clone, Copy, Debug)]
pub struct Webhooks<'a> {
    client: &'a Client,
}

impl Client {
    /// The calls of scope `webhooks`.
    pub fn webhooks(&self) -> Webhooks<'_> {
        Webhooks { client: self }
    }
}

impl Webhooks<'_> {
    /// Adds an endpoint. Its secret is in this answer and nowhere else.
    pub async fn create(self, request: &CreateWebhookRequest) -> Result<WebhookWithSecret, Error> {
        self.client.call(Call::post("v1/webhooks", request)).await
    }

    /// One page of endpoints, newest first.
    pub async fn list(self, paging: &Paging) -> Result<WebhookPage, Error> {
        self.client.call(paging.of(Call::get("v1/webhooks"))).await
    }

    /// One endpoint.
    pub async fn read(self, id: &str) -> Result<Webhook, Error> {
        self.client.call(Call::get(format!("v1/webhooks/{}", part(id)?))).await
    }

    /// Changes an endpoint; what is left out stays.
    pub async fn update(self, id: &str, request: &UpdateWebhookRequest) -> Result<Webhook, Error> {
        self.client.call(Call::patch(format!("v1/webhooks/{}", part(id)?), request)).await
    }

    /// Removes an endpoint.
    pub async fn delete(self, id: &str) -> Result<(), Error> {
        self.client.call_for_status(Call::delete(format!("v1/webhooks/{}", part(id)?))).await
    }

    /// Gives an endpoint another secret; the one before signs too for 24 hours.
    pub async fn rotate_secret(self, id: &str) -> Result<WebhookWithSecret, Error> {
        self.client.call(Call::act(format!("v1/webhooks/{}/rotate-secret", part(id)?))).await
    }

    /// Sends an event `webhook.test`.
    pub async fn test(self, id: &str) -> Result<TestWebhookResponse, Error> {
        self.client.call(Call::act(format!("v1/webhooks/{}/test", part(id)?))).await
    }

    /// One page of what was sent to an endpoint, newest first.
    pub async fn list_deliveries(self, id: &str, paging: &Paging) -> Result<DeliveryPage, Error> {
        self.client.call(paging.of(Call::get(format!("v1/webhooks/{}/deliveries", part(id)?)))).await
    }

    /// Sends an event again.
    pub async fn redeliver(self, id: &str, delivery_id: &str) -> Result<Delivery, Error> {
        let (id, delivery_id) = (part(id)?, part(delivery_id)?);
        self.client.call(Call::act(format!("v1/webhooks/{id}/deliveries/{delivery_id}/redeliver"))).await
    }
}
