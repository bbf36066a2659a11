//! Failed checks: one answer for all causes, counted for good.

mod rig;

use boundary::message::{CheckItem, Refusal, Reply, Request};
use boundary::wire::Wire;
use rig::*;

fn check(client: &mut Client, key: &UserKey, credential: &str, item: CheckItem) -> Reply {
    let Request::Check(mut check) = check_request(key, TENANT, USER, None, vec![item]) else {
        unreachable!()
    };
    check.credential_id = credential.into();
    client.call(&Request::Check(check))
}

/// Wrong length (three ways), not below the modulus, wrong key, wrong padding, wrong checksum, wrong padding
/// with the checksum of nothing.
fn bad_items(key: &UserKey, other: &UserKey) -> Vec<CheckItem> {
    let good = check_item(key, "backup-1", b"sample");
    let with = |ciphertext: Vec<u8>| CheckItem { ciphertext, ..good.clone() };
    let mut damaged = good.ciphertext.clone();
    damaged[300] ^= 0x40;
    vec![
        with(good.ciphertext[..511].to_vec()),
        with([good.ciphertext.clone(), vec![0]].concat()),
        with(vec![]),
        with(vec![0xff; 512]),
        with(check_item(other, "backup-1", b"sample").ciphertext),
        with(damaged),
        CheckItem { checksum: sha256(b"simple"), ..good.clone() },
        CheckItem { checksum: sha256(b""), ..with(vec![0x11; 512]) },
    ]
}

#[test]
fn all_causes_of_failure_have_one_answer() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let mut client = enclave.connect();
    let (key, other) = (new_key(&mut client, TENANT, USER), new_key(&mut client, TENANT, "user-2"));
    let replies: Vec<Vec<u8>> = bad_items(&key, &other)
        .into_iter()
        .map(|item| check(&mut client, &key, "credential-1", item).to_bytes())
        .collect();
    assert!(replies.iter().all(|reply| *reply == Reply::Refused(Refusal::CheckFailed).to_bytes()));
    // One bad item among good ones stops the call, wherever it stands.
    let good = check_item(&key, "backup-2", b"sample");
    for bad in bad_items(&key, &other).into_iter().skip(5) {
        for at in 0..3 {
            let mut items = vec![good.clone(); 2];
            items.insert(at, bad.clone());
            let reply = client.call(&check_request(&key, TENANT, USER, None, items));
            assert_eq!(reply, Reply::Refused(Refusal::CheckFailed));
        }
    }
    expect!(check(&mut client, &key, "credential-1", good), Checked);
}

#[test]
fn the_21st_failure_of_a_day_is_refused_across_a_restart() {
    let folder = Folder::new();
    let mut enclave = Enclave::start(&folder, &Settings::default());
    let mut client = enclave.connect();
    let (key, other) = (new_key(&mut client, TENANT, USER), new_key(&mut client, TENANT, "user-2"));
    let good = check_item(&key, "backup-1", b"sample");
    let bad = CheckItem { checksum: [0; 32], ..good.clone() };
    for n in 0..12 {
        assert_eq!(
            check(&mut client, &key, &format!("c{n}"), bad.clone()),
            Reply::Refused(Refusal::CheckFailed)
        );
    }
    enclave.kill();
    enclave = Enclave::start(&folder, &Settings::default());
    // In parallel, so that none may slip past the count: eight are left for sixteen that ask.
    let failed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|n| {
                let (socket, key, bad) = (&enclave.socket, &key, bad.clone());
                scope.spawn(move || match check(&mut Client::connect(socket), key, &format!("d{n}"), bad) {
                    Reply::Refused(Refusal::CheckFailed) => 1,
                    Reply::Refused(Refusal::CheckBudgetSpent(seconds)) if seconds > 86_000 => 0,
                    other => panic!("{other:?}"),
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(failed, 8);
    enclave.kill();
    let enclave = Enclave::start(&folder, &Settings::default());
    let mut client = enclave.connect();
    for item in [bad, good] {
        let reply = check(&mut client, &key, "fresh", item);
        assert!(
            matches!(reply, Reply::Refused(Refusal::CheckBudgetSpent(seconds)) if seconds > 86_000),
            "{reply:?}"
        );
    }
    let Request::Check(theirs) =
        check_request(&other, TENANT, "user-2", None, vec![check_item(&other, "b", b"sample")])
    else {
        unreachable!()
    };
    expect!(client.call(&Request::Check(theirs)), Checked);
}

#[test]
fn a_credential_fails_sixty_times_a_minute_over_all_keys() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let mut client = enclave.connect();
    let keys: Vec<UserKey> = (0..5).map(|_| new_key(&mut client, TENANT, USER)).collect();
    let bad = CheckItem { checksum: [0; 32], ..check_item(&keys[0], "backup-1", b"sample") };
    let failed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = keys[1..]
            .iter()
            .map(|key| {
                let (socket, bad) = (&enclave.socket, &bad);
                scope.spawn(move || {
                    let mut client = Client::connect(socket);
                    let asked = (0..20).map(|_| check(&mut client, key, "loud", bad.clone()));
                    asked.filter(|reply| *reply == Reply::Refused(Refusal::CheckFailed)).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(failed, 60);
    let good = check_item(&keys[0], "backup-1", b"sample");
    let reply = check(&mut client, &keys[0], "loud", good.clone());
    assert!(
        matches!(reply, Reply::Refused(Refusal::CheckBudgetSpent(seconds)) if seconds <= 61),
        "{reply:?}"
    );
}
