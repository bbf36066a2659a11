//! The root key while it lies with the holders of its shares: what the disk knows of it, and how it comes back.
//!
//! The disk has which splittings there are, a digest of each share, and the identity by which holders know this
//! enclave. None of it helps to put the key together. A share arrives under a key that lives as long as the attempt
//! does, is compared with its own digest alone, and is forgotten with the attempt.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use boundary::Env;
use boundary::ceremony::{
    ATTEMPT_MS, Attempt, Begun, Ceremony, Dealt, Epochs, Give, Given, HOLDERS_MAX, Holder, Plan, Purpose,
    Running, SHARE_PREFIX, Share, Standing, THRESHOLD_MIN, attempt_preimage, share_preimage,
};
use boundary::message::{KeyType, Refusal};
use boundary::wire::Wire;
use zeroize::Zeroizing;

use crate::clock::wall_ms;
use crate::digest::{equal, hex, random, sha256};
use crate::generate::{self, RsaKey};
use crate::log;
use crate::root::{self, replace};
use crate::secret::{Plaintext, SymmetricKey};
use crate::service::{ensure, note};
use crate::shamir::{Value, combine, split};

/// The splittings: the one in force, then the one that has not been shown yet.
const CEREMONIES_FILE: &str = "ceremonies";
/// Signs attempts. Whoever has it can play this enclave to holders, and so it is its owner's alone; it opens nothing.
const IDENTITY_FILE: &str = "identity.key";

/// The one bundle that an offline enclave is opened for, by its SHA-256; none: it may be opened for anything.
pub type Sitting = Option<[u8; 32]>;

/// What is known of the shares.
pub struct Vault {
    dir: PathBuf,
    env: Env,
    /// Whether the root key may go from the disk to holders.
    leaves_disk: bool,
    /// What it is opened for.
    sitting: Sitting,
    desk: Mutex<Option<Desk>>,
}

/// An attempt, and what came of it so far.
struct Desk {
    purpose: Purpose,
    begun: Begun,
    expires_at_ms: i64,
    key: RsaKey,
    shares: BTreeMap<u8, Value>,
    dealt: Option<Dealt>,
}

impl Desk {
    /// A clock that was set back ends an attempt as one that has run on does.
    fn is_alive(&self) -> bool {
        (1..=ATTEMPT_MS).contains(&(self.expires_at_ms - wall_ms()))
    }
}

/// The disk did not take or give something: the causes go to the enclave's own log.
fn unavailable(error: impl std::fmt::Display) -> Refusal {
    note("ceremony", &error.to_string());
    Refusal::LogUnavailable
}

impl Vault {
    /// The vault of a state directory.
    pub fn at(dir: &Path, env: Env, leaves_disk: bool, sitting: Sitting) -> Self {
        Self { dir: dir.to_owned(), env, leaves_disk, sitting, desk: Mutex::default() }
    }

    fn desk(&self) -> MutexGuard<'_, Option<Desk>> {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        if desk.as_ref().is_some_and(|desk| !desk.is_alive()) {
            *desk = None;
        }
        desk
    }

    fn ceremonies(&self) -> Result<Vec<Ceremony>, Refusal> {
        match fs::read(self.dir.join(CEREMONIES_FILE)) {
            Ok(bytes) => Wire::from_bytes(&bytes).map_err(unavailable),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(unavailable(error)),
        }
    }

    fn keep(&self, ceremonies: &[Ceremony]) -> Result<(), Refusal> {
        replace(&self.dir, CEREMONIES_FILE, &ceremonies.to_vec().to_bytes()).map_err(unavailable)
    }

    /// The enclave's identity, made at its first use.
    fn identity(&self) -> Result<Ed25519KeyPair, Refusal> {
        let path = self.dir.join(IDENTITY_FILE);
        if !path.exists() {
            let pair = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8()).map_err(unavailable)?;
            replace(&self.dir, IDENTITY_FILE, pair.as_ref()).map_err(unavailable)?;
        }
        let pkcs8 = Zeroizing::new(fs::read(path).map_err(unavailable)?);
        Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(unavailable)
    }

    /// Makes a root key and splits it. Until something was sealed under it, it may be made anew: shares that nobody
    /// could read are no loss yet. Where one lies on the disk and may leave it, this is the next one, which is in force
    /// when its shares have been shown.
    pub fn found(&self, plan: &Plan, is_open: bool) -> Result<Dealt, Refusal> {
        let mut desk = self.desk();
        let old = root::read_root(&self.dir).ok().filter(|_| self.leaves_disk);
        let is_new = !is_open && !self.dir.join(log::FILE).exists();
        ensure(is_new || old.is_some(), Refusal::NotNow)?;
        *desk = None;
        let root = root::fresh().map_err(unavailable)?;
        let (ceremony, dealt) = self.deal(plan, &root)?;
        let kept = match old {
            Some(old) => root::renew(&self.dir, self.env, &old, &root),
            None => root::found(&self.dir, self.env, &root),
        };
        kept.map_err(unavailable)?;
        self.keep(&[ceremony])?;
        Ok(dealt)
    }

    /// Splits a root key and encrypts each share to its holder.
    fn deal(&self, plan: &Plan, root: &SymmetricKey) -> Result<(Ceremony, Dealt), Refusal> {
        let count = u8::try_from(plan.holders.len()).map_err(|_| Refusal::Malformed)?;
        let is_enough = (THRESHOLD_MIN..=u32::from(count)).contains(&plan.threshold);
        ensure(is_enough && usize::from(count) <= HOLDERS_MAX, Refusal::Malformed)?;
        let threshold = u8::try_from(plan.threshold).map_err(|_| Refusal::Malformed)?;
        let identity = public_half(&self.identity()?);
        let mut ceremony = Ceremony {
            ceremony_id: random(),
            threshold: plan.threshold,
            holders: Vec::new(),
            made_at_ms: wall_ms(),
            digests: Vec::new(),
        };
        let mut shares = Vec::new();
        for ((index, value), holder) in (1..).zip(split(root, threshold, count)).zip(&plan.holders) {
            let (ceremony_id, enclave) = (ceremony.ceremony_id, short(&identity));
            let share = Share { ceremony_id, enclave, index: [index], value: *value };
            let bytes = Zeroizing::new(share.to_bytes());
            let (name, encrypted) = match holder {
                Holder::OpenPgp(certificate) => {
                    let found = crate::openpgp::inspect(certificate, ceremony.made_at_ms);
                    let found = found.map_err(Refusal::Recipient)?;
                    let text = format!("{SHARE_PREFIX}{}\n", *Zeroizing::new(hex(&bytes)));
                    let text = Plaintext::new(Zeroizing::new(text.into_bytes()));
                    let message = found.encrypt(text, true).map_err(|_| Refusal::Crashed)?;
                    (found.recipient.openpgp_fpr, message)
                }
                Holder::Rsa(key) => {
                    generate::check_public_half(KeyType::Rsa4096, key).map_err(|_| Refusal::Malformed)?;
                    ("rsa".to_owned(), generate::encrypt(key, &bytes).map_err(|_| Refusal::Malformed)?)
                }
            };
            ceremony.holders.push(name);
            ceremony.digests.push(sha256(&Zeroizing::new(share_preimage(&share))));
            shares.push(encrypted);
        }
        let dealt = Dealt { shares, ceremony_id: ceremony.ceremony_id, identity };
        Ok((ceremony, dealt))
    }

    /// Makes shares that are in force when they have been shown, beside those that are.
    fn deal_next(&self, current: &Ceremony, plan: &Plan, root: &SymmetricKey) -> Result<Dealt, Refusal> {
        let (next, dealt) = self.deal(plan, root)?;
        self.keep(&[current.clone(), next])?;
        Ok(dealt)
    }

    /// Begins to take shares, or says how those are taken that are taken already.
    pub fn begin(&self, purpose: &Purpose, open: impl Fn() -> Option<Epochs>) -> Result<Begun, Refusal> {
        let mut desk = self.desk();
        // Asked while nobody gives: what is begun now, no other attempt makes untrue.
        let fits = match (purpose, open()) {
            (Purpose::Unseal, open) => open.is_none() && self.sitting.is_none(),
            (Purpose::Sit(bundle), open) => open.is_none() && self.sitting == Some(*bundle),
            // Of two epochs the former is retired first, or what it sealed would be lost.
            (Purpose::Renew(_), Some(epochs)) => epochs.former.is_none(),
            (Purpose::Retire(epoch), Some(epochs)) => epochs.former == Some(*epoch),
            (_, open) => open.is_some(),
        };
        // Shares of the next root key are no word about the one on the disk.
        let is_held = *purpose == Purpose::Verify || !self.dir.join(root::ROOT_FILE).exists();
        ensure(fits && is_held, Refusal::NotNow)?;
        if let Some(desk) = desk.as_ref().filter(|desk| desk.purpose == *purpose && desk.dealt.is_none()) {
            return Ok(desk.begun.clone());
        }
        let ceremony_id = asked(&self.ceremonies()?, purpose).ok_or(Refusal::NotNow)?.ceremony_id;
        if let Purpose::Rekey(plan) | Purpose::Renew(plan) = purpose {
            // Tried with nothing at stake: who cannot receive is told of before anybody gives a share.
            self.deal(plan, &root::fresh().map_err(unavailable)?)?;
        }
        let identity = self.identity()?;
        let pair = generate::make(KeyType::Rsa4096).map_err(|_| Refusal::Crashed)?;
        let key = RsaKey::read(&pair.private_half, &pair.public_key).map_err(|_| Refusal::Crashed)?;
        let expires_at_ms = wall_ms() + ATTEMPT_MS;
        let (env, purpose, public_key) = (self.env, purpose.clone(), pair.public_key);
        let attempt =
            Attempt { env, ceremony_id, purpose: purpose.clone(), public_key, expires_at_ms }.to_bytes();
        let signature = identity.sign(&attempt_preimage(&attempt)).as_ref().to_vec();
        let begun = Begun { attempt, identity: public_half(&identity), signature };
        let fresh =
            Desk { purpose, begun: begun.clone(), expires_at_ms, key, shares: BTreeMap::new(), dealt: None };
        *desk = Some(fresh);
        Ok(begun)
    }

    /// Takes a share. What is not one of this splitting is refused by its own digest, whatever was given before.
    pub fn give(
        &self,
        request: &Give,
        unlock: impl FnOnce(&SymmetricKey) -> io::Result<()>,
    ) -> Result<Given, Refusal> {
        let mut slot = self.desk();
        let desk = slot.as_mut().filter(|desk| desk.dealt.is_none()).ok_or(Refusal::NoAttempt)?;
        let ceremonies = self.ceremonies()?;
        let ceremony = asked(&ceremonies, &desk.purpose).ok_or(Refusal::NotNow)?;
        let (index, value) = read_share(desk, ceremony, &request.ciphertext).ok_or(Refusal::WrongShare)?;
        desk.shares.insert(index, value);
        let given = u32::try_from(desk.shares.len()).map_err(|_| Refusal::Malformed)?;
        let done = given >= ceremony.threshold;
        if done {
            let shares: Vec<(u8, &Value)> = desk.shares.iter().map(|(at, value)| (*at, value)).collect();
            let root = combine(&shares).ok_or(Refusal::WrongShare)?;
            let (dir, env) = (&self.dir, self.env);
            let (dealt, goes_over) = match &desk.purpose {
                Purpose::Unseal | Purpose::Sit(_) => (None, true),
                Purpose::Rekey(plan) => (Some(self.deal_next(ceremony, plan, &root)?), false),
                Purpose::Renew(plan) => {
                    let next = root::fresh().map_err(unavailable)?;
                    root::renew(dir, env, &root, &next).map_err(unavailable)?;
                    (Some(self.deal_next(ceremony, plan, &next)?), false)
                }
                Purpose::Verify => {
                    let (.., is_next) = root::read_kept(dir, env, &root).map_err(unavailable)?;
                    self.keep(std::slice::from_ref(ceremony))?;
                    (None, is_next)
                }
                Purpose::Retire(_) => {
                    root::retire(dir, env, &root).map_err(unavailable)?;
                    (None, true)
                }
            };
            if goes_over {
                unlock(&root).map_err(unavailable)?;
            }
            desk.shares.clear();
            desk.dealt = dealt;
            slot.take_if(|desk| desk.dealt.is_none());
        }
        Ok(Given { given, threshold: ceremony.threshold, done })
    }

    /// Hands out what a rekey has made, once.
    pub fn collect(&self) -> Result<Dealt, Refusal> {
        let mut desk = self.desk();
        let dealt = desk.as_mut().and_then(|desk| desk.dealt.take()).ok_or(Refusal::NoAttempt)?;
        *desk = None;
        Ok(dealt)
    }

    /// How things stand.
    pub fn stand(&self, open: Option<Epochs>) -> Result<Standing, Refusal> {
        let attempt = self.desk().as_ref().map(|desk| Running {
            purpose: desk.purpose.clone(),
            given: u32::try_from(desk.shares.len()).unwrap_or(u32::MAX),
            expires_at_ms: desk.expires_at_ms,
        });
        let mut ceremonies = self.ceremonies()?.into_iter();
        Ok(Standing { open, current: ceremonies.next(), pending: ceremonies.next(), attempt })
    }
}

/// Which splitting's shares are asked for: to verify, those that have not been shown yet, where there are any.
fn asked<'a>(ceremonies: &'a [Ceremony], purpose: &Purpose) -> Option<&'a Ceremony> {
    if *purpose == Purpose::Verify { ceremonies.last() } else { ceremonies.first() }
}

/// Opens a share, and compares it with the digest that its number has in the splitting.
fn read_share(desk: &Desk, ceremony: &Ceremony, ciphertext: &[u8]) -> Option<(u8, Value)> {
    let share = desk.key.decrypt(ciphertext)?;
    let share = Share::from_bytes(share.in_archive()).ok()?;
    let value = Zeroizing::new(share.value);
    let digest = ceremony.digests.get(usize::from(share.index[0]).checked_sub(1)?)?;
    equal(&sha256(&Zeroizing::new(share_preimage(&share))), digest).then_some((share.index[0], value))
}

/// An Ed25519 public key (RFC 8032 §5.1.5).
pub fn public_half(identity: &Ed25519KeyPair) -> [u8; 32] {
    identity.public_key().as_ref().try_into().expect("a public key has 32 bytes")
}

/// What a share has of an identity.
fn short(identity: &[u8; 32]) -> [u8; 16] {
    sha256(identity)[..16].try_into().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_ends_after_its_time_and_when_the_clock_is_set_back() {
        let dir = std::env::temp_dir().join(format!("hf-vault-{}", std::process::id()));
        root::make_directory(&dir).unwrap();
        let vault = Vault::at(&dir, Env::Production, false, None);
        let key = generate::make(KeyType::Rsa4096).unwrap().public_key;
        let plan = Plan { threshold: 2, holders: vec![Holder::Rsa(key); 2] };
        vault.found(&plan, false).unwrap();
        let first = vault.begin(&Purpose::Unseal, || None).unwrap();
        assert_eq!(vault.begin(&Purpose::Unseal, || None), Ok(first.clone()));
        // A minute from each end it still runs.
        for (left_ms, runs) in
            [(60_000, true), (ATTEMPT_MS - 60_000, true), (0, false), (2 * ATTEMPT_MS, false)]
        {
            vault.begin(&Purpose::Unseal, || None).unwrap();
            vault.desk.lock().unwrap().as_mut().unwrap().expires_at_ms = wall_ms() + left_ms;
            assert_eq!(vault.stand(None).unwrap().attempt.is_some(), runs, "{left_ms}");
            let given = vault.give(&Give { ciphertext: vec![1; 512] }, |_| Ok(())).unwrap_err();
            assert_eq!(given, if runs { Refusal::WrongShare } else { Refusal::NoAttempt }, "{left_ms}");
        }
        assert_ne!(vault.begin(&Purpose::Unseal, || None), Ok(first), "another key");
        fs::remove_dir_all(dir).unwrap();
    }
}
