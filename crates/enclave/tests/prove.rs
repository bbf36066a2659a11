//! `Prove` and `Try`: what they say yes to, and that neither helps a stranger.

mod rig;

use boundary::message::{Check, CheckItem, KeyType, Prove, ProveItem, Refusal, Reply, Request};
use boundary::token::NO_CHECKSUM;
use rig::*;

fn proves(client: &mut Client, request: Prove) -> bool {
    expect!(client.call(&Request::Prove(request)), Proven).holds
}

fn about(key: &UserKey, item: Option<ProveItem>) -> Prove {
    Prove {
        tenant_id: TENANT.into(),
        user_identifier: USER.into(),
        key: key.sealed.clone(),
        public_key: key.pool.public_key.clone(),
        item,
    }
}

fn trial(key: &UserKey, items: Vec<CheckItem>) -> Check {
    let Request::Check(check) = check_request(key, TENANT, USER, None, items) else { unreachable!() };
    check
}

#[test]
fn a_key_is_proven_to_its_user_alone() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let mut client = enclave.connect();
    let (key, other) = (new_key(&mut client, TENANT, USER), new_key(&mut client, TENANT, "somebody-else"));
    assert!(proves(&mut client, about(&key, None)));
    let mut bent = key.sealed.clone();
    bent[40] ^= 1;
    for wrong in [
        Prove { key: bent, ..about(&key, None) },
        Prove { key: key.pool.sealed.clone(), ..about(&key, None) },
        Prove { key: other.sealed.clone(), ..about(&key, None) },
        Prove { public_key: other.pool.public_key.clone(), ..about(&key, None) },
        Prove { user_identifier: "somebody-else".into(), ..about(&key, None) },
        Prove { tenant_id: "another".into(), ..about(&key, None) },
    ] {
        assert!(!proves(&mut client, wrong));
    }
    for key_type in [KeyType::Secp256k1, KeyType::Ed25519] {
        let make = Request::Generate(boundary::message::Generate { key_type });
        let pool = expect!(client.call(&make), Generated);
        let bound = expect!(client.call(&Request::Bind(bind_request(&pool, TENANT, USER))), Bound);
        let whole = Prove { key: bound.sealed, public_key: pool.public_key.clone(), ..about(&key, None) };
        assert!(proves(&mut client, whole.clone()));
        assert!(!proves(&mut client, Prove { public_key: key.pool.public_key.clone(), ..whole }));
    }
}

/// Only what was opened once with success is opened again, so that a thousand questions tell nothing and cost
/// no budget.
#[test]
fn an_item_is_proven_by_its_record_alone() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let mut client = enclave.connect();
    let key = new_key(&mut client, TENANT, USER);
    let item = check_item(&key, "backup-1", b"sample");
    let checked = expect!(client.call(&Request::Check(trial(&key, vec![item.clone()]))), Checked);
    let record = checked.records[0].clone();
    let asked =
        |item: CheckItem, record: &[u8]| about(&key, Some(ProveItem { item, record: record.to_vec() }));
    assert!(proves(&mut client, asked(item.clone(), &record)));
    let mut ciphertext = item.ciphertext.clone();
    ciphertext[511] ^= 1;
    let fresh = check_item(&key, "backup-1", b"sample");
    let mut bent = record.clone();
    *bent.last_mut().unwrap() ^= 1;
    for _ in 0..10 {
        for wrong in [
            asked(CheckItem { ciphertext: ciphertext.clone(), ..item.clone() }, &record),
            asked(CheckItem { checksum: sha256(b"simple"), ..item.clone() }, &record),
            asked(CheckItem { checksum: NO_CHECKSUM, ..item.clone() }, &record),
            asked(CheckItem { backup_id: "backup-2".into(), ..item.clone() }, &record),
            // Good in itself, but never checked.
            asked(fresh.clone(), &record),
            asked(item.clone(), &bent),
            asked(item.clone(), b""),
        ] {
            assert!(!proves(&mut client, wrong));
        }
    }
    expect!(client.call(&Request::Check(trial(&key, vec![item]))), Checked);
}

#[test]
fn what_has_no_checksum_must_open() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let mut client = enclave.connect();
    let (key, other) = (new_key(&mut client, TENANT, USER), new_key(&mut client, TENANT, "somebody-else"));
    let nameless =
        |key: &UserKey| CheckItem { checksum: NO_CHECKSUM, ..check_item(key, "backup-1", b"sample") };
    let item = nameless(&key);
    let tried = expect!(client.call(&Request::Try(trial(&key, vec![item.clone()]))), Checked);
    let whole = ProveItem { item: item.clone(), record: tried.records[0].clone() };
    assert!(proves(&mut client, about(&key, Some(whole))));
    let refused = |reply: Reply, refusal: Refusal| assert_eq!(reply, Reply::Refused(refusal));
    refused(client.call(&Request::Try(trial(&key, vec![nameless(&other)]))), Refusal::CheckFailed);
    // Zeros are nobody's checksum where one is asked for, and nothing else is taken where none is.
    refused(client.call(&Request::Check(trial(&key, vec![item.clone()]))), Refusal::CheckFailed);
    let named = check_item(&key, "backup-1", b"sample");
    refused(client.call(&Request::Try(trial(&key, vec![named]))), Refusal::Malformed);
    let session = open(&mut client, TENANT, USER, None);
    let retail = Check { ticket: Some(session.ticket), ..trial(&key, vec![item.clone()]) };
    refused(client.call(&Request::Try(retail)), Refusal::Malformed);
    // Guesses count as any other failed check does: two have been made.
    for _ in 0..18 {
        refused(client.call(&Request::Try(trial(&key, vec![nameless(&other)]))), Refusal::CheckFailed);
    }
    let spent = client.call(&Request::Try(trial(&key, vec![item])));
    assert!(matches!(spent, Reply::Refused(Refusal::CheckBudgetSpent(_))), "{spent:?}");
}
