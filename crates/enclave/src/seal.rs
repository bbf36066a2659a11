//! How a customer's private key is kept outside the enclave.
//!
//! A sealed key is a header in plain, then AES-256-GCM under a key that is derived for this tenant, this key id
//! and this shard alone. Every field of the header is authenticated, the public key by its SHA-256.

use boundary::batch::Predecessor;
use boundary::message::{KeyType, Refusal};
use boundary::token::digest_preimage;
use boundary::wire::{Wire, put_parts};
use boundary::{Env, wire_enum, wire_struct};
use zeroize::Zeroizing;

use crate::digest::sha256;
use crate::root::{FIRST_EPOCH, Keyring, decrypt, derive, encrypt};
use crate::secret::SymmetricKey;
use crate::service::ensure;

/// A key that replaced none, and any key in the pool.
const FORMAT: [u8; 4] = *b"HFK1";
/// A key that replaced another one: the same, and behind it which.
const HEIR_FORMAT: [u8; 4] = *b"HFK2";
/// AES-256-GCM under SP 800-108 counter mode HMAC-SHA256.
const SUITE: u32 = 1;
/// Above so many bits of the suite stands how many epochs were before the one of this seal.
const EPOCH_SHIFT: u32 = 16;

wire_enum! {
    /// Where the private half lives.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Home {
        /// In the sealed key itself.
        1 = Hot,
        /// Offline; the sealed key is only the fact of its adoption.
        2 = Cold,
    }
}

wire_struct! {
    /// What a sealed key says in plain, and what its seal vouches for.
    #[derive(Clone, Debug, PartialEq)]
    pub struct KeyFacts {
        /// The tenant; empty in the pool.
        pub tenant_id: String,
        /// Whose it is; none in the pool.
        pub user_tag: Option<[u8; 32]>,
        /// Its id.
        pub key_id: String,
        /// Of which kind.
        pub key_type: KeyType,
        /// Where its private half lives.
        pub home: Home,
        /// The public half.
        pub public_key: Vec<u8>,
        /// Milliseconds since the epoch.
        pub created_at_ms: i64,
        /// Its place in the enclave's register of bound keys.
        pub serial: u64,
    }

    /// The whole of it.
    pub struct SealedKey {
        /// See [`FORMAT`] and [`HEIR_FORMAT`].
        pub format: [u8; 4],
        /// See [`SUITE`] and [`EPOCH_SHIFT`].
        pub suite: u32,
        /// The environment.
        pub env: Env,
        /// Which shard of the private half this is; only 0 of 1 for now.
        pub shard_index: u32,
        /// How many shards rebuild it.
        pub threshold: u32,
        /// The header.
        pub facts: KeyFacts,
        /// Nonce, ciphertext, tag.
        pub body: Vec<u8>,
    }
}

impl KeyFacts {
    /// What names one item of this key: the digest in our record of it.
    pub fn digest_of(&self, item_key: &str, ciphertext: &[u8], checksum: &[u8; 32]) -> [u8; 32] {
        let (tenant_id, user_tag) = (&self.tenant_id, self.user_tag.unwrap_or_default());
        sha256(&digest_preimage(tenant_id, &user_tag, &self.key_id, item_key, ciphertext, checksum))
    }

    /// How the seal of this key's successor names it.
    pub fn as_predecessor(&self) -> Predecessor {
        Predecessor { key_id: self.key_id.clone(), public_key_sha256: sha256(&self.public_key) }
    }
}

impl SealedKey {
    /// Length-prefixed, so that no two headers have one form.
    fn aad(&self, predecessor: Option<&Predecessor>) -> Vec<u8> {
        let facts = &self.facts;
        let parts = [
            self.format.as_slice(),
            &self.suite.to_be_bytes(),
            self.env.as_str().as_bytes(),
            facts.tenant_id.as_bytes(),
            &facts.user_tag.to_bytes(),
            facts.key_id.as_bytes(),
            &facts.key_type.to_bytes(),
            &facts.home.to_bytes(),
            &sha256(&facts.public_key),
            &facts.created_at_ms.to_be_bytes(),
            &self.shard_index.to_be_bytes(),
            &self.threshold.to_be_bytes(),
            &facts.serial.to_be_bytes(),
        ];
        let mut out = Vec::new();
        put_parts(parts.into_iter().chain(predecessor.map(Wire::to_bytes).as_deref()), &mut out);
        out
    }

    fn epoch(&self) -> u32 {
        (self.suite >> EPOCH_SHIFT) + FIRST_EPOCH
    }

    fn data_key(&self, keyring: &Keyring) -> Result<SymmetricKey, Refusal> {
        let sealing = keyring.sealing(self.epoch(), &self.facts.tenant_id)?;
        Ok(derive(sealing.expose(), "data", &[self.facts.key_id.as_bytes(), &self.shard_index.to_be_bytes()]))
    }
}

/// Seals a private half (PKCS#8; empty for a COLD key) to its facts.
pub fn seal(keyring: &Keyring, facts: KeyFacts, private_half: &[u8]) -> Vec<u8> {
    seal_heir(keyring, facts, None, private_half)
}

/// Seals a private half to its facts and to the key that it replaced, if there is one.
pub fn seal_heir(ring: &Keyring, facts: KeyFacts, old: Option<&Predecessor>, half: &[u8]) -> Vec<u8> {
    let mut sealed = SealedKey {
        format: if old.is_some() { HEIR_FORMAT } else { FORMAT },
        suite: (ring.epoch - FIRST_EPOCH) << EPOCH_SHIFT | SUITE,
        env: ring.env,
        shard_index: 0,
        threshold: 1,
        facts,
        body: Vec::new(),
    };
    let data_key = sealed.data_key(ring).expect("it is sealed in the epoch of the keyring");
    sealed.body = encrypt(&data_key, &sealed.aad(old), half);
    let mut out = sealed.to_bytes();
    if let Some(old) = old {
        old.put(&mut out);
    }
    out
}

/// The id of the key that is sealed here; only what opens is more than somebody's word.
pub fn name_of(bytes: &[u8]) -> Result<String, Refusal> {
    let sealed = SealedKey::take(&mut &*bytes).map_err(|_| Refusal::SealBroken)?;
    Ok(sealed.facts.key_id)
}

/// What a seal held: facts, the key that was replaced, the private half.
type Opened = (KeyFacts, Option<Predecessor>, Zeroizing<Vec<u8>>);

/// Opens a sealed key; what was altered, or sealed elsewhere, has one answer.
pub fn open(keyring: &Keyring, bytes: &[u8]) -> Result<(KeyFacts, Zeroizing<Vec<u8>>), Refusal> {
    open_heir(keyring, bytes).map(|(facts, _, private_half)| (facts, private_half))
}

/// Opens a sealed key, and says which one it replaced.
pub fn open_heir(keyring: &Keyring, bytes: &[u8]) -> Result<Opened, Refusal> {
    let mut rest = bytes;
    let sealed = SealedKey::take(&mut rest).map_err(|_| Refusal::SealBroken)?;
    let predecessor = match sealed.format {
        FORMAT => None,
        HEIR_FORMAT => Some(Predecessor::take(&mut rest).map_err(|_| Refusal::SealBroken)?),
        _ => return Err(Refusal::SealBroken),
    };
    let ours = rest.is_empty()
        && sealed.suite % (1 << EPOCH_SHIFT) == SUITE
        && sealed.env == keyring.env
        && sealed.shard_index == 0
        && sealed.threshold == 1;
    ensure(ours, Refusal::SealBroken)?;
    let aad = sealed.aad(predecessor.as_ref());
    let private_half = decrypt(&sealed.data_key(keyring)?, &aad, &sealed.body).ok_or(Refusal::SealBroken)?;
    Ok((sealed.facts, predecessor, private_half))
}

/// The same key, sealed in the epoch in force; as it is, where it is so already.
pub fn reseal(keyring: &Keyring, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let (facts, predecessor, private_half) = open_heir(keyring, bytes)?;
    let is_current = SealedKey::take(&mut &*bytes).is_ok_and(|sealed| sealed.epoch() == keyring.epoch);
    let anew = seal_heir(keyring, facts, predecessor.as_ref(), &private_half);
    Ok(if is_current { bytes.to_vec() } else { anew })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> KeyFacts {
        KeyFacts {
            tenant_id: "tenant".into(),
            user_tag: Some([3; 32]),
            key_id: "0190-id".into(),
            key_type: KeyType::Rsa4096,
            home: Home::Hot,
            public_key: vec![1, 2, 3],
            created_at_ms: 17,
            serial: 4,
        }
    }

    #[test]
    fn opens_to_what_was_sealed() {
        let ring = Keyring::for_test(Env::Production);
        let (found, private_half) = open(&ring, &seal(&ring, facts(), b"private")).unwrap();
        assert_eq!((found, private_half.as_slice()), (facts(), b"private".as_slice()));
    }

    #[test]
    fn every_flipped_bit_breaks_it() {
        let ring = Keyring::for_test(Env::Production);
        let good = seal(&ring, facts(), b"private");
        for at in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(open(&ring, &bad).is_err(), "bit {at}");
        }
    }

    #[test]
    fn each_header_field_is_vouched_for() {
        let ring = Keyring::for_test(Env::Production);
        let good = seal(&ring, facts(), b"private");
        let alter = |change: fn(&mut SealedKey)| {
            let mut sealed = SealedKey::from_bytes(&good).unwrap();
            change(&mut sealed);
            open(&ring, &sealed.to_bytes()).is_err()
        };
        assert!(!alter(|_| ()));
        assert!(alter(|sealed| sealed.facts.user_tag = None));
        assert!(alter(|sealed| sealed.facts.user_tag = Some([4; 32])));
        assert!(alter(|sealed| sealed.facts.tenant_id = "tenanT".into()));
        assert!(alter(|sealed| sealed.facts.key_id = "0190-ie".into()));
        assert!(alter(|sealed| sealed.facts.key_type = KeyType::Ed25519));
        assert!(alter(|sealed| sealed.facts.home = Home::Cold));
        assert!(alter(|sealed| sealed.facts.public_key = vec![1, 2, 4]));
        assert!(alter(|sealed| sealed.facts.created_at_ms = 18));
        assert!(alter(|sealed| sealed.facts.serial = 5));
    }

    #[test]
    fn the_key_that_was_replaced_is_vouched_for_too() {
        let ring = Keyring::for_test(Env::Production);
        let old = KeyFacts { key_id: "0190-old".into(), ..facts() }.as_predecessor();
        let good = seal_heir(&ring, facts(), Some(&old), b"private");
        let (found, named, private_half) = open_heir(&ring, &good).unwrap();
        assert_eq!((found, named.as_ref()), (facts(), Some(&old)));
        assert_eq!(private_half.as_slice(), b"private");
        for at in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(open_heir(&ring, &bad).is_err(), "bit {at}");
        }
        // A name can neither be put behind a seal without one, nor be taken away, nor stand there twice.
        let bare = seal(&ring, facts(), b"private");
        assert_eq!(open_heir(&ring, &bare).unwrap().1, None);
        let cut = good.len() - old.to_bytes().len();
        let as_format = |format: [u8; 4], bytes: &[u8]| [&format, &bytes[4..]].concat();
        for bad in [
            [bare.clone(), old.to_bytes()].concat(),
            as_format(HEIR_FORMAT, &[bare.clone(), old.to_bytes()].concat()),
            as_format(FORMAT, &good[..cut]),
            good[..cut].to_vec(),
            [good.clone(), old.to_bytes()].concat(),
        ] {
            assert!(open_heir(&ring, &bad).is_err());
        }
    }

    #[test]
    fn sealed_anew_it_says_the_same_in_the_next_epoch() {
        let (first, next) = (Keyring::for_test(Env::Production), Keyring::for_test_next(Env::Production));
        let old = KeyFacts { key_id: "0190-old".into(), ..facts() }.as_predecessor();
        let was = seal_heir(&first, facts(), Some(&old), b"private");
        let is = reseal(&next, &was).unwrap();
        let (found, named, private_half) = open_heir(&next, &is).unwrap();
        assert_eq!((found, named, private_half.as_slice()), (facts(), Some(old), b"private".as_slice()));
        assert_eq!(reseal(&next, &is), Ok(is.clone()), "as it is");
        assert_eq!(open(&first, &is).err(), Some(Refusal::SealBroken), "of an epoch to come");
        next.set_generation(&facts().tenant_id, 2);
        assert!(reseal(&next, &was).is_err() && reseal(&next, &is).is_err(), "since the reset");
        let mut alone = Keyring::for_test_next(Env::Production);
        alone.former = None;
        assert_eq!(open(&alone, &was).err(), Some(Refusal::EpochRetired));
        assert!(open(&alone, &is).is_ok());
    }

    #[test]
    fn another_environment_opens_nothing() {
        let sealed = seal(&Keyring::for_test(Env::Sandbox), facts(), b"private");
        assert!(open(&Keyring::for_test(Env::Production), &sealed).is_err());
    }
}
