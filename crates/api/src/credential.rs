//! A tenant's API credentials.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A new credential.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreateCredentialRequest {
    /// The tenant's own label.
    #[schema(min_length = 1, max_length = 255, example = "wallet backend")]
    pub name: String,
    /// What it may be used for; nothing that the credential of this call may not.
    #[schema(min_items = 1, example = json!(["retail", "audit"]))]
    pub scopes: Vec<String>,
    /// From when it is refused, RFC 3339; never, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// A new credential, with its text. It is shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CreatedCredential {
    /// The text: what `X-API-Key` takes.
    pub api_key: String,
    /// Its id.
    pub id: String,
    /// The tenant's own label.
    pub name: String,
    /// By which people recognise it: its prefix and its last four characters.
    pub hint: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// From when it is refused.
    pub expires_at: Option<String>,
    /// When it was made.
    pub created_at: String,
}

/// A credential, without its text.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Credential {
    /// Its id.
    pub id: String,
    /// The tenant's own label.
    pub name: String,
    /// By which people recognise it: its prefix and its last four characters.
    pub hint: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// From when it is refused.
    pub expires_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
    /// When it was made.
    pub created_at: String,
}

/// A page of credentials, newest first, the revoked and the expired among them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CredentialPage {
    /// The credentials.
    pub data: Vec<Credential>,
    /// Hand this back as `cursor` for the next page; none at the end.
    pub next_cursor: Option<String>,
}

/// A bearer token.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenResponse {
    /// Its text: what `Authorization: Bearer` takes.
    pub token: String,
    /// `Bearer`.
    pub token_type: String,
    /// For how long it is good, seconds.
    #[schema(example = 1800)]
    pub expires_in: u64,
    /// When it ends, RFC 3339.
    pub expires_at: String,
}

/// A tenant's own issuer of tokens.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SetIssuerRequest {
    /// Its name: the claim `iss` of its tokens.
    #[schema(min_length = 1, max_length = 255, example = "https://login.example.com")]
    pub issuer: String,
    /// Where its public keys are: a JWK Set with at least one key for ES256. It is fetched at once.
    #[schema(max_length = 2048, example = "https://login.example.com/.well-known/jwks.json")]
    pub jwks_uri: String,
    /// For whom its tokens are: their claim `aud`, alone or in a list.
    #[schema(min_length = 1, max_length = 255, example = "holdfast")]
    pub audience: String,
}

/// A tenant's own issuer of tokens, as it is registered.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Issuer {
    /// Its name: the claim `iss` of its tokens.
    pub issuer: String,
    /// Where its public keys are.
    pub jwks_uri: String,
    /// For whom its tokens are.
    pub audience: String,
    /// What its tokens may hold at most.
    pub scopes: Vec<String>,
    /// When the tenant first had one.
    pub created_at: String,
    /// When it was last set.
    pub updated_at: String,
}
