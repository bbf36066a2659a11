//! What people put their names to: the documents of Control, and the bytes that are signed for them.
//!
//! A document has one form, RFC 8785, and is read from that form alone. Its hash is SHA-256 over its
//! [`Document::preimage`]; a recovery's is that of [`crate::intent::preimage`]. Whoever approves signs that hash, whoever
//! rejects SHA-256 over [`reject_preimage`] of it: as a passkey's challenge (the 32 bytes), or with Ed25519 or
//! OpenPGP over [`vote_message`].

mod acl_document;
mod attachment;
mod review;
mod roster;
mod tenant_policy;

pub use acl_document::{AclDocument, Member, weakens};
pub use attachment::Attachment;
pub use review::{Decision, Review};
pub use roster::{Owner, Roster};
pub use tenant_policy::{Demand, RequestKey, TenantPolicy, limits, request_payload};

use crate::json::{Json, Value, canonical, json_struct, parse};
use crate::words;

/// The largest document that is read, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// The most people of one document.
pub const PEOPLE_MAX: usize = 100;
/// The most keys of one person.
pub const KEYS_MAX: usize = 10;
/// The largest OpenPGP certificate of a person, in bytes.
pub const VOTER_CERTIFICATE_BYTES_MAX: usize = 16 * 1024;
/// The longest time that a vote may be open, and that a delay may last, in seconds: 30 days, well below the life
/// of a session.
const SPAN_MAX_S: i64 = 30 * 86_400;
/// The longest name or id, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// A document that people sign: an object of its fields, `v` and `kind`.
pub trait Document: Json {
    /// Its word: the document's `kind`, and what keeps its hash apart from others.
    const KIND: &'static str;

    /// Whether it says something that may be believed at all.
    fn is_sound(&self) -> bool;

    /// The RFC 8785 form.
    fn to_canonical(&self) -> String {
        let mut document = self.write();
        if let Value::Object(members) = &mut document {
            members.extend([("v".into(), Value::Integer(1)), ("kind".into(), Value::text(Self::KIND))]);
        }
        // Numbers beyond 2^53 have no canonical form; an empty text is refused by every reader.
        canonical(&document).unwrap_or_default()
    }

    /// Reads a document, and only from its canonical form; one that is not sound is refused.
    fn from_canonical(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > DOCUMENT_BYTES_MAX {
            return None;
        }
        let document = Self::read(&parse(str::from_utf8(bytes).ok()?).ok()?)?;
        (document.is_sound() && document.to_canonical().as_bytes() == bytes).then_some(document)
    }

    /// The bytes that are hashed into its hash.
    fn preimage(&self) -> Vec<u8> {
        [Self::KIND.as_bytes(), b"/v1\0", self.to_canonical().as_bytes()].concat()
    }
}

words! {
    /// What a signature is made with.
    pub enum KeyKind {
        /// A passkey or security key: ECDSA on P-256 with SHA-256 (COSE ES256).
        WebAuthn = "webauthn",
        /// Ed25519, by the offline tool.
        Ed25519 = "ed25519",
        /// An OpenPGP certificate, by GnuPG or a like tool.
        OpenPgp = "openpgp",
    }
}

json_struct! {
    /// A public key that a person signs with.
    pub struct SigningKey {
        /// What it is.
        pub kind: KeyKind,
        /// Lower-case hexadecimal: the uncompressed point (65 bytes), the 32 bytes, or the binary certificate.
        pub public_key: String,
        /// A passkey's relying party: the host that it signs for.
        pub rp_id: Option<String>,
    }
}

impl SigningKey {
    fn is_sound(&self) -> bool {
        let bytes = self.public_key.len() / 2;
        let fits = match self.kind {
            KeyKind::WebAuthn => bytes == 65 && self.public_key.starts_with("04"),
            KeyKind::Ed25519 => bytes == 32,
            KeyKind::OpenPgp => (1..=VOTER_CERTIFICATE_BYTES_MAX).contains(&bytes),
        };
        let names_host = self.rp_id.as_deref().is_some_and(is_name);
        fits && is_hex(&self.public_key) && names_host == (self.kind == KeyKind::WebAuthn)
    }
}

/// What is hashed for a no to something of that hash.
pub fn reject_preimage(hash: &[u8; 32]) -> Vec<u8> {
    [b"reject/v1\0".as_slice(), hash].concat()
}

/// What Ed25519 and OpenPGP sign for a yes to that hash, or for a no to the hash over [`reject_preimage`].
pub fn vote_message(hash: &[u8; 32]) -> Vec<u8> {
    [b"holdfast-vote/v1\0".as_slice(), hash].concat()
}

/// The code by which people compare what they see: the first 40 bits in base32 (RFC 4648 §6), as `ABCD-EFGH`.
pub fn short_code(hash: &[u8; 32]) -> String {
    let bits = hash[..5].iter().fold(0, |bits, &byte| bits << 8 | usize::from(byte));
    let letter = |at: usize| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[bits >> (35 - 5 * at) & 31]);
    let (head, tail): (String, String) = ((0..4).map(letter).collect(), (4..8).map(letter).collect());
    format!("{head}-{tail}")
}

/// Whether this may name something.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.contains('\0')
}

fn is_hex(text: &str) -> bool {
    text.len().is_multiple_of(2) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether this may be the next link after that: the first has none before it, each other one names it.
fn is_chained(version: i64, prev_hash: Option<&str>) -> bool {
    version >= 1
        && (version == 1) == prev_hash.is_none()
        && prev_hash.is_none_or(|hash| hash.len() == 64 && is_hex(hash))
}

/// Whether these people are in order, each once, and each with keys that nobody else of them has.
fn are_people<'a>(people: impl Iterator<Item = (&'a str, &'a str, &'a [SigningKey])>) -> bool {
    let people: Vec<_> = people.collect();
    let mut keys: Vec<&str> =
        people.iter().flat_map(|person| person.2).map(|key| key.public_key.as_str()).collect();
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    keys.len() == count
        && people.len() <= PEOPLE_MAX
        && people.windows(2).all(|pair| pair[0].0 < pair[1].0)
        && people.iter().all(|&(id, name, keys)| {
            let some = (1..=KEYS_MAX).contains(&keys.len());
            is_name(id) && is_name(name) && some && keys.iter().all(SigningKey::is_sound)
        })
}

#[cfg(test)]
mod tests;
