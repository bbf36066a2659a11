//! The server's own keys: columns sealed at rest, and keyed hashes. What the enclave seals is not opened here.

use std::fmt;
use std::fs::{File, OpenOptions, hard_link, remove_file};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::kdf::{KbkdfCtrHmacAlgorithmId, get_kbkdf_ctr_hmac_algorithm, kbkdf_ctr_hmac};
use domain::entropy::Entropy;
use zeroize::Zeroizing;

/// The first line of the file.
const HEADER: &str = "holdfast-server-keys 1";
/// The first byte of everything sealed, so that the form can change.
const FORM: u8 = 1;

/// Secret bytes of one key.
type Secret = Zeroizing<[u8; 32]>;

/// Why keys cannot be used, or something does not open.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The file cannot be read or written.
    #[error("the file of the server's keys")]
    File(#[source] io::Error),
    /// The file holds something else.
    #[error("the file of the server's keys {0}")]
    Form(&'static str),
    /// No key of the ring opens this: other keys, another place, or changed bytes.
    #[error("a sealed column does not open")]
    DoesNotOpen,
    /// The cryptographic library refused.
    #[error("the cryptographic library failed")]
    Library,
}

impl From<Unspecified> for SealError {
    fn from(_: Unspecified) -> Self {
        Self::Library
    }
}

/// Where a sealed value lies. It opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The id of the row.
    pub row: &'a str,
    /// The column.
    pub column: &'a str,
}

/// The keys of the server: a ring that seals columns, and one for each purpose of hashing.
///
/// The hash root stays for the life of an installation, since hashes cannot be made anew from what is kept. A
/// new sealing key is put before the others: the first seals, any opens.
pub struct ServerKeys {
    ring: Vec<RandomizedNonceKey>,
    credential: hmac::Key,
    repeat: hmac::Key,
    idempotency: hmac::Key,
    token_seed: Secret,
    log_seed: Secret,
    cursor: hmac::Key,
    person: hmac::Key,
    share: hmac::Key,
    row: RowKey,
}

/// What makes the tags of rows' values.
#[derive(Clone)]
pub struct RowKey(hmac::Key);

/// How much of a tag is kept, in bytes: there is nobody to try 2^64 of them on.
pub(crate) const TAG_BYTES: usize = 8;

impl RowKey {
    /// The tag of one value at its place.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> [u8; TAG_BYTES] {
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&hash(&self.0, parts)[..TAG_BYTES]);
        tag
    }
}

impl fmt::Debug for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RowKey")
    }
}

impl fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerKeys").field("sealing_keys", &self.ring.len()).finish_non_exhaustive()
    }
}

impl ServerKeys {
    /// Reads the keys of a file, or makes the file with new ones, readable by its owner alone. Where two
    /// processes make it at once, both end up with the same keys.
    pub fn load_or_create(path: &Path, chance: &mut dyn Entropy) -> Result<Self, SealError> {
        match File::open(path) {
            Ok(file) => Self::load(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(path, chance).map_err(SealError::File)?;
                Self::load(File::open(path).map_err(SealError::File)?)
            }
            Err(error) => Err(SealError::File(error)),
        }
    }

    /// Keys from their bytes: the hash root, then the ring, of which the first seals.
    pub fn from_bytes(hash_root: &[u8; 32], ring: &[[u8; 32]]) -> Result<Self, SealError> {
        if ring.is_empty() {
            return Err(SealError::Form("has no sealing key"));
        }
        let sealing = |key| RandomizedNonceKey::new(&AES_256_GCM, derive(key, "column seal")?.as_slice());
        let hashing = |purpose| -> Result<_, Unspecified> {
            Ok(hmac::Key::new(hmac::HMAC_SHA256, derive(hash_root, purpose)?.as_slice()))
        };
        Ok(Self {
            ring: ring.iter().map(sealing).collect::<Result<_, _>>()?,
            credential: hashing("credential hash")?,
            repeat: hashing("repeat tag")?,
            idempotency: hashing("idempotency")?,
            token_seed: derive(hash_root, "token signing")?,
            log_seed: derive(hash_root, "audit log signing")?,
            cursor: hashing("list cursor")?,
            person: hashing("person secrets")?,
            share: hashing("key share")?,
            row: RowKey(hashing("row seals")?),
        })
    }

    fn load(mut file: File) -> Result<Self, SealError> {
        if file.metadata().map_err(SealError::File)?.mode() & 0o077 != 0 {
            return Err(SealError::Form("may be read by others than its owner; make it 0600"));
        }
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text).map_err(SealError::File)?;
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err(SealError::Form("does not begin as it should"));
        }
        let (mut hash_root, mut ring) = (None, Zeroizing::new(Vec::with_capacity(16)));
        for line in lines {
            let (word, digits) =
                line.split_once(' ').ok_or(SealError::Form("has a line that does not read"))?;
            let secret = read_hex(digits).ok_or(SealError::Form("has a key that does not read"))?;
            match word {
                "hash" if hash_root.is_none() => hash_root = Some(secret),
                "seal" => ring.push(*secret),
                _ => return Err(SealError::Form("has a line that does not read")),
            }
        }
        Self::from_bytes(&*hash_root.ok_or(SealError::Form("has no hash root"))?, &ring)
    }

    /// Seals a value to its place.
    pub fn seal(&self, place: Place<'_>, value: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut sealed = value.to_vec();
        let key = self.ring.first().ok_or(SealError::Library)?;
        let nonce = key.seal_in_place_append_tag(Aad::from(place.bytes()), &mut sealed)?;
        Ok([&[FORM], nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// Opens what was sealed to this place, by whichever key of the ring.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, sealed) = match sealed {
            [FORM, rest @ ..] => rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::DoesNotOpen)?,
            _ => return Err(SealError::DoesNotOpen),
        };
        let opened = self.ring.iter().find_map(|key| {
            let mut value = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let len = key.open_in_place(nonce, Aad::from(place.bytes()), &mut value).ok()?.len();
            value.truncate(len);
            Some(value)
        });
        opened.ok_or(SealError::DoesNotOpen)
    }

    /// From what the key that signs tokens is made.
    pub fn token_seed(&self) -> &[u8; 32] {
        &self.token_seed
    }

    /// From what the key that signs checkpoints of the audit logs is made.
    pub fn log_seed(&self) -> &[u8; 32] {
        &self.log_seed
    }

    /// What is kept of an API credential.
    pub fn credential_hash(&self, credential: &str) -> [u8; 32] {
        hash(&self.credential, &[credential.as_bytes()])
    }

    /// What tells a repeated store: the same parts, in the same order, give the same tag.
    pub fn repeat_tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        hash(&self.repeat, parts)
    }

    /// By what a call that its caller named is known, and what it was.
    pub fn idempotency_hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        hash(&self.idempotency, parts)
    }

    /// What is kept of what a person holds or is called by: a session's token, an invitation's, a recovery code, an
    /// issuer's name for him. The first part says which.
    pub fn person_hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        hash(&self.person, parts)
    }

    /// What tells a share of a sealed private key that we made from any other.
    pub fn share_tag(&self, envelope: &[u8]) -> [u8; 32] {
        hash(&self.share, &[envelope])
    }

    /// What makes the tags of rows' values.
    pub fn row_key(&self) -> &RowKey {
        &self.row
    }

    /// What tells a list's cursor that we gave from one that somebody made.
    pub fn cursor_tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        hash(&self.cursor, parts)
    }
}

impl Place<'_> {
    fn bytes(self) -> Vec<u8> {
        let mut out = Vec::new();
        for part in [self.table, self.row, self.column] {
            out.extend(length(part.as_bytes()));
            out.extend(part.as_bytes());
        }
        out
    }
}

/// The length that goes before each part, so that no two lists of parts run together.
fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_be_bytes()
}

fn hash(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&length(part));
        context.update(part);
    }
    let mut out = [0; 32];
    // HMAC-SHA256 is as long as the array.
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// The key for one purpose; keys of different purposes tell nothing about one another.
fn derive(root: &[u8; 32], purpose: &str) -> Result<Secret, Unspecified> {
    let algorithm = get_kbkdf_ctr_hmac_algorithm(KbkdfCtrHmacAlgorithmId::Sha256).ok_or(Unspecified)?;
    let mut out = Secret::default();
    kbkdf_ctr_hmac(algorithm, root, format!("holdfast server {purpose} 1").as_bytes(), out.as_mut_slice())?;
    Ok(out)
}

/// Writes the file whole under another name and then gives it its own, which fails when there is one: neither
/// a crash nor a second process ever shows half a file.
fn create(path: &Path, chance: &mut dyn Entropy) -> io::Result<()> {
    let (mut root, mut seal) = (Secret::default(), Secret::default());
    chance.fill(root.as_mut_slice());
    chance.fill(seal.as_mut_slice());
    let text = Zeroizing::new(format!("{HEADER}\nhash {}\nseal {}\n", *hex(&root), *hex(&seal)));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    // By chance, so that a draft which a crash left behind is in nobody's way.
    let mut suffix = [0; 8];
    chance.fill(&mut suffix);
    let draft = folder.join(format!(".{name}.{:016x}", u64::from_be_bytes(suffix)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let named = written.and_then(|()| match hard_link(&draft, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    });
    remove_file(&draft)?;
    named?;
    File::open(folder)?.sync_all()
}

/// In small letters.
pub(crate) fn hex(secret: &[u8; 32]) -> Zeroizing<String> {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    Zeroizing::new(secret.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect())
}

/// Reads what is written as the service writes it: a letter of another case is a bit that was lost.
fn read_hex(digits: &str) -> Option<Secret> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let mut secret = Secret::default();
    if pairs.len() != secret.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in secret.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    (hex(&secret).as_str() == digits).then_some(secret)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, read_to_string, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const HERE: Place<'_> = Place { table: "backups", row: "1", column: "checksum" };

    struct Counting(u8);
    impl Entropy for Counting {
        fn fill(&mut self, target: &mut [u8]) {
            for byte in target {
                self.0 = self.0.wrapping_add(1);
                *byte = self.0;
            }
        }
    }

    fn keys(ring: &[[u8; 32]]) -> ServerKeys {
        ServerKeys::from_bytes(&[9; 32], ring).expect("keys")
    }

    #[test]
    fn opens_in_its_own_place_and_nowhere_else() {
        let keys = keys(&[[1; 32]]);
        let sealed = keys.seal(HERE, b"value").expect("seals");
        assert_eq!(keys.open(HERE, &sealed).expect("opens"), b"value");
        let elsewhere = [
            Place { table: "backup", ..HERE },
            Place { row: "2", ..HERE },
            Place { column: "record", ..HERE },
            Place { table: "backups1", row: "", ..HERE },
        ];
        for place in elsewhere {
            assert!(matches!(keys.open(place, &sealed), Err(SealError::DoesNotOpen)), "{place:?}");
        }
        assert_ne!(sealed, keys.seal(HERE, b"value").expect("seals"), "a nonce of its own each time");
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_noticed() {
        let keys = keys(&[[1; 32]]);
        let sealed = keys.seal(HERE, b"value").expect("seals");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys.open(HERE, &changed).is_err(), "byte {at}");
            assert!(keys.open(HERE, &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn the_first_key_seals_and_any_opens() {
        let (old, new) = (keys(&[[1; 32]]), keys(&[[2; 32], [1; 32]]));
        let before = old.seal(HERE, b"a").expect("seals");
        let after = new.seal(HERE, b"b").expect("seals");
        assert_eq!(new.open(HERE, &before).expect("opens"), b"a");
        assert_eq!(new.open(HERE, &after).expect("opens"), b"b");
        assert!(old.open(HERE, &after).is_err());
    }

    #[test]
    fn hashes_differ_by_purpose_root_and_division_of_parts() {
        let keys = keys(&[[1; 32]]);
        let tag = keys.repeat_tag(&[b"ab", b"c"]);
        assert_eq!(tag, keys.repeat_tag(&[b"ab", b"c"]));
        assert_ne!(tag, keys.repeat_tag(&[b"a", b"bc"]));
        assert_ne!(keys.repeat_tag(&[b"x"]), keys.credential_hash("x"));
        assert_ne!(keys.repeat_tag(&[b"x"]), keys.idempotency_hash(&[b"x"]));
        let other = ServerKeys::from_bytes(&[8; 32], &[[1; 32]]).expect("keys");
        assert_ne!(keys.credential_hash("x"), other.credential_hash("x"));
    }

    #[test]
    fn the_file_is_made_once_private_and_read_again() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("server.keys");
        let made = ServerKeys::load_or_create(&path, &mut Counting(0)).expect("made");
        let read = ServerKeys::load_or_create(&path, &mut Counting(77)).expect("read");
        let sealed = made.seal(HERE, b"value").expect("seals");
        assert_eq!(read.open(HERE, &sealed).expect("opens"), b"value");
        assert_eq!(made.credential_hash("x"), read.credential_hash("x"));
        assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        assert_eq!(folder.path().read_dir().expect("folder").count(), 1, "no draft is left");
        let text = read_to_string(&path).expect("text");
        assert!(!format!("{made:?}").contains("01"), "{made:?}");
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn a_file_that_is_open_to_others_or_damaged_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("server.keys");
        ServerKeys::load_or_create(&path, &mut Counting(0)).expect("made");
        let text = read_to_string(&path).expect("text");
        let other_case = text.replace("0a", "0A");
        assert_ne!(other_case, text);
        for damaged in [
            "",
            "holdfast-server-keys 2\n",
            &text[..text.len() - 3],
            &text.replace("hash", "seal"),
            &other_case,
        ] {
            write(&path, damaged).expect("written");
            let refused = ServerKeys::load_or_create(&path, &mut Counting(0));
            assert!(matches!(refused, Err(SealError::Form(_))), "{damaged:?}");
        }
        write(&path, text).expect("written");
        set_permissions(&path, Permissions::from_mode(0o640)).expect("opened");
        assert!(matches!(ServerKeys::load_or_create(&path, &mut Counting(0)), Err(SealError::Form(_))));
    }
}
