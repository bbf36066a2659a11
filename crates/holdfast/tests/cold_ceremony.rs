//! COLD ceremonies by the commands of two machines. `holdfast ceremony import` is killed at any moment, again and again,
//! while the service goes on: whatever moment it was, the next import ends it, and no key made offline is lost, or given
//! out twice. And what is refused has its exit code and changes no file.
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
}

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use client::api::institution::{NewKeyRequest, NewKeyResponse, StoreOwnRequest};
use client::api::stored::RotateKeyRequest;
use client::{Client, Secret};
use holder::{ANSWER_FILE, REQUEST_FILE};
use tokio::runtime::Runtime;

use crate::rig::chance::{self, Chance};
use crate::rig::fixture;
use crate::rig::group::PROGRAM;
use crate::rig::installation::{Installation, Setup, data_dir};
use crate::rig::rows::Rows;

/// Made in each ceremony.
const RSA_KEYS: usize = 2;
const ED25519_KEYS: usize = 6;
/// Kills of one import, unless it ends before; after each a key is given out, of those that it brought or of before.
const KILLS: usize = 5;
/// The longest that an import is left alone, milliseconds: about what one takes.
const LEFT_ALONE_MS: usize = 100;

#[test]
fn a_killed_import_loses_nothing_and_the_next_one_ends_it() {
    let seed = chance::seed();
    println!("kills of an import: HOLDFAST_SEED={seed} repeats the choices");
    let is_campaign = std::env::var("HOLDFAST_CAMPAIGN").is_ok_and(|word| word == "1");
    let mut chance = Chance::of(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let tenants = fixture::copy_into(folder.path());
    let setup = Setup { folder: folder.path(), database: "", rsa_keys: 1 };
    let mut installation = Installation::new(&setup, &mut chance);
    installation.start();
    let tenant = tenants.iter().find(|tenant| tenant.kind == "institution").expect("an institution");
    let client = Client::new(&installation.base_url(), &tenant.api_keys.full).expect("a client");
    let mut user = User { client, runtime: Runtime::new().expect("threads"), given: Vec::new() };
    let desk = Desk { folder: folder.path() };
    let rows = fixture::sqlite(folder.path());
    let before = cold_keys(&rows).len();
    // From now on what is given out is what the imports bring.
    while user.take("ed25519").is_some() {}
    let (rounds, mut kills) = (if is_campaign { 25 } else { 3 }, 0);
    for round in 0..rounds {
        user.work(round);
        let carried = desk.carry(round);
        for _ in 0..KILLS {
            let mut import = desk.import(&carried);
            let mut child = import.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
            thread::sleep(Duration::from_millis(chance.below(LEFT_ALONE_MS) as u64));
            child.kill().expect("a child");
            if child.wait().expect("an end").success() {
                break;
            }
            kills += 1;
            user.take("ed25519");
        }
        succeeds(&mut desk.import(&carried));
        let again = String::from_utf8(succeeds(&mut desk.import(&carried)).stdout).expect("text");
        assert!(again.contains(", imported before"), "{again}");
    }
    // The last answers to what the rounds began.
    let carried = desk.carry(rounds);
    succeeds(&mut desk.import(&carried));
    desk.refuses(&carried);

    let made = before + (rounds + 1) * (RSA_KEYS + ED25519_KEYS);
    let keys = cold_keys(&rows);
    assert_eq!(keys.len(), made, "in stock and given out, and nothing besides");
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), made, "no key is there twice");
    let given: BTreeSet<&String> = user.given.iter().map(|key| &key.public_key).collect();
    assert_eq!(given.len(), user.given.len(), "no key was given out twice");
    assert_eq!(rows.number("SELECT count(*) FROM backups WHERE check_state = 'unverified-cold'"), 0);
    assert_eq!(rows.number("SELECT count(*) FROM customer_keys WHERE state = 'superseding'"), 0);
    assert_eq!(rows.number("SELECT count(*) FROM offline_requests"), 0);
    rows.check_integrity();
    succeeds(desk.program(&["doctor"]).arg("--deep"));
    installation.stop();
    println!("figure: kill_import_kills {kills} kills");
    println!("figure: kill_import_keys {made} keys");
    println!("figure: kill_import_backups {} backups", rows.number("SELECT count(*) FROM backups"));
}

/// A wallet's backend.
struct User {
    client: Client,
    runtime: Runtime,
    given: Vec<NewKeyResponse>,
}

impl User {
    /// What makes an import: a key is given out, something is stored under it, and the key of the round before is rotated.
    fn work(&mut self, round: usize) {
        let before = self.given.iter().rev().find(|key| key.key_type == "rsa4096").cloned();
        let (request, key) = self.take("rsa4096").expect("a key");
        self.runtime.block_on(async {
            let attested = self.client.attest_new(&request, &key).await.expect("attested");
            let secret = Secret::from(format!("seed of round {round}").into_bytes());
            let sealed = client::encrypt::encrypt(&attested, &secret).expect("encrypted");
            let request = StoreOwnRequest {
                public_key: key.public_key.clone(),
                checksum: Some(sealed.checksum),
                data: sealed.data,
                padding_type: None,
                metadata: None,
            };
            self.client.institution().store_data(&request).await.expect("stored");
        });
        if let Some(before) = before {
            let rotated = self
                .runtime
                .block_on(
                    self.client
                        .institution()
                        .rotate_key(&before.key_id, &RotateKeyRequest { sign_with: None }),
                )
                .expect("rotated");
            self.given.push(rotated.key);
        }
    }

    /// A key of the stock; none of an empty one.
    fn take(&mut self, kind: &str) -> Option<(NewKeyRequest, NewKeyResponse)> {
        let request = NewKeyRequest {
            user_identifier: "ada".to_owned(),
            key_type: kind.to_owned(),
            key_environment: Some("COLD".to_owned()),
            organisation: None,
            package: None,
            sign_with: None,
        };
        match self.runtime.block_on(self.client.institution().new_key(&request)) {
            Err(error) if error.code() == "pool-empty" => None,
            answer => {
                let key = answer.expect("a key");
                self.given.push(key.clone());
                Some((request, key))
            }
        }
    }
}

/// Who holds the ceremonies.
struct Desk<'a> {
    folder: &'a Path,
}

impl Desk<'_> {
    fn program(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words).arg("--config").arg(self.folder.join("holdfast.toml")).env_remove("RUST_LOG");
        command
    }

    /// A bundle, there and back.
    fn carry(&self, round: usize) -> PathBuf {
        let carried = self.folder.join(format!("ceremony-{round}"));
        succeeds(&mut self.export(&carried));
        succeeds(&mut self.hold(&carried));
        carried
    }

    fn export(&self, carried: &Path) -> Command {
        let mut export = self.program(&["ceremony", "export"]);
        export.arg("--offline-key").arg(data_dir(self.folder).join("offline.pub")).arg("--out").arg(carried);
        export.args(["--rsa", &RSA_KEYS.to_string(), "--ed25519", &ED25519_KEYS.to_string()]);
        export
    }

    fn hold(&self, carried: &Path) -> Command {
        let mut hold = Command::new(PROGRAM);
        hold.args(["ceremony", "hold", "--env", "sandbox", "--state"]);
        hold.arg(fixture::cold_dir(self.folder).join("enclave")).arg("--in").arg(carried);
        hold
    }

    /// A folder that has a bundle takes no other, and the offline enclave's own exit code is the command's.
    fn refuses(&self, carried: &Path) {
        let bundle = carried.join(REQUEST_FILE);
        let before = fs::read(&bundle).expect("a bundle");
        let again = self.export(carried).output().expect("it runs");
        assert!(String::from_utf8_lossy(&again.stderr).contains("is there already"), "{again:?}");
        assert_eq!(again.status.code(), Some(1));
        assert_eq!(fs::read(&bundle).expect("a bundle"), before);
        let exit_code = || self.hold(carried).output().expect("it runs").status.code();
        assert_eq!(exit_code(), Some(0), "the same again");
        let (answers, transcript) = (carried.join(ANSWER_FILE), carried.join("transcript.txt"));
        fs::remove_file(&answers).and_then(|()| fs::remove_file(&transcript)).expect("removes");
        let mut altered = before.clone();
        *altered.last_mut().expect("bytes") ^= 1;
        fs::write(&bundle, altered).expect("writes");
        assert_eq!(exit_code(), Some(3), "altered");
        assert!(!answers.exists() && !transcript.exists());
    }

    fn import(&self, carried: &Path) -> Command {
        let mut command = self.program(&["ceremony", "import"]);
        command.arg("--in").arg(carried);
        command
    }
}

fn succeeds(command: &mut Command) -> Output {
    let output = command.output().expect("it runs");
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat();
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// The public halves of all keys made offline, in stock or given out.
fn cold_keys(rows: &Rows) -> Vec<String> {
    let tables = ["pool_keys", "customer_keys"];
    let of = |table| rows.list(&format!("SELECT public_key FROM {table} WHERE key_environment = 'COLD'"));
    tables.into_iter().flat_map(of).map(|row| row[0].clone()).collect()
}
