//! Windows and budgets of the real process, whose wall clock is moved.

mod rig;

use std::process::Command;

use boundary::Env;
use boundary::approval::AclDocument;
use boundary::message::{CheckItem, Generate, Hello, KeyType, Refusal, Reply, Request};
use boundary::policy;
use rig::control::*;
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
        self.start_with(ahead_s, &[])
    }

    fn start_with(&self, ahead_s: i64, extra: &[&str]) -> Enclave {
        let preload = format!("LD_PRELOAD={}", self.shim);
        let wrapper = vec!["env".into(), preload, format!("CLOCK_AHEAD_S={ahead_s}")];
        let extra = extra.iter().map(|&word| word.to_owned()).collect();
        Enclave::start(&self.folder, &Settings { extra, wrapper, ..Settings::default() })
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

/// An approved session under a window, and what a release of one item takes.
fn approved_under(machine: &Machine, gpg: &Gpg, provider: &mut Provider, window: &[&str]) -> Bundle {
    let enclave = machine.start_with(0, window);
    let mut client = enclave.connect();
    let key = new_key(&mut client, TENANT, USER);
    let session = open(&mut client, TENANT, USER, None);
    let stored = store(&mut client, &key, TENANT, USER, Some(&session), "backup-1");
    let admission = approve(&mut client, provider, &session, "inq_1");
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
    bundle
}

#[test]
fn the_operator_sets_the_window_and_no_session_changes_its_own() {
    let machine = Machine::new();
    let gpg = Gpg::new(&machine.folder);
    curve25519(&gpg, "owner");
    let mut provider = Provider::start();
    let (short, long) = (["--retail-window-s", "600"], ["--retail-window-s", "604800"]);
    let bundles =
        [&short[..], &long, &[]].map(|window| approved_under(&machine, &gpg, &mut provider, window));
    let at = |ahead_s, window: &[&str], bundle: usize| {
        let enclave = machine.start_with(ahead_s, window);
        bundles[bundle].send(&mut enclave.connect())
    };
    // A session is judged by the window it was opened under, or not at all: not by a longer one, a shorter one,
    // or none that was named. What the intent says of it makes no difference.
    for (window, bundle) in [(&long[..], 0), (&[], 0), (&short, 1), (&[], 1), (&short, 2), (&long, 2)] {
        let enclave = machine.start_with(0, window);
        let mut client = enclave.connect();
        let now = expect!(client.call(&Request::Hello(Hello { env: Env::Production })), Welcome);
        let named = sha256(&policy::preimage(Env::Production, TENANT, now.retail_window_s));
        for policy_hash in [bundles[bundle].intent.policy_hash.clone(), hex(&named)] {
            let mut bent = bundles[bundle].clone();
            bent.intent.policy_hash = policy_hash;
            assert_eq!(bent.send(&mut client), Reply::Refused(Refusal::ProofFailed), "{window:?} {bundle}");
        }
    }
    // An hour that is named is the hour that is not.
    assert_eq!(expect!(at(0, &["--retail-window-s", "3600"], 2), Released).delivery, 1);
    assert_eq!(expect!(at(590, &short, 0), Released).delivery, 1);
    assert_eq!(at(601, &short, 0), Reply::Refused(Refusal::WindowClosed));
    assert_eq!(expect!(at(604_700, &long, 1), Released).delivery, 1);
    assert_eq!(at(604_801, &long, 1), Reply::Refused(Refusal::WindowClosed));
}

#[test]
fn a_window_out_of_bounds_is_refused() {
    let folder = Folder::new();
    let state = folder.path("state");
    run(program().args(["init", "--env", "production", "--state"]).arg(&state));
    for window in ["0", "59", "604801", "-1", "1h", ""] {
        let mut command = program();
        command.args(["serve", "--env", "production", "--retail-window-s", window, "--state"]).arg(&state);
        command.arg("--socket").arg(folder.path("socket")).arg("--end-with-stdin");
        let output = command.stdin(std::process::Stdio::null()).output().expect("the program starts");
        assert!(!output.status.success(), "{window:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("--retail-window-s"), "{window:?}: {said}");
        assert!(output.stdout.is_empty(), "{window:?}: it came to listen");
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

#[test]
fn declined_checks_are_forgotten_after_seven_days() {
    let machine = Machine::new();
    let mut provider = Provider::start();
    let mut tell = |ahead_s: i64, name: &str| {
        let enclave = machine.start(ahead_s);
        let session = open(&mut enclave.connect(), TENANT, USER, None);
        let at_ms = now_ms() + ahead_s * 1_000;
        let event = provider.sign(&session.id, &format!("\"name\":\"inquiry.{name}\",\"at_ms\":{at_ms}"));
        expect!(enclave.call(&admit_request(&session, &event)), Admitted)
    };
    for hour in 0..5 {
        tell(hour * 3_600, "declined");
    }
    assert!(tell(7 * 86_400 - 60, "approved").declined_often);
    assert!(tell(7 * 86_400 + 60, "approved").admission.is_some(), "the first of the five is past");
}

#[test]
fn what_a_list_approved_waits_out_its_delay_and_is_closed_in_time() {
    let machine = Machine::new();
    let gpg = Gpg::new(&machine.folder);
    curve25519(&gpg, "recipient");
    let mut provider = Provider::start();
    let enclave = machine.start(0);
    let mut client = enclave.connect();
    let [owner, anna, ben] = ["olga", "anna", "ben"].map(Person::new);
    let mut list = list(Env::Production, TENANT, "list-1", &[&anna, &ben]);
    (list.delay_hot_s, list.delay_cold_s) = (3_600, 3_600);
    let roster = found(&mut client, &owner, &list);
    let key = new_key_of(&mut client, KeyType::Ed25519, TENANT, USER);
    attach(&mut client, &owner, &roster, &list, &[&key]);
    let mut asked = || {
        let session = open_person(&mut client, TENANT, "anna");
        let (asks, certificate) = ((&anna, &session), gpg.export("recipient"));
        let keys = std::slice::from_ref(&key);
        let mut parcel = Parcel::new(&mut client, &list, asks, USER, &certificate, (&[], keys));
        parcel.bundle.intent.expires_at_ms += 2_000_000_000;
        parcel.bundle.admissions = vec![approve(&mut client, &mut provider, &session, "inq_1")];
        parcel.voted(&[&anna, &ben])
    };
    let (first, second, third) = (asked(), asked(), asked());
    let weaker = next(&list, |list| list.delay_hot_s = 0);
    let changes = vec![anna.yes(&hash_of(&weaker)), ben.yes(&hash_of(&weaker))];
    expect!(amend(&mut client, &weaker, Some(&bytes_of(&list)), None, changes), Amended);
    // The approval is noted without the keys that it is of; its delay begins with that.
    let mut noted = first.clone();
    noted.keys.clear();
    assert!(expect!(noted.send(&mut client), Waiting).seconds > 3_590);
    drop(enclave);
    let at = |ahead_s, parcel: &Parcel| {
        let enclave = machine.start(ahead_s);
        parcel.send(&mut enclave.connect())
    };
    for (ahead_s, least, most) in [(1_000, 2_580, 2_601), (0, 3_580, 3_601), (3_590, 1, 11)] {
        let waits = expect!(at(ahead_s, &first), Waiting).seconds;
        assert!((least..=most).contains(&waits), "{waits} s at {ahead_s}");
    }
    // Until its delay is over the weaker list is not in force; then the one before no longer is.
    let mut by_weaker = third.clone();
    by_weaker.list = weaker.clone();
    by_weaker.bundle.intent.policy_hash = hex(&hash_of(&weaker));
    by_weaker.bundle.intent.policy_version = 2;
    let by_weaker = by_weaker.voted(&[&anna, &ben]);
    assert_eq!(at(3_590, &by_weaker), Reply::Refused(Refusal::ProofFailed));
    assert_eq!(at(3_610, &second), Reply::Refused(Refusal::ProofFailed));
    assert!(matches!(at(604_700, &by_weaker), Reply::Packaged(_)), "the last moment of the vote");
    let reply = at(604_700, &first);
    assert_eq!(reply, Reply::Refused(Refusal::ProofFailed), "approved by a list that is no more");
}

#[test]
fn a_vote_closes_and_an_approval_outlives_it() {
    let machine = Machine::new();
    let gpg = Gpg::new(&machine.folder);
    curve25519(&gpg, "recipient");
    let mut provider = Provider::start();
    let enclave = machine.start(0);
    let mut client = enclave.connect();
    let [owner, anna, ben] = ["olga", "anna", "ben"].map(Person::new);
    let list =
        AclDocument { delay_hot_s: 700_000, ..list(Env::Production, TENANT, "list-1", &[&anna, &ben]) };
    let roster = found(&mut client, &owner, &list);
    let key = new_key_of(&mut client, KeyType::Ed25519, TENANT, USER);
    attach(&mut client, &owner, &roster, &list, &[&key]);
    let mut asked = || {
        let session = open_person(&mut client, TENANT, "anna");
        let (asks, certificate) = ((&anna, &session), gpg.export("recipient"));
        let keys = std::slice::from_ref(&key);
        let mut parcel = Parcel::new(&mut client, &list, asks, USER, &certificate, (&[], keys));
        parcel.bundle.intent.expires_at_ms += 2_000_000_000;
        parcel.bundle.admissions = vec![approve(&mut client, &mut provider, &session, "inq_1")];
        parcel.voted(&[&anna, &ben])
    };
    let (in_time, late) = (asked(), asked());
    expect!(in_time.send(&mut client), Waiting);
    drop((enclave, client));
    let at = |ahead_s, parcel: &Parcel| {
        let enclave = machine.start(ahead_s);
        parcel.send(&mut enclave.connect())
    };
    assert_eq!(at(604_900, &late), Reply::Refused(Refusal::ProofFailed), "after the window");
    expect!(at(604_900, &in_time), Waiting);
    assert!(matches!(at(700_100, &in_time), Reply::Packaged(_)), "approved in time, and due");
    assert_eq!(at(2_100_000, &in_time), Reply::Refused(Refusal::ProofFailed), "after the intent's end");
}
