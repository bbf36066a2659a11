//! Events, as webhooks carry them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// One event. No secret and no ciphertext is ever in it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its id; the same on every try.
    pub id: String,
    /// Such as `backup.stored`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When, RFC 3339.
    pub created_at: String,
    /// `sandbox` or `production`.
    pub environment: String,
    /// What happened; never empty.
    #[schema(value_type = Object)]
    pub data: Map<String, Value>,
}
