//! Retail: a consumer proves who he is and gets his material back.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Begins an identity check of one user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StartRequest {
    /// The tenant's name for the user, 1 to 255 characters, no control characters.
    #[schema(min_length = 1, max_length = 255, example = "customer-4711")]
    pub user_identifier: String,
    /// Binds the recovery to this OpenPGP key from the start: 40 or 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^([a-fA-F0-9]{40}|[a-fA-F0-9]{64})$")]
    pub gpg_fingerprint: Option<String>,
}

/// The check has begun.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StartResponse {
    /// The identity provider's id of the inquiry.
    pub verification_id: String,
}

/// Where a check stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatusResponse {
    /// The inquiry.
    pub verification_id: String,
    /// `pending`, `approved`, `declined` or `review`.
    pub status: String,
    /// When it last changed, RFC 3339.
    pub updated_at: String,
    /// The inquiry's own state, one of eight.
    pub inquiry_status: String,
}

/// Asks for a new key pair for one user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GenerateKeyRequest {
    /// The tenant's name for the user.
    #[schema(min_length = 1, max_length = 255)]
    pub user_identifier: String,
    /// An inquiry of this user that is not declined, failed or expired.
    pub verification_id: String,
    /// Fields to sign beside the public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_with: Option<Vec<String>>,
}

/// A new key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GenerateKeyResponse {
    /// Its id.
    pub key_id: String,
    /// Lower-case hexadecimal of the DER `SubjectPublicKeyInfo`.
    pub public_key: String,
    /// ES256, DER, standard base64.
    pub signature: String,
    /// What was signed, when `sign_with` asked for fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_payload: Option<String>,
    /// The fields asked for, in the request's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_fields: Option<Vec<String>>,
}

/// Stores 1 to 3 encrypted items.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoreRequest {
    /// The tenant's name for the user.
    #[schema(min_length = 1, max_length = 255)]
    pub user_identifier: String,
    /// The inquiry under which the items are stored.
    pub verification_id: String,
    /// The user's key, hexadecimal in any case.
    #[schema(min_length = 32, max_length = 4096, pattern = "^[a-fA-F0-9]+$")]
    pub public_key: String,
    /// The items; each name once.
    #[schema(min_items = 1, max_items = 3)]
    pub backup: Vec<ItemToStore>,
    /// Free members; `description`, `content_type` and `original_filename` are strings. 16 KiB in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

/// One encrypted item.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ItemToStore {
    /// Its name, 1 to 128 characters.
    #[schema(min_length = 1, max_length = 128, example = "mnemonic")]
    pub item_key: String,
    /// The RSA-OAEP ciphertext, standard base64.
    pub item_value: String,
    /// SHA-256 of the plaintext, hexadecimal.
    #[schema(pattern = "^[a-fA-F0-9]{64}$")]
    pub item_checksum: String,
}

/// The items are stored.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoreResponse {
    /// Always `data`.
    pub backup_type: String,
    /// The request's members, `api_key_entity_type`, `stored_at` and `backup_items_count`.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// One for each item.
    pub backup: Vec<StoredItem>,
}

/// One stored item.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoredItem {
    /// Its name.
    pub item_key: String,
    /// Its id.
    pub backup_id: String,
    /// The checksum as sent.
    pub checksum: String,
    /// Bytes of the decoded ciphertext.
    pub data_size: i64,
}

/// Asks for everything a user has stored, encrypted to his own key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecoverRequest {
    /// The tenant's name for the user.
    #[schema(min_length = 1, max_length = 255)]
    pub user_identifier: String,
    /// An approved inquiry of this user, inside its window.
    pub verification_id: String,
    /// An ASCII-armoured OpenPGP certificate.
    pub gpg_public_key: String,
    /// Your own signature for this recovery, where your policy asks for one: a compact JWS (RFC 7515) by ES256 over the
    /// RFC 8785 form of `{"openpgp_fpr", "user_identifier", "verification_id"}`, made with a key of that policy.
    /// `openpgp_fpr` is the certificate's primary fingerprint in upper-case hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_signature: Option<String>,
}

/// The user's items, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecoverResponse {
    /// The tenant's name for the user.
    pub user_identifier: String,
    /// The inquiry that was used.
    pub verification_id: String,
    /// One for each item.
    pub backup: Vec<RecoveredItem>,
    /// What the enclave signed of this release, for `holdfast verify-record`: a compact JWS. None: nothing went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_record: Option<String>,
}

/// One item: recovered, or failed with `error`. Both published editions of the answer at once.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecoveredItem {
    /// Its id.
    pub backup_id: String,
    /// Its name.
    pub item_key: String,
    /// The same name, as the other edition calls it.
    pub backup_item_key: String,
    /// Names this release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_id: Option<String>,
    /// The OpenPGP message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_package: Option<RecoveryPackage>,
    /// The same base64, as the other edition has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_value: Option<String>,
    /// The checksum as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_checksum: Option<String>,
    /// As stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_filename: Option<String>,
    /// As stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Bytes of the plaintext, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_size: Option<String>,
    /// As stored, with `recovered_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// Why this item could not be recovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// An OpenPGP message of one item's plaintext.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecoveryPackage {
    /// Always `gpg`.
    pub algorithm: String,
    /// Base64 of the ASCII-armoured message.
    pub data: String,
}

/// Plays the identity provider (sandbox only).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SimulateRequest {
    /// The inquiry.
    pub verification_id: String,
    /// What happens to it.
    #[schema(example = "approve_inquiry")]
    pub action: String,
}

/// It happened.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SimulateResponse {
    /// Always true.
    pub ok: bool,
    /// The inquiry.
    #[serde(rename = "inquiryId")]
    pub inquiry_id: String,
}
