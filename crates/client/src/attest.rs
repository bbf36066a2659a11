//! The enclave's signature, checked before anything is encrypted.
//!
//! Signature first, then meaning: no member of a payload is looked at before the bytes it stands in are known
//! to be the enclave's. What passes is an [`AttestedKey`], and there is no other way to make one.

use api::jwks::{Jwk, Jwks};
use api::partner::{AssignKeyRequest, AssignKeyResponse};
use api::retail::{GenerateKeyRequest, GenerateKeyResponse};
use api::stored::KeyShown;
use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use boundary::json;
use boundary::statement::{Facts, Field, parse_fields};
use serde::{Deserialize, Serialize};

use crate::clock::parse_rfc3339_utc;
use crate::hex;

/// The purpose that a signing key must have to vouch for customer keys.
const PURPOSE: &str = "assignment-sig";
/// How far the service's clock may be ahead of this device's.
const CLOCK_SKEW_MS: i64 = 5 * 60 * 1_000;
/// An uncompressed P-256 point: a tag and two coordinates.
const POINT_BYTES: usize = 65;
/// What stands before the point in a P-256 `SubjectPublicKeyInfo`.
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A public key that the service's enclave vouches for. Only the check makes one.
#[derive(Clone, Debug)]
pub struct AttestedKey {
    der: Vec<u8>,
    key_type: KeyType,
    signed: Vec<(Field, String)>,
    attestation: Attestation,
}

/// The enclave's word for a key, as it was checked: enough to check it again without asking the service for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// The key, lower-case hexadecimal.
    pub public_key: String,
    /// ES256, DER, standard base64.
    pub signature: String,
    /// What was signed, where fields were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_payload: Option<String>,
    /// Those fields, in the request's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_fields: Option<Vec<String>>,
    /// Which signing key signed, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

impl AttestedKey {
    /// The key as it travels: lower-case hexadecimal.
    pub fn public_key(&self) -> &str {
        &self.attestation.public_key
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.der
    }

    /// Of which kind the key is.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// Which signing key vouched; nothing where a pinned one did and the answer did not name it.
    pub fn kid(&self) -> Option<&str> {
        self.attestation.kid.as_deref()
    }

    /// The enclave's word for the key, to be kept.
    pub fn attestation(&self) -> &Attestation {
        &self.attestation
    }

    /// What the enclave signed beside the key; nothing for a field that was not asked for.
    pub fn signed(&self, field: Field) -> Option<&str> {
        self.signed.iter().find(|(name, _)| *name == field).map(|(_, value)| value.as_str())
    }
}

/// The kinds of customer keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// RSA, 4096 bits, e = 65537: the only kind that one encrypts to.
    Rsa4096,
    /// A compressed point of secp256k1.
    Secp256k1,
    /// Ed25519.
    Ed25519,
}

impl KeyType {
    /// Its name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rsa4096 => "rsa4096",
            Self::Secp256k1 => "secp256k1",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The kind that these bytes are of.
    fn of(bytes: &[u8]) -> Option<Self> {
        /// DER of the exponent 65537, the last member.
        const EXPONENT: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];
        match (bytes.len(), bytes) {
            (550, _) if bytes.ends_with(&EXPONENT) => Some(Self::Rsa4096),
            (33, [2 | 3, ..]) => Some(Self::Secp256k1),
            (32, _) => Some(Self::Ed25519),
            _ => None,
        }
    }
}

/// Why a key is not attested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationFault {
    /// The key's text is not one.
    #[error("the public key is not lower-case hexadecimal of a known kind of key; ask for another key")]
    PublicKey,
    /// The key is of another kind than was asked for.
    #[error("the public key is {answered}, asked for was {asked}; do not use it, and report it")]
    KeyType {
        /// As asked.
        asked: String,
        /// As answered.
        answered: &'static str,
    },
    /// The key is HOT and COLD was asked for, or the other way round.
    #[error(
        "the key is {answered}, asked for was {asked}; a user's key keeps its environment, so ask for the \
         one it has, or report it if the key is new"
    )]
    KeyEnvironment {
        /// As asked.
        asked: String,
        /// As answered.
        answered: String,
    },
    /// The signature's text is not padded standard base64.
    #[error("the signature is not standard base64; ask for another key")]
    SignatureEncoding,
    /// The JWKS lists no key that may vouch for customer keys.
    #[error(
        "the service's JWKS lists no usable key for {PURPOSE}; check that the base URL is the service's, and \
         this device's clock"
    )]
    NoSigningKey,
    /// The JWKS does not list, for this purpose and now, the signing key that is named.
    #[error("the service's JWKS lists no usable signing key {0:?}; do not use the key, and report it")]
    UnknownSigningKey(String),
    /// No signing key made this signature over these bytes.
    #[error(
        "the signature is none of the service's signing keys' over this key; do not use it, and report it"
    )]
    Signature,
    /// `signed_payload` is there without being asked for, or missing though asked for.
    #[error("signed_payload is {0}; do not use the key, and report it")]
    PayloadPresence(&'static str),
    /// `signed_payload` is not the one text that its content has.
    #[error("signed_payload is not canonical JSON of an object of texts; do not use the key, and report it")]
    PayloadForm,
    /// The fields signed are not those asked for.
    #[error(
        "the fields signed are {answered:?}, asked for were {asked:?}; do not use the key, and report it"
    )]
    Fields {
        /// As asked.
        asked: Vec<String>,
        /// As answered, or as they stand in the payload.
        answered: Vec<String>,
    },
    /// A signed member has another value than it must have.
    #[error("{member} in signed_payload is {signed:?}, not {expected:?}; do not use the key, and report it")]
    Member {
        /// Its name.
        member: &'static str,
        /// As signed.
        signed: String,
        /// As it must be.
        expected: String,
    },
}

impl AttestationFault {
    /// This library's word for it: `attestation-` and the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PublicKey => "attestation-public-key",
            Self::KeyType { .. } => "attestation-key-type",
            Self::KeyEnvironment { .. } => "attestation-key-environment",
            Self::SignatureEncoding => "attestation-signature-encoding",
            Self::NoSigningKey => "attestation-no-signing-key",
            Self::UnknownSigningKey(_) => "attestation-unknown-signing-key",
            Self::Signature => "attestation-signature",
            Self::PayloadPresence(_) => "attestation-payload-presence",
            Self::PayloadForm => "attestation-payload-form",
            Self::Fields { .. } => "attestation-fields",
            Self::Member { .. } => "attestation-member",
        }
    }

    /// Whether a newer JWKS might clear it.
    pub(crate) fn may_be_old_jwks(&self) -> bool {
        matches!(self, Self::NoSigningKey | Self::UnknownSigningKey(_) | Self::Signature)
    }
}

/// What the service claims about a key: the parts of its answer that the check needs.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// As answered.
    pub public_key: &'a str,
    /// As answered.
    pub signature: &'a str,
    /// As answered.
    pub signed_payload: Option<&'a str>,
    /// As answered.
    pub signed_fields: Option<&'a [String]>,
    /// As answered, where the answer names the signing key.
    pub kid: Option<&'a str>,
    /// As answered, where the answer names it.
    pub key_environment: Option<&'a str>,
}

/// What was asked for, and what is known of the answer beforehand.
#[derive(Clone, Debug, Default)]
pub struct Asked<'a> {
    /// The fields, in the request's order.
    pub sign_with: &'a [String],
    /// The kind of key.
    pub key_type: Option<&'a str>,
    /// `HOT` or `COLD`.
    pub key_environment: Option<&'a str>,
    /// What the signed fields must say; a field whose value is not known beforehand may say anything.
    pub facts: Facts<'a>,
}

/// Writes what every answer has of a claim; which signing key signed and where the key lies, not every one says.
macro_rules! claim {
    ($answer:expr) => {
        $crate::attest::Claim {
            public_key: &$answer.public_key,
            signature: &$answer.signature,
            signed_payload: $answer.signed_payload.as_deref(),
            signed_fields: $answer.signed_fields.as_deref(),
            kid: None,
            key_environment: None,
        }
    };
}
pub(crate) use claim;

impl<'a> Claim<'a> {
    /// From what was kept of an earlier check.
    pub fn of_kept(kept: &'a Attestation) -> Self {
        Self { kid: kept.kid.as_deref(), ..claim!(kept) }
    }

    /// From a list of keys.
    pub fn of_shown(shown: &'a KeyShown) -> Self {
        Self { kid: Some(&shown.kid), key_environment: Some(&shown.key_environment), ..claim!(shown) }
    }

    /// From the answer to `POST /v1/key/generate`.
    pub fn of_generated(answer: &'a GenerateKeyResponse) -> Self {
        claim!(answer)
    }

    /// From the answer to `POST /v1/partner/keys`.
    pub fn of_assigned(answer: &'a AssignKeyResponse) -> Self {
        Self { kid: Some(&answer.kid), key_environment: Some(&answer.key_environment), ..claim!(answer) }
    }
}

impl<'a> Asked<'a> {
    /// From a call of `POST /v1/key/generate`: the key's id must be the answered one.
    pub fn of_generated(request: &'a GenerateKeyRequest, answer: &'a GenerateKeyResponse) -> Self {
        Self {
            sign_with: request.sign_with.as_deref().unwrap_or_default(),
            key_type: Some(KeyType::Rsa4096.as_str()),
            key_environment: None,
            facts: Facts { key_id: Some(&answer.key_id), ..Facts::default() },
        }
    }

    /// From a call of `POST /v1/partner/keys`: the key's id must be the answered one, the organisation and
    /// the package those asked for.
    pub fn of_assigned(request: &'a AssignKeyRequest, answer: &'a AssignKeyResponse) -> Self {
        Self {
            sign_with: request.sign_with.as_deref().unwrap_or_default(),
            key_type: Some(request.key_type.as_deref().unwrap_or(KeyType::Rsa4096.as_str())),
            key_environment: Some(&request.key_environment),
            facts: Facts {
                key_id: Some(&answer.key_id),
                external_customer_id: Some(&request.organisation.customer_id),
                external_package_id: Some(&request.package.package_id),
                ..Facts::default()
            },
        }
    }
}

/// A signing key that is believed without asking the service for its JWKS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyPin([u8; POINT_BYTES]);

impl SigningKeyPin {
    /// From the PEM that `/.well-known/verification-key.pem` serves.
    pub fn from_pem(pem: &str) -> Result<Self, crate::SetupFault> {
        Self::read(pem).ok_or(crate::SetupFault::Pin)
    }

    fn read(pem: &str) -> Option<Self> {
        let body = pem.trim().strip_prefix("-----BEGIN PUBLIC KEY-----")?;
        let body: String = body.strip_suffix("-----END PUBLIC KEY-----")?.split_whitespace().collect();
        let der = STANDARD.decode(body).ok()?;
        let point = der.strip_prefix(P256_SPKI_PREFIX.as_slice())?;
        point.try_into().ok().map(Self).filter(|pin| pin.0[0] == 4)
    }
}

/// What vouches: the service's JWKS, or pinned keys in its place.
#[derive(Clone, Copy, Debug)]
pub enum Anchor<'a> {
    /// As the service lists them.
    Jwks(&'a Jwks),
    /// As the caller knows them.
    Pins(&'a [SigningKeyPin]),
}

/// Checks a claim against what vouches, at a time (milliseconds since the epoch).
pub fn check(
    claim: &Claim<'_>,
    asked: &Asked<'_>,
    anchor: Anchor<'_>,
    now_ms: i64,
) -> Result<AttestedKey, AttestationFault> {
    let der = hex::decode_lower(claim.public_key).ok_or(AttestationFault::PublicKey)?;
    let key_type = KeyType::of(&der).ok_or(AttestationFault::PublicKey)?;
    let message = match (asked.sign_with.is_empty(), claim.signed_payload) {
        (true, None) => claim.public_key,
        (false, Some(payload)) => payload,
        (true, Some(_)) => return Err(AttestationFault::PayloadPresence("there and was not asked for")),
        (false, None) => return Err(AttestationFault::PayloadPresence("missing and was asked for")),
    };
    let kid = check_signature(claim, message, anchor, now_ms)?;
    if let Some(asked) = asked.key_type.filter(|asked| *asked != key_type.as_str()) {
        return Err(AttestationFault::KeyType { asked: asked.to_owned(), answered: key_type.as_str() });
    }
    if let Some(asked) = asked.key_environment.filter(|asked| Some(*asked) != claim.key_environment) {
        let answered = claim.key_environment.unwrap_or("of no environment").to_owned();
        return Err(AttestationFault::KeyEnvironment { asked: asked.to_owned(), answered });
    }
    let signed = match claim.signed_payload {
        Some(payload) => check_payload(payload, claim, asked, &der)?,
        None => Vec::new(),
    };
    let attestation = Attestation {
        public_key: claim.public_key.to_owned(),
        signature: claim.signature.to_owned(),
        signed_payload: claim.signed_payload.map(str::to_owned),
        signed_fields: claim.signed_fields.map(<[String]>::to_vec),
        kid,
    };
    Ok(AttestedKey { der, key_type, signed, attestation })
}

/// The id of the signing key that signed `message`.
fn check_signature(
    claim: &Claim<'_>,
    message: &str,
    anchor: Anchor<'_>,
    now_ms: i64,
) -> Result<Option<String>, AttestationFault> {
    let signature = STANDARD.decode(claim.signature).map_err(|_| AttestationFault::SignatureEncoding)?;
    let usable: Vec<(Option<&str>, [u8; POINT_BYTES])> = match anchor {
        Anchor::Pins(pins) => pins.iter().map(|pin| (claim.kid, pin.0)).collect(),
        Anchor::Jwks(jwks) => jwks
            .keys
            .iter()
            .filter(|jwk| claim.kid.is_none_or(|kid| jwk.kid == kid))
            .filter_map(|jwk| point_of(jwk, PURPOSE, now_ms).map(|point| (Some(jwk.kid.as_str()), point)))
            .collect(),
    };
    if usable.is_empty() {
        return Err(match claim.kid {
            Some(kid) => AttestationFault::UnknownSigningKey(kid.to_owned()),
            None => AttestationFault::NoSigningKey,
        });
    }
    usable
        .into_iter()
        .find(|(_, point)| {
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
            key.verify(message.as_bytes(), &signature).is_ok()
        })
        .map(|(kid, _)| kid.map(str::to_owned))
        .ok_or(AttestationFault::Signature)
}

/// The point of a signing key that may serve this purpose now.
pub(crate) fn point_of(jwk: &Jwk, purpose: &str, now_ms: i64) -> Option<[u8; POINT_BYTES]> {
    let is_kind = jwk.kty == "EC" && jwk.crv == "P-256" && jwk.alg == "ES256" && jwk.use_ == "sig";
    let is_for_this = jwk.purposes.iter().any(|known| known == purpose);
    let valid_from_ms = parse_rfc3339_utc(&jwk.valid_from)?;
    if !is_kind || !is_for_this || valid_from_ms > now_ms.saturating_add(CLOCK_SKEW_MS) {
        return None;
    }
    let coordinate = |text: &str| -> Option<[u8; 32]> { URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok() };
    let mut point = [4; POINT_BYTES];
    point[1..33].copy_from_slice(&coordinate(&jwk.x)?);
    point[33..].copy_from_slice(&coordinate(&jwk.y)?);
    Some(point)
}

/// The signed fields, each compared with what is known.
fn check_payload(
    payload: &str,
    claim: &Claim<'_>,
    asked: &Asked<'_>,
    der: &[u8],
) -> Result<Vec<(Field, String)>, AttestationFault> {
    let members = members_of(payload).ok_or(AttestationFault::PayloadForm)?;
    let answered = claim.signed_fields.unwrap_or_default();
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    let mut expected: Vec<&str> = asked.sign_with.iter().map(String::as_str).collect();
    expected.push("public_key");
    names.sort_unstable();
    expected.sort_unstable();
    let differ = |answered: &[String]| AttestationFault::Fields {
        asked: asked.sign_with.to_vec(),
        answered: answered.to_vec(),
    };
    let fields = parse_fields(asked.sign_with).map_err(|_| differ(answered))?;
    if answered != asked.sign_with {
        return Err(differ(answered));
    }
    if names != expected {
        return Err(differ(&names.into_iter().map(str::to_owned).collect::<Vec<_>>()));
    }

    let fingerprint = hex::encode(digest::digest(&digest::SHA256, der).as_ref());
    let facts = Facts { key_fingerprint: Some(&fingerprint), ..asked.facts.clone() };
    let value_of = |name: &str| members.iter().find(|(member, _)| member == name).map(|(_, value)| value);
    let compare = |member: &'static str, expected: Option<&str>| -> Result<String, AttestationFault> {
        let signed = value_of(member).cloned().unwrap_or_default();
        let is_right = expected.map_or(!signed.is_empty(), |expected| expected == signed);
        let expected = expected.unwrap_or("a value");
        if is_right {
            Ok(signed)
        } else {
            Err(AttestationFault::Member { member, signed, expected: expected.to_owned() })
        }
    };
    compare("public_key", Some(claim.public_key))?;
    fields.into_iter().map(|field| Ok((field, compare(field.as_str(), facts.get(field))?))).collect()
}

/// The members of a payload that is canonical to the byte and holds texts only.
fn members_of(payload: &str) -> Option<Vec<(String, String)>> {
    let value = json::parse(payload).ok()?;
    let is_canonical = json::canonical(&value).is_ok_and(|canonical| canonical == payload);
    let json::Value::Object(members) = value else { return None };
    let texts = members.into_iter().map(|(name, value)| match value {
        json::Value::Text(text) => Some((name, text)),
        _ => None,
    });
    texts.collect::<Option<_>>().filter(|_| is_canonical)
}

#[cfg(test)]
#[path = "attest_tests.rs"]
pub(crate) mod tests;
