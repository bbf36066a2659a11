//! The root key, what is derived from it, and the signing keys it seals.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use aws_lc_rs::kdf::{KbkdfCtrHmacAlgorithmId, get_kbkdf_ctr_hmac_algorithm, kbkdf_ctr_hmac};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use boundary::ceremony::Epochs;
use boundary::message::Refusal;
use boundary::wire::{Wire, put_parts};
use boundary::{Env, wire_struct};
use secretmem::Secret;
use zeroize::Zeroizing;

use crate::clock::wall_ms;
use crate::digest::{base64url, random, sha256};
use crate::seal::Home;
use crate::secret::SymmetricKey;
use crate::service::ensure;

/// The root key, where it lies on the disk.
pub const ROOT_FILE: &str = "root.key";
/// What lies under the root key: there is none without it.
pub const SIGNING_FILE: &str = "signing.keys";
/// The same under the root key of the next epoch, until the shares of that key are in force.
const NEXT_FILE: &str = "signing.keys.next";
/// What makes batches and signs answers: there is none but in the directory of an offline enclave.
pub const OFFLINE_FILE: &str = "offline.key";

/// SP 800-108 counter mode with HMAC-SHA256; the fixed input is label, zero, the length-prefixed context, and
/// the output's length in bits.
pub fn derive(secret: &[u8; 32], label: &str, context: &[&[u8]]) -> SymmetricKey {
    let mut info = [label.as_bytes(), b"\0"].concat();
    put_parts(context.iter().copied(), &mut info);
    info.extend_from_slice(&256_u32.to_be_bytes());
    SymmetricKey::filled(|out| {
        let algorithm = get_kbkdf_ctr_hmac_algorithm(KbkdfCtrHmacAlgorithmId::Sha256).ok_or(())?;
        kbkdf_ctr_hmac(algorithm, secret, &info, out).map_err(|_| ())
    })
    // The algorithm exists and neither length is zero: there is no other cause of failure.
    .expect("the derivation's arguments are constant")
}

/// AES-256-GCM (SP 800-38D) under a random nonce, which goes in front.
pub fn encrypt(key: &SymmetricKey, aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce: [u8; 12] = random();
    let mut body = Zeroizing::new(Vec::with_capacity(plain.len() + 16));
    body.extend_from_slice(plain);
    cipher(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut *body)
        .expect("the plaintext is far below the cipher's limit");
    [nonce.as_slice(), &body].concat()
}

/// Undoes [`encrypt`]; none when anything was altered.
pub fn decrypt(key: &SymmetricKey, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, body) = sealed.split_first_chunk::<12>()?;
    let mut body = Zeroizing::new(body.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = cipher(key).open_in_place(nonce, Aad::from(aad), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

fn cipher(key: &SymmetricKey) -> LessSafeKey {
    // 32 bytes are what the algorithm takes.
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.expose()).expect("the key has the cipher's length"))
}

/// Everything derived from the root key, one key for each purpose.
pub struct Keyring {
    /// The one environment this enclave serves.
    pub env: Env,
    /// How many root keys there have been.
    pub epoch: u32,
    /// Where the private halves live that this enclave holds.
    pub home: Home,
    root: Secret,
    /// Makes session tickets.
    pub ticket: hmac::Key,
    /// Makes admissions.
    pub admission: hmac::Key,
    /// Makes records of checks.
    pub record: hmac::Key,
    /// Makes marks of the log.
    pub mark: hmac::Key,
    /// Hides identities; of the first root key, since those that the log knows are compared with in any epoch.
    pub identity: hmac::Key,
    /// The seed of the key under checkpoints; of the first root key, since others pin it.
    pub cosignature: SymmetricKey,
    /// Of tenants that were reset.
    generations: RwLock<HashMap<String, u32>>,
    /// What is derived from the root key of the epoch before, until that is retired.
    pub former: Option<Box<Self>>,
}

/// The epoch of the first root key.
pub const FIRST_EPOCH: u32 = 1;

/// The generation of a tenant that was never reset.
pub const FIRST_GENERATION: u32 = 1;

impl Keyring {
    fn new(env: Env, root: &SymmetricKey) -> Self {
        let key = |label: &str| derive(root.expose(), label, &[env.as_str().as_bytes()]);
        let mac = |label: &str| hmac::Key::new(hmac::HMAC_SHA256, key(label).expose());
        Self {
            env,
            epoch: FIRST_EPOCH,
            home: Home::Hot,
            ticket: mac("ticket"),
            admission: mac("admission"),
            record: mac("record"),
            mark: mac("mark"),
            identity: mac("identity"),
            cosignature: key("checkpoint-cosignature"),
            generations: RwLock::default(),
            former: None,
            root: Secret::copied(root.expose()),
        }
    }

    /// Those of every epoch whose seals open, the one in force first.
    pub fn epochs(&self) -> impl Iterator<Item = &Self> {
        [Some(self), self.former.as_deref()].into_iter().flatten()
    }

    /// The numbers of these epochs.
    pub fn numbers(&self) -> Epochs {
        Epochs { current: self.epoch, former: self.former.as_ref().map(|former| former.epoch) }
    }

    /// The key that encrypts data keys of a tenant in its generation, in an epoch; the pool's own has an empty name.
    pub fn sealing(&self, epoch: u32, tenant_id: &str) -> Result<SymmetricKey, Refusal> {
        let missing = if epoch < self.epoch { Refusal::EpochRetired } else { Refusal::SealBroken };
        let ring = self.epochs().find(|ring| ring.epoch == epoch).ok_or(missing)?;
        let generation = self.generation(tenant_id).to_be_bytes();
        // Each epoch has a root key of its own: its number adds nothing here, and stays what it was.
        let context = [b"epoch 1", self.env.as_str().as_bytes(), tenant_id.as_bytes(), &generation];
        Ok(derive(ring.root.expose(), "seal", &context))
    }

    /// How often the tenant began, counted from one: what was made in another generation is not believed.
    pub fn generation(&self, tenant_id: &str) -> u32 {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        generations.get(tenant_id).copied().unwrap_or(FIRST_GENERATION)
    }

    /// With the resets that the log knows.
    pub fn in_generations(self, generations: HashMap<String, u32>) -> Self {
        Self { generations: RwLock::new(generations), ..self }
    }

    /// Takes note of a reset.
    pub fn set_generation(&self, tenant_id: &str, generation: u32) {
        let mut generations = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        generations.insert(tenant_id.to_owned(), generation);
    }

    /// The key of this environment for one purpose, which its label names.
    pub fn own(&self, label: &str) -> SymmetricKey {
        derive(self.root.expose(), label, &[self.env.as_str().as_bytes()])
    }

    /// What lies under the first root key.
    fn first(&self, keys: Vec<StoredKey>) -> Kept {
        let [identity, cosignature] = ["identity", "checkpoint-cosignature"].map(|label| self.own(label));
        Kept { keys, epoch: FIRST_EPOCH, identity, cosignature, former: None }
    }
}

wire_struct! {
    /// One signing key, as kept.
    pub struct StoredKey {
        /// What it signs.
        pub purpose: String,
        /// Since when.
        pub valid_from_ms: i64,
        /// The pair.
        pub pkcs8: Vec<u8>,
    }

    /// What lies under a root key; under the first one once lay the signing keys alone.
    pub struct Kept {
        /// For statements, and for records.
        pub keys: Vec<StoredKey>,
        /// The root key's epoch.
        pub epoch: u32,
        /// The secret behind [`Keyring::identity`].
        pub identity: SymmetricKey,
        /// See [`Keyring::cosignature`].
        pub cosignature: SymmetricKey,
        /// The root key of the epoch before, until that is retired.
        pub former: Option<SymmetricKey>,
    }
}

/// An ECDSA P-256 key for one purpose.
pub struct SigningPair {
    pair: EcdsaKeyPair,
    /// The same key, for signatures in the form of RFC 7518 §3.4.
    fixed: EcdsaKeyPair,
    /// What the world sees of it.
    pub public: boundary::message::SigningKey,
}

impl SigningPair {
    fn read(stored: &StoredKey) -> io::Result<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &stored.pkcs8)
            .map_err(io::Error::other)?;
        let fixed = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &stored.pkcs8)
            .map_err(io::Error::other)?;
        let point = pair.public_key().as_ref().to_vec();
        let (x, y) = point[1..].split_at(32);
        // RFC 7638 §3: the required members in order, without white space.
        let thumbprint =
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, base64url(x), base64url(y));
        let public = boundary::message::SigningKey {
            kid: base64url(&sha256(thumbprint.as_bytes())),
            purpose: stored.purpose.clone(),
            point: point.clone(),
            valid_from_ms: stored.valid_from_ms,
        };
        Ok(Self { pair, fixed, public })
    }

    /// ECDSA P-256 SHA-256 (FIPS 186-5), DER.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        sign(&self.pair, message)
    }

    /// The same as JWS has it: r and s, 32 bytes each (RFC 7518 §3.4).
    pub fn sign_fixed(&self, message: &[u8]) -> Vec<u8> {
        sign(&self.fixed, message)
    }
}

fn sign(pair: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
    // Fails only where there is no chance.
    let signature = pair.sign(&SystemRandom::new(), message).expect("the kernel gives random bytes");
    signature.as_ref().to_vec()
}

/// The keys of an opened state directory.
pub struct Opened {
    /// What is derived.
    pub keyring: Keyring,
    /// Signs statements about public keys.
    pub assignment: SigningPair,
    /// Signs bindings and records.
    pub receipt: SigningPair,
}

/// Makes a root key and signing keys in a new directory. What exists is never overwritten; an initialisation
/// that was cut short goes on with the root key it left, which has sealed nothing yet.
pub fn init(dir: &Path, env: Env) -> io::Result<()> {
    make_directory(dir)?;
    let is_there = io::Error::other("the state directory is initialised already");
    ensure(!dir.join(SIGNING_FILE).exists(), is_there)?;
    if !dir.join(ROOT_FILE).exists() {
        write_new(dir, ROOT_FILE, fresh()?.expose())?;
    }
    found(dir, env, &read_root(dir)?)
}

/// A new root key.
pub fn fresh() -> io::Result<SymmetricKey> {
    SymmetricKey::filled(|out| aws_lc_rs::rand::fill(out)).map_err(io::Error::other)
}

/// Makes a state directory where there is none.
pub fn make_directory(dir: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Makes signing keys and seals them under a root key, in the place of those of a root key that was never used.
pub fn found(dir: &Path, env: Env, root: &SymmetricKey) -> io::Result<()> {
    let keyring = Keyring::new(env, root);
    let mut keys = Vec::new();
    for purpose in ["assignment-sig", "receipt-sig"] {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(io::Error::other)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(io::Error::other)?.as_ref().to_vec();
        keys.push(StoredKey { purpose: purpose.into(), valid_from_ms: wall_ms(), pkcs8 });
    }
    keep(dir, SIGNING_FILE, &keyring, &keyring.first(keys))
}

fn keep(dir: &Path, name: &str, keyring: &Keyring, kept: &Kept) -> io::Result<()> {
    let plain = Zeroizing::new(kept.to_bytes());
    replace(dir, name, &encrypt(&keyring.own("signing-keys"), b"signing-keys/v1", &plain))
}

/// Reads the root key from the disk.
pub fn read_root(dir: &Path) -> io::Result<SymmetricKey> {
    let mut file = File::open(dir.join(ROOT_FILE))?;
    let about = file.metadata()?;
    let open = io::Error::other("root.key must be 32 bytes that only its owner may read");
    ensure(about.mode().is_multiple_of(0o100) && about.len() == 32, open)?;
    SymmetricKey::filled(|out| file.read_exact(out))
}

/// What lies under a root key, which is the right one if this succeeds, and what is derived of both; also whether it is
/// that of the next epoch.
pub fn read_kept(dir: &Path, env: Env, root: &SymmetricKey) -> io::Result<(Keyring, Kept, bool)> {
    let mut keyring = Keyring::new(env, root);
    let key = keyring.own("signing-keys");
    let opened = |name| decrypt(&key, b"signing-keys/v1", &std::fs::read(dir.join(name)).ok()?);
    let (current, next) = (opened(SIGNING_FILE), opened(NEXT_FILE));
    let is_next = current.is_none();
    let plain = current.or(next).ok_or_else(|| {
        io::Error::other("signing.keys was not sealed by this root key for this environment")
    })?;
    let kept = Kept::from_bytes(&plain)
        .or_else(|_| Wire::from_bytes(&plain).map(|keys| keyring.first(keys)))
        .map_err(io::Error::other)?;
    keyring.epoch = kept.epoch;
    keyring.identity = hmac::Key::new(hmac::HMAC_SHA256, kept.identity.expose());
    keyring.cosignature = SymmetricKey::copied(kept.cosignature.expose());
    keyring.former = kept
        .former
        .as_ref()
        .map(|root| Box::new(Keyring { epoch: kept.epoch - 1, ..Keyring::new(env, root) }));
    Ok((keyring, kept, is_next))
}

/// Opens what lies under a root key whose shares are in force: that of the next epoch takes the place of the one before,
/// which alone opens nothing from then on.
pub fn open_with(dir: &Path, env: Env, root: &SymmetricKey) -> io::Result<Opened> {
    let (keyring, kept, is_next) = read_kept(dir, env, root)?;
    if is_next {
        // That shares are in force is decided by this; all that follows is done at the next opening, if not now.
        if dir.join(ROOT_FILE).exists() {
            std::fs::remove_file(dir.join(ROOT_FILE))?;
            File::open(dir)?.sync_all()?;
        }
        std::fs::rename(dir.join(NEXT_FILE), dir.join(SIGNING_FILE))?;
        File::open(dir)?.sync_all()?;
    }
    match kept.keys.as_slice() {
        [assignment, receipt] => Ok(Opened {
            assignment: SigningPair::read(assignment)?,
            receipt: SigningPair::read(receipt)?,
            keyring,
        }),
        _ => Err(io::Error::other("signing.keys does not hold two keys")),
    }
}

/// Seals under the next root key what lies under this one, and this one itself: nothing is lost when the next takes its
/// place, nor when it never does.
pub fn renew(dir: &Path, env: Env, root: &SymmetricKey, next: &SymmetricKey) -> io::Result<()> {
    let (_, kept, _) = read_kept(dir, env, root)?;
    let kept = Kept { epoch: kept.epoch + 1, former: Some(SymmetricKey::copied(root.expose())), ..kept };
    keep(dir, NEXT_FILE, &Keyring::new(env, next), &kept)
}

/// Forgets the root key of the epoch before.
pub fn retire(dir: &Path, env: Env, root: &SymmetricKey) -> io::Result<()> {
    let (keyring, kept, _) = read_kept(dir, env, root)?;
    keep(dir, SIGNING_FILE, &keyring, &Kept { former: None, ..kept })
}

/// The offline enclave's Ed25519 key, made at its first use, and sealed in the epoch in force.
pub fn offline_key(dir: &Path, keyring: &Keyring) -> io::Result<Ed25519KeyPair> {
    let path = dir.join(OFFLINE_FILE);
    let pkcs8 = if path.exists() {
        let sealed = std::fs::read(path)?;
        let open = |ring: &Keyring| decrypt(&ring.own("offline-key"), b"offline-key/v1", &sealed);
        keyring.epochs().find_map(open).ok_or_else(|| {
            io::Error::other("offline.key was not sealed by this root key for this environment")
        })?
    } else {
        let pair = Ed25519KeyPair::generate().map_err(io::Error::other)?;
        Zeroizing::new(pair.to_pkcs8().map_err(io::Error::other)?.as_ref().to_vec())
    };
    replace(dir, OFFLINE_FILE, &encrypt(&keyring.own("offline-key"), b"offline-key/v1", &pkcs8))?;
    Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(io::Error::other)
}

/// Writes a file once, owner-only, and has it and its name on the disk before returning.
fn write_new(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(name))?;
    file.write_all(content)?;
    file.sync_all()?;
    File::open(dir)?.sync_all()
}

/// Puts `content` in the place of a file, whole or not at all.
pub fn replace(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let fresh = format!("{name}.new");
    if dir.join(&fresh).exists() {
        std::fs::remove_file(dir.join(&fresh))?;
    }
    write_new(dir, &fresh, content)?;
    std::fs::rename(dir.join(&fresh), dir.join(name))?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
impl Keyring {
    /// A keyring for tests.
    pub fn for_test(env: Env) -> Self {
        Self::new(env, &SymmetricKey::copied(&[7; 32]))
    }

    /// The keyring of the epoch after that one's.
    pub fn for_test_next(env: Env) -> Self {
        let former = Some(Box::new(Self::for_test(env)));
        Self { epoch: FIRST_EPOCH + 1, former, ..Self::new(env, &SymmetricKey::copied(&[8; 32])) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lay_under_the_first_root_key_alone_opens_as_the_first_epoch() {
        let dir = std::env::temp_dir().join(format!("hf-root-{}", std::process::id()));
        make_directory(&dir).unwrap();
        let root = SymmetricKey::copied(&[5; 32]);
        found(&dir, Env::Production, &root).unwrap();
        let (ring, kept, _) = read_kept(&dir, Env::Production, &root).unwrap();
        let alone = encrypt(&ring.own("signing-keys"), b"signing-keys/v1", &kept.keys.to_bytes());
        replace(&dir, SIGNING_FILE, &alone).unwrap();
        let (again, as_read, is_next) = read_kept(&dir, Env::Production, &root).unwrap();
        assert!(as_read.to_bytes() == kept.to_bytes() && !is_next);
        assert_eq!(again.numbers(), Epochs { current: 1, former: None });
        assert_eq!(again.cosignature.expose(), ring.own("checkpoint-cosignature").expose());
        let identity = |ring: &Keyring| hmac::sign(&ring.identity, b"same").as_ref().to_vec();
        assert_eq!(identity(&again), identity(&Keyring::new(Env::Production, &root)));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_file_is_gone_before_the_next_keys_take_their_place() {
        let dir = std::env::temp_dir().join(format!("hf-leaves-{}", std::process::id()));
        make_directory(&dir).unwrap();
        init(&dir, Env::Production).unwrap();
        let next = SymmetricKey::copied(&[6; 32]);
        renew(&dir, Env::Production, &read_root(&dir).unwrap(), &next).unwrap();
        // As if it ended between the two: nothing takes the place of a folder.
        std::fs::remove_file(dir.join(SIGNING_FILE)).unwrap();
        std::fs::create_dir(dir.join(SIGNING_FILE)).unwrap();
        assert!(open_with(&dir, Env::Production, &next).is_err());
        assert!(!dir.join(ROOT_FILE).exists() && dir.join(NEXT_FILE).exists());
        std::fs::remove_dir(dir.join(SIGNING_FILE)).unwrap();
        assert!(open_with(&dir, Env::Production, &next).is_ok_and(|opened| opened.keyring.epoch == 2));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
