//! New shares in the place of old ones, some of which are lost.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::rig::group::{PROGRAM, wait_for};
use crate::rig::holders::{Person, ceremony, told};
use crate::rig::house::{House, PATIENCE, five, read_shares, words};

/// Begins a rekey among these people.
fn begin(house: &House, people: &[Person], out: &Path, before: Option<&str>) -> (Child, String) {
    let more = ["--threshold", "2", "--out", out.to_str().expect("text")];
    ask(house, &words("rekey", people, &more), before)
}

/// Asks for something in a terminal of its own, where it waits for the holders, and returns its code: another one than
/// that of what was asked before.
pub fn ask(house: &House, words: &[&str], before: Option<&str>) -> (Child, String) {
    ask_at(&house.socket(), words, before)
}

/// The same of the enclave at this socket.
pub fn ask_at(socket: &Path, words: &[&str], before: Option<&str>) -> (Child, String) {
    let mut command = Command::new(PROGRAM);
    command.args(["ceremony", "--json"]).args(words).args(["--env", "sandbox", "--socket"]).arg(socket);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("the program starts");
    let code = wait_for("a plan", PATIENCE, || {
        let error = approve_at(socket, b"", "AAAA-AAAA").expect_err("another code, or nothing is asked");
        let code = error.split("with the code ").nth(1)?[..9].to_owned();
        (Some(code.as_str()) != before).then_some(code)
    });
    (child, code)
}

pub fn approve(house: &House, share: &[u8], code: &str) -> Result<Value, String> {
    approve_at(&house.socket(), share, code)
}

pub fn approve_at(socket: &Path, share: &[u8], code: &str) -> Result<Value, String> {
    ceremony(&["approve", "--share", "-", "--code", code], socket, share)
}

pub fn verify(house: &House, share: &[u8]) -> Result<Value, String> {
    ceremony(&["verify", "--share", "-"], &house.socket(), share)
}

pub fn open(house: &mut House, shares: &[Vec<u8>]) {
    house.start_enclave();
    for share in shares {
        house.unseal(share).expect("taken");
    }
    assert_eq!(house.status()["open"], true);
}

#[test]
fn two_lost_shares_are_replaced_and_three_are_too_many() {
    let people = five();
    let mut house = House::new();
    house.start_enclave();
    let old = house.init(&people, "old");
    let out = house.path("new");
    ceremony(&words("rekey", &people, &["--out", out.to_str().expect("text")]), &house.socket(), b"")
        .expect_err("a sealed enclave is opened first");
    open(&mut house, &old[..3]);
    let first_id = house.status()["current"]["ceremony"].clone();

    // Three lost ones are told of before anybody is asked.
    let lost = |count| {
        let more = ["--lost", count, "--out", out.to_str().expect("text")];
        ceremony(&words("rekey", &people, &more), &house.socket(), b"").expect_err("too many")
    };
    let error = lost("3");
    assert!(
        error.contains("2 of 5 shares are left and 3 are needed") && error.contains("lost for good"),
        "{error}"
    );
    assert_eq!(house.status()["attempt"], Value::Null);

    // Shares 1 and 2 are lost; four other people get new ones, of which two open.
    let others: Vec<Person> = (0..4).map(|_| Person::new()).collect();
    let (asking, code) = begin(&house, &others, &out, None);
    assert!(house.unseal(&old[2]).expect_err("open already").contains("not given"));
    for share in &old[2..5] {
        let given = approve(&house, share, &code).expect("taken");
        assert_eq!(given["threshold"], 3);
    }
    told(&asking.wait_with_output().expect("an end")).expect("new shares");
    let new = read_shares(&others, &out);

    // Not shown yet: the old ones are in force.
    assert_eq!(house.status()["current"]["ceremony"], first_id);
    assert!(verify(&house, &old[3]).expect_err("an old one").contains("another ceremony"));
    open(&mut house, &old[1..4]);
    assert_eq!(verify(&house, &new[3]).expect("taken")["done"], false);
    assert_eq!(house.status()["current"]["ceremony"], first_id);
    assert_eq!(verify(&house, &new[1]).expect("taken")["done"], true);
    let standing = house.status();
    assert_eq!((&standing["current"]["threshold"], &standing["pending"]), (&2.into(), &Value::Null));

    // Now the new ones are, and the old ones open nothing.
    house.start_enclave();
    assert!(house.unseal(&old[0]).expect_err("an old one").contains("another ceremony"));
    open(&mut house, &new[2..4]);
    // A drill: the shares in force are shown, and nothing changes.
    assert_eq!(verify(&house, &new[0]).expect("taken")["given"], 1);
    assert_eq!(verify(&house, &new[1]).expect("taken")["done"], true);
    assert_eq!(house.status()["current"], standing["current"]);
}

#[test]
fn a_rekey_is_agreed_to_by_its_code_and_by_enough() {
    let people = five();
    let mut house = House::new();
    house.start_enclave();
    let shares = house.init(&people, "shares");
    open(&mut house, &shares[..3]);
    let (mut asking, code) = begin(&house, &people[..3], &house.path("new"), None);
    assert_eq!(approve(&house, &shares[0], &code).expect("taken")["given"], 1);
    assert_eq!(approve(&house, &shares[0], &code).expect("taken")["given"], 1);
    assert_eq!(approve(&house, &shares[1], &code).expect("taken")["done"], false);
    assert!(asking.try_wait().expect("a child").is_none(), "two are not enough");

    // Somebody else asks for something else: what was agreed to is not carried over.
    let (mut other, other_code) = begin(&house, &people[..2], &house.path("other"), Some(&code));
    assert_ne!(code, other_code);
    let failed = told(&asking.wait_with_output().expect("an end")).expect_err("over");
    assert!(failed.contains("of the 3 shares"), "{failed}");
    assert!(approve(&house, &shares[2], &code).expect_err("another plan").contains(&other_code));
    assert_eq!(approve(&house, &shares[2], &other_code).expect("taken")["given"], 1);
    other.kill().expect("a child");
    other.wait().expect("a child");
    assert_eq!(house.status()["pending"], Value::Null);
}
