//! `Prove` and `Try`: what they say yes to, and that neither helps a stranger.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at once")]

mod rig;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use boundary::Env;
use boundary::json::{Value, canonical, parse};
use boundary::message::{Check, CheckItem, Hello, KeyType, Prove, ProveItem, Refusal, Reply, Request};
use boundary::token::NO_CHECKSUM;
use rig::control::base64url;
use rig::*;

fn proves(client: &mut Client, request: Prove) -> bool {
    expect!(client.call(&Request::Prove(request)), Proven).record.is_some()
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

/// The payload of a record, whose header and signature are what they have to be.
fn signed_payload(client: &mut Client, record: &str) -> Value {
    let welcome = expect!(client.call(&Request::Hello(Hello { env: Env::Production })), Welcome);
    let [assignment, receipt] = welcome.signing_keys.as_slice() else { panic!("two signing keys") };
    let parts: Vec<&str> = record.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else { panic!("{record}") };
    let input = format!("{header}.{payload}");
    let verifies = |point: &[u8]| {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        key.verify(input.as_bytes(), &unbase64url(signature)).is_ok()
    };
    assert!(verifies(&receipt.point) && !verifies(&assignment.point));
    let expected = format!(r#"{{"alg":"ES256","kid":"{}","typ":"holdfast-record"}}"#, receipt.kid);
    assert_eq!(*header, base64url(expected.as_bytes()));
    let text = String::from_utf8(unbase64url(payload)).unwrap();
    let value = parse(&text).unwrap();
    assert_eq!(canonical(&value).unwrap(), text);
    value
}

fn unbase64url(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut out, mut word, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let at = alphabet.iter().position(|known| *known == letter).unwrap();
        (word, bits) = (word << 6 | u32::try_from(at).unwrap(), bits + 6);
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits & 0xff) as u8);
        }
    }
    out
}

/// What a record says is what the enclave saw, and nothing of what the server added.
#[test]
fn a_yes_is_signed_with_what_was_seen() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let mut client = enclave.connect();
    let key = new_key(&mut client, TENANT, USER);
    let mut answer = |request: Prove| {
        let before = now_ms();
        let record = expect!(client.call(&Request::Prove(request)), Proven).record.unwrap();
        let payload = signed_payload(&mut client, &record);
        let Some(Value::Integer(at)) = payload.get("checked_at") else { panic!("{payload:?}") };
        assert!((before..=now_ms()).contains(at), "{at}");
        payload
    };
    let fixed = |seen: &[(&str, Value)]| {
        let common = [
            ("v", Value::Integer(1)),
            ("kind", Value::text("check")),
            ("env", Value::text("production")),
            ("tenant_id", Value::text(TENANT)),
            ("key_id", Value::text(&key.pool.key_id)),
            ("public_key_sha256", Value::text(hex(&sha256(&key.pool.public_key)))),
            ("result", Value::text("whole")),
        ];
        let all = common.into_iter().chain(seen.iter().cloned());
        canonical(&Value::Object(all.map(|(name, value)| (name.to_owned(), value)).collect())).unwrap()
    };
    let timeless = |payload: Value| {
        let Value::Object(mut members) = payload else { panic!("no object") };
        members.retain(|(name, _)| !name.ends_with("_at"));
        canonical(&Value::Object(members)).unwrap()
    };
    assert_eq!(timeless(answer(about(&key, None))), fixed(&[]));
    let named = check_item(&key, "backup-1", b"sample");
    let nameless = CheckItem { checksum: NO_CHECKSUM, item_key: String::new(), ..named.clone() };
    for (item, checksum) in [(named, Value::text(hex(&sha256(b"sample")))), (nameless, Value::Null)] {
        let asked = trial(&key, vec![item.clone()]);
        let asked = if checksum == Value::Null { Request::Try(asked) } else { Request::Check(asked) };
        let checked = expect!(enclave.call(&asked), Checked);
        let whole = ProveItem { item: item.clone(), record: checked.records[0].clone() };
        let payload = answer(about(&key, Some(whole)));
        assert!(matches!(payload.get("first_checked_at"), Some(Value::Integer(_))), "{payload:?}");
        assert_eq!(
            timeless(payload),
            fixed(&[
                ("backup_id", Value::text("backup-1")),
                ("item_key", Value::text(&item.item_key)),
                ("ciphertext_sha256", Value::text(hex(&sha256(&item.ciphertext)))),
                ("checksum", checksum),
            ])
        );
    }
}
