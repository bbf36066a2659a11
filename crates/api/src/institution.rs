//! Institutions: wallets of their own. As partners, with less to fill in.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::partner::{AssignmentMetadata, Organisation, Package};

/// Asks for a key for one user; every call makes a new one.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NewKeyRequest {
    /// The tenant's name for the user.
    #[schema(min_length = 1, max_length = 255)]
    pub user_identifier: String,
    /// `rsa4096`, `secp256k1` or `ed25519`.
    pub key_type: String,
    /// `HOT`, the default, or `COLD`; fixed for the life of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_environment: Option<String>,
    /// What it is filed under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<Organisation>,
    /// What it is filed under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
    /// Fields to sign beside the public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_with: Option<Vec<String>>,
}

/// A new key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NewKeyResponse {
    /// Its id.
    pub key_id: String,
    /// Lower-case hexadecimal: DER for RSA, the compressed point for secp256k1, 32 bytes for Ed25519.
    pub public_key: String,
    /// ES256, DER, standard base64.
    pub signature: String,
    /// What was signed, when `sign_with` asked for fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_payload: Option<String>,
    /// The fields asked for, in the request's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_fields: Option<Vec<String>>,
    /// As asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// As asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_id: Option<String>,
    /// The names, as asked.
    pub metadata: AssignmentMetadata,
    /// `HOT` or `COLD`.
    pub key_environment: String,
    /// The kind of pair.
    pub key_type: String,
    /// When, RFC 3339.
    pub assigned_at: String,
    /// Which signing key signed; see `/.well-known/jwks.json`.
    pub kid: String,
}

/// Stores one ciphertext under a key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoreOwnRequest {
    /// The key, hexadecimal in any case.
    #[schema(min_length = 32, max_length = 4096, pattern = "^[a-fA-F0-9]+$")]
    pub public_key: String,
    /// SHA-256 of the plaintext, hexadecimal. Left out, the enclave only sees whether the ciphertext opens.
    #[schema(pattern = "^[a-fA-F0-9]{64}$")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// The RSA-OAEP ciphertext, standard base64.
    pub data: String,
    /// `OAEP`, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding_type: Option<String>,
    /// Free members, 16 KiB in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

/// The ciphertext is stored.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoreOwnResponse {
    /// Its id.
    pub backup_id: String,
    /// The checksum as sent; left out where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Bytes of the decoded ciphertext.
    pub data_size: i64,
    /// Always `data`.
    pub backup_type: String,
    /// The request's members and `stored_at`; for a COLD key also `check`: `unverified-cold`.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}

/// Whether a key is whole.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyVerdict {
    /// In words.
    pub message: String,
    /// Whether the enclave rebuilt the key and its halves fit.
    pub is_key_valid: bool,
}

/// Whether a backup is whole.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BackupVerdict {
    /// In words.
    pub message: String,
    /// Whether it is what was stored, and opens.
    pub is_backup_valid: bool,
}
