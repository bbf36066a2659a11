//! Windows and budgets of the real process, whose clocks are moved.

mod rig;

use boundary::Env;
use boundary::approval::{AclDocument, Decision, Review, Roster, TenantPolicy};
use boundary::message::{CheckItem, Generate, Hello, Judge, KeyType, Refusal, Reply, Request};
use boundary::policy;
use rig::control::*;
use rig::machine::*;
use rig::policy_of::*;
use rig::*;

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
    run(program().args(["init", "--root", "disk", "--env", "production", "--state"]).arg(&state));
    for window in ["0", "59", "604801", "-1", "1h", ""] {
        let mut command = program();
        command
            .args(["serve", "--root", "disk", "--env", "production", "--retail-window-s", window, "--state"])
            .arg(&state);
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
fn a_review_lasts_as_long_as_its_session() {
    let machine = Machine::new();
    let mut provider = Provider::start();
    let enclave = machine.start(0);
    let mut client = enclave.connect();
    let (owner, officer) = (Person::new("olga"), Person::new("anna"));
    let officers = roster(Env::Production, TENANT, &[&officer]).owners;
    let roster = Roster { officers, ..roster(Env::Production, TENANT, &[&owner]) };
    expect!(amend(&mut client, &roster, None, None, vec![owner.yes(&hash_of(&roster))]), Amended);
    let mut in_review = |user: &str| {
        let session = open(&mut client, TENANT, user, None);
        let event = provider.sign(&session.id, r#""name":"inquiry.marked-for-review""#);
        expect!(client.call(&admit_request(&session, &event)), Admitted);
        session
    };
    let (early, late) = (in_review("user-1"), in_review("user-2"));
    drop(enclave);
    let judge = |session: &Session, ahead_s: i64| {
        let review = Review {
            env: Env::Production,
            tenant_id: TENANT.into(),
            session_id: session.id.clone(),
            verification_id: "inq_1".into(),
            decision: Decision::Approve,
            reason: "called".into(),
            identity_mismatch: false,
        };
        let ballots = vec![officer.yes(&hash_of(&review))];
        let (ticket, roster, review) = (session.ticket.clone(), bytes_of(&roster), bytes_of(&review));
        machine.start(ahead_s).call(&Request::Judge(Judge { ticket, roster, review, ballots }))
    };
    let ninety_days_s = 90 * 86_400;
    assert!(expect!(judge(&early, ninety_days_s - 600), Judged).admission.is_some());
    assert_eq!(judge(&late, ninety_days_s + 60), Reply::Refused(Refusal::ProofFailed));
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

/// What the first of two asks of a list, for a key, and both have approved.
fn approved_by(
    list: &AclDocument,
    [first, second]: [&Person; 2],
    key: &UserKey,
    (client, provider): (&mut Client, &mut Provider),
    certificate: &[u8],
) -> Parcel {
    let session = open_person(client, TENANT, "anna");
    let keys = std::slice::from_ref(key);
    let mut parcel = Parcel::new(client, list, (first, &session), USER, certificate, (&[], keys));
    parcel.bundle.intent.expires_at_ms += 2_000_000_000;
    parcel.bundle.admissions = vec![approve(client, provider, &session, "inq_1")];
    parcel.voted(&[first, second])
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
    let certificate = gpg.export("recipient");
    let mut asked = || approved_by(&list, [&anna, &ben], &key, (&mut client, &mut provider), &certificate);
    let (first, second, third) = (asked(), asked(), asked());
    let weaker = next(&list, |list| list.delay_hot_s = 0);
    let changes = vec![anna.yes(&hash_of(&weaker)), ben.yes(&hash_of(&weaker))];
    expect!(amend(&mut client, &weaker, Some(&bytes_of(&list)), None, changes), Amended);
    // The approval is noted without the keys that it is of; its delay begins with that.
    let mut noted = first.clone();
    noted.keys.clear();
    assert!(expect!(noted.send(&mut client), Waiting) > 3_590);
    drop(enclave);
    let at = |ahead_s, parcel: &Parcel| {
        let enclave = machine.start(ahead_s);
        parcel.send(&mut enclave.connect())
    };
    for (ahead_s, least, most) in [(1_000, 2_580, 2_601), (0, 3_580, 3_601), (3_590, 1, 11)] {
        let waits = expect!(at(ahead_s, &first), Waiting);
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
    let certificate = gpg.export("recipient");
    let mut asked = || approved_by(&list, [&anna, &ben], &key, (&mut client, &mut provider), &certificate);
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

/// An approved session of a tenant, opened by now, and what a release of one item takes.
fn approved_of(
    house: &House,
    client: &mut Client,
    gpg: &Gpg,
    provider: &mut Provider,
    ahead_s: i64,
) -> Bundle {
    let key = new_key(client, &house.tenant, USER);
    let session = open(client, &house.tenant, USER, None);
    let stored = store(client, &key, &house.tenant, USER, Some(&session), "backup-1");
    let event = format!("\"inquiry\":\"inq_1\",\"at_ms\":{}", now_ms() + ahead_s * 1_000);
    let event = provider.sign(&session.id, &event);
    let admitted = expect!(client.call(&admit_request(&session, &event)), Admitted);
    let admissions = [admitted.admission.expect("an approval has an admission")];
    let (env, certificate, stored) = (Env::Production, gpg.export("owner"), std::slice::from_ref(&stored));
    let mut bundle =
        Bundle::new(client, env, &house.tenant, USER, &session, &admissions, "inq_1", &certificate, stored);
    bundle.intent.expires_at_ms += 10_000_000_000;
    house.bring(&mut bundle);
    bundle
}

#[test]
fn an_approval_waits_out_the_tenants_delay_and_its_window_begins_then() {
    let machine = Machine::new();
    let gpg = Gpg::new(&machine.folder);
    curve25519(&gpg, "owner");
    let mut provider = Provider::start();
    let enclave = machine.start(0);
    let mut client = enclave.connect();
    let delayed = |policy: &mut TenantPolicy| (policy.retail_delay_s, policy.change_delay_s) = (7_200, 3_000);
    let house = House::new(&mut client, TENANT, delayed);
    let bundle = approved_of(&house, &mut client, &gpg, &mut provider, 0);
    // The tenant asks for less: that is in force while the session still waits, and does not reach back to it.
    let weaker = House::next(&house.policy, |policy| policy.retail_delay_s = 0);
    expect!(house.amend(&mut client, &weaker, Some(&house.policy)), Amended);
    let mut after = bundle.clone();
    after.policies.push(bytes_of(&weaker));
    drop((enclave, client));
    let at = |ahead_s, bundle: &Bundle| {
        let enclave = machine.start(ahead_s);
        bundle.send(&mut enclave.connect())
    };
    for (ahead_s, bundle, least, most) in
        [(0, &bundle, 7_100, 7_201), (2_900, &bundle, 4_200, 4_301), (7_100, &after, 1, 101)]
    {
        let reply = at(ahead_s, bundle);
        let Reply::Refused(Refusal::RecoveryDelayed(seconds)) = reply else { panic!("{ahead_s}: {reply:?}") };
        assert!((least..=most).contains(&seconds), "{seconds} s at {ahead_s}");
    }
    assert_eq!(
        at(7_210, &bundle),
        Reply::Refused(Refusal::ProofFailed),
        "without the policy in force by then"
    );
    assert_eq!(expect!(at(7_210, &after), Released).delivery, 1, "nothing was used up while it waited");
    assert_eq!(expect!(at(10_700, &after), Released).delivery, 2);
    assert_eq!(at(10_801, &after), Reply::Refused(Refusal::WindowClosed));
    // What is opened under the weaker one is judged by it.
    let enclave = machine.start(10_900);
    let house = House { policy: weaker, ..house };
    let fresh = approved_of(&house, &mut enclave.connect(), &gpg, &mut provider, 10_900);
    assert_eq!(expect!(fresh.send(&mut enclave.connect()), Released).delivery, 1);
}

#[test]
fn a_longer_delay_holds_for_what_is_open_and_leaves_it_useful() {
    let machine = Machine::new();
    let gpg = Gpg::new(&machine.folder);
    curve25519(&gpg, "owner");
    let mut provider = Provider::start();
    let enclave = machine.start(0);
    let mut client = enclave.connect();
    let house = House::new(&mut client, TENANT, |_| ());
    let mut bundle = approved_of(&house, &mut client, &gpg, &mut provider, 0);
    let longer = House::next(&house.policy, |policy| policy.retail_delay_s = 7_200);
    expect!(house.amend(&mut client, &longer, Some(&house.policy)), Amended);
    bundle.policies.push(bytes_of(&longer));
    assert!(matches!(bundle.send(&mut client), Reply::Refused(Refusal::RecoveryDelayed(_))));
    drop((enclave, client));
    let enclave = machine.start(7_210);
    assert_eq!(expect!(bundle.send(&mut enclave.connect()), Released).delivery, 1);
}

#[test]
fn a_policys_packages_are_counted_by_hour_and_by_day() {
    let machine = Machine::new();
    let gpg = Gpg::new(&machine.folder);
    curve25519(&gpg, "recipient");
    let mut provider = Provider::start();
    let enclave = machine.start(0);
    let mut client = enclave.connect();
    let [owner, anna, ben] = ["olga", "anna", "ben"].map(Person::new);
    let list = list(Env::Production, TENANT, "list-1", &[&anna, &ben]);
    let roster = found(&mut client, &owner, &list);
    let policy =
        TenantPolicy { version: 1, max_releases_per_hour: 5, ..policy::built_in(Env::Production, TENANT) };
    let signed = vec![owner.yes(&hash_of(&policy))];
    expect!(amend(&mut client, &policy, None, Some(&roster), signed), Amended);
    let key = new_key_of(&mut client, KeyType::Ed25519, TENANT, USER);
    attach(&mut client, &owner, &roster, &list, &[&key]);
    let certificate = gpg.export("recipient");
    let mut asked = || {
        let mut parcel = approved_by(&list, [&anna, &ben], &key, (&mut client, &mut provider), &certificate);
        parcel.bundle.policies = vec![bytes_of(&policy)];
        parcel
    };
    let parcels: Vec<Parcel> = (0..6).map(|_| asked()).collect();
    drop(enclave);
    let at = |ahead_s, parcel: &Parcel| {
        let enclave = machine.start(ahead_s);
        parcel.send(&mut enclave.connect())
    };
    for (hour, parcel) in (0..5).zip(&parcels) {
        assert!(matches!(at(hour * 3_700, parcel), Reply::Packaged(_)), "hour {hour}");
        let next = at(hour * 3_700, &parcels[5]);
        assert!(matches!(next, Reply::Refused(Refusal::ReleaseLimit(_))), "hour {hour}: {next:?}");
    }
    let sixth = at(5 * 3_700, &parcels[5]);
    let Reply::Refused(Refusal::ReleaseLimit(seconds)) = sixth else { unreachable!("{sixth:?}") };
    assert!((67_000..=86_400 - 5 * 3_700).contains(&seconds), "until the first is a day old: {seconds}");
}

#[test]
fn a_policys_releases_of_a_day_are_those_of_ten_hours() {
    let machine = Machine::new();
    let gpg = Gpg::new(&machine.folder);
    curve25519(&gpg, "owner");
    let certificate = gpg.export("owner");
    let mut provider = Provider::start();
    let window = ["--retail-window-s", "86400"];
    let enclave = machine.start_with(0, &window);
    let mut client = enclave.connect();
    let mut house = House::new(&mut client, TENANT, |policy| {
        (policy.change_delay_s, policy.max_releases_per_hour) = (0, 5);
    });
    let often = House::next(&house.policy, |policy| policy.max_sessions_per_user_day = 100);
    expect!(house.amend(&mut client, &often, Some(&house.policy)), Amended);
    house.policy = often;
    let key = new_key(&mut client, TENANT, USER);
    let mut first: Option<(Stored, Vec<u8>)> = None;
    let mut bundles: Vec<Bundle> = Vec::new();
    for _ in 0..=50 {
        let session = open(&mut client, TENANT, USER, None);
        let admission = approve(&mut client, &mut provider, &session, "inq_1");
        let (stored, earlier) = first.get_or_insert_with(|| {
            (store(&mut client, &key, TENANT, USER, Some(&session), "backup-1"), admission.clone())
        });
        let mut bundle = Bundle::new(
            &mut client,
            Env::Production,
            TENANT,
            USER,
            &session,
            &[admission, earlier.clone()],
            "inq_1",
            &certificate,
            std::slice::from_ref(stored),
        );
        bundle.intent.expires_at_ms += 100_000_000;
        house.bring(&mut bundle);
        bundles.push(bundle);
    }
    drop(enclave);
    let last = bundles.pop().unwrap();
    for (hour, bundles) in (0..).zip(bundles.chunks(5)) {
        let enclave = machine.start_with(hour * 3_700, &window);
        let mut client = enclave.connect();
        for bundle in bundles {
            assert_eq!(expect!(bundle.send(&mut client), Released).delivery, 1);
        }
    }
    let enclave = machine.start_with(10 * 3_700, &window);
    let reply = last.send(&mut enclave.connect());
    let Reply::Refused(Refusal::ReleaseLimit(seconds)) = reply else { unreachable!("{reply:?}") };
    assert!(seconds > 3_600, "until the first five are a day old: {seconds}");
}
