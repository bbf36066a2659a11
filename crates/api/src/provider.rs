//! What identity providers are answered.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The event was genuine; it need not be sent again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventResponse {
    /// Always true.
    pub ok: bool,
}
