//! Checkpoints: the size and root of a log, signed. C2SP tlog-checkpoint within a C2SP signed-note, by Ed25519.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boundary::Env;

use super::hex;
use super::tree::{Hash, sha256};

/// Ed25519, as C2SP signed-note numbers kinds of signatures.
const ED25519_KIND: u8 = 1;

/// What a later log of the same tenant, after a reset in a sandbox, adds to its origin.
const LATER_LOG: &str = "/log-";

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the installation, the tenant, and after a reset which of the tenant's logs.
    pub origin: String,
    /// How many entries it covers: those up to this `seq`.
    pub size: i64,
    /// The root of the tree over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Size and root as a line: what webhooks carry, what a new log says about the old, and the root log about each.
    pub fn line(size: i64, root: &Hash) -> String {
        format!("{size} {}", STANDARD.encode(root))
    }

    /// Reads what [`Checkpoint::line`] wrote.
    pub fn read_line(line: &str) -> Option<(i64, Hash)> {
        let (size, root) = line.split_once(' ')?;
        read_head(size, root)
    }

    /// The text that is signed.
    pub(super) fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads the text that was signed. Lines after the third are extensions, which say nothing about the tree.
    fn read(body: &str) -> Option<Self> {
        let mut lines = body.lines();
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let (size, root) = read_head(size, root)?;
        Some(Self { origin: origin.to_owned(), size, root })
    }
}

/// A size, which has one spelling only, and a root.
fn read_head(size: &str, root: &str) -> Option<(i64, Hash)> {
    let is_plain = size == "0" || !size.starts_with(['0', '+', '-']);
    let size = size.parse().ok().filter(|size: &i64| is_plain && *size >= 0)?;
    Some((size, STANDARD.decode(root).ok()?.try_into().ok()?))
}

/// What signs the checkpoints of an installation. Its name differs for each tenant, so that nobody takes a
/// checkpoint of one tenant for another's.
pub struct LogKey {
    pair: Ed25519KeyPair,
    installation: String,
}

impl LogKey {
    /// The key that a seed stands for (RFC 8032 §5.1.5). The installation is named after it.
    pub fn of(seed: &[u8; 32], env: Env) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let digest = sha256(pair.public_key().as_ref());
        let installation = format!("holdfast-{}-{}", env.as_str(), hex(&digest[..8]));
        Some(Self { pair, installation })
    }

    /// The name of the key for a tenant's logs, and the origin of the first of them.
    fn name(&self, tenant: &str) -> String {
        format!("{}/{tenant}", self.installation)
    }

    /// What one of a tenant's logs is called: the first, or which since.
    pub fn origin(&self, tenant: &str, log: i64) -> String {
        let name = self.name(tenant);
        if log <= 1 { name } else { format!("{name}{LATER_LOG}{log}") }
    }

    /// Tenant and number of the log that is called so; none if it is no log of this installation.
    pub fn read_origin<'o>(&self, origin: &'o str) -> Option<(&'o str, i64)> {
        let name = origin.strip_prefix(&self.installation)?.strip_prefix('/')?;
        let Some((tenant, log)) = name.split_once(LATER_LOG) else { return Some((name, 1)) };
        let log = log.parse().ok()?;
        (self.origin(tenant, log) == origin).then_some((tenant, log))
    }

    /// The public key for a tenant's logs, as C2SP signed-note spells it: name, key id, kind and key.
    pub fn vkey(&self, tenant: &str) -> String {
        let name = self.name(tenant);
        let key = [&[ED25519_KIND], self.pair.public_key().as_ref()].concat();
        format!("{name}+{}+{}", hex(&key_id(&name, &key)), STANDARD.encode(&key))
    }

    /// The signed checkpoint of a tenant's log: the first, or which since.
    pub fn sign(&self, tenant: &str, log: i64, size: i64, root: &Hash) -> String {
        let name = self.name(tenant);
        let body = Checkpoint { origin: self.origin(tenant, log), size, root: *root }.body();
        let key = [&[ED25519_KIND], self.pair.public_key().as_ref()].concat();
        let signature = self.pair.sign(body.as_bytes());
        let signed = STANDARD.encode([&key_id(&name, &key), signature.as_ref()].concat());
        format!("{body}\n\u{2014} {name} {signed}\n")
    }
}

/// The key id of C2SP signed-note: four bytes of SHA-256 of the name, a newline, the kind and the key.
pub(super) fn key_id(name: &str, key: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", key].concat());
    [a, b, c, d]
}

/// Name, key id and Ed25519 key of a key for this kind of signatures, as C2SP signed-note spells it; none if the parts
/// do not belong together.
pub(super) fn key_parts(text: &str, kind: u8) -> Option<(String, [u8; 4], [u8; 32])> {
    let mut parts = text.trim().splitn(3, '+');
    let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = STANDARD.decode(key).ok()?;
    let expected = key_id(name, &bytes);
    let (found, key) = bytes.split_first()?;
    let fits = *found == kind && hex(&expected) == id && !name.is_empty();
    Some((name.to_owned(), expected, key.try_into().ok()?)).filter(|_| fits)
}

/// One signature under a note.
pub(super) struct Line<'n> {
    /// Whose.
    pub name: &'n str,
    /// The id of his key.
    pub id: [u8; 4],
    /// As its kind has it.
    pub signature: Vec<u8>,
}

impl<'n> Line<'n> {
    fn read(line: &'n str) -> Option<Self> {
        let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let signature = STANDARD.decode(signature).ok()?;
        let (id, signature) = signature.split_first_chunk()?;
        Some(Self { name, id: *id, signature: signature.to_vec() })
    }
}

/// The text of a C2SP signed-note that is signed, and the signatures under it.
pub(super) fn signatures(note: &str) -> Result<(String, Vec<Line<'_>>), NoteFault> {
    let (body, lines) = note.rsplit_once("\n\n").ok_or(NoteFault::Unreadable)?;
    let lines = lines.strip_suffix('\n').ok_or(NoteFault::Unreadable)?;
    let read: Option<Vec<_>> = lines.split('\n').map(Line::read).collect();
    Ok((format!("{body}\n"), read.ok_or(NoteFault::Unreadable)?))
}

/// What checks checkpoints: the public half of a [`LogKey`], for one tenant.
#[derive(Clone, Debug)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: [u8; 32],
}

/// Why a text is no checkpoint of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteFault {
    /// It is no signed note, or holds no checkpoint.
    #[error("is no signed checkpoint")]
    Unreadable,
    /// No signature is by this key.
    #[error("is not signed by this key")]
    NotSigned,
    /// No signature is by the enclave's key.
    #[error("is not signed by the enclave's key")]
    NotCosigned,
    /// A signature in the key's name is another's, or the text was changed.
    #[error("has a signature that is wrong: its text was changed, or another signed it")]
    BadSignature,
    /// It is about another log than those of the key.
    #[error("is of another log than the key's")]
    OtherLog,
}

impl VerifierKey {
    /// Reads what [`LogKey::vkey`] wrote; none if the parts do not belong together.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, id, key) = key_parts(text, ED25519_KIND)?;
        Some(Self { name, id, key })
    }

    /// The tenant whose logs it is about.
    pub fn tenant(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// Whether an origin is of a log that it is about.
    pub fn is_of(&self, origin: &str) -> bool {
        let log = origin.strip_prefix(&self.name);
        log.is_some_and(|log| log.is_empty() || log.starts_with(LATER_LOG))
    }

    /// What a signed checkpoint says, if this key signed it. Signatures of others (witnesses) are not looked at.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteFault> {
        let (body, lines) = signatures(note)?;
        let mut is_signed = false;
        for line in lines.iter().filter(|line| line.name == self.name && line.id == self.id) {
            let key = UnparsedPublicKey::new(&ED25519, self.key);
            key.verify(body.as_bytes(), &line.signature).map_err(|_| NoteFault::BadSignature)?;
            is_signed = true;
        }
        if !is_signed {
            return Err(NoteFault::NotSigned);
        }
        let read = Checkpoint::read(&body).ok_or(NoteFault::Unreadable)?;
        if self.is_of(&read.origin) { Ok(read) } else { Err(NoteFault::OtherLog) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "01890000-0000-7000-8000-000000000001";

    fn key() -> LogKey {
        LogKey::of(&[7; 32], Env::Sandbox).expect("a key")
    }

    fn verifier() -> VerifierKey {
        VerifierKey::parse(&key().vkey(TENANT)).expect("a key")
    }

    #[test]
    fn what_was_signed_is_read() {
        let note = key().sign(TENANT, 1, 42, &[9; 32]);
        let read = verifier().open(&note).expect("signed");
        assert_eq!((read.size, read.root), (42, [9; 32]));
        assert!(read.origin.starts_with("holdfast-sandbox-") && read.origin.ends_with(TENANT), "{read:?}");
        assert_eq!(verifier().tenant(), TENANT);
        let later = verifier().open(&key().sign(TENANT, 3, 42, &[9; 32])).expect("signed");
        assert_eq!(later.origin, format!("{}/log-3", read.origin), "another log has another origin");
        for (origin, log) in [(&read.origin, 1), (&later.origin, 3)] {
            assert_eq!(key().read_origin(origin), Some((TENANT, log)));
        }
        let elsewhere = read.origin.replacen("sandbox", "production", 1);
        for other in
            [elsewhere.as_str(), "", &format!("{}/log-1", read.origin), &format!("{}/log-x", read.origin)]
        {
            assert_eq!(key().read_origin(other), None, "{other}");
        }
        assert_eq!(note.lines().nth(2), Checkpoint::line(42, &[9; 32]).split_once(' ').map(|(_, root)| root));
    }

    #[test]
    fn every_changed_byte_is_seen() {
        let note = key().sign(TENANT, 1, 42, &[9; 32]);
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(verifier().open(&changed).is_err(), "{at}: {changed}");
        }
        for (note, fault) in [
            (String::new(), NoteFault::Unreadable),
            (note[..note.len() - 1].to_owned(), NoteFault::Unreadable),
            (key().sign("other", 1, 42, &[9; 32]), NoteFault::NotSigned),
            (note.replacen("42", "43", 1), NoteFault::BadSignature),
        ] {
            assert_eq!(verifier().open(&note), Err(fault), "{note}");
        }
    }

    #[test]
    fn a_witness_changes_nothing() {
        let note = key().sign(TENANT, 1, 42, &[9; 32]);
        let witnessed = format!("{note}\u{2014} witness.example {}\n", STANDARD.encode([1; 68]));
        assert_eq!(verifier().open(&witnessed), verifier().open(&note));
    }

    #[test]
    fn what_the_key_signs_for_another_log_is_not_this_one() {
        let key = key();
        let (name, vkey) = (key.name(TENANT), verifier());
        for origin in ["elsewhere".to_owned(), format!("{name}0"), format!("{name}/x")] {
            let body = format!("{origin}\n1\n{}\n", STANDARD.encode([9; 32]));
            let signed = STANDARD.encode([&vkey.id, key.pair.sign(body.as_bytes()).as_ref()].concat());
            assert_eq!(vkey.open(&format!("{body}\n\u{2014} {name} {signed}\n")), Err(NoteFault::OtherLog));
        }
    }

    #[test]
    fn sizes_have_one_spelling() {
        for size in ["-1", "+1", "01", "1.0", "", "9223372036854775808"] {
            assert_eq!(
                Checkpoint::read(&format!("o\n{size}\n{}\n", STANDARD.encode([0; 32]))),
                None,
                "{size}"
            );
        }
        assert!(Checkpoint::read(&format!("o\n0\n{}\nextension\n", STANDARD.encode([0; 32]))).is_some());
        assert_eq!(Checkpoint::read("o\n0\nAAAA\n"), None);
        assert_eq!(Checkpoint::read_line(&Checkpoint::line(7, &[3; 32])), Some((7, [3; 32])));
        assert_eq!(Checkpoint::read_line(&Checkpoint::line(7, &[3; 32]).replacen('7', "07", 1)), None);
    }

    #[test]
    fn a_key_is_read_whole_or_not() {
        let vkey = key().vkey(TENANT);
        for changed in
            [vkey.replacen("holdfast", "holdfost", 1), vkey[..vkey.len() - 4].to_owned(), String::new()]
        {
            assert!(VerifierKey::parse(&changed).is_none(), "{changed}");
        }
        assert!(VerifierKey::parse(&format!("{vkey}\n")).is_some(), "as a file has it");
    }
}
