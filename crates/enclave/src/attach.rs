//! `Attach`: an Owner puts keys, and with them all that they guard, under a list. One key, one list, for good.

use boundary::approval::{AclDocument, Attachment, Document as _, Roster};
use boundary::message::{Attach, Attached, RELEASE_ITEMS_MAX, Refusal};

use crate::amend::{approve, in_force};
use crate::digest::{hex, sha256};
use crate::release::{demand, must};
use crate::seal::{Home, KeyFacts, name_of, open};
use crate::service::{Enclave, ensure};
use crate::state::{Guarded, Record};

/// Puts keys under a list. The same again answers the same.
pub fn attach(enclave: &Enclave, request: &Attach) -> Result<Attached, Refusal> {
    let (list, head) = in_force::<AclDocument>(enclave, &request.acl)?;
    let (roster, _) = in_force::<Roster>(enclave, &request.roster)?;
    must(roster.tenant_id == list.tenant_id, "3 roster is not the list's tenant's")?;
    ensure((1..=RELEASE_ITEMS_MAX).contains(&request.keys.len()), Refusal::Malformed)?;
    let (mut keys, mut key_ids): (Vec<KeyFacts>, Vec<String>) = (Vec::new(), Vec::new());
    for key in &request.keys {
        match open(&enclave.keyring, key) {
            Ok((facts, _)) => keys.push(facts),
            // Offline, a key that is held online is only a name that the Owner signs for too.
            Err(_) if enclave.keyring.home == Home::Cold => key_ids.push(name_of(key)?),
            Err(refusal) => return Err(refusal),
        }
    }
    must(keys.iter().all(|key| key.tenant_id == list.tenant_id), "8 key to attach is another tenant's")?;
    key_ids.extend(keys.iter().map(|key| key.key_id.clone()));
    key_ids.sort();
    let attachment = Attachment {
        env: list.env,
        tenant_id: list.tenant_id.clone(),
        acl_id: list.acl_id.clone(),
        genesis_hash: hex(&head.genesis),
        key_ids: key_ids.clone(),
    };
    let signed = sha256(&attachment.preimage());
    approve(enclave, &roster, std::slice::from_ref(&request.ballot), &signed)?;
    enclave.ledger.decide(|turn| {
        let under = |key: &KeyFacts| turn.state().guarded.get(&key.serial).map(|key| &key.acl_id);
        let are_free = keys.iter().all(|key| under(key).is_none_or(|acl_id| *acl_id == list.acl_id));
        demand(are_free, "8 key is under another list", Refusal::AlreadyBound)?;
        keys.retain(|key| under(key).is_none());
        for KeyFacts { serial, .. } in &keys {
            let (tenant_id, acl_id) = (list.tenant_id.clone(), list.acl_id.clone());
            turn.record(Record::Guarded(Guarded { serial: *serial, tenant_id, acl_id }))?;
        }
        Ok(Attached { key_ids })
    })
}
