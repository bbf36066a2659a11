//! Keys and backups as their tenant sees them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::institution::NewKeyResponse;
use crate::partner::AssignmentMetadata;

/// Which keys are listed. What is left out does not narrow.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyList {
    /// Only keys of this user
    pub user_identifier: Option<String>,
    /// Only keys of this organisation
    pub customer_id: Option<String>,
    /// Only keys of this package
    pub package_id: Option<String>,
    /// Only keys in this state
    pub status: Option<String>,
    /// `HOT` or `COLD`
    pub key_environment: Option<String>,
    /// 1 to 200; 50 when left out
    pub limit: Option<u32>,
    /// `next_cursor` of the page before
    pub cursor: Option<String>,
}

/// Which backups are listed. What is left out does not narrow.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BackupList {
    /// Only backups of this user
    pub user_identifier: Option<String>,
    /// Only backups under this key
    pub key_id: Option<String>,
    /// Only backups of this organisation
    pub customer_id: Option<String>,
    /// Only backups of this package
    pub package_id: Option<String>,
    /// Only backups in this state
    pub status: Option<String>,
    /// `data` or `file`
    pub backup_type: Option<String>,
    /// 1 to 200; 50 when left out
    pub limit: Option<u32>,
    /// `next_cursor` of the page before
    pub cursor: Option<String>,
}

/// A page of keys, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyPage {
    /// The keys.
    pub data: Vec<KeyShown>,
    /// Where the next page begins; null at the end.
    pub next_cursor: Option<String>,
}

/// A key, with what its assignment answered.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyShown {
    /// Its id.
    pub key_id: String,
    /// The tenant's name for its user.
    pub user_identifier: String,
    /// `active`, `superseding`, `superseded`, `released`, `destroy-pending` or `destroyed`.
    pub status: String,
    /// As first answered.
    pub public_key: String,
    /// As first answered.
    pub signature: String,
    /// As first answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_payload: Option<String>,
    /// As first answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_fields: Option<Vec<String>>,
    /// The kind of pair.
    pub key_type: String,
    /// `HOT` or `COLD`.
    pub key_environment: String,
    /// The organisation it is filed under; null where there is none.
    pub customer_id: Option<String>,
    /// The package it is filed under; null where there is none.
    pub package_id: Option<String>,
    /// Their names.
    pub metadata: AssignmentMetadata,
    /// When it was assigned, RFC 3339.
    pub assigned_at: String,
    /// Which signing key signed.
    pub kid: String,
    /// The key that it replaced; null where there is none.
    pub supersedes: Option<String>,
    /// The key that replaced it; null where there is none.
    pub superseded_by: Option<String>,
    /// How many backups it guards, deleted ones not counted.
    pub backups_count: i64,
}

/// One key, and what was done to it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyDetails {
    /// The key.
    #[serde(flatten)]
    pub key: KeyShown,
    /// From its assignment on.
    pub history: Vec<KeyAct>,
}

/// Something that was done to a key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyAct {
    /// When, RFC 3339.
    pub time: String,
    /// What, as the audit log names it, such as `key.assigned`.
    pub action: String,
    /// What the actor is.
    pub actor_type: String,
    /// Who.
    pub actor: String,
}

/// Asks for a new key in the place of one.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RotateKeyRequest {
    /// Fields to sign beside the new public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_with: Option<Vec<String>>,
}

/// The new key, as its assignment would have answered it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RotateKeyResponse {
    /// The key.
    #[serde(flatten)]
    pub key: NewKeyResponse,
    /// The key that it replaced.
    pub supersedes: String,
}

/// A page of backups, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BackupPage {
    /// The backups.
    pub data: Vec<BackupShown>,
    /// Where the next page begins; null at the end.
    pub next_cursor: Option<String>,
}

/// What is known about a backup; never its ciphertext or its plaintext's checksum.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BackupShown {
    /// Its id.
    pub backup_id: String,
    /// The key it is encrypted to.
    pub key_id: String,
    /// `HOT` or `COLD`.
    pub key_environment: String,
    /// The tenant's name for its user.
    pub user_identifier: String,
    /// The organisation its key is filed under; null where there is none.
    pub customer_id: Option<String>,
    /// The package its key is filed under; null where there is none.
    pub package_id: Option<String>,
    /// `data` or `file`.
    pub backup_type: String,
    /// `unconfirmed`, `confirmed`, `delete-pending` or `deleted`.
    pub status: String,
    /// `verified`, `unverified-cold`, `check-failed`; a file's: `not-checked`.
    pub check: String,
    /// The caller's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_key: Option<String>,
    /// Bytes stored.
    pub data_size: i64,
    /// A file's: SHA-256 of the bytes stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What came with it, and `stored_at`.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// When it last changed, RFC 3339.
    pub updated_at: String,
    /// When it will be deleted; null unless that was asked for.
    pub delete_after: Option<String>,
}

/// It will be deleted.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeleteResponse {
    /// From then on, RFC 3339; until then it can be restored.
    pub delete_after: String,
}
