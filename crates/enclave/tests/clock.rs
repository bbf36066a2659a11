//! Windows and budgets of the real process, whose wall clock is moved.

mod rig;

use std::process::Command;

use boundary::Env;
use boundary::message::{CheckItem, Generate, KeyType, Refusal, Reply, Request};
use rig::*;

/// Starts enclaves on one state directory at different times.
struct Machine {
    folder: Folder,
    shim: String,
}

impl Machine {
    fn new() -> Self {
        let folder = Folder::new();
        let shim = folder.path("clock.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clock.c");
        run(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&shim).args([source, "-ldl"]));
        Self { shim: shim.display().to_string(), folder }
    }

    fn start(&self, ahead_s: i64) -> Enclave {
        let preload = format!("LD_PRELOAD={}", self.shim);
        let wrapper = vec!["env".into(), preload, format!("CLOCK_AHEAD_S={ahead_s}")];
        Enclave::start(&self.folder, &Settings { wrapper, ..Settings::default() })
    }
}

#[test]
fn the_window_closes_and_stays_closed() {
    let machine = Machine::new();
    let gpg = Gpg::new(&machine.folder);
    curve25519(&gpg, "owner");
    let mut provider = Provider::start();
    let enclave = machine.start(0);
    let mut client = enclave.connect();
    let key = new_key(&mut client, TENANT, USER);
    let session = open(&mut client, TENANT, USER, None);
    let stored = store(&mut client, &key, TENANT, USER, Some(&session), "backup-1");
    let admission = approve(&mut client, &mut provider, &session, "inq_1");
    let mut bundle = Bundle::new(
        &mut client,
        Env::Production,
        TENANT,
        USER,
        &session,
        &[admission],
        "inq_1",
        &gpg.export("owner"),
        std::slice::from_ref(&stored),
    );
    bundle.intent.expires_at_ms += 10_000_000_000;
    drop(enclave);
    let at = |ahead_s| {
        let enclave = machine.start(ahead_s);
        bundle.send(&mut enclave.connect())
    };
    assert_eq!(expect!(at(3_590), Released).delivery, 1);
    assert_eq!(at(3_601), Reply::Refused(Refusal::WindowClosed));
    assert_eq!(at(4_000_000), Reply::Refused(Refusal::WindowClosed));
    // Nothing was written then, so an honest clock opens it again; what is written bears its time for good.
    assert_eq!(expect!(at(3_590), Released).delivery, 2);
    let enclave = machine.start(3_700);
    let make = Request::Generate(Generate { key_type: KeyType::Ed25519 });
    let pool = expect!(enclave.call(&make), Generated);
    expect!(enclave.call(&Request::Bind(bind_request(&pool, TENANT, USER))), Bound);
    drop(enclave);
    for ahead_s in [3_600, 0, -3_600] {
        assert_eq!(at(ahead_s), Reply::Refused(Refusal::WindowClosed), "the clock set back to {ahead_s}");
    }
}

#[test]
fn failed_checks_are_forgiven_after_a_day() {
    let machine = Machine::new();
    let enclave = machine.start(0);
    let mut client = enclave.connect();
    let key = new_key(&mut client, TENANT, USER);
    let good = check_item(&key, "backup-1", b"sample");
    let bad = CheckItem { checksum: [0; 32], ..good.clone() };
    for _ in 0..20 {
        let reply = client.call(&check_request(&key, TENANT, USER, None, vec![bad.clone()]));
        assert_eq!(reply, Reply::Refused(Refusal::CheckFailed));
    }
    drop(enclave);
    let at =
        |ahead_s| machine.start(ahead_s).call(&check_request(&key, TENANT, USER, None, vec![good.clone()]));
    for ahead_s in [0, 86_000, -86_400] {
        let reply = at(ahead_s);
        assert!(matches!(reply, Reply::Refused(Refusal::CheckBudgetSpent(_))), "{ahead_s}: {reply:?}");
    }
    expect!(at(86_401), Checked);
}

#[test]
fn an_approval_of_yesterday_opens_nothing_today() {
    let machine = Machine::new();
    let mut provider = Provider::start();
    let enclave = machine.start(0);
    let session = open(&mut enclave.connect(), TENANT, USER, None);
    let event = provider.sign(&session.id, "");
    drop(enclave);
    let enclave = machine.start(91 * 86_400);
    let reply = enclave.call(&admit_request(&session, &event));
    assert_eq!(reply, Reply::Refused(Refusal::EventNotAuthentic));
}
