//! What rows begin with: checked users, keys, ciphertexts.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::RecipientKey;
use client::openpgp::OpenPgpFault;
use serde_json::{Value, json};

use super::answer::Answer;
use super::call::Call;
use super::crypto::{encrypt, sha256_hex};
use super::verdict::{Stop, failed, skipped};
use super::world::{World, once};

pub const START: &str = "/v1/verification/start";
pub const STATUS: &str = "/v1/verification/status?verification_id=";
pub const SIMULATE: &str = "/v1/verification/simulate";
pub const GENERATE: &str = "/v1/key/generate";
pub const STORE: &str = "/v1/backup/store";
pub const RECOVER: &str = "/v1/backup/recover";
pub const PARTNER_KEYS: &str = "/v1/partner/keys";
pub const PARTNER_DATA: &str = "/v1/partner/secure/data";
pub const PARTNER_FILE: &str = "/v1/partner/secure/file";
pub const KEYS: &str = "/v1/keys";
pub const DATA: &str = "/v1/secure/data";
pub const FILE: &str = "/v1/secure/file";

/// An id that nobody has.
pub const NO_ID: &str = "00000000-0000-7000-8000-000000000000";

/// A key as it was given, and for whom.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    pub public: String,
    pub user: String,
}

/// A user with an approved check and a key.
#[derive(Clone, Debug)]
pub struct Enrolled {
    pub user: String,
    pub check: String,
    pub key: Key,
}

/// What is made once: an RSA key takes its time.
#[derive(Default)]
pub struct Shared {
    enrolled: OnceLock<Result<Enrolled, Stop>>,
    partner_key: OnceLock<Result<Key, Stop>>,
    institution_key: OnceLock<Result<Key, Stop>>,
    device: OnceLock<Result<RecipientKey, OpenPgpFault>>,
}

impl World {
    /// Begins a check; its id.
    pub fn check(&self, user: &str) -> Result<String, Stop> {
        let answer = self.retail().post(START, &json!({"user_identifier": user})).expect(200)?;
        answer.text("/verification_id")
    }

    /// Begins a check to which this has happened already.
    pub fn check_as(&self, user: &str, action: &str) -> Result<String, Stop> {
        let call = self.retail().post(START, &json!({"user_identifier": user}));
        call.header("x-override-status", action).expect(200)?.text("/verification_id")
    }

    /// An approved check.
    pub fn approved(&self, user: &str) -> Result<String, Stop> {
        self.check_as(user, "approve_inquiry")
    }

    /// Plays an action on a check.
    pub fn simulate<'w>(&'w self, check: &str, action: &str) -> Call<'w> {
        self.retail().post(SIMULATE, &json!({"verification_id": check, "action": action}))
    }

    /// A new key for a checked user.
    pub fn retail_key(&self, user: &str, check: &str) -> Result<Key, Stop> {
        let body = json!({"user_identifier": user, "verification_id": check});
        let answer = self.retail().post(GENERATE, &body).expect(200)?;
        key_of(&answer.json, user).ok_or_else(|| answer.fail("expected key_id and public_key"))
    }

    /// A user with an approved check and a key, that several rows use.
    pub fn enrolled(&self) -> Result<Enrolled, Stop> {
        once(&self.shared.enrolled, || {
            let user = self.name("enrolled");
            let check = self.approved(&user)?;
            let key = self.retail_key(&user, &check)?;
            Ok(Enrolled { user, check, key })
        })
    }

    /// Stores items; the call.
    pub fn store<'w>(&'w self, user: &str, check: &str, key: &Key, items: &[Value]) -> Call<'w> {
        let body = json!({
            "user_identifier": user, "verification_id": check, "public_key": key.public, "backup": items
        });
        self.retail().post(STORE, &body)
    }

    /// Asks for what is stored, to this OpenPGP key.
    pub fn recover<'w>(&'w self, user: &str, check: &str, certificate: &str) -> Call<'w> {
        let body = json!({"user_identifier": user, "verification_id": check, "gpg_public_key": certificate});
        self.retail().post(RECOVER, &body)
    }

    /// The OpenPGP key of the customer's new device.
    pub fn device(&self) -> Result<&RecipientKey, Stop> {
        let made = self.shared.device.get_or_init(RecipientKey::generate);
        made.as_ref().map_err(|fault| failed(format!("no OpenPGP key: {fault}")))
    }

    /// What assigns a partner's key; `change` goes over it.
    pub fn assignment(&self, user: &str, change: Value) -> Value {
        let mut body = json!({
            "user_identifier": user, "key_type": "ed25519", "key_environment": "HOT",
            "organisation": {"customer_id": self.name("org"), "customer_name": "Conformance"},
            "package": {"package_id": "package-1", "package_name": "Package"},
        });
        merge(&mut body, change);
        body
    }

    /// A new key of a partner's user.
    pub fn assigned(&self, user: &str, change: Value) -> Result<Key, Stop> {
        let answer = self.partner().post(PARTNER_KEYS, &self.assignment(user, change)).expect(200)?;
        key_of(&answer.json, user).ok_or_else(|| answer.fail("expected key_id and public_key"))
    }

    /// An RSA key of the partner's that several rows use.
    pub fn partner_key(&self) -> Result<Key, Stop> {
        once(&self.shared.partner_key, || self.assigned(&self.name("shared"), json!({"key_type": "rsa4096"})))
    }

    /// A new key of the institution's.
    pub fn institution_key_with(&self, change: Value) -> Result<Key, Stop> {
        let mut body = json!({"user_identifier": self.name("user"), "key_type": "ed25519"});
        merge(&mut body, change);
        let answer = self.institution().post(KEYS, &body).expect(200)?;
        key_of(&answer.json, body["user_identifier"].as_str().unwrap_or_default())
            .ok_or_else(|| answer.fail("expected key_id and public_key"))
    }

    /// An RSA key of the institution's that several rows use.
    pub fn institution_key(&self) -> Result<Key, Stop> {
        once(&self.shared.institution_key, || self.institution_key_with(json!({"key_type": "rsa4096"})))
    }
}

/// A call that needs a key of the offline stock; where that is empty the row says nothing.
pub fn cold_stock(call: Call<'_>) -> Result<Answer, Stop> {
    let answer = call.not_waiting_for("pool-empty").send()?;
    if answer.status == 503 && answer.json["code"] == "pool-empty" {
        return Err(skipped("no COLD key is in stock: hold a ceremony first"));
    }
    answer.status_is(200)?;
    Ok(answer)
}

impl Key {
    /// An item of a retail store: a secret, encrypted to this key.
    pub fn item(&self, name: &str, secret: &str) -> Result<Value, Stop> {
        let value = encrypt(&self.public, secret.as_bytes())?;
        Ok(json!({"item_key": name, "item_value": value, "item_checksum": sha256_hex(secret.as_bytes())}))
    }

    /// The body of a partner's or institution's store: a secret, encrypted to this key.
    pub fn data(&self, secret: &str) -> Result<Value, Stop> {
        let data = encrypt(&self.public, secret.as_bytes())?;
        let checksum = sha256_hex(secret.as_bytes());
        Ok(json!({"public_key": self.public, "data": data, "checksum": checksum}))
    }
}

fn key_of(answer: &Value, user: &str) -> Option<Key> {
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    Some(Key { id: text("key_id")?, public: text("public_key")?, user: user.to_owned() })
}

/// Puts the members of an object over those of another; null takes one away.
pub fn merge(body: &mut Value, change: Value) {
    if let (Some(body), Value::Object(change)) = (body.as_object_mut(), change) {
        for (name, value) in change {
            if value.is_null() {
                body.remove(&name)
            } else {
                body.insert(name, value)
            };
        }
    }
}

/// A body with one change.
pub fn with(body: &Value, change: Value) -> Value {
    let mut changed = body.clone();
    merge(&mut changed, change);
    changed
}

/// Standard base64.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
