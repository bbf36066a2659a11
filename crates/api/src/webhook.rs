//! Webhook endpoints and what they were sent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/webhooks`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreateWebhookRequest {
    /// Where events are posted to: https, and in a sandbox also http.
    #[schema(example = "https://example.com/holdfast")]
    pub url: String,
    /// Which types; all when left out or empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["recovery.released"]))]
    pub events: Option<Vec<String>>,
    /// Your own words, up to 255 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// `PATCH /v1/webhooks/{id}`; what is left out stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct UpdateWebhookRequest {
    /// Where events are posted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Which types; all when empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// Your own words; none when empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `false` switches it off and parks what waits, `true` switches it on again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A webhook endpoint.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// Where events are posted to.
    pub url: String,
    /// Which types; empty for all.
    pub events: Vec<String>,
    /// Your own words.
    pub description: String,
    /// Whether it gets events.
    pub enabled: bool,
    /// Why not: `asked`, `gone` (it answered 410) or `failing` (for five days).
    pub disabled_reason: Option<String>,
    /// Since when every try has failed, RFC 3339.
    pub failing_since: Option<String>,
    /// Until when the secret before the last rotation signs too, RFC 3339.
    pub previous_secret_until: Option<String>,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When it was last changed, RFC 3339.
    pub updated_at: String,
}

/// A webhook endpoint with its secret, which is shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct WebhookWithSecret {
    /// The endpoint.
    #[serde(flatten)]
    pub webhook: Webhook,
    /// `whsec_` and base64: the text is the key of `Coincover-Signature`, the bytes that of `webhook-signature`.
    pub secret: String,
}

/// A page of webhook endpoints, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WebhookPage {
    /// The endpoints.
    pub data: Vec<Webhook>,
    /// Hand this back as `cursor` for the next page; none at the end.
    pub next_cursor: Option<String>,
}

/// `POST /v1/webhooks/{id}/test`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TestWebhookResponse {
    /// The delivery, and the event in it.
    pub delivery_id: String,
    /// `webhook.test`.
    #[serde(rename = "type")]
    pub event_type: String,
}

/// An event on its way to an endpoint.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// The event's id, which is also `webhook-id`; the same on every try.
    pub id: String,
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// `pending`, `delivered` or `parked`.
    pub state: String,
    /// When the event happened, RFC 3339.
    pub created_at: String,
    /// When it is tried next, RFC 3339; none when it is not pending.
    pub next_attempt_at: Option<String>,
    /// Every try so far, in order.
    pub attempts: Vec<Attempt>,
}

/// One try.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// From 1.
    pub number: i64,
    /// When it began, RFC 3339.
    pub time: String,
    /// How long it took.
    pub duration_ms: i64,
    /// `acknowledged`, `refused`, `redirected`, `gone`, `timed-out`, `not-resolved`, `target-refused`,
    /// `not-connected`, `tls-failed` or `broken`.
    pub status: String,
    /// The HTTP status of the answer, if one came. The rest of the answer is not kept.
    pub answer_code: Option<i64>,
}

/// A page of deliveries, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeliveryPage {
    /// The deliveries.
    pub data: Vec<Delivery>,
    /// Hand this back as `cursor` for the next page; none at the end.
    pub next_cursor: Option<String>,
}
