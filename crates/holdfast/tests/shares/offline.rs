//! The offline enclave, founded and opened by people with GnuPG and the holders' tool.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::rig::group::{PROGRAM, wait_for};
use crate::rig::holders::{Person, ceremony, fed, told};
use crate::rig::house::{House, PATIENCE, read_shares, words};

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Starts what waits for holders at this socket.
fn waiting(words: &[&str], socket: &Path) -> Child {
    let mut command = Command::new(PROGRAM);
    command.args(words).args(["--env", "sandbox", "--socket"]).arg(socket);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the program starts");
    wait_for("the offline enclave", PATIENCE, || ceremony(&["status"], socket, b"").ok());
    child
}

fn service(house: &House, words: &[&str]) -> Value {
    let mut command = Command::new(PROGRAM);
    command.args(["ceremony", "--json"]).args(words).arg("--config").arg(house.path("holdfast.toml"));
    told(&fed(&mut command, b"")).expect("it is done")
}

#[test]
fn two_of_three_open_the_offline_enclave_for_one_bundle() {
    let people: Vec<Person> = (0..3).map(|_| Person::new()).collect();
    let mut house = House::new();
    let [socket, state, out, stick, known] =
        ["offline.sock", "offline", "shares", "stick", "offline/offline.pub"].map(|name| house.path(name));
    let unseal = |share: &[u8]| ceremony(&["unseal", "--share", "-"], &socket, share);

    let mut founding = waiting(&["enclave", "offline-key", "--state", text(&state)], &socket);
    let more = ["--threshold", "2", "--out", text(&out)];
    ceremony(&words("init", &people, &more), &socket, b"").expect("shares");
    let shares = read_shares(&people, &out);
    assert_eq!(unseal(&shares[0]).expect("taken")["done"], false);
    assert_eq!(unseal(&shares[2]).expect("taken")["done"], true);
    assert!(founding.wait().expect("it ends").success() && !state.join("root.key").exists());

    house.root = "disk";
    house.offline_key = Some(known.clone());
    house.start_enclave();
    house.write_settings();
    let export = ["export", "--offline-key", text(&known), "--ed25519", "2", "--out", text(&stick)];
    let exported = service(&house, &export);

    // Nobody is asked for a share where there is no bundle.
    let hold = ["ceremony", "--json", "hold", "--state", text(&state), "--in"];
    let mut early = Command::new(PROGRAM);
    early.args(hold).arg(&out).args(["--env", "sandbox", "--socket"]).arg(&socket);
    assert!(told(&fed(&mut early, b"")).expect_err("no bundle").contains("request.cold"));

    let holding = waiting(&[&hold[..], &[text(&stick)]].concat(), &socket);
    assert_eq!(unseal(&shares[1]).expect("taken")["given"], 1);
    assert_eq!(unseal(&shares[1]).expect("taken")["given"], 1);
    assert!(!stick.join("answer.cold").exists(), "one alone opens nothing");
    assert_eq!(unseal(&shares[0]).expect("taken")["done"], true);
    let ended = holding.wait_with_output().expect("it ends");
    assert_eq!(told(&ended).expect("held")["event"], "held");
    let asked = String::from_utf8(ended.stdout).expect("text");
    let asked: Value = serde_json::from_str(asked.lines().next().expect("an event")).expect("JSON");
    assert_eq!(asked["code"], exported["code"], "holders are told for which bundle they open");

    unseal(&shares[0]).expect_err("it is sealed again, and nobody is there");
    assert_eq!(service(&house, &["import", "--in", text(&stick)])["sequence"], 1);
}
