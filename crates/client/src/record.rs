//! Signed records: what the enclave says it saw, verified without the service.
//!
//! A record is a compact JWS (RFC 7515 §7.1, ES256) of the enclave's receipt key over an RFC 8785 text. Signature
//! first, then meaning: nothing of the payload is looked at before the bytes are known to be the enclave's.

use api::jwks::{Jwk, Jwks};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use boundary::json::{Value, canonical, parse};
use boundary::record::{CHECK, RELEASE, TYPE, VERSION};

use crate::attest::point_of;
use crate::hex;
use crate::vote::{grouped, plain, utc};

/// The purpose that a signing key must have to sign records.
const PURPOSE: &str = "receipt-sig";

/// Why a record is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordFault {
    /// Not of the form of a record.
    #[error("this is no record of the enclave: {0}")]
    Form(&'static str),
    /// None of the keys given may sign records and has its name.
    #[error("no key among those given has the id {0} and signs records; fetch the keys anew")]
    UnknownKey(String),
    /// The key did not sign this.
    #[error("the signature is not the enclave's over this record: it was altered, or made by somebody else")]
    Signature,
    /// Signed, but of a form that this program does not know.
    #[error("the record is signed, but this program does not know its form; use a newer one")]
    Meaning,
}

/// A record that the enclave has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which key signed.
    pub kid: String,
    /// The installation's environment: `sandbox` or `production`.
    pub env: String,
    /// The tenant.
    pub tenant_id: String,
    /// By the enclave's clock, milliseconds since the epoch.
    pub at_ms: i64,
    /// What it saw.
    pub seen: Seen,
    /// The payload, canonical.
    pub payload: String,
}

/// What the enclave saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A key, whole.
    Key(CheckedKey),
    /// An item that opened under a key.
    Backup(CheckedKey, CheckedItem),
    /// What was given out.
    Release(Release),
}

/// A key whose halves fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedKey {
    /// Its id.
    pub key_id: String,
    /// SHA-256 of the decoded public key, lower-case hexadecimal: `key_fingerprint` of an assignment.
    pub public_key_sha256: String,
}

/// An item that opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedItem {
    /// Its id.
    pub backup_id: String,
    /// Its name; empty where it has none.
    pub item_key: String,
    /// SHA-256 of the ciphertext that was opened.
    pub ciphertext_sha256: String,
    /// SHA-256 of its plaintext, as the device gave it, and as it was compared; none: it gave none.
    pub checksum: Option<String>,
    /// When it opened for the first time, milliseconds since the epoch.
    pub first_checked_at_ms: i64,
}

/// What went out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// A user's own recovery; if not, people of a list signed its intent.
    pub is_retail: bool,
    /// The hash of the intent.
    pub intent_hash: String,
    /// The recipient's primary fingerprint.
    pub openpgp_fpr: String,
    /// SHA-256 of the OpenPGP message; of a user's recovery, of all his armoured messages, one after another, by the
    /// order of their backups' ids.
    pub output_sha256: String,
    /// How many backups and private keys are in it.
    pub parts: i64,
    /// Which delivery of this recovery it is.
    pub delivery: i64,
}

impl Record {
    /// Verifies a record by the keys of the service.
    pub fn verify(file: &[u8], jwks: &Jwks) -> Result<Self, RecordFault> {
        let text = str::from_utf8(file).map_err(|_| RecordFault::Form("it is no text"))?.trim();
        let parts: Vec<&str> = text.split('.').collect();
        let [header, payload, signature] = parts.as_slice() else {
            return Err(RecordFault::Form("a compact JWS has three parts"));
        };
        let decoded = |part: &str| {
            URL_SAFE_NO_PAD.decode(part).map_err(|_| RecordFault::Form("a part of it is not base64url"))
        };
        let kid = kid_of(&decoded(header)?).ok_or(RecordFault::Form("its header is another token's"))?;
        let (payload_bytes, signature) = (decoded(payload)?, decoded(signature)?);
        let signed = &text.as_bytes()[..header.len() + 1 + payload.len()];
        let mut points = jwks.keys.iter().filter(|jwk| jwk.kid == kid);
        let mut points = points.by_ref().filter_map(|jwk| point_of(jwk, PURPOSE, i64::MAX)).peekable();
        if points.peek().is_none() {
            return Err(RecordFault::UnknownKey(plain(&kid)));
        }
        let verifies = |point: [u8; 65]| {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, &signature).is_ok()
        };
        if !points.any(verifies) {
            return Err(RecordFault::Signature);
        }
        Self::read(kid, &payload_bytes).ok_or(RecordFault::Meaning)
    }

    fn read(kid: String, payload: &[u8]) -> Option<Self> {
        let payload = str::from_utf8(payload).ok()?;
        let value = parse(payload).ok()?;
        let text = |name: &str| value.get(name)?.as_text().map(str::to_owned);
        let integer = |name: &str| match value.get(name)? {
            Value::Integer(number) => Some(*number),
            _ => None,
        };
        if canonical(&value).ok()? != payload || integer("v")? != VERSION {
            return None;
        }
        let (seen, at) = match text("kind")?.as_str() {
            CHECK if text("result")? == "whole" => {
                let key =
                    CheckedKey { key_id: text("key_id")?, public_key_sha256: text("public_key_sha256")? };
                let seen = match value.get("backup_id") {
                    None => Seen::Key(key),
                    Some(_) => Seen::Backup(
                        key,
                        CheckedItem {
                            backup_id: text("backup_id")?,
                            item_key: text("item_key")?,
                            ciphertext_sha256: text("ciphertext_sha256")?,
                            checksum: match value.get("checksum")? {
                                Value::Null => None,
                                _ => Some(text("checksum")?),
                            },
                            first_checked_at_ms: integer("first_checked_at")?,
                        },
                    ),
                };
                (seen, "checked_at")
            }
            RELEASE => {
                let release = Release {
                    is_retail: text("flow").as_deref() == Some("retail"),
                    intent_hash: text("intent_hash")?,
                    openpgp_fpr: text("openpgp_fpr")?,
                    output_sha256: text("output_sha256")?,
                    parts: integer("parts")?,
                    delivery: integer("delivery")?,
                };
                (Seen::Release(release), "released_at")
            }
            _ => return None,
        };
        Some(Self {
            kid,
            env: text("env")?,
            tenant_id: text("tenant_id")?,
            at_ms: integer(at)?,
            seen,
            payload: payload.to_owned(),
        })
    }

    /// What it proves, and what not, a sentence each. Names in it cannot move or hide what stands beside them.
    pub fn words(&self) -> Vec<String> {
        let at = utc(self.at_ms);
        let whose = format!("of the tenant {} ({})", plain(&self.tenant_id), plain(&self.env));
        match &self.seen {
            Seen::Key(key) => vec![
                format!(
                    "At {at} the enclave rebuilt the key {} {whose}, and its halves fitted.",
                    plain(&key.key_id)
                ),
                format!("SHA-256 of its public half: {}", plain(&key.public_key_sha256)),
                "It says nothing about what is encrypted to the key, and nothing about any later time."
                    .to_owned(),
            ],
            Seen::Backup(key, item) => {
                let name = if item.item_key.is_empty() { "without a name" } else { &plain(&item.item_key) };
                let compared = match &item.checksum {
                    Some(checksum) => {
                        format!("Its plaintext had the SHA-256 that the device gave: {}", plain(checksum))
                    }
                    None => "The device gave no checksum: that it opened is all that was found.".to_owned(),
                };
                vec![
                    format!(
                        "At {at} the enclave opened the backup {} ({name}) under the key {} {whose}.",
                        plain(&item.backup_id),
                        plain(&key.key_id)
                    ),
                    format!("SHA-256 of the ciphertext that it was shown: {}", plain(&item.ciphertext_sha256)),
                    compared,
                    format!("It had opened it for the first time at {}.", utc(item.first_checked_at_ms)),
                    "It does not prove that the service still holds that ciphertext: compare its SHA-256, or have it checked anew.".to_owned(),
                ]
            }
            Seen::Release(release) => vec![
                format!(
                    "At {at} the enclave gave out {} backups and private keys {whose}, as delivery {} of a recovery.",
                    release.parts, release.delivery
                ),
                format!(
                    "{} has the hash {}",
                    if release.is_retail {
                        "The intent of this user's recovery"
                    } else {
                        "What people signed"
                    },
                    plain(&release.intent_hash)
                ),
                format!("It was encrypted to the OpenPGP key {}", grouped(&plain(&release.openpgp_fpr))),
                format!(
                    "SHA-256 of the {}: {}",
                    if release.is_retail { "armoured messages, by their backups' ids" } else { "message" },
                    plain(&release.output_sha256)
                ),
                "It does not prove that anybody fetched the message, or opened it.".to_owned(),
            ],
        }
    }
}

/// The key that signs an offline enclave's records, of the text of its `offline.pub`: whoever was handed that file by the
/// people of the ceremony believes what is in it.
pub fn offline_key(text: &str) -> Option<Jwk> {
    let point = hex::decode_lower(text.lines().nth(1)?)?;
    let (0x04, point) = (*point.first()?, point.get(1..)?) else { return None };
    let (x, y) = point.split_at_checked(32).filter(|(_, y)| y.len() == 32)?;
    let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
    // RFC 7638 §3: the required members in order, without white space.
    let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Some(Jwk {
        kty: "EC".to_owned(),
        crv: "P-256".to_owned(),
        alg: "ES256".to_owned(),
        use_: "sig".to_owned(),
        kid: URL_SAFE_NO_PAD.encode(digest(&SHA256, thumbprint.as_bytes())),
        x,
        y,
        purposes: vec![PURPOSE.to_owned()],
        // The file does not say; a record is of its own time.
        valid_from: utc(0),
    })
}

/// The key that a header names, if the header is a record's and no other token's (RFC 8725 §3.1, §3.11).
fn kid_of(header: &[u8]) -> Option<String> {
    let header = parse(str::from_utf8(header).ok()?).ok()?;
    let text = |name: &str| header.get(name).and_then(Value::as_text);
    let Value::Object(members) = &header else { return None };
    let is_ours = members.len() == 3 && text("alg") == Some("ES256") && text("typ") == Some(TYPE);
    text("kid").filter(|_| is_ours).map(str::to_owned)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
