//! Sealed private keys in shares: Shamir's secret sharing ("How to share a secret", 1979), by `blahaj`.
//!
//! What is split is sealed by the enclave already, so that all shares together open nothing. Each share says in its
//! envelope of which key and of which splitting it is, and carries a tag of the server's keys: one that was changed,
//! or belongs to another key, is known by itself. Whatever is put together has the digest of what was split.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use blahaj::Sharks;
use domain::entropy::Entropy;
use domain::ids::{KeyId, SplitId};
use rand_core::RngCore;

use crate::seal::ServerKeys;

/// The first bytes of an envelope, so that the form can change.
const FORM: &[u8] = b"HFS1";
const ID_BYTES: usize = 36;
const TAG_BYTES: usize = 32;

/// How many shares there are, and how many of them are the key. At least two are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Any so many are the key; fewer are nothing.
    pub threshold: u8,
    /// All.
    pub total: u8,
}

/// One share of a sealed private key, whose envelope holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Share {
    /// From 1 on.
    pub number: u8,
    /// The splitting that it is of. Shares of two splittings do not go together.
    pub split_id: SplitId,
    /// How the key was split.
    pub split: Split,
    sealed_sha256: [u8; 32],
    value: Vec<u8>,
}

/// What a place that keeps shares of one key has.
#[derive(Default)]
pub struct Found {
    /// Shares whose envelopes hold.
    pub shares: Vec<Share>,
    /// Whether there is anything else: a share that was changed, or is another key's.
    pub is_damaged: bool,
}

/// Splits what the enclave sealed of a key; share `n` is at `n - 1`. `split.total` is no less than its threshold.
pub fn split(
    keys: &ServerKeys,
    key_id: &KeyId,
    sealed: &[u8],
    (split_id, split): (&SplitId, Split),
    chance: &mut dyn Entropy,
) -> Vec<Vec<u8>> {
    let sealed_sha256 = sha256(sealed);
    let dealt = Sharks(split.threshold).dealer_rng(sealed, &mut Chance(chance)).take(split.total.into());
    let shares = dealt.map(|share| Share {
        number: share.x.0,
        split_id: split_id.clone(),
        split,
        sealed_sha256,
        value: share.y.iter().map(|element| element.0).collect(),
    });
    shares.map(|share| share.write(keys, key_id)).collect()
}

/// The shares of this key in a row of envelopes.
pub fn read(keys: &ServerKeys, key_id: &KeyId, mut bytes: &[u8]) -> Found {
    let mut found = Found::default();
    while !bytes.is_empty() {
        let before = bytes;
        let Some(share) = Share::take(&mut bytes, key_id) else {
            found.is_damaged = true;
            break;
        };
        let (envelope, tag) = before[..before.len() - bytes.len()].split_at(share.envelope_bytes());
        if verify_slices_are_equal(&keys.share_tag(envelope), tag).is_ok() {
            found.shares.push(share);
        } else {
            found.is_damaged = true;
        }
    }
    found
}

/// What these shares of one splitting are together; none of too few.
pub fn combine(shares: &[&Share]) -> Option<Vec<u8>> {
    let first = shares.first()?;
    // Of too few, or of two splittings, comes nothing that has the digest.
    let taken = shares.iter().take(first.split.threshold.into()).map(|share| {
        let bytes = [&[share.number], share.value.as_slice()].concat();
        blahaj::Share::try_from(bytes.as_slice()).ok()
    });
    let taken: Vec<_> = taken.collect::<Option<_>>()?;
    let sealed = Sharks(first.split.threshold).recover(&taken).ok()?;
    (sha256(&sealed) == first.sealed_sha256).then_some(sealed)
}

impl Share {
    fn envelope_bytes(&self) -> usize {
        FORM.len() + 2 * ID_BYTES + 3 + self.sealed_sha256.len() + size_of::<u32>() + self.value.len()
    }

    fn write(&self, keys: &ServerKeys, key_id: &KeyId) -> Vec<u8> {
        let length = u32::try_from(self.value.len()).unwrap_or(u32::MAX).to_be_bytes();
        let envelope = [
            FORM,
            key_id.as_str().as_bytes(),
            self.split_id.as_str().as_bytes(),
            &[self.number, self.split.threshold, self.split.total],
            &self.sealed_sha256,
            &length,
            &self.value,
        ]
        .concat();
        let tag = keys.share_tag(&envelope);
        [envelope.as_slice(), &tag].concat()
    }

    /// Takes an envelope and its tag off the front. Whether the tag is right is another question.
    fn take(bytes: &mut &[u8], key_id: &KeyId) -> Option<Self> {
        let mut take = |length: usize| {
            let (taken, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Some(taken)
        };
        let is_ours = take(FORM.len())? == FORM && take(ID_BYTES)? == key_id.as_str().as_bytes();
        let split_id = std::str::from_utf8(take(ID_BYTES)?).ok()?.parse().ok()?;
        let &[number, threshold, total] = take(3)? else { return None };
        let sealed_sha256 = take(32)?.try_into().ok()?;
        let length = u32::from_be_bytes(take(size_of::<u32>())?.try_into().ok()?);
        let value = take(usize::try_from(length).ok()?)?.to_vec();
        take(TAG_BYTES)?;
        let fits = is_ours && threshold >= 2 && (1..=total).contains(&number);
        fits.then_some(Self { number, split_id, split: Split { threshold, total }, sealed_sha256, value })
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    // SHA-256 is as long as the array.
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Chance as `blahaj` asks for it.
struct Chance<'a>(&'a mut dyn Entropy);

impl RngCore for Chance<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_ne_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_ne_bytes(bytes)
    }

    fn fill_bytes(&mut self, target: &mut [u8]) {
        self.0.fill(target);
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), rand_core::Error> {
        self.0.fill(target);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::fill;
    use domain::time::Timestamp;

    use super::*;

    struct Real;
    impl Entropy for Real {
        #[expect(clippy::disallowed_methods, reason = "real shares are looked at, whatever they are")]
        fn fill(&mut self, target: &mut [u8]) {
            fill(target).expect("chance");
        }
    }

    const SPLIT: Split = Split { threshold: 2, total: 3 };

    fn keys() -> ServerKeys {
        ServerKeys::from_bytes(&[9; 32], &[[1; 32]]).expect("keys")
    }

    fn sealed() -> Vec<u8> {
        let mut sealed = vec![0; 2400];
        Real.fill(&mut sealed);
        sealed
    }

    fn now() -> Timestamp {
        Timestamp::from_ms(1)
    }

    fn dealt(key: &KeyId, sealed: &[u8], split: Split) -> Vec<Vec<u8>> {
        self::split(&keys(), key, sealed, (&SplitId::new(now(), &mut Real), split), &mut Real)
    }

    fn shares(key: &KeyId, bytes: &[u8]) -> Vec<Share> {
        let found = read(&keys(), key, bytes);
        assert!(!found.is_damaged);
        found.shares
    }

    #[test]
    fn any_threshold_of_shares_are_the_key_and_fewer_are_nothing() {
        let (key, sealed) = (KeyId::new(now(), &mut Real), sealed());
        for (threshold, total) in [(2, 3), (3, 5), (2, 2), (5, 5)] {
            let dealt = dealt(&key, &sealed, Split { threshold, total });
            assert_eq!(dealt.len(), usize::from(total));
            let all = shares(&key, &dealt.concat());
            assert!(all.iter().map(|share| share.number).eq(1..=total));
            for set in 0_u32..1 << total {
                let chosen: Vec<_> = all.iter().filter(|share| set >> (share.number - 1) & 1 == 1).collect();
                let whole = combine(&chosen);
                let is_enough = chosen.len() >= usize::from(threshold);
                assert_eq!(whole, is_enough.then(|| sealed.clone()), "{set:b} of {threshold} of {total}");
            }
        }
    }

    #[test]
    fn every_changed_byte_of_a_share_is_found() {
        let (key, sealed) = (KeyId::new(now(), &mut Real), vec![5; 300]);
        let dealt = dealt(&key, &sealed, SPLIT);
        for at in 0..dealt[0].len() {
            for flip in [1, 0x80, 0xff] {
                let mut changed = dealt[0].clone();
                changed[at] ^= flip;
                let found = read(&keys(), &key, &changed);
                assert!(found.is_damaged && found.shares.is_empty(), "byte {at}");
            }
            assert!(read(&keys(), &key, &dealt[0][..at]).shares.is_empty(), "cut at {at}");
        }
        // One that does not hold takes nothing from the others beside it.
        let mut two = [dealt[0].clone(), dealt[1].clone()].concat();
        let last = dealt[0].len() - 1;
        two[last] ^= 1;
        let found = read(&keys(), &key, &two);
        assert!(found.is_damaged && found.shares.len() == 1 && found.shares[0].number == 2);
    }

    #[test]
    fn shares_of_another_key_another_splitting_or_other_server_keys_do_not_go_together() {
        let (key, other) = (KeyId::new(now(), &mut Real), KeyId::new(now(), &mut Real));
        let sealed = sealed();
        let (first, second) = (dealt(&key, &sealed, SPLIT), dealt(&key, &sealed, SPLIT));
        let foreign = dealt(&other, &sealed, SPLIT);
        assert!(read(&keys(), &key, &foreign[0]).is_damaged);
        assert!(read(&keys(), &key, &foreign[0]).shares.is_empty());
        let strangers = ServerKeys::from_bytes(&[8; 32], &[[1; 32]]).expect("keys");
        assert!(read(&strangers, &key, &first[0]).is_damaged);
        let mixed = shares(&key, &[first[0].clone(), second[1].clone()].concat());
        assert_eq!(combine(&mixed.iter().collect::<Vec<_>>()), None, "two splittings");
        let twice = shares(&key, &[first[0].clone(), first[0].clone()].concat());
        assert_eq!(combine(&twice.iter().collect::<Vec<_>>()), None, "one share is not two");
    }

    /// Only this service's own keys make such a tag; what it says is read as strictly all the same.
    #[test]
    fn a_share_that_cannot_be_is_none_whatever_its_tag() {
        let (key, sealed) = (KeyId::new(now(), &mut Real), sealed());
        let good = shares(&key, &dealt(&key, &sealed, SPLIT)[0]).remove(0);
        let damaged = |share: Share| {
            let found = read(&keys(), &key, &share.write(&keys(), &key));
            found.is_damaged && found.shares.is_empty()
        };
        assert!(!damaged(good.clone()));
        for number in [0, 4] {
            assert!(damaged(Share { number, ..good.clone() }), "share {number} of 3");
        }
        assert!(damaged(Share { split: Split { threshold: 1, total: 3 }, ..good.clone() }), "one is the key");
        let mut other = good.write(&keys(), &key);
        other.truncate(good.envelope_bytes());
        other[FORM.len() - 1] += 1;
        let tag = keys().share_tag(&other);
        other.extend(tag);
        assert!(read(&keys(), &key, &other).is_damaged, "another form");
    }

    #[test]
    fn what_is_put_together_has_the_digest_of_what_was_split() {
        let (key, sealed) = (KeyId::new(now(), &mut Real), sealed());
        let mut all = shares(&key, &dealt(&key, &sealed, SPLIT).concat());
        all[0].value[7] ^= 1;
        assert_eq!(combine(&[&all[0], &all[1]]), None, "as if the tag had been forged");
        assert_eq!(combine(&[&all[1], &all[2]]), Some(sealed));
    }
}
