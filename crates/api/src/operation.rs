//! What those are told who watch the process.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The process runs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    pub status: String,
}

/// Everything that is needed is there.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Always `ready`.
    pub status: String,
    /// `sandbox` or `production`.
    pub environment: String,
    /// `ready`, or `away`: files can be neither stored nor checked, and all else goes on. As of ten seconds ago at most.
    pub files: String,
}
