//! The enclave's own signature under a checkpoint, and a witness's: C2SP tlog-cosignature (`cosignature/v1`). The log's
//! key says what the log is; these say that it goes on from all that they signed of it before.

use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boundary::Env;

use super::checkpoint::{NoteFault, key_id, key_parts, signatures};
use super::hex;
use super::tree::sha256;
use crate::time::Timestamp;

/// A timestamped cosignature by Ed25519, as C2SP signed-note numbers kinds of signatures.
pub(super) const COSIGNATURE_KIND: u8 = 4;

/// How long a checkpoint waits for its cosignature, where there was one before.
pub const COSIGN_AFTER: Duration = Duration::from_mins(1);

/// How many entries a log grows by before its next cosignature, at most, give or take a checkpoint's.
pub const COSIGN_ENTRIES: i64 = 256;

/// Whose cosignature it is: the public half of an enclave's key, or of a witness's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigner {
    name: String,
    id: [u8; 4],
    key: [u8; 32],
}

impl Cosigner {
    /// The enclave whose key this is. It is named after it.
    pub fn of(key: [u8; 32], env: Env) -> Self {
        Self::named(&format!("holdfast-enclave-{}-{}", env.as_str(), hex(&sha256(&key)[..8])), key)
    }

    /// Whose key this is, under a name of his own.
    pub(super) fn named(name: &str, key: [u8; 32]) -> Self {
        let id = key_id(name, &[&[COSIGNATURE_KIND], key.as_slice()].concat());
        Self { name: name.to_owned(), id, key }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key as C2SP signed-note spells it: name, key id, kind and key.
    pub fn vkey(&self) -> String {
        let key = STANDARD.encode([&[COSIGNATURE_KIND], self.key.as_slice()].concat());
        format!("{}+{}+{key}", self.name, hex(&self.id))
    }

    /// Reads what [`Cosigner::vkey`] wrote; none if the parts do not belong together.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, id, key) = key_parts(text, COSIGNATURE_KIND)?;
        Some(Self { name, id, key })
    }

    /// The line that a checkpoint gets below its own signature. `signature` is what the enclave answered: eight bytes of
    /// seconds since the epoch, and the signature.
    pub fn line(&self, signature: &[u8]) -> String {
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode([&self.id, signature].concat()))
    }

    /// When this key signed a checkpoint, if it did. What the checkpoint says, the log's own key tells.
    pub fn check(&self, note: &str) -> Result<Timestamp, NoteFault> {
        let (body, lines) = signatures(note)?;
        let ours = lines.into_iter().find(|line| line.name == self.name && line.id == self.id);
        let ours = ours.ok_or(NoteFault::NotCosigned)?;
        let (seconds, signature) = ours.signature.split_first_chunk().ok_or(NoteFault::BadSignature)?;
        let seconds = u64::from_be_bytes(*seconds);
        let text = format!("cosignature/v1\ntime {seconds}\n{body}");
        let key = UnparsedPublicKey::new(&ED25519, self.key);
        key.verify(text.as_bytes(), signature).map_err(|_| NoteFault::BadSignature)?;
        let ms = i64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1_000));
        ms.map(Timestamp::from_ms).ok_or(NoteFault::BadSignature)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

    use super::super::checkpoint::{LogKey, VerifierKey};
    use super::*;

    const TENANT: &str = "01890000-0000-7000-8000-000000000001";

    fn pair() -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[5; 32]).expect("a key")
    }

    fn cosigner() -> Cosigner {
        Cosigner::of(pair().public_key().as_ref().try_into().expect("32 bytes"), Env::Production)
    }

    /// What the enclave would answer.
    fn signature(body: &str, seconds: u64) -> Vec<u8> {
        let text = format!("cosignature/v1\ntime {seconds}\n{body}");
        [&seconds.to_be_bytes(), pair().sign(text.as_bytes()).as_ref()].concat()
    }

    fn cosigned() -> (LogKey, String) {
        let key = LogKey::of(&[7; 32], Env::Production).expect("a key");
        let note = key.sign(TENANT, 1, 42, &[9; 32]);
        let body = format!("{}\n", note.split_once("\n\n").expect("a note").0);
        let line = cosigner().line(&signature(&body, 1_795_239_567));
        (key, note + &line)
    }

    #[test]
    fn the_name_is_what_the_key_begins_with() {
        let key = cosigner();
        assert_eq!(key.vkey().split('+').next(), Some(key.name()));
    }

    #[test]
    fn both_signatures_hold_beside_one_another() {
        let (log, note) = cosigned();
        assert_eq!(cosigner().check(&note), Ok(Timestamp::from_ms(1_795_239_567_000)));
        let verifier = VerifierKey::parse(&log.vkey(TENANT)).expect("a key");
        assert_eq!(verifier.open(&note).expect("signed").size, 42);
        assert_eq!(note.lines().count(), 6, "{note}");
        let read = Cosigner::parse(&cosigner().vkey()).expect("a key");
        assert_eq!(read, cosigner());
        assert!(cosigner().vkey().starts_with("holdfast-enclave-production-"));
    }

    #[test]
    fn every_changed_byte_of_text_time_and_signature_is_seen() {
        let (_, note) = cosigned();
        let own_line = note.find("\u{2014}").expect("a line")..note.rfind("\u{2014}").expect("a line");
        for at in (0..note.len()).filter(|at| !own_line.contains(at)) {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(cosigner().check(&changed).is_err(), "{at}: {changed}");
        }
    }

    #[test]
    fn what_it_did_not_sign_is_not_its() {
        let (log, note) = cosigned();
        let alone = log.sign(TENANT, 1, 42, &[9; 32]);
        assert_eq!(cosigner().check(&alone), Err(NoteFault::NotCosigned));
        assert_eq!(Cosigner::of([1; 32], Env::Production).check(&note), Err(NoteFault::NotCosigned));
        let short = alone.clone() + &cosigner().line(&[0; 7]);
        assert_eq!(cosigner().check(&short), Err(NoteFault::BadSignature));
        let moved = note.replacen("\n42\n", "\n43\n", 1);
        assert_eq!(cosigner().check(&moved), Err(NoteFault::BadSignature));
        assert_eq!(cosigner().check("nothing"), Err(NoteFault::Unreadable));
        // A log's key is no cosigner's, and the other way round: each kind is its own.
        assert_eq!(Cosigner::parse(&log.vkey(TENANT)), None);
        assert!(VerifierKey::parse(&cosigner().vkey()).is_none());
    }
}
