//! The forgery matrix: a proof that releases, and every piece of it altered in every way that a table names. No
//! altered proof releases anything; the untouched one does, before and after.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

#[path = "forgeries/alter.rs"]
mod alter;
#[path = "forgeries/control.rs"]
mod control;
#[path = "forgeries/retail.rs"]
mod retail;
#[path = "forgeries/review.rs"]
mod review;
mod rig;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use boundary::message::{ItemOutcome, Reply, Request};
use rig::*;

/// What a proof consists of and how it goes out, with an alteration of each.
struct Matrix {
    /// Of another session than the others: released first.
    twin: Request,
    /// Released last.
    good: Request,
    /// Must not release.
    forgeries: Vec<(String, Request)>,
}

/// The enclave, and the world around it.
struct World {
    // Ended before the folder goes.
    enclave: Enclave,
    client: Client,
    provider: Provider,
    gpg: Gpg,
    owner: Vec<u8>,
    thief: Vec<u8>,
    /// Of somebody who could receive until yesterday.
    expired: Vec<u8>,
    folder: Folder,
}

impl World {
    fn new(without: &'static str) -> Self {
        let folder = Folder::new();
        let gpg = Gpg::new(&folder);
        curve25519(&gpg, "owner");
        curve25519(&gpg, "thief");
        let parameters = format!("{CURVE25519}\nExpire-Date: 30\nName-Real: late\n%no-protection\n%commit\n");
        std::fs::write(folder.path("parameters"), parameters).unwrap();
        let long_ago = ["--faked-system-time", "20250101T000000!", "--gen-key"];
        run(gpg.command().args(long_ago).arg(folder.path("parameters")));
        let [owner, thief, expired] = ["owner", "thief", "late"].map(|name| gpg.export(name));
        let enclave = Enclave::start(&folder, &settings(without));
        let (client, provider) = (enclave.connect(), Provider::start());
        Self { enclave, client, provider, gpg, owner, thief, expired, folder }
    }

    /// Another process on the same state.
    fn restart(&mut self, settings: &Settings) {
        self.enclave.kill();
        self.enclave = Enclave::start(&self.folder, settings);
        self.client = self.enclave.connect();
    }
}

/// A proof is released more often than a person may recover.
fn settings(without: &'static str) -> Settings {
    Settings { extra: vec!["--recovery-limits".into(), "off".into()], without, ..Settings::default() }
}

fn fresh(kind: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{kind}-{:04}", NEXT.fetch_add(1, Ordering::SeqCst))
}

/// Whether something went out, or a person was let in.
fn releases(reply: &Reply) -> bool {
    match reply {
        Reply::Released(released) => {
            released.delivery > 0 || released.items.iter().any(|item| *item != ItemOutcome::Failed)
        }
        Reply::Packaged(_) => true,
        Reply::Judged(judged) => judged.admission.is_some(),
        Reply::Waiting(_) | Reply::Refused(_) => false,
        other => unreachable!("an answer to another request: {other:?}"),
    }
}

type Make = fn(&mut World) -> Matrix;
const FLOWS: [(&str, Make); 7] = [
    ("retail", retail::matrix),
    ("control, passkeys", |world| control::matrix(world, control::By::Passkey)),
    ("control, Ed25519", |world| control::matrix(world, control::By::Offline)),
    ("control, OpenPGP", |world| control::matrix(world, control::By::OpenPgp)),
    ("control, a private key", control::of_a_key),
    ("review", review::matrix),
    ("review of a difference", review::of_a_difference),
];

#[test]
fn no_altered_proof_releases() {
    let mut world = World::new("");
    let (mut count, mut released) = (0, Vec::new());
    let mut names = BTreeSet::new();
    for (flow, make) in FLOWS {
        let matrix = make(&mut world);
        assert!(releases(&world.client.call(&matrix.twin)), "{flow}: untouched, before");
        for (name, request) in &matrix.forgeries {
            assert!(names.insert(format!("{flow}: {name}")), "{flow}: {name} is there twice");
            if releases(&world.client.call(request)) {
                released.push(format!("{flow}: {name}"));
            }
        }
        let reply = world.client.call(&matrix.good);
        assert!(releases(&reply), "{flow}: untouched, after: {reply:?}");
        println!("forgeries: {flow}: {} cases", matrix.forgeries.len());
        count += matrix.forgeries.len();
    }
    assert!(released.is_empty(), "{released:#?}");
    println!("figure: forgeries {count} cases");
    println!("figure: forgeries_released {} cases", released.len());
    assert!(count >= 500, "{count}");
}

/// What was proven yesterday is proven no more.
#[test]
fn no_proof_outlives_its_time() {
    let mut world = World::new("");
    let matrices: Vec<_> = FLOWS.iter().map(|(flow, make)| (flow, make(&mut world))).collect();
    let shim = world.folder.path("clock.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clock.c");
    let mut cc = std::process::Command::new("cc");
    run(cc.args(["-shared", "-fPIC", "-o"]).arg(&shim).args([source, "-ldl"]));
    let (preload, ahead) = (format!("LD_PRELOAD={}", shim.display()), world.folder.path("ahead"));
    for (ahead_s, good) in [(0, true), (90 * 86_400, false)] {
        std::fs::write(&ahead, format!("{ahead_s} 0")).unwrap();
        let wrapper = vec!["env".into(), preload.clone(), format!("CLOCK_AHEAD={}", ahead.display())];
        world.restart(&Settings { wrapper, ..settings("") });
        for (flow, matrix) in &matrices {
            let request = if good { &matrix.twin } else { &matrix.good };
            assert_eq!(releases(&world.client.call(request)), good, "{flow} {ahead_s} s later");
        }
    }
}

/// A check that is left out, and a proof, altered, that releases then: what the check is for.
const CONTROLS: [(&str, &str, &str); 22] = [
    ("retail", "2 token is not ours", "admission: last bit flipped"),
    ("retail", "2 token is not ours", "ticket: last bit flipped"),
    ("retail", "2 nonce", "intent: session_nonce flipped"),
    ("retail", "2 environment", "intent: env sandbox"),
    ("retail", "3 policy version", "intent: policy_version flipped"),
    ("retail", "4 inquiry,6 tenant's signature", "intent: verification_id another session's"),
    ("retail", "6 tenant's signature", "signature: last bit flipped"),
    ("retail", "6 tenant's signature is missing", "signature: none"),
    ("retail", "7 intent is not in force", "intent: expires_at empty"),
    ("retail", "8 digest is not the intent's", "intent: items.0.record_digest flipped"),
    ("retail", "8 record is another backup's", "intent: items.0.backup_id flipped"),
    ("retail", "8 intent names another key", "intent: items.0.key_id flipped"),
    ("retail", "9 certificate is not the intent's", "intent: recipient.cert_sha256 flipped"),
    ("retail", "9 encryption key is not the intent's", "intent: recipient.enc_subkey_fpr flipped"),
    ("control, passkeys", "6 ballot is not signed by its person", "intent: reason flipped"),
    ("control, passkeys", "6 ballot is not signed by its person", "ballot: signature: last bit flipped"),
    ("control, Ed25519", "6 ballot is not signed by its person", "ballot: signature: another vote's"),
    ("control, OpenPGP", "6 ballot is not signed by its person", "ballot: signature: absent"),
    ("control, passkeys", "6 list has not approved", "ballot: absent"),
    ("control, passkeys", "3 document is not the one in force", "list: name flipped"),
    ("review", "6 ballot is not signed by its person", "review: reason flipped"),
    ("review of a difference", "6 a second has to sign", "ballots: the first alone"),
];

#[test]
fn a_check_that_is_left_out_lets_its_forgery_pass() {
    let some = std::env::var_os("HOLDFAST_CAMPAIGN").is_none();
    let step = if some { 3 } else { 1 };
    let mut world = World::new("");
    for (flow, without, name) in CONTROLS.into_iter().step_by(step) {
        let make = FLOWS.iter().find(|(known, _)| *known == flow).unwrap().1;
        world.restart(&settings(""));
        let matrix = make(&mut world);
        let forged = &matrix.forgeries.iter().find(|(known, _)| known == name);
        let forged = &forged.unwrap_or_else(|| unreachable!("{flow}: no {name}")).1;
        assert!(!releases(&world.client.call(forged)), "{flow}: {name}, with every check");
        world.restart(&settings(without));
        let reply = world.client.call(forged);
        assert!(releases(&reply), "{flow}: {name}, without {without}: {reply:?}");
        println!("control: without \"{without}\", {flow}: {name} releases");
    }
    println!("figure: forgery_controls {} checks", CONTROLS.len().div_ceil(step));
}
