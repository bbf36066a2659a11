//! A witness: somebody outside who signs a log's checkpoints, and signs none that does not go on from the last that he
//! signed. What is said between a log and a witness is C2SP tlog-witness (`add-checkpoint`).

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::checkpoint::{Checkpoint, NoteFault, VerifierKey, key_parts};
use super::cosignature::{COSIGNATURE_KIND, Cosigner};
use super::hex;
use super::tree::{Hash, goes_on};
use crate::time::Timestamp;
use crate::words::words;

/// The path of the one operation, below the witness's address.
pub const ADD_CHECKPOINT: &str = "/add-checkpoint";

/// The type of the answer that names the size which the witness knows.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// How long the body of a request may be, in bytes: 63 hashes, and a checkpoint with signatures.
pub const REQUEST_BYTES_MAX: usize = 16_384;

/// The most hashes that a proof may have.
const PROOF_MAX: usize = 63;

/// What a secret key begins with, as Go's notes spell it.
const SECRET: &str = "PRIVATE+KEY+";

words! {
    /// How a witness last answered, where a log's checkpoint was shown to him.
    WitnessState {
        /// He signed.
        Signed = "signed",
        /// He did not answer, or not as a witness does.
        Away = "away",
        /// He does not follow this log.
        Stranger = "stranger",
        /// He knows another history.
        Forked = "forked",
    }
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// How many entries the last checkpoint covered that the witness signed, as far as the log knows; 0: none.
    pub old: i64,
    /// That the checkpoint goes on from it.
    pub proof: Vec<Hash>,
    /// The checkpoint, signed by the log.
    pub note: String,
}

impl AddCheckpoint {
    /// As it is sent.
    pub fn text(&self) -> String {
        let proof: String = self.proof.iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
        format!("old {}\n{proof}\n{}", self.old, self.note)
    }

    /// Reads it.
    pub fn read(text: &str) -> Option<Self> {
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = lines.next()?.strip_prefix("old ")?;
        let is_plain = old == "0" || !old.starts_with(['0', '+', '-']);
        let old = old.parse().ok().filter(|old: &i64| is_plain && *old >= 0)?;
        let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok();
        let proof =
            lines.map(hash).collect::<Option<Vec<Hash>>>().filter(|proof| proof.len() <= PROOF_MAX)?;
        Some(Self { old, proof, note: note.to_owned() })
    }
}

/// Why a witness does not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwitnessed {
    /// It does not read, or makes no sense.
    #[error("is no checkpoint that goes on from a smaller one")]
    Malformed,
    /// It is of a log that he does not follow.
    #[error("is of a log that this witness does not follow")]
    UnknownLog,
    /// The log did not sign it.
    #[error("is not signed by its log")]
    NotSigned,
    /// The last that he signed covers so many entries; or as many, and they are others.
    #[error("does not begin where this witness is, which is at {0} entries")]
    OtherSize(i64),
    /// It is not shown to go on from the last that he signed.
    #[error("does not go on from the last that this witness signed")]
    NotShown,
}

/// What the log says now, if it goes on from `known`, the last that was signed of it.
pub fn judge(
    key: &VerifierKey,
    known: Option<&Checkpoint>,
    request: &AddCheckpoint,
) -> Result<Checkpoint, Unwitnessed> {
    let new = key.open(&request.note).map_err(|fault| match fault {
        NoteFault::NotSigned | NoteFault::BadSignature => Unwitnessed::NotSigned,
        NoteFault::OtherLog => Unwitnessed::UnknownLog,
        NoteFault::NotCosigned | NoteFault::Unreadable => Unwitnessed::Malformed,
    })?;
    if new.size == 0 || request.old > new.size {
        return Err(Unwitnessed::Malformed);
    }
    let at = known.map_or(0, |known| known.size);
    let is_other = known.is_some_and(|known| known.size == new.size && known.root != new.root);
    if request.old != at || is_other {
        return Err(Unwitnessed::OtherSize(at));
    }
    let is_shown = match known.filter(|known| known.size < new.size) {
        Some(known) => goes_on((known.size, &known.root), (new.size, &new.root), &request.proof),
        None => request.proof.is_empty(),
    };
    if is_shown { Ok(new) } else { Err(Unwitnessed::NotShown) }
}

/// What a witness signs with.
pub struct WitnessKey {
    pair: Ed25519KeyPair,
    cosigner: Cosigner,
}

impl WitnessKey {
    /// The key that a seed stands for (RFC 8032 §5.1.5), under this name; none for a name that no key can have.
    pub fn of(seed: &[u8; 32], name: &str) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let is_name =
            !name.is_empty() && !name.contains(|letter: char| letter.is_whitespace() || letter == '+');
        let key = pair.public_key().as_ref().try_into().ok().filter(|_| is_name)?;
        Some(Self { cosigner: Cosigner::named(name, key), pair })
    }

    /// Reads what [`WitnessKey::secret`] wrote; none if the parts do not belong together.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.trim().strip_prefix(SECRET)?.split_once('+')?;
        let (id, secret) = rest.split_once('+')?;
        let seed = STANDARD.decode(secret).ok()?;
        let seed = seed.strip_prefix(&[COSIGNATURE_KIND])?.try_into().ok()?;
        let key = Self::of(seed, name)?;
        let (_, expected, _) = key_parts(&key.vkey(), COSIGNATURE_KIND)?;
        (hex(&expected) == id).then_some(key)
    }

    /// A key's text, as Go's notes spell it, of a seed and a name.
    pub fn secret(seed: &[u8; 32], name: &str) -> Option<String> {
        let (_, id, _) = key_parts(&Self::of(seed, name)?.vkey(), COSIGNATURE_KIND)?;
        let secret = STANDARD.encode([&[COSIGNATURE_KIND], seed.as_slice()].concat());
        Some(format!("{SECRET}{name}+{}+{secret}", hex(&id)))
    }

    /// The public key, as C2SP signed-note spells it.
    pub fn vkey(&self) -> String {
        self.cosigner.vkey()
    }

    /// The line under a checkpoint that was judged: C2SP tlog-cosignature (`cosignature/v1`).
    pub fn sign(&self, judged: &Checkpoint, now: Timestamp) -> String {
        let seconds = now.seconds().unsigned_abs();
        let text = format!("cosignature/v1\ntime {seconds}\n{}", judged.body());
        let signature = [&seconds.to_be_bytes(), self.pair.sign(text.as_bytes()).as_ref()].concat();
        self.cosigner.line(&signature)
    }
}

#[cfg(test)]
#[path = "witness_tests.rs"]
mod tests;
