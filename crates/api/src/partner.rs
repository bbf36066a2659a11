//! Partner Key Service: wallet providers assign keys to their customers and store material under them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Asks for a key for one user of one organisation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AssignKeyRequest {
    /// The tenant's name for the user.
    #[schema(min_length = 1, max_length = 255)]
    pub user_identifier: String,
    /// `rsa4096` (the default), `secp256k1` or `ed25519`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_type: Option<String>,
    /// `HOT` or `COLD`; fixed for the life of the key.
    pub key_environment: String,
    /// The tenant's own customer.
    pub organisation: Organisation,
    /// The product package the key is filed under.
    pub package: Package,
    /// Fields to sign beside the public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_with: Option<Vec<String>>,
}

/// The tenant's own customer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Organisation {
    /// Its id, the tenant's choice.
    #[schema(min_length = 1, max_length = 255)]
    pub customer_id: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
}

/// A product package.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Package {
    /// Its id, the tenant's choice.
    #[schema(min_length = 1, max_length = 255)]
    pub package_id: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_name: Option<String>,
}

/// An assigned key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AssignKeyResponse {
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
    pub customer_id: String,
    /// As asked.
    pub package_id: String,
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

/// The names that a key is filed under.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AssignmentMetadata {
    /// The organisation's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// The package's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_name: Option<String>,
}

/// Stores one ciphertext under an assigned key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoreDataRequest {
    /// The key, hexadecimal in any case.
    #[schema(min_length = 32, max_length = 4096, pattern = "^[a-fA-F0-9]+$")]
    pub public_key: String,
    /// SHA-256 of the plaintext, hexadecimal.
    #[schema(pattern = "^[a-fA-F0-9]{64}$")]
    pub checksum: String,
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
pub struct StoreDataResponse {
    /// Its id.
    pub backup_id: String,
    /// The checksum as sent.
    pub checksum: String,
    /// Bytes of the decoded ciphertext.
    pub data_size: i64,
    /// Always `data`.
    pub backup_type: String,
    /// The request's members and `stored_at`; for a COLD key also `check`: `unverified-cold`.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}
