//! The offline enclave: makes COLD keys, keeps their private halves, and signs the batch of public halves.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use boundary::Env;
use boundary::batch::{BATCH_KEYS_MAX, Batch, BatchKey, preimage};
use boundary::message::KeyType;
use boundary::wire::Wire;

use crate::clock::wall_ms;
use crate::digest::{hex, random, uuid_v7};
use crate::generate::make;
use crate::root::{self, Keyring};
use crate::seal::{Home, KeyFacts, seal};

/// The sealed private halves.
const KEYS_FILE: &str = "cold.keys";
/// The public half of the key that signs batches, in hexadecimal.
const PUBLIC_FILE: &str = "offline.pub";

/// How many keys of each kind to make, and where the batch goes.
pub struct Order {
    /// The batch file.
    pub out: PathBuf,
    /// How many of each kind.
    pub counts: [(KeyType, usize); 3],
}

/// Leaves the public half of the key that will sign batches, making the pair at the first time: what the online
/// enclave must be started with before it can believe a batch. Returns what signs.
pub fn introduce(dir: &Path, env: Env) -> io::Result<(Keyring, Ed25519KeyPair)> {
    let keyring = root::open(dir, env)?.keyring;
    let signer = root::offline_key(dir, &keyring)?;
    root::replace(dir, PUBLIC_FILE, format!("{}\n", hex(signer.public_key().as_ref())).as_bytes())?;
    Ok((keyring, signer))
}

/// Makes a batch. The private halves are on the disk before the batch file exists.
pub fn batch(dir: &Path, env: Env, order: &Order) -> io::Result<()> {
    let (keyring, signer) = introduce(dir, env)?;
    let wanted: Vec<KeyType> =
        order.counts.iter().flat_map(|&(key_type, count)| std::iter::repeat_n(key_type, count)).collect();
    if !(1..=BATCH_KEYS_MAX).contains(&wanted.len()) {
        return Err(io::Error::other(format!("a batch has 1 to {BATCH_KEYS_MAX} keys")));
    }
    let mut kept = match fs::read(dir.join(KEYS_FILE)) {
        Ok(bytes) => Vec::<Vec<u8>>::from_bytes(&bytes).map_err(io::Error::other)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let made_at_ms = wall_ms();
    let mut keys = Vec::new();
    for (at, &key_type) in wanted.iter().enumerate() {
        let pair = make(key_type).map_err(|_| io::Error::other("a key pair failed its test"))?;
        let facts = KeyFacts {
            tenant_id: String::new(),
            user_tag: None,
            key_id: uuid_v7(wall_ms()),
            key_type,
            home: Home::Cold,
            public_key: pair.public_key.clone(),
            created_at_ms: made_at_ms,
            serial: kept.len() as u64,
        };
        keys.push(BatchKey { key_id: facts.key_id.clone(), key_type, public_key: pair.public_key });
        kept.push(seal(&keyring, facts, &pair.private_half));
        eprintln!("generated {}/{}", at + 1, wanted.len());
    }
    root::replace(dir, KEYS_FILE, &kept.to_bytes())?;
    let batch = Batch { env, batch_id: random(), made_at_ms, keys }.to_bytes();
    let signature = signer.sign(&preimage(&batch)).as_ref().to_vec();
    let mut file = batch.to_bytes();
    signature.put(&mut file);
    let (folder, name) = (order.out.parent(), order.out.file_name().and_then(|name| name.to_str()));
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    root::replace(folder, name.ok_or_else(|| io::Error::other("--out names no file"))?, &file)
}
