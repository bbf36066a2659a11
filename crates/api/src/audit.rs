//! The audit log, as a tenant reads it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One act.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Whose log it is.
    pub tenant: String,
    /// Its place in that log, from 1, without gaps.
    pub seq: i64,
    /// When, RFC 3339.
    pub time: String,
    /// Who: a credential's id, a keyed hash of the `sub` of a token of the tenant's own issuer, a person's id, a
    /// provider's name, or `service`.
    pub actor: String,
    /// `api_key`, `user_credentials`, `person` (who signed in to Control), `identity_provider`, `service`, or `operator`:
    /// who administers the installation.
    pub actor_type: String,
    /// What, such as `key.assigned`.
    pub action: String,
    /// The key concerned.
    pub key_id: Option<String>,
    /// The backup concerned.
    pub backup_id: Option<String>,
    /// The recovery concerned.
    pub recovery_id: Option<String>,
    /// The inquiry concerned.
    pub verification_id: Option<String>,
    /// The organisation concerned.
    pub customer_id: Option<String>,
    /// The package concerned.
    pub package_id: Option<String>,
    /// `ok`, `refused` or `failed`.
    pub result: String,
    /// The stable code of a refusal; the id of a credential that was made or revoked.
    pub reason: Option<String>,
    /// The call that did it.
    pub request_id: String,
    /// Lower-case hexadecimal SHA-256 of the entry before this one; zeros at the first.
    pub prev_hash: String,
}

/// A page of the log, ascending.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The entries.
    pub data: Vec<AuditEntry>,
    /// Hand this back as `cursor` for the next page; none at the end.
    pub next_cursor: Option<String>,
}

/// A log's size and root, signed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditCheckpoint {
    /// The whole of it as C2SP signed-note: what `text/plain` is. Keep it: it proves what the log was.
    pub note: String,
    /// Which log.
    pub origin: String,
    /// How many entries it covers: those up to this `seq`.
    pub size: i64,
    /// The root of the RFC 6962 tree over them, standard base64.
    pub root: String,
    /// When it was made, RFC 3339. This is not signed.
    pub made_at: String,
    /// The key that it is checked with, as C2SP signed-note spells it. Keep the first one, or ask the operator:
    /// whoever can forge a checkpoint can name another key with it.
    pub key: String,
    /// The enclave's key, where the note has its signature too (C2SP tlog-cosignature). Keep the first one: the enclave
    /// signs only what goes on from all that it signed of this log before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enclave_key: Option<String>,
}
