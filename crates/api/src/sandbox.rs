//! The sandbox: its credentials file, and what rehearses a failure.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Makes one item fail at its recovery.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DamageRequest {
    /// The item.
    pub backup_id: String,
}

/// It will fail.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DamageResponse {
    /// Always true.
    pub ok: bool,
    /// The item.
    pub backup_id: String,
}

/// What the page sends on which one plays the person who is checked. White space around a name is cut off.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PlayForm {
    /// What happens to the inquiry.
    pub action: String,
    /// Whom one plays.
    pub first_name: String,
    /// Whom one plays.
    pub last_name: String,
    /// `YYYY-MM-DD`.
    pub birthdate: String,
}

/// The offline enclave has done what waited for it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CeremonyResponse {
    /// Always true.
    pub ok: bool,
    /// COLD keys that came into the pool.
    pub keys_added: u64,
}

/// The tenant has begun anew.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ResetResponse {
    /// Always true.
    pub ok: bool,
}

/// Everything a sandbox made for its users.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// Where the API listens.
    pub base_url: String,
    /// Where people go; by name, since passkeys need one.
    pub control_url: String,
    /// The signing keys.
    pub jwks_url: String,
    /// The service's own folder.
    pub data_dir: String,
    /// The offline enclave's folder, outside `data_dir`.
    pub cold_dir: String,
    /// One tenant of each kind.
    pub tenants: Vec<Tenant>,
}

/// One tenant of a sandbox.
#[derive(Clone, Serialize, Deserialize)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// `retail`, `partner` or `institution`.
    pub kind: String,
    /// Its API keys.
    pub api_keys: ApiKeys,
    /// Its people.
    pub control: Vec<Person>,
}

/// A tenant's API keys.
#[derive(Clone, Serialize, Deserialize)]
pub struct ApiKeys {
    /// May do all that a tenant of this kind does.
    pub full: String,
    /// The same, less the scope of its kind.
    pub no_partner_scope: String,
    /// The same as `full`, but expired.
    pub expired: String,
}

/// A person with a working passkey for tests.
#[derive(Clone, Serialize, Deserialize)]
pub struct Person {
    /// Signs in with it.
    pub email: String,
    /// And with this.
    pub password: String,
    /// Base32 secret of the second factor.
    pub totp_secret: String,
    /// `owner`, `member`, `officer` or `auditor`.
    pub role: String,
    /// The passkey.
    pub passkey: Passkey,
}

/// The private side of a passkey, for tests.
#[derive(Clone, Serialize, Deserialize)]
pub struct Passkey {
    /// base64url.
    pub credential_id: String,
    /// base64url.
    pub user_handle: String,
    /// base64url of the DER.
    pub private_key_pkcs8: String,
    /// The name it is bound to.
    pub rp_id: String,
    /// Its counter.
    pub sign_count: u32,
}
