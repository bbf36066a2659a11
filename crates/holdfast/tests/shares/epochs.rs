//! A new root key while the service runs, and the end of the one before.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::rig::group::wait_for;
use crate::rig::holders::{Person, ceremony, told};
use crate::rig::house::{House, PATIENCE, five, read_shares, words};
use crate::rig::search::Searcher;
use crate::shares::rekey::{approve, ask, open, verify};
use crate::{files_below, recover, root_of, share_of, store};

/// The one number that a statement answers, past the service.
fn number(database: &Path, sql: &str) -> i64 {
    let connection = Connection::open(database).expect("opens");
    connection.busy_timeout(Duration::from_secs(10)).expect("waits");
    connection.query_row(sql, [], |row| row.get(0)).expect("a number")
}

fn end_server(house: &mut House) {
    let mut server = house.server.take().expect("a server");
    server.kill().expect("a child");
    server.wait().expect("a child");
}

/// From then on private halves are split, so that there are keys of both kinds. Returns a tenant's key for the other one.
fn split_keys(house: &mut House) -> String {
    end_server(house);
    let folders = ["a", "b"].map(|name| house.path(name).display().to_string());
    let stores = format!("['database', '{}', '{}']", folders[0], folders[1]);
    house.more = format!("[key_shares]\nthreshold = 2\nstores = {stores}\n");
    for folder in &folders {
        std::fs::create_dir(folder).expect("a folder");
    }
    house.start_server();
    wait_for("readiness", PATIENCE, || house.get("/readyz").starts_with("HTTP/1.1 200 ").then_some(()));
    house.api_key()
}

/// What is asked too early, of another enclave, with no word of who looked, or about the epoch in force.
fn nothing_else_is_retired(house: &House, config: &str) {
    for (more, told) in [
        (&["1", "--config", config][..], "has not found yet"),
        (&["1", "--imported", "/"], "this is the online enclave"),
        (&["1"], ""),
        (&["2", "--unseen"], ""),
    ] {
        let error = ceremony(&[&["retire", "--epoch"], more].concat(), &house.socket(), b"");
        assert!(error.expect_err("not that one").contains(told), "{more:?}");
    }
}

#[test]
fn a_new_root_key_takes_over_under_a_running_service_and_the_old_one_ends() {
    let people = five();
    let mut house = House::new();
    house.start_enclave();
    let old = house.init(&people, "old");
    open(&mut house, &old[..3]);
    house.start_server();
    wait_for("readiness", PATIENCE, || house.get("/readyz").starts_with("HTTP/1.1 200 ").then_some(()));
    let (runtime, api_key) = (tokio::runtime::Runtime::new().expect("a runtime"), house.api_key());
    runtime.block_on(store(&house.client_of(&api_key)));
    let split_key = split_keys(&mut house);
    runtime.block_on(store(&house.client_of(&split_key)));
    assert_eq!((&house.status()["epoch"], &house.status()["former_epoch"]), (&1.into(), &().into()));

    // Agreed to, and shown: from then on it seals.
    let others: Vec<Person> = (0..3).map(|_| Person::new()).collect();
    let out = house.path("new");
    let more = ["--new-root", "--threshold", "2", "--out", out.to_str().expect("text")];
    let (asking, code) = ask(&house, &words("rekey", &others, &more), None);
    for share in &old[..3] {
        approve(&house, share, &code).expect("taken");
    }
    told(&asking.wait_with_output().expect("an end")).expect("new shares");
    let new = read_shares(&others, &out);
    assert_eq!(house.status()["epoch"], 1, "not shown yet");
    for share in &new[..2] {
        verify(&house, share).expect("taken");
    }
    assert_eq!((&house.status()["epoch"], &house.status()["former_epoch"]), (&2.into(), &1.into()));
    runtime.block_on(recover(&house.client_of(&api_key)));

    // The service moves what there is, without being told; also what it had not got to when it was killed.
    end_server(&mut house);
    house.start_server();
    let database = house.path("data/holdfast.db");
    let quiet = "SELECT count(*) FROM reseals WHERE moved > 0 AND due_at >= began_at + 60000";
    wait_for("a pass that moved nothing", PATIENCE, || (number(&database, quiet) == 1).then_some(()));
    let left = "SELECT count(*) FROM pool_keys WHERE substr(sealed, 5, 2) <> x'0001'";
    assert_eq!(number(&database, left), 0);
    // What was whole is held as the settings now say.
    assert_eq!(number(&database, "SELECT count(*) FROM customer_keys WHERE split_id IS NOT NULL"), 2);
    let config = house.path("holdfast.toml");
    let config = config.to_str().expect("text");
    let progress = ceremony(&["status", "--config", config], &house.socket(), b"").expect("a status");
    assert_eq!((&progress["epoch"], &progress["broken"]), (&2.into(), &0.into()), "{progress}");

    // Nothing was left, and what was on its way may still come: the command waits, unless it is told not to look.
    nothing_else_is_retired(&house, config);
    let (asking, code) = ask(&house, &["retire", "--epoch", "1", "--unseen"], Some(&code));
    assert!(approve(&house, &old[0], &code).expect_err("an old share").contains("another ceremony"));
    for share in &new[1..] {
        assert_eq!(house.status()["former_epoch"], 1);
        approve(&house, share, &code).expect("taken");
    }
    let said = told(&asking.wait_with_output().expect("an end")).expect("forgotten");
    assert_eq!(said["epoch"], 1);
    assert_eq!((&house.status()["epoch"], &house.status()["former_epoch"]), (&2.into(), &().into()));

    // Only the new holders open it, everything is there, and neither root key lies anywhere.
    runtime.block_on(recover(&house.client_of(&api_key)));
    house.start_enclave();
    assert!(house.unseal(&old[0]).expect_err("an old share").contains("another ceremony"));
    open(&mut house, &new[..2]);
    wait_for("readiness", PATIENCE, || house.get("/readyz").starts_with("HTTP/1.1 200 ").then_some(()));
    for api_key in [&api_key, &split_key] {
        runtime.block_on(recover(&house.client_of(api_key)));
    }
    let mut searcher = Searcher::new();
    searcher.add("the old root key", &root_of(&old));
    for share in new.iter().map(|text| share_of(text)) {
        searcher.add("a share", &share.value);
    }
    for path in files_below(house.folder.path()) {
        let found = searcher.in_file(&path);
        assert!(found.is_empty(), "in {}: {found:?}", path.display());
    }
}
