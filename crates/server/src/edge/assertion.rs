//! What a browser answers when a passkey signs (`WebAuthn` Level 2 §6.3.3), and whether it holds: for refusing at
//! once, and politely, what the enclave would not accept later.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use boundary::approval::{KeyKind, SigningKey, reject_preimage, vote_message};
use boundary::message::{Assertion, Ballot, Signature};
use serde::Deserialize;

/// The flags that say: somebody was there, and the device knows who.
const PRESENT_AND_VERIFIED: u8 = 0x05;

/// What is before the signature counter: the digest of the relying party's name, and the flags.
const RP_ID_HASH_BYTES: usize = 32;

/// A passkey's answer, and whose it claims to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The passkey, as its authenticator minted it.
    pub credential_id: Vec<u8>,
    /// What it signed.
    pub assertion: Assertion,
}

#[derive(Deserialize)]
struct Json {
    #[serde(rename = "rawId")]
    raw_id: String,
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "authenticatorData")]
    authenticator_data: String,
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    signature: String,
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
}

/// Reads the JSON that `passkey.js` sends; none where it is no such answer.
pub fn read(json: &str) -> Option<Answer> {
    let json: Json = serde_json::from_str(json).ok()?;
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
    Some(Answer {
        credential_id: bytes(&json.raw_id)?,
        assertion: Assertion {
            authenticator_data: bytes(&json.response.authenticator_data)?,
            client_data_json: bytes(&json.response.client_data_json)?,
            signature: bytes(&json.response.signature)?,
        },
    })
}

/// The 32 bytes that a ballot signs: the hash itself, or, for a no, that of its rejection.
pub fn signed_hash(hash: &[u8; 32], approve: bool) -> [u8; 32] {
    if approve { *hash } else { sha256(&reject_preimage(hash)) }
}

/// Whether one of these keys made the ballot's signature over that hash, on a page of this origin. What only the
/// enclave can judge, an OpenPGP signature, is none here.
pub fn is_signed_by(keys: &[SigningKey], origin: &str, hash: &[u8; 32], ballot: &Ballot) -> bool {
    let signed = signed_hash(hash, ballot.approve);
    keys.iter().any(|key| match (&ballot.signature, key.kind, unhex(&key.public_key)) {
        (Signature::WebAuthn(assertion), KeyKind::WebAuthn, Some(point)) => {
            let rp_id = key.rp_id.as_deref().unwrap_or_default();
            is_asserted(&point, rp_id, origin, &signed, assertion)
        }
        (Signature::Ed25519(signature), KeyKind::Ed25519, Some(public)) => {
            UnparsedPublicKey::new(&ED25519, public).verify(&vote_message(&signed), signature).is_ok()
        }
        _ => false,
    })
}

fn is_asserted(point: &[u8], rp_id: &str, origin: &str, challenge: &[u8; 32], assertion: &Assertion) -> bool {
    let Ok(client) = serde_json::from_slice::<ClientData>(&assertion.client_data_json) else { return false };
    let data = &assertion.authenticator_data;
    let is_here = client.kind == "webauthn.get"
        && client.challenge.trim_end_matches('=') == URL_SAFE_NO_PAD.encode(challenge)
        && client.origin == origin
        && !client.cross_origin
        && data.get(..RP_ID_HASH_BYTES) == Some(sha256(rp_id.as_bytes()).as_slice())
        && data
            .get(RP_ID_HASH_BYTES)
            .is_some_and(|flags| flags & PRESENT_AND_VERIFIED == PRESENT_AND_VERIFIED);
    let signed = [data.as_slice(), &sha256(&assertion.client_data_json)].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
    is_here && key.verify(&signed, &assertion.signature).is_ok()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    // SHA-256 is as long as the array.
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// The bytes of lower- or upper-case hexadecimal; none where it is not that.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
