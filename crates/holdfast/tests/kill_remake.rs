//! Kills `holdfast admin key-shares remake` at any moment, again and again, while stores are emptied between: whatever
//! moment it was, no key is lost, and in the end each is in shares, one splitting in every store.
//!
//! `HOLDFAST_SEED` repeats the choices of a run, `HOLDFAST_CAMPAIGN=1` makes it a long one.

#![expect(dead_code, reason = "a test uses its part of the rig")]

mod rig {
    pub mod chance;
    pub mod draw;
    pub mod fixture;
    pub mod group;
    pub mod hex;
    pub mod installation;
    pub mod rows;
    pub mod shares;
}

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use client::Client;
use client::api::institution::NewKeyRequest;
use client::api::sandbox::Tenant;

use crate::rig::chance::{self, Chance};
use crate::rig::fixture;
use crate::rig::installation::{Installation, Setup};
use crate::rig::rows::Rows;
use crate::rig::shares::{Stores, last_line, named, remake, shares, split_over};

/// Keys that are split and made anew.
const KEYS: usize = 24;
/// The longest that a run is left alone, milliseconds: about what one takes.
const LEFT_ALONE_MS: usize = 400;

#[test]
fn a_killed_remake_loses_nothing_and_the_next_one_ends_it() {
    let seed = chance::seed();
    println!("kills of a remake: HOLDFAST_SEED={seed} repeats the choices");
    let is_campaign = std::env::var("HOLDFAST_CAMPAIGN").is_ok_and(|word| word == "1");
    let mut chance = Chance::of(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let tenants = fixture::copy_into(folder.path());
    let setup = Setup { folder: folder.path(), database: "", rsa_keys: 1 };
    let mut installation = Installation::new(&setup, &mut chance);
    installation.start();
    let keys = make_keys(&installation.base_url(), &tenants);
    installation.stop();
    let stores = split_over(folder.path());
    let rows = fixture::sqlite(folder.path());
    for round in 0..if is_campaign { 300 } else { 12 } {
        let mut remake = remake(folder.path());
        let mut child = remake.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        thread::sleep(Duration::from_millis(chance.below(LEFT_ALONE_MS) as u64));
        child.kill().expect("a child");
        child.wait().expect("an end");
        readable(&rows, &stores, round);
        // Never both: two of three are needed.
        empty(&stores[chance.below(2)], is_whole(&rows, &stores));
    }
    let last = last_line(&mut remake(folder.path()));
    assert_eq!((&last["event"], &last["keys"]), (&"remade".into(), &KEYS.into()));
    assert_eq!((&last["complete"], &last["lost"]), (&KEYS.into(), &0.into()));
    // Keys in the enclave's seals = rows = shares, exactly; what was left behind is named by no row.
    let split = named(&rows);
    assert_eq!(split.len(), KEYS);
    for store in &stores {
        let kept = shares(store);
        assert!(split.iter().all(|(key, its)| kept.get(key).is_some_and(|splits| splits.contains(its))));
    }
    installation.start();
    check_keys(&installation.base_url(), &tenants, &keys);
    installation.stop();
    println!("figure: kill_remake_keys_verified {KEYS} keys");
}

fn client(base: &str, tenants: &[Tenant]) -> Client {
    let tenant = tenants.iter().find(|tenant| tenant.kind == "institution").expect("an institution");
    Client::new(base, &tenant.api_keys.full).expect("a client")
}

fn make_keys(base: &str, tenants: &[Tenant]) -> Vec<String> {
    let client = client(base, tenants);
    runtime().block_on(async {
        let mut keys = Vec::new();
        for number in 0..KEYS {
            let asked = NewKeyRequest {
                user_identifier: format!("user-{number}"),
                key_type: "ed25519".to_owned(),
                key_environment: None,
                organisation: None,
                package: None,
                sign_with: None,
            };
            keys.push(client.institution().new_key(&asked).await.expect("a key").key_id);
        }
        keys
    })
}

fn check_keys(base: &str, tenants: &[Tenant], keys: &[String]) {
    let client = client(base, tenants);
    runtime().block_on(async {
        for key in keys {
            let verdict = client.institution().verify_key(key).await.expect("a verdict");
            assert!(verdict.is_key_valid, "{key}");
            assert!(verdict.message.ends_with("drawn from 3 of 3"), "{key}: {}", verdict.message);
        }
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("threads")
}

/// Fails where a key's row names a splitting of which no store has a share.
fn readable(rows: &Rows, stores: &Stores, round: usize) {
    let kept = stores.each_ref().map(|store| shares(store));
    for (key, split) in named(rows) {
        let count = kept.iter().filter(|kept| kept.get(&key).is_some_and(|splits| splits.contains(&split)));
        assert!(count.count() > 0, "round {round}: {key} points at nothing");
    }
}

fn is_whole(rows: &Rows, stores: &Stores) -> bool {
    let kept = stores.each_ref().map(|store| shares(store));
    named(rows).iter().all(|(key, split)| {
        kept.iter().all(|kept| kept.get(key).is_some_and(|splits| splits.contains(split)))
    })
}

fn empty(store: &Path, is_whole: bool) {
    if is_whole && store.exists() {
        fs::remove_dir_all(store).expect("removes");
    }
}
