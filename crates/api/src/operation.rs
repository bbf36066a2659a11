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
    /// `whole`; `foreign`: somebody wrote entries for audit logs past the service, and they got no place there, or the
    /// head of one, and nothing is added to that log; or `forked`: a tenant's audit log does not go on from what the enclave signed of it. Somebody put back an old copy of
    /// the database or wrote a history anew. All goes on, and the operator should look.
    pub audit_logs: String,
    /// How it stands with those outside who sign the audit logs' checkpoints too: `none` of them is set, or `well`, or
    /// one is `away`, or one is `forked`: he knows another history of a log than this service has.
    pub witnesses: String,
}
