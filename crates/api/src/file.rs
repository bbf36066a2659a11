//! Encrypted files under an assigned key: partners and institutions alike.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Stores one encrypted file under an assigned key. The service adds no encryption and opens nothing.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoreFileForm {
    /// The key, hexadecimal in any case.
    #[schema(min_length = 32, max_length = 4096, pattern = "^[a-fA-F0-9]+$")]
    pub public_key: String,
    /// The file, of type `application/octet-stream`; 1 byte to 10 MiB.
    #[schema(value_type = String, content_media_type = "application/octet-stream", min_length = 1, max_length = 10_485_760)]
    pub file: Vec<u8>,
    /// A JSON object of free members, 16 KiB in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

/// The file is stored.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoreFileResponse {
    /// Its id.
    pub backup_id: String,
    /// Always `file`.
    pub backup_type: String,
    /// Bytes of the file.
    pub data_size: i64,
    /// SHA-256 of these bytes, hexadecimal.
    pub sha256: String,
    /// The request's members and `stored_at`.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
}
