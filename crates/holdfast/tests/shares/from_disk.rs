//! A root key that lay on the disk goes to holders, and the file is worth nothing afterwards.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::rig::chance::{self, Chance};
use crate::rig::group::{PROGRAM, wait_for};
use crate::rig::holders::{Person, ceremony};
use crate::rig::house::{House, PATIENCE, five, read_shares, words};
use crate::shares::rekey::{open, verify};
use crate::{recover, store};

/// Rounds of kills, and how many when nobody waits for them.
const ROUNDS: (u64, u64) = (100, 4);
/// The last share has been shown by then, more often than not, in milliseconds.
const SHOWN_MAX_MS: u64 = 700;

#[test]
fn a_root_key_on_the_disk_goes_to_holders_and_its_file_opens_nothing() {
    let people = five();
    let mut house = House::new();
    house.root = "disk";
    house.start_enclave();
    house.start_server();
    let ready = |house: &House| house.get("/readyz").starts_with("HTTP/1.1 200 ").then_some(());
    wait_for("readiness", PATIENCE, || ready(&house));
    let (runtime, api_key) = (tokio::runtime::Runtime::new().expect("a runtime"), house.api_key());
    runtime.block_on(store(&house.client_of(&api_key)));
    let file = house.path("state/root.key");
    fs::copy(&file, house.path("copy")).expect("it is there");

    // Only where the enclave's command line says so: whoever reaches the socket could deal himself shares.
    let out = house.path("early").display().to_string();
    let early = ceremony(&words("init", &people, &["--out", &out]), &house.socket(), b"");
    assert!(early.expect_err("refused").contains("as things stand"), "not without --root to-shares");

    house.root = "to-shares";
    house.start_enclave();
    // Shares that nobody shows are no loss.
    house.init(&people, "lost");
    let shares = house.init(&people, "shares");
    let plan = house.path("plan").display().to_string();
    let asked = ceremony(&words("rekey", &people, &["--new-root", "--out", &plan]), &house.socket(), b"");
    assert!(asked.expect_err("refused").contains("as things stand"), "no other deed before it is done");
    for share in &shares[..2] {
        verify(&house, share).expect("taken");
    }
    assert!(file.exists(), "in force until enough were shown");
    assert_eq!((&house.status()["epoch"], &house.status()["former_epoch"]), (&1.into(), &().into()));
    verify(&house, &shares[2]).expect("taken");
    assert!(!file.exists());
    assert_eq!((&house.status()["epoch"], &house.status()["former_epoch"]), (&2.into(), &1.into()));
    runtime.block_on(recover(&house.client_of(&api_key)));

    // From now on it starts sealed, by whichever word.
    for root in ["to-shares", "shares"] {
        house.root = root;
        house.start_enclave();
        assert_eq!(house.status()["open"], false);
        open(&mut house, &shares[2..]);
    }
    wait_for("readiness", PATIENCE, || ready(&house));
    runtime.block_on(recover(&house.client_of(&api_key)));

    // The copy of the file opens nothing that is there now.
    house.end_enclave();
    fs::copy(house.path("copy"), &file).expect("put back");
    for root in ["disk", "to-shares", "shares"] {
        let mut command = Command::new(PROGRAM);
        command.args(["enclave", "serve", "--env", "sandbox", "--root", root, "--socket"]);
        command.arg(house.socket()).arg("--state").arg(house.path("state")).stdin(Stdio::null());
        assert!(!command.output().expect("it runs").status.success(), "{root}");
    }
}

#[test]
fn a_kill_while_the_last_share_is_shown_leaves_the_file_or_the_shares() {
    let people: Vec<Person> = (0..2).map(|_| Person::new()).collect();
    let seed = chance::seed();
    println!("kills of the last step: HOLDFAST_SEED={seed} repeats the choices");
    let mut chance = Chance::of(seed);
    let rounds = if std::env::var_os("HOLDFAST_CAMPAIGN").is_some() { ROUNDS.0 } else { ROUNDS.1 };
    let mut gone = 0;
    for round in 0..rounds {
        let mut house = House::new();
        house.root = "disk";
        house.start_enclave();
        house.root = "to-shares";
        house.start_enclave();
        let out = house.path("shares");
        let more = ["--threshold", "2", "--out", out.to_str().expect("text")];
        ceremony(&words("init", &people, &more), &house.socket(), b"").expect("shares");
        let shares = read_shares(&people, &out);
        verify(&house, &shares[0]).expect("taken");
        let (socket, last) = (house.socket(), shares[1].clone());
        let shows = thread::spawn(move || ceremony(&["verify", "--share", "-"], &socket, &last));
        thread::sleep(Duration::from_millis(chance.next() % SHOWN_MAX_MS));
        house.end_enclave();
        // It was answered or not: both are good.
        let _ = shows.join().expect("it ends");
        let file = house.path("state/root.key");
        // Every other time as if it had come right behind the removal, and before what follows that.
        if round % 2 == 0 && file.exists() {
            fs::remove_file(&file).expect("it is there");
        }
        let is_on_disk = file.exists();
        house.start_enclave();
        assert_eq!(house.status()["open"], is_on_disk, "round {round}");
        if is_on_disk {
            for share in &shares {
                verify(&house, share).expect("what was dealt is good still");
            }
        } else {
            gone += 1;
            open(&mut house, &shares);
        }
        assert_eq!((&house.status()["epoch"], &house.status()["former_epoch"]), (&2.into(), &1.into()));
        assert!(!file.exists());
    }
    println!("figure: from-disk-kills {rounds} kills");
    println!("figure: from-disk-kills-after-the-file {gone} kills");
}
