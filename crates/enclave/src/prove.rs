//! `Prove`: is a key whole, or an item still what it was when it was checked?
//!
//! No oracle, and so without a budget: what is opened is what the enclave's own record vouches for, which was
//! opened once before with success. Anything else is answered with no, unopened.

use boundary::message::{KeyType, Prove, ProveItem, Proven, Refusal};
use boundary::token::Record as RecordToken;

use crate::generate::{RsaKey, try_pair};
use crate::record::of_check;
use crate::release::named;
use crate::root::Keyring;
use crate::seal::{KeyFacts, open};
use crate::service::{Enclave, ensure};
use crate::session::{Token, check_names, user_tag};

/// Says yes, in a signed record, or no. A seal that does not hold is a no.
pub fn prove(enclave: &Enclave, request: &Prove) -> Result<Proven, Refusal> {
    check_names(&[&request.tenant_id, &request.user_identifier])?;
    let Ok((facts, private_half)) = open(&enclave.keyring, &request.key) else {
        return Ok(Proven { record: None });
    };
    ensure(facts.home == enclave.keyring.home, Refusal::WrongKeyType)?;
    let tag = user_tag(&request.tenant_id, &request.user_identifier);
    let is_theirs = facts.tenant_id == request.tenant_id
        && facts.user_tag == Some(tag)
        && facts.public_key == request.public_key;
    let proven = || match &request.item {
        None => {
            try_pair(facts.key_type, &facts.public_key, &private_half).ok()?;
            Some(of_check(enclave, &facts, None))
        }
        Some(asked) => {
            let record = vouched_for(&enclave.keyring, &facts, asked)?;
            let is_open = opens(&facts, &private_half, asked);
            is_open.then(|| of_check(enclave, &facts, Some((&record, &asked.item))))
        }
    };
    Ok(Proven { record: is_theirs.then(proven).flatten() })
}

/// The record of ours that says that exactly this was opened under this key.
pub fn vouched_for(keyring: &Keyring, facts: &KeyFacts, asked: &ProveItem) -> Option<RecordToken> {
    let record = RecordToken::believe(keyring, &asked.record).ok()?;
    let (user_tag, item) = (facts.user_tag?, &asked.item);
    let holds = record.tenant_id == facts.tenant_id
        && record.user_tag == user_tag
        && record.key_id == facts.key_id
        && record.backup_id == item.backup_id
        && record.record_digest == facts.digest_of(&item.item_key, &item.ciphertext, &item.checksum);
    named(holds, "8 item is not the one that was checked").ok().map(|()| record)
}

fn opens(facts: &KeyFacts, private_half: &[u8], asked: &ProveItem) -> bool {
    let key = (facts.key_type == KeyType::Rsa4096).then(|| RsaKey::read(private_half, &facts.public_key));
    let plaintext = key.and_then(Result::ok).and_then(|key| key.decrypt(&asked.item.ciphertext));
    plaintext.is_some_and(|plaintext| plaintext.fits(&asked.item.checksum))
}
