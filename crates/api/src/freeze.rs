//! Freezing an account: for a time nothing leaves of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Have nothing leave for a time.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FreezeRequest {
    /// For how many hours from now; 72 when left out. What is frozen for longer stays so.
    pub hours: Option<u32>,
}

/// Whether anything leaves.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FreezeState {
    /// Nothing does.
    pub frozen: bool,
    /// Until when, if so; later where the service stands still meanwhile. An owner may end it before.
    pub frozen_until: Option<String>,
}
