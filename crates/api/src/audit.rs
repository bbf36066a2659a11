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
    /// Who: a credential's id, the `sub` of a token of the tenant's own issuer, a provider's name, or `service`.
    pub actor: String,
    /// `api_key`, `user_credentials`, `identity_provider`, `service`, or `operator`: who administers the installation.
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
