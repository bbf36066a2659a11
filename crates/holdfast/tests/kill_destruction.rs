//! Kills the server while keys are destroyed and what is left of them is removed, again and again: whatever moment it was,
//! in the end nothing is left of them anywhere, the log says so once, and no other key has lost anything.
//!
//! `HOLDFAST_SEED` repeats the choices of a run, `HOLDFAST_CAMPAIGN=1` makes it a long one.

#![expect(dead_code, reason = "a test uses its part of the rig")]

mod rig {
    pub mod chance;
    pub mod draw;
    pub mod fixture;
    pub mod forms;
    pub mod group;
    pub mod hex;
    pub mod installation;
    pub mod rows;
    pub mod shares;
}

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use client::Client;
use client::api::institution::NewKeyRequest;
use client::api::sandbox::Tenant;
use tokio::runtime::Runtime;

use crate::rig::chance::{self, Chance};
use crate::rig::fixture;
use crate::rig::forms::{Person, attribute};
use crate::rig::group::{PROGRAM, wait_for};
use crate::rig::installation::{Installation, Setup, data_dir};
use crate::rig::rows::Rows;
use crate::rig::shares::{shares, split_over};

/// Keys that are destroyed in a round, each with files; as many more are kept.
const KEYS: usize = 12;
const FILES: usize = 4;
/// Kills while what is left of them is removed.
const KILLS: usize = 8;
/// The longest that a server is left alone once it has removed something, milliseconds: about what two keys take.
const LEFT_ALONE_MS: usize = 20;
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn whenever_the_server_is_killed_nothing_is_left_of_a_destroyed_key() {
    let seed = chance::seed();
    println!("kills of a destruction: HOLDFAST_SEED={seed} repeats the choices");
    let is_campaign = std::env::var("HOLDFAST_CAMPAIGN").is_ok_and(|word| word == "1");
    let mut chance = Chance::of(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let tenants = fixture::copy_into(folder.path());
    let setup = Setup { folder: folder.path(), database: "", rsa_keys: 1 };
    let mut installation = Installation::new(&setup, &mut chance);
    let stores = split_over(folder.path());
    installation.start();
    let rows = fixture::sqlite(folder.path());
    let runtime = Runtime::new().expect("threads");
    let tenant = tenants.iter().find(|tenant| tenant.kind == "institution").expect("an institution");
    let mut owners = runtime.block_on(two_owners(&installation.base_url(), tenant));
    let kept = runtime.block_on(make_keys(&installation.base_url(), tenant, "kept"));
    let (rounds, mut halfway, mut destroyed) = (if is_campaign { 20 } else { 2 }, 0, 0);
    for round in 0..rounds {
        let keys = runtime.block_on(make_keys(&installation.base_url(), tenant, &format!("gone-{round}")));
        runtime.block_on(destroy(&mut owners, &keys));
        destroyed += keys.len();
        // While a store is away, nothing is removed to the end.
        let aside = stores[0].with_extension("aside");
        fs::rename(&stores[0], &aside).and_then(|()| fs::write(&stores[0], "no folder")).expect("taken away");
        runtime.block_on(hasten(&mut owners[0], &keys));
        until(&rows, "erasing", keys.len());
        installation.kill_server();
        fs::remove_file(&stores[0]).and_then(|()| fs::rename(&aside, &stores[0])).expect("put back");
        let left = || count(&rows, "erasing");
        for _ in 0..KILLS {
            let before = left();
            installation.start_missing();
            wait_for("one more that is gone", PATIENCE, || (before == 0 || left() < before).then_some(()));
            thread::sleep(Duration::from_millis(chance.below(LEFT_ALONE_MS) as u64));
            installation.kill_server();
            halfway += usize::from((1..KEYS).contains(&left()));
        }
        installation.start();
        until(&rows, "done", destroyed);
        for key in &keys {
            for store in &stores {
                assert!(!shares(store).contains_key(key), "a share of {key} is left in {}", store.display());
            }
            assert_eq!(logged(&rows, "key.destroyed", key), 1);
            assert_eq!(logged(&rows, "key.shares-removed", key), 1);
        }
    }
    installation.stop();
    let empty = "state = 'destroyed' AND length(sealed) = 0 AND split_id IS NULL";
    assert_eq!(rows.number(&format!("SELECT count(*) FROM customer_keys WHERE {empty}")), destroyed);
    assert_eq!(
        files(&data_dir(folder.path()).join("files")),
        KEYS * FILES,
        "those of the keys that are kept"
    );
    for store in &stores {
        assert!(kept.iter().all(|key| shares(store).contains_key(key)), "{}", store.display());
    }
    rows.check_integrity();
    let mut doctor = Command::new(PROGRAM);
    doctor.args(["doctor", "--deep", "--config"]).arg(folder.path().join("holdfast.toml"));
    installation.start();
    let said = doctor.output().expect("it runs");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    installation.stop();
    println!("figure: kill_destruction_keys {destroyed} keys");
    println!(
        "figure: kill_destruction_halfway {halfway} kills between the first key that was gone and the last"
    );
}

/// The owner, and a member whom he makes one.
async fn two_owners(base: &str, tenant: &Tenant) -> [Person; 2] {
    let origin = base.replace("127.0.0.1", "localhost");
    let kit = |role: &str| tenant.control.iter().find(|person| person.role == role).expect("somebody");
    let mut owner = Person::sign_in(base, &origin, kit("owner")).await;
    let team = owner.open("/control/team").await;
    let mut made = false;
    for part in team.split("href=\"/control/team/").skip(1) {
        let path = format!("/control/team/{}", part.split('"').next().expect("a path"));
        if path.ends_with("/invite") || made {
            continue;
        }
        if owner.open(&path).await.contains(&format!("<dd>{}", kit("member").email)) {
            owner.send(&format!("{path}/role"), &[("role", "owner")]).await;
            made = true;
        }
    }
    assert!(made, "the member is not in the team");
    [owner, Person::sign_in(base, &origin, kit("member")).await]
}

async fn make_keys(base: &str, tenant: &Tenant, names: &str) -> Vec<String> {
    let client = Client::new(base, &tenant.api_keys.full).expect("a client");
    let mut keys = Vec::new();
    for number in 0..KEYS {
        let asked = NewKeyRequest {
            user_identifier: format!("{names}-{number}"),
            key_type: "ed25519".to_owned(),
            key_environment: None,
            organisation: None,
            package: None,
            sign_with: None,
        };
        let key = client.institution().new_key(&asked).await.expect("a key");
        for file in 0..FILES {
            let file = format!("{names}-{number}-{file}").into_bytes();
            client.institution().store_file(&key.public_key, file, None).await.expect("stored");
        }
        keys.push(key.key_id);
    }
    keys
}

/// Has the two ask for it and confirm it.
async fn destroy([first, second]: &mut [Person; 2], keys: &[String]) {
    for key in keys {
        let path = format!("/control/keys/{key}/destruction");
        first.send(&path, &[("reason", "the customer is gone"), ("days", "7")]).await;
        let page = second.open(&path).await;
        let seen = attribute(&page, "name=\"asked_at\" value=\"");
        second.send(&format!("{path}/confirm"), &[("confirmed", "yes"), ("asked_at", &seen)]).await;
    }
}

async fn hasten(owner: &mut Person, keys: &[String]) {
    for key in keys {
        owner.send(&format!("/control/keys/{key}/destruction/hasten"), &[]).await;
    }
}

/// Until so many destructions are in that state.
fn until(rows: &Rows, state: &str, wanted: usize) {
    wait_for(state, PATIENCE, || {
        thread::sleep(Duration::from_millis(100));
        (count(rows, state) == wanted).then_some(())
    });
}

fn count(rows: &Rows, state: &str) -> usize {
    rows.number(&format!("SELECT count(*) FROM key_destructions WHERE state = '{state}'"))
}

fn logged(rows: &Rows, action: &str, key: &str) -> usize {
    let of = format!("FROM audit_entries WHERE action = '{action}' AND key_id = '{key}'");
    rows.number(&format!("SELECT count(*) {of}"))
}

/// How many files there are below a folder.
fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}
