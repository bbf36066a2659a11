//! The root key in shares: what the real process answers before it has it, and what it takes for a share.

mod rig;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use boundary::Env;
use boundary::ceremony::*;
use boundary::checkpoint::{Cosign, TreeHead};
use boundary::message::*;
use boundary::wire::Wire;
use rig::keeper::*;
use rig::*;

#[test]
fn until_it_is_opened_it_does_nothing_else() {
    let (folder, keeper) = (Folder::new(), Keeper::new());
    let mut enclave = Enclave::start(&folder, &shares());
    let hello = || Hello { env: Env::Production };
    let asked = || {
        [
            Request::Hello(hello()),
            Request::Generate(Generate { key_type: KeyType::Ed25519 }),
            Request::Inspect(Inspect { certificate: vec![1] }),
            Request::Reset(Reset { tenant_id: TENANT.into() }),
            Request::Recall(Recall { ticket: vec![] }),
            Request::Open(Open {
                tenant_id: TENANT.into(),
                user_identifier: USER.into(),
                openpgp_fingerprint: None,
            }),
        ]
    };
    let nothing = |enclave: &Enclave| {
        for request in asked() {
            refused(&enclave.call(&request), Refusal::Sealed);
        }
    };
    nothing(&enclave);
    refused(&enclave.call(&Request::Begin(Purpose::Unseal)), Refusal::NotNow);
    let parts = found(&enclave, &keeper);
    nothing(&enclave);
    for request in [Request::Hello, Request::Stand, Request::Collect] {
        refused(&enclave.call(&request(Hello { env: Env::Sandbox })), Refusal::Malformed);
    }
    refused(&enclave.call(&Request::Collect(hello())), Refusal::NoAttempt);
    for purpose in [Purpose::Verify, Purpose::Rekey(keeper.plan(2, 2))] {
        refused(&enclave.call(&Request::Begin(purpose)), Refusal::NotNow);
    }
    unseal(&enclave, &parts[..3]);
    refused(&enclave.call(&Request::Found(keeper.plan(3, 5))), Refusal::NotNow);
    refused(&enclave.call(&Request::Begin(Purpose::Unseal)), Refusal::NotNow);
    enclave.kill();
    let enclave = Enclave::start(&folder, &shares());
    nothing(&enclave);
    refused(&enclave.call(&Request::Found(keeper.plan(3, 5))), Refusal::NotNow);
    assert!(!folder.path("state/root.key").exists());
    for name in ["identity.key", "ceremonies", "signing.keys"] {
        let mode = fs::metadata(folder.path("state").join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
}

#[test]
fn a_plan_has_bounds() {
    let (folder, keeper) = (Folder::new(), Keeper::new());
    let enclave = Enclave::start(&folder, &shares());
    let mut strange = keeper.plan(2, 3);
    strange.holders[2] = Holder::Rsa(vec![1; 550]);
    for plan in [
        keeper.plan(1, 5),
        keeper.plan(0, 5),
        keeper.plan(6, 5),
        keeper.plan(2, 17),
        keeper.plan(2, 0),
        strange,
    ] {
        refused(&enclave.call(&Request::Found(plan)), Refusal::Malformed);
    }
    let mut unreadable = keeper.plan(2, 3);
    unreadable.holders[0] = Holder::OpenPgp(b"no certificate".to_vec());
    refused(&enclave.call(&Request::Found(unreadable)), Refusal::Recipient(RecipientFault::Unreadable));
    assert_eq!(standing(&enclave).current, None);
    expect!(enclave.call(&Request::Found(keeper.plan(2, 16))), Dealt);
}

#[test]
fn an_attempt_is_signed_whole_and_takes_each_share_once() {
    let (folder, keeper) = (Folder::new(), Keeper::new());
    let enclave = Enclave::start(&folder, &shares());
    let parts = found(&enclave, &keeper);
    refused(&enclave.call(&Request::Give(Give { ciphertext: vec![1; 512] })), Refusal::NoAttempt);
    let begun = begin(&enclave, Purpose::Unseal);
    assert_eq!(begin(&enclave, Purpose::Unseal), begun, "one attempt for all");
    let verify = |attempt: &[u8]| {
        UnparsedPublicKey::new(&ED25519, begun.identity).verify(&attempt_preimage(attempt), &begun.signature)
    };
    verify(&begun.attempt).unwrap();
    let attempt = Attempt::from_bytes(&begun.attempt).unwrap();
    assert_eq!((attempt.env, &attempt.purpose), (Env::Production, &Purpose::Unseal));
    let other = Attempt { purpose: Purpose::Rekey(keeper.plan(2, 2)), ..attempt };
    assert!(verify(&other.to_bytes()).is_err());
    assert!(parts.iter().all(|part| part[8..24] == sha256(&begun.identity)[..16]), "each names the enclave");

    for given in [1, 1, 1] {
        assert_eq!(expect!(enclave.call(&to(&begun, &parts[1])), Given).given, given);
    }
    let mut cut = parts[2].clone();
    cut.pop();
    for bad in [&cut[..], &[&parts[2][..], &[0]].concat(), b"", &parts[2][..24]] {
        refused(&enclave.call(&to(&begun, bad)), Refusal::WrongShare);
    }
    for bit in (0..parts[2].len() * 8).step_by(7) {
        let mut bad = parts[2].clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        refused(&enclave.call(&to(&begun, &bad)), Refusal::WrongShare);
    }
    assert_eq!(standing(&enclave).attempt.unwrap().given, 1);
    let said = [2, 0].map(|at| expect!(enclave.call(&to(&begun, &parts[at])), Given).done);
    assert_eq!(said, [false, true]);
    refused(&enclave.call(&to(&begun, &parts[3])), Refusal::NoAttempt);
}

#[test]
fn what_was_given_for_one_thing_serves_no_other() {
    let (folder, keeper) = (Folder::new(), Keeper::new());
    let enclave = Enclave::start(&folder, &shares());
    let parts = found(&enclave, &keeper);
    unseal(&enclave, &parts[..3]);
    let drill = begin(&enclave, Purpose::Verify);
    let held_back: Vec<Request> = parts.iter().map(|part| to(&drill, part)).collect();
    let plan = keeper.plan(2, 2);
    let begun = begin(&enclave, Purpose::Rekey(plan.clone()));
    for request in &held_back {
        refused(&enclave.call(request), Refusal::WrongShare);
    }
    assert_eq!(standing(&enclave).attempt.unwrap().given, 0);
    for part in &parts[..2] {
        expect!(enclave.call(&to(&begun, part)), Given);
    }
    // Another plan is another attempt, and begins with nothing.
    let other = begin(&enclave, Purpose::Rekey(keeper.plan(2, 3)));
    assert_eq!(expect!(enclave.call(&to(&other, &parts[2])), Given).given, 1);
    refused(&enclave.call(&to(&begun, &parts[2])), Refusal::WrongShare);
    let collect = Request::Collect(Hello { env: enclave.env });
    refused(&enclave.call(&collect), Refusal::NoAttempt);
    assert_eq!(standing(&enclave).pending, None);
    for part in &parts[..2] {
        expect!(enclave.call(&to(&other, part)), Given);
    }
    refused(&enclave.call(&to(&other, &parts[3])), Refusal::NoAttempt);
    expect!(enclave.call(&collect), Dealt);
    refused(&enclave.call(&collect), Refusal::NoAttempt);
    assert_eq!(standing(&enclave).pending.unwrap().digests.len(), 3);
    // A plan that cannot be dealt is refused before anybody gives a share.
    refused(&enclave.call(&Request::Begin(Purpose::Rekey(keeper.plan(1, 2)))), Refusal::Malformed);
}

#[test]
fn a_root_key_on_the_disk_of_production_is_said_so() {
    let folder = Folder::new();
    let start = |words: &[&str]| {
        let mut command = program();
        command.args(words).args(["--env", "production", "--state"]).arg(folder.path("state"));
        if words[0] == "serve" {
            command.arg("--end-with-stdin").arg("--socket").arg(folder.path("socket"));
        }
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    assert!(start(&["init"]).contains("ceremony init"));
    assert!(!folder.path("state/root.key").exists());
    assert_eq!(start(&["init", "--root", "disk"]), "");
    assert!(start(&["serve"]).contains("--root disk"));
    assert!(start(&["serve", "--root", "paper"]).contains("neither"));
}

#[test]
fn a_root_key_leaves_the_disk_once_its_shares_were_shown() {
    let (folder, keeper) = (Folder::new(), Keeper::new());
    let (file, copy) = (folder.path("state/root.key"), folder.path("copy"));
    let start = |root| Enclave::start(&folder, &Settings { root, ..Settings::default() });
    let deal = || Request::Found(keeper.plan(2, 3));
    let head = TreeHead { origin: "holdfast-production/tenant-a".to_owned(), size: 1, root: [1; 32] };
    let cosign = Request::Cosign(Cosign { head, proof: Vec::new() });
    let cosigner = |enclave: &Enclave| expect!(enclave.call(&cosign), Cosigned).key;
    let mut enclave = start("disk");
    let (key, pinned) = (new_key(&mut enclave.connect(), TENANT, USER), cosigner(&enclave));
    let is_as_before = |enclave: &Enclave| {
        let item = check_item(&key, "backup-1", CANARY.as_bytes());
        expect!(enclave.call(&check_request(&key, TENANT, USER, None, vec![item])), Checked);
        assert_eq!(cosigner(enclave), pinned);
    };
    refused(&enclave.call(&deal()), Refusal::NotNow);
    enclave.kill();
    fs::copy(&file, &copy).unwrap();

    let mut enclave = start("to-shares");
    let lost = keeper.open(&expect!(enclave.call(&deal()), Dealt));
    let given_up = begin(&enclave, Purpose::Verify);
    expect!(enclave.call(&to(&given_up, &lost[0])), Given);
    let parts = keeper.open(&expect!(enclave.call(&deal()), Dealt));
    let plan = keeper.plan(2, 2);
    for purpose in [Purpose::Unseal, Purpose::Rekey(plan.clone()), Purpose::Renew(plan), Purpose::Retire(1)] {
        refused(&enclave.call(&Request::Begin(purpose)), Refusal::NotNow);
    }
    let begun = begin(&enclave, Purpose::Verify);
    assert_ne!(begun, given_up, "what was dealt before counts no more");
    refused(&enclave.call(&to(&begun, &lost[1])), Refusal::WrongShare);
    expect!(enclave.call(&to(&begun, &parts[0])), Given);
    assert!(file.exists(), "one is not enough");
    expect!(enclave.call(&to(&begun, &parts[1])), Given);
    assert!(!file.exists() && !folder.path("state/signing.keys.next").exists());
    assert_eq!(standing(&enclave).open, Some(Epochs { current: 2, former: Some(1) }));
    is_as_before(&enclave);
    refused(&enclave.call(&deal()), Refusal::NotNow);
    enclave.kill();
    let mut enclave = start("to-shares");
    refused(&enclave.call(&deal()), Refusal::NotNow);
    unseal(&enclave, &parts[1..]);
    is_as_before(&enclave);
    enclave.kill();

    // The copy of the file opens nothing that is there now, and nobody starts beside it.
    fs::copy(&copy, &file).unwrap();
    for root in ["disk", "to-shares", "shares"] {
        let mut serve = program();
        serve.args(["serve", "--env", "production", "--end-with-stdin", "--root", root, "--socket"]);
        serve.arg(folder.path("socket")).arg("--state").arg(folder.path("state"));
        assert!(!serve.output().unwrap().status.success(), "{root}");
    }
}
