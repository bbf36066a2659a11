//! The signing keys, as RFC 7517 has them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A JWK set.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// One public key: ECDSA on P-256.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Jwk {
    /// Always `EC`.
    pub kty: String,
    /// Always `P-256`.
    pub crv: String,
    /// Always `ES256`.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub use_: String,
    /// Unique; different in every environment.
    pub kid: String,
    /// base64url.
    pub x: String,
    /// base64url.
    pub y: String,
    /// What it signs: `assignment-sig` or `receipt-sig`.
    #[serde(rename = "coincover:purposes")]
    pub purposes: Vec<String>,
    /// Since when, RFC 3339.
    #[serde(rename = "coincover:validFrom")]
    pub valid_from: String,
}
