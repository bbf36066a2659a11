//! `Rewrap`: encrypts items anew, from a key to the one that replaces it, in one step inside.
//!
//! No oracle, and so without a budget: as with `Prove`, only what the enclave's own record vouches for is opened.
//! What leaves is ciphertext under a key of the same user, and only after it was opened again.

use boundary::batch::Predecessor;
use boundary::message::{KeyType, MovedItem, ProveItem, REWRAP_ITEMS_MAX, Refusal, Rewrap, Rewrapped};
use boundary::token::Record as RecordToken;

use crate::generate::RsaKey;
use crate::prove::vouched_for;
use crate::release::demand;
use crate::root::Keyring;
use crate::seal::{Home, KeyFacts, open, open_heir};
use crate::service::{Enclave, ensure};
use crate::session::Token;

/// Encrypts each item to the new key; none for one that may not be opened, or does not open.
pub fn rewrap(enclave: &Enclave, request: &Rewrap) -> Result<Rewrapped, Refusal> {
    ensure((1..=REWRAP_ITEMS_MAX).contains(&request.items.len()), Refusal::Malformed)?;
    let ring = &enclave.keyring;
    let (from, from_half) = open(ring, &request.from)?;
    let (to, predecessor, to_half) = open_heir(ring, &request.to)?;
    is_heir(ring.home, &from, &to, predecessor.as_ref())?;
    let read = |half: &[u8], facts: &KeyFacts| RsaKey::read(half, &facts.public_key);
    let (Ok(old), Ok(new)) = (read(&from_half, &from), read(&to_half, &to)) else {
        return Err(Refusal::SealBroken);
    };
    let items = request.items.iter().map(|item| moved(ring, (&from, &old), (&to, &new), item));
    Ok(Rewrapped { items: items.collect() })
}

/// Whether one key may take over from the other. Most of it was asked when the second was bound; nothing here
/// relies on that.
fn is_heir(home: Home, from: &KeyFacts, to: &KeyFacts, old: Option<&Predecessor>) -> Result<(), Refusal> {
    succeeds(from, to, old)?;
    let is_ours = |facts: &KeyFacts| (facts.key_type, facts.home) == (KeyType::Rsa4096, home);
    ensure(is_ours(from) && is_ours(to), Refusal::WrongKeyType)
}

/// Whether a key that names another one as what it replaced means that one, and is the same user's.
pub fn succeeds(from: &KeyFacts, to: &KeyFacts, old: Option<&Predecessor>) -> Result<(), Refusal> {
    let named = old == Some(&from.as_predecessor());
    let one_user =
        from.user_tag.is_some() && (&from.tenant_id, from.user_tag) == (&to.tenant_id, to.user_tag);
    demand(named, "8 successor names another key", Refusal::SealBroken)?;
    demand(one_user, "8 successor is another user's", Refusal::SealBroken)
}

fn moved(
    ring: &Keyring,
    (from, old): (&KeyFacts, &RsaKey),
    (to, new): (&KeyFacts, &RsaKey),
    asked: &ProveItem,
) -> Option<MovedItem> {
    let record = vouched_for(ring, from, asked)?;
    let item = &asked.item;
    let plaintext = old.decrypt(&item.ciphertext).filter(|plaintext| plaintext.fits(&item.checksum))?;
    let ciphertext = plaintext.encrypt_to(&to.public_key)?;
    // What could not be opened is refused now, while the old ciphertext is still there.
    new.decrypt(&ciphertext).filter(|again| again.equals(&plaintext))?;
    let record_digest = to.digest_of(&item.item_key, &ciphertext, &item.checksum);
    let record = RecordToken { key_id: to.key_id.clone(), record_digest, ..record };
    Some(MovedItem { ciphertext, record: record.issue(ring) })
}

#[cfg(test)]
mod tests {
    use boundary::Env;
    use boundary::message::CheckItem;
    use boundary::token::digest_preimage;

    use super::*;
    use crate::digest::sha256;
    use crate::generate::{Pair, encrypt_for_test, make};
    use crate::root::FIRST_GENERATION;

    fn facts(key_id: &str, public_key: &[u8]) -> KeyFacts {
        KeyFacts {
            tenant_id: "tenant".into(),
            user_tag: Some([3; 32]),
            key_id: key_id.into(),
            key_type: KeyType::Rsa4096,
            home: Home::Hot,
            public_key: public_key.to_vec(),
            created_at_ms: 17,
            serial: 4,
        }
    }

    #[test]
    fn only_the_key_that_the_seal_names_hands_over() {
        type Alteration = fn(&mut KeyFacts, &mut KeyFacts, &mut Predecessor);
        let alterations: [(Alteration, Refusal); 10] = [
            (|_, _, named| named.key_id = "c".into(), Refusal::SealBroken),
            (|_, _, named| named.public_key_sha256[0] ^= 1, Refusal::SealBroken),
            (|from, _, _| from.tenant_id = "other".into(), Refusal::SealBroken),
            (|_, to, _| to.tenant_id = "other".into(), Refusal::SealBroken),
            (|from, _, _| from.user_tag = Some([4; 32]), Refusal::SealBroken),
            (|from, to, _| (from.user_tag, to.user_tag) = (None, None), Refusal::SealBroken),
            (|from, _, _| from.home = Home::Cold, Refusal::WrongKeyType),
            (|_, to, _| to.home = Home::Cold, Refusal::WrongKeyType),
            (|from, _, _| from.key_type = KeyType::Ed25519, Refusal::WrongKeyType),
            (|_, to, _| to.key_type = KeyType::Secp256k1, Refusal::WrongKeyType),
        ];
        let (from, to) = (facts("a", &[1]), facts("b", &[2]));
        let named = from.as_predecessor();
        assert_eq!(is_heir(Home::Hot, &from, &to, Some(&named)), Ok(()));
        assert_eq!(is_heir(Home::Hot, &from, &to, None), Err(Refusal::SealBroken));
        assert_eq!(is_heir(Home::Hot, &to, &from, Some(&named)), Err(Refusal::SealBroken));
        for (n, (alter, refusal)) in alterations.into_iter().enumerate() {
            let (mut from, mut to, mut named) = (from.clone(), to.clone(), named.clone());
            alter(&mut from, &mut to, &mut named);
            assert_eq!(is_heir(Home::Hot, &from, &to, Some(&named)), Err(refusal), "alteration {n}");
        }
    }

    /// Three things that no server can bring about, since it has no seal and no record like these: a record for
    /// another checksum than the plaintext's, a public half that is not the private one's.
    #[test]
    fn what_would_not_open_again_is_not_moved() {
        let ring = Keyring::for_test(Env::Production);
        let (a, b): (Pair, Pair) = (make(KeyType::Rsa4096).unwrap(), make(KeyType::Rsa4096).unwrap());
        let (from, to) = (facts("a", &a.public_key), facts("b", &b.public_key));
        let (old, new) = (
            RsaKey::read(&a.private_half, &a.public_key).unwrap(),
            RsaKey::read(&b.private_half, &b.public_key).unwrap(),
        );
        let ciphertext = encrypt_for_test(&a.public_key, b"plain");
        let asked = |checksum: [u8; 32]| {
            let item = CheckItem {
                backup_id: "i".into(),
                item_key: "n".into(),
                ciphertext: ciphertext.clone(),
                checksum,
            };
            let digest = digest_preimage("tenant", &[3; 32], "a", "n", &ciphertext, &checksum);
            let record = RecordToken {
                env: ring.env,
                generation: FIRST_GENERATION,
                tenant_id: "tenant".into(),
                user_tag: [3; 32],
                session_id: Some([9; 16]),
                backup_id: "i".into(),
                key_id: "a".into(),
                record_digest: sha256(&digest),
                checked_at_ms: 7,
            };
            ProveItem { item, record: record.issue(&ring) }
        };
        let good = asked(sha256(b"plain"));
        let out = moved(&ring, (&from, &old), (&to, &new), &good).unwrap();
        assert!(new.decrypt(&out.ciphertext).unwrap().has_checksum(&sha256(b"plain")));
        let record = RecordToken::believe(&ring, &out.record).unwrap();
        assert_eq!(
            (record.key_id.as_str(), record.session_id, record.checked_at_ms),
            ("b", Some([9; 16]), 7)
        );
        assert!(moved(&ring, (&from, &old), (&to, &new), &asked(sha256(b"other"))).is_none());
        assert!(moved(&ring, (&from, &new), (&to, &new), &good).is_none());
        assert!(moved(&ring, (&from, &old), (&to, &old), &good).is_none(), "made and not looked at again");
    }
}
