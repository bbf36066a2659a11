//! `Succeed` and `Rewrap`: a key is replaced by one of the same user, and what it guards moves along; nothing
//! else does, and no plaintext leaves.

mod rig;

use boundary::Env;
use boundary::batch::{Binding, Predecessor, SignedBinding, binding_preimage};
use boundary::message::*;
use boundary::token::NO_CHECKSUM;
use boundary::token::Record;
use boundary::wire::Wire as _;
use rig::*;

fn pool_key(client: &mut Client, key_type: KeyType) -> PoolKey {
    expect!(client.call(&Request::Generate(Generate { key_type })), Generated)
}

fn successor_request(pool: &PoolKey, tenant: &str, user: &str, old: &[u8]) -> Request {
    let bind = bind_request(pool, tenant, user);
    Request::Succeed(Succeed { bind, predecessor: old.to_vec() })
}

fn successor(client: &mut Client, tenant: &str, user: &str, old: &UserKey) -> UserKey {
    let pool = pool_key(client, KeyType::Rsa4096);
    let bound = expect!(client.call(&successor_request(&pool, tenant, user, &old.sealed)), Bound);
    UserKey { sealed: bound.sealed, pool }
}

fn asked(stored: &Stored) -> ProveItem {
    let ReleaseItem { item_key, ciphertext, checksum, record, .. } = stored.item.clone();
    let item = CheckItem { backup_id: stored.backup_id.clone(), item_key, ciphertext, checksum };
    ProveItem { item, record }
}

fn rewrap(client: &mut Client, from: &[u8], to: &[u8], items: Vec<ProveItem>) -> Reply {
    client.call(&Request::Rewrap(Rewrap { from: from.to_vec(), to: to.to_vec(), items }))
}

fn moved(client: &mut Client, from: &UserKey, to: &UserKey, items: &[&Stored]) -> Vec<Option<MovedItem>> {
    let items = items.iter().map(|stored| asked(stored)).collect();
    expect!(rewrap(client, &from.sealed, &to.sealed, items), Rewrapped).items
}

/// The item as the server holds it after it was moved.
fn under(to: &UserKey, stored: &Stored, moved: MovedItem) -> Stored {
    let mut now = stored.clone();
    now.key_id.clone_from(&to.pool.key_id);
    now.item.key.clone_from(&to.sealed);
    (now.item.ciphertext, now.item.record) = (moved.ciphertext, moved.record);
    now
}

fn holds(client: &mut Client, key: &UserKey, item: ProveItem) -> bool {
    let request = Prove {
        tenant_id: TENANT.into(),
        user_identifier: USER.into(),
        key: key.sealed.clone(),
        public_key: key.pool.public_key.clone(),
        item: Some(item),
    };
    expect!(client.call(&Request::Prove(request)), Proven).record.is_some()
}

#[test]
fn what_a_key_guards_moves_to_its_successor_and_on() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let mut client = enclave.connect();
    let first = new_key(&mut client, TENANT, USER);
    let one = store(&mut client, &first, TENANT, USER, None, "backup-1");
    let mut nameless = check_item(&first, "backup-2", b"no checksum came with it");
    nameless.checksum = NO_CHECKSUM;
    let Request::Check(check) = check_request(&first, TENANT, USER, None, vec![nameless.clone()]) else {
        unreachable!()
    };
    let tried = expect!(client.call(&Request::Try(check)), Checked);
    let nameless = ProveItem { item: nameless, record: tried.records[0].clone() };
    let before = Record::from_bytes(&one.item.record[..one.item.record.len() - 32]).unwrap();

    let second = successor(&mut client, TENANT, USER, &first);
    let items = vec![asked(&one), nameless];
    let mut out = expect!(rewrap(&mut client, &first.sealed, &second.sealed, items.clone()), Rewrapped).items;
    for (at, item) in items.into_iter().enumerate() {
        let MovedItem { ciphertext, record } = out[at].clone().unwrap();
        assert_ne!(ciphertext, item.item.ciphertext);
        let now = ProveItem { item: CheckItem { ciphertext, ..item.item.clone() }, record };
        assert!(holds(&mut client, &second, now.clone()), "item {at} answers to the new key");
        assert!(!holds(&mut client, &first, now), "and to no other");
        assert!(holds(&mut client, &first, item), "until it is written, the old one is as good as ever");
    }
    let one = under(&second, &one, out.swap_remove(0).unwrap());
    let after = Record::from_bytes(&one.item.record[..one.item.record.len() - 32]).unwrap();
    let expected =
        Record { key_id: second.pool.key_id.clone(), record_digest: one.digest(TENANT, USER), ..before };
    assert_eq!(after, expected, "the record says what it said, of the new key");

    let third = successor(&mut client, TENANT, USER, &second);
    let again = moved(&mut client, &second, &third, &[&one]).remove(0).unwrap();
    assert!(holds(&mut client, &third, asked(&under(&third, &one, again))));
    // Each seal names its own predecessor and no earlier one.
    let skipped = rewrap(&mut client, &first.sealed, &third.sealed, vec![asked(&one)]);
    assert_eq!(skipped, Reply::Refused(Refusal::SealBroken));
}

#[test]
fn nothing_moves_between_strangers() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let mut client = enclave.connect();
    let key = new_key(&mut client, TENANT, USER);
    let one = store(&mut client, &key, TENANT, USER, None, "backup-1");
    let heir = successor(&mut client, TENANT, USER, &key);
    let (sibling, theirs) = (new_key(&mut client, TENANT, USER), new_key(&mut client, TENANT, "somebody"));
    let other_line = successor(&mut client, TENANT, USER, &sibling);
    let their_heir = successor(&mut client, TENANT, "somebody", &theirs);
    let mut bent = heir.sealed.clone();
    *bent.last_mut().unwrap() ^= 1;
    for (n, (from, to)) in [
        (&key.sealed, &sibling.sealed),
        (&key.sealed, &theirs.sealed),
        (&key.sealed, &their_heir.sealed),
        (&key.sealed, &other_line.sealed),
        (&key.sealed, &key.sealed),
        (&heir.sealed, &key.sealed),
        (&sibling.sealed, &heir.sealed),
        (&theirs.sealed, &heir.sealed),
        (&key.pool.sealed, &heir.sealed),
        (&key.sealed, &heir.pool.sealed),
        (&key.sealed, &bent),
    ]
    .into_iter()
    .enumerate()
    {
        let reply = rewrap(&mut client, from, to, vec![asked(&one)]);
        assert_eq!(reply, Reply::Refused(Refusal::SealBroken), "pair {n}");
    }
    assert!(moved(&mut client, &key, &heir, &[&one])[0].is_some());
    for count in [0, REWRAP_ITEMS_MAX + 1] {
        let reply = rewrap(&mut client, &key.sealed, &heir.sealed, vec![asked(&one); count]);
        assert_eq!(reply, Reply::Refused(Refusal::Malformed));
    }
}

/// One that fails fails alone, and costs no budget: a thousand questions tell nothing.
#[test]
fn only_what_its_record_vouches_for_moves() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let mut client = enclave.connect();
    let key = new_key(&mut client, TENANT, USER);
    let one = store(&mut client, &key, TENANT, USER, None, "backup-1");
    let two = store(&mut client, &key, TENANT, USER, None, "backup-2");
    let heir = successor(&mut client, TENANT, USER, &key);
    let theirs = new_key(&mut client, TENANT, "somebody");
    let foreign = store(&mut client, &theirs, TENANT, "somebody", None, "backup-1");
    let good = asked(&one);
    let change = |change: fn(&mut ProveItem)| {
        let mut bad = good.clone();
        change(&mut bad);
        bad
    };
    let bad = vec![
        change(|bad| bad.item.ciphertext[511] ^= 1),
        change(|bad| bad.item.checksum[0] ^= 1),
        change(|bad| bad.item.checksum = NO_CHECKSUM),
        change(|bad| bad.item.item_key.push('x')),
        change(|bad| bad.item.backup_id = "backup-2".into()),
        change(|bad| *bad.record.last_mut().unwrap() ^= 1),
        change(|bad| bad.record[40] ^= 1),
        change(|bad| bad.record.clear()),
        ProveItem { item: asked(&two).item, ..good.clone() },
        ProveItem { record: asked(&two).record, ..good.clone() },
        // Good in itself, but never checked.
        ProveItem { item: check_item(&key, "backup-1", &one.plaintext), ..good.clone() },
        asked(&foreign),
    ];
    for _ in 0..4 {
        let items = [bad.as_slice(), std::slice::from_ref(&good)].concat();
        let out = expect!(rewrap(&mut client, &key.sealed, &heir.sealed, items), Rewrapped).items;
        let moved: Vec<_> = out.iter().map(Option::is_some).collect();
        assert_eq!(moved, [vec![false; bad.len()], vec![true]].concat());
    }
    let fresh = check_item(&key, "backup-3", b"no budget is spent");
    expect!(client.call(&check_request(&key, TENANT, USER, None, vec![fresh])), Checked);
}

#[test]
fn a_key_is_replaced_by_one_of_its_user_and_kind() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let mut client = enclave.connect();
    let key = new_key(&mut client, TENANT, USER);
    let pool = pool_key(&mut client, KeyType::Rsa4096);
    let curve = pool_key(&mut client, KeyType::Ed25519);
    let mut bent = key.sealed.clone();
    bent[40] ^= 1;
    let refused = |client: &mut Client, request: Request, refusal: Refusal| {
        assert_eq!(client.call(&request), Reply::Refused(refusal));
    };
    for request in [
        successor_request(&pool, TENANT, "somebody", &key.sealed),
        successor_request(&pool, "another tenant", USER, &key.sealed),
        successor_request(&pool, TENANT, USER, &bent),
        successor_request(&pool, TENANT, USER, &pool.sealed),
        successor_request(&pool, TENANT, USER, b""),
    ] {
        refused(&mut client, request, Refusal::SealBroken);
    }
    let other_kind = successor_request(&curve, TENANT, USER, &key.sealed);
    refused(&mut client, other_kind, Refusal::WrongKeyType);
    // None of that has burnt the pool key, and nobody is given it twice.
    let good = successor_request(&pool, TENANT, USER, &key.sealed);
    expect!(client.call(&good), Bound);
    refused(&mut client, good, Refusal::AlreadyBound);
    let again = Request::Bind(bind_request(&pool, TENANT, USER));
    refused(&mut client, again, Refusal::AlreadyBound);
}

/// The offline side can only know from the binding which key's material may be encrypted to which.
#[test]
fn a_cold_key_says_in_its_binding_which_one_it_replaced() {
    let folder = Folder::new();
    let (offline, batch) = (folder.path("offline"), folder.path("batch"));
    run(program()
        .args(["batch", "--env", "production", "--rsa", "2", "--state"])
        .arg(init(&offline))
        .arg("--out")
        .arg(&batch));
    let extra = vec!["--offline-key".to_owned(), offline.join("offline.pub").display().to_string()];
    let enclave = Enclave::start(&folder, &Settings { extra, ..Settings::default() });
    let mut client = enclave.connect();
    let file = std::fs::read(&batch).unwrap();
    let mut rest = file.as_slice();
    let mut part = || Vec::take(&mut rest).unwrap();
    let adopt = Adopt { batch: part(), signature: part() };
    let keys = expect!(client.call(&Request::Adopt(adopt)), Adopted).keys;
    let first = expect!(client.call(&Request::Bind(bind_request(&keys[0], TENANT, USER))), Bound);
    let hot = new_key(&mut client, TENANT, USER);
    let warm = successor_request(&keys[1], TENANT, USER, &hot.sealed);
    assert_eq!(client.call(&warm), Reply::Refused(Refusal::WrongKeyType), "COLD for HOT");
    let pool = pool_key(&mut client, KeyType::Rsa4096);
    let warm = successor_request(&pool, TENANT, USER, &first.sealed);
    assert_eq!(client.call(&warm), Reply::Refused(Refusal::WrongKeyType), "HOT for COLD");
    let second = expect!(client.call(&successor_request(&keys[1], TENANT, USER, &first.sealed)), Bound);
    let signed = SignedBinding::from_bytes(&second.binding.unwrap()).unwrap();
    let heir = Binding::from_bytes(&signed.binding).unwrap();
    let replaced =
        Predecessor { key_id: keys[0].key_id.clone(), public_key_sha256: sha256(&keys[0].public_key) };
    assert_eq!((&heir.key_id, heir.predecessor), (&keys[1].key_id, Some(replaced)));
    let welcome = expect!(client.call(&Request::Hello(Hello { env: Env::Production })), Welcome);
    let receipt = welcome.signing_keys.iter().find(|key| key.purpose == "receipt-sig").unwrap();
    let verify = aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1,
        &receipt.point,
    );
    verify.verify(&binding_preimage(&signed.binding), &signed.signature).unwrap();
    // Here is nothing that could open what they guard.
    let one = store(&mut client, &hot, TENANT, USER, None, "backup-1");
    let reply = rewrap(&mut client, &first.sealed, &second.sealed, vec![asked(&one)]);
    assert_eq!(reply, Reply::Refused(Refusal::WrongKeyType));
}

fn init(state: &std::path::Path) -> &std::path::Path {
    run(program().args(["init", "--root", "disk", "--env", "production", "--state"]).arg(state));
    state
}

/// What a key guarded comes back byte for byte when the key was replaced: before the recovery, or between two
/// deliveries of it.
#[test]
fn a_release_gives_the_same_bytes_after_a_rotation() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let (mut client, mut provider, gpg) = (enclave.connect(), Provider::start(), Gpg::new(&folder));
    curve25519(&gpg, "anna");
    let certificate = gpg.export("anna");
    let session = open(&mut client, TENANT, USER, None);
    let admission = approve(&mut client, &mut provider, &session, "inq-1");
    let key = new_key(&mut client, TENANT, USER);
    let first = store(&mut client, &key, TENANT, USER, Some(&session), "backup-1");
    let heir = successor(&mut client, TENANT, USER, &key);
    let out = moved(&mut client, &key, &heir, &[&first]).remove(0).unwrap();
    let second = under(&heir, &first, out);
    let last = successor(&mut client, TENANT, USER, &heir);
    let out = moved(&mut client, &heir, &last, &[&second]).remove(0).unwrap();
    let third = under(&last, &second, out);
    for (n, stored) in [first, second, third].into_iter().enumerate() {
        let bundle = Bundle::new(
            &mut client,
            Env::Production,
            TENANT,
            USER,
            &session,
            std::slice::from_ref(&admission),
            "inq-1",
            &certificate,
            std::slice::from_ref(&stored),
        );
        let released = expect!(bundle.send(&mut client), Released);
        assert_eq!(released.delivery as usize, n + 1);
        assert_eq!(gpg.decrypt(message(&released.items[0])), stored.plaintext, "delivery {}", n + 1);
    }
    // Without a session there is nothing to release it by, before and after.
    let loose = store(&mut client, &last, TENANT, USER, None, "backup-2");
    let next = successor(&mut client, TENANT, USER, &last);
    let out = moved(&mut client, &last, &next, &[&loose]).remove(0).unwrap();
    let loose = under(&next, &loose, out);
    let session = open(&mut client, TENANT, USER, None);
    let later = approve(&mut client, &mut provider, &session, "inq-2");
    let bundle = Bundle::new(
        &mut client,
        Env::Production,
        TENANT,
        USER,
        &session,
        &[later],
        "inq-2",
        &certificate,
        &[loose],
    );
    let released = expect!(bundle.send(&mut client), Released);
    assert_eq!((released.delivery, &released.items[0]), (0, &ItemOutcome::Failed));
}
