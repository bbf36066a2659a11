//! Kills the real server and the real enclave while keys are rotated and stored under, again and again: whatever
//! moment it was, everything that was acknowledged opens under the key that is active then.
//!
//! `HOLDFAST_SEED` repeats the choices of a run, `HOLDFAST_ROUNDS` sets the number of rounds.

#![expect(clippy::panic, dead_code, reason = "a test may stop at once, and uses its part of the rig")]

mod rig {
    pub mod chance;
    pub mod draw;
    pub mod fixture;
    pub mod group;
    pub mod hex;
    pub mod installation;
    pub mod rows;
}

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::rig::chance::{self, Chance};
use crate::rig::fixture;
use crate::rig::hex::hex;
use crate::rig::installation::{Installation, Setup};
use crate::rig::rows::Rows;
use cluster::Cluster;

/// Wallets that are stored under, and rotated, at the same time: how many backups each has before the first kill.
/// The last has more than one batch of the enclave's, and is seldom rotated to the end.
const WALLETS: [usize; 3] = [1, 10, 70];
/// And how many it has at most.
const ITEMS_MAX: usize = 120;
/// How many of a wallet's backups are opened after a kill; in the end all are.
const SAMPLE: usize = 8;
/// The stock of RSA keys is filled up to this; the prepared pool is larger.
const RSA_KEYS_MIN: u64 = 4;

#[test]
fn kill_rotation_sqlite() {
    run(false, 12);
}

#[test]
fn kill_rotation_postgres() {
    run(true, 4);
}

fn run(postgres: bool, rounds: usize) {
    let seed = chance::seed();
    println!("kills beside rotations: HOLDFAST_SEED={seed} repeats the choices");
    let asked = std::env::var("HOLDFAST_ROUNDS").ok().map(|text| text.parse().expect("a number of rounds"));
    let rounds: usize = asked.unwrap_or(rounds);
    let mut world = World::begin(postgres, Chance::of(seed));
    for round in 0..rounds {
        let victim = world.round(round);
        println!("round {round}: {victim} killed, {} rotations so far", world.rotations());
    }
    world.finish();
    println!("figure: kill_rotation_backups_verified {} backups", world.acknowledged());
    println!("figure: kill_rotation_rotations {} rotations", world.rotations());
    assert!(world.rotations() > WALLETS.len(), "nothing was rotated beside the kills");
    world.installation.stop();
}

/// A tenant's calls over HTTP.
struct Caller {
    address: String,
    api_key: String,
}

impl Caller {
    /// The status and the body; none when no whole answer came.
    fn call(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nX-API-Key: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            self.api_key,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_mins(1))).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let text = String::from_utf8(answer).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(body).ok()?))
    }

    fn in_peace(&self, method: &str, path: &str, body: &Value) -> Value {
        match self.call(method, path, body) {
            Some((200, answer)) => answer,
            other => panic!("{method} {path}: {other:?}"),
        }
    }
}

/// A user, his key as far as he knows, and the backups that were acknowledged.
struct Wallet {
    user: String,
    key: Mutex<(String, String)>,
    backups: Mutex<Vec<String>>,
    rotations: AtomicUsize,
}

impl Wallet {
    fn new(caller: &Caller, number: usize) -> Self {
        let user = format!("wallet-{number}");
        let body = json!({"user_identifier": user, "key_environment": "HOT",
            "organisation": {"customer_id": "kill"}, "package": {"package_id": "rotation"}});
        let key = caller.in_peace("POST", "/v1/partner/keys", &body);
        let key = Mutex::new((text(&key, "key_id"), text(&key, "public_key")));
        Self { user, key, backups: Mutex::default(), rotations: AtomicUsize::new(0) }
    }

    fn key(&self) -> (String, String) {
        self.key.lock().expect("no panic").clone()
    }

    /// Goes on to the key that an answer names.
    fn follow(&self, caller: &Caller, refused: &Value) {
        let successor =
            refused["errors"]["superseded_by"][0].as_str().expect("the successor's id").to_owned();
        let Some((200, key)) = caller.call("GET", &format!("/v1/partner/keys/{successor}"), &Value::Null)
        else {
            return;
        };
        *self.key.lock().expect("no panic") = (successor, text(&key, "public_key"));
    }

    fn store(&self, caller: &Caller, chance: &mut Chance) {
        let (_, public_key) = self.key();
        let size = 16 + chance.below(431);
        let secret = chance.bytes(size);
        let body = json!({"public_key": public_key, "data": STANDARD.encode(encrypt(&public_key, &secret)),
            "checksum": hex(digest(&SHA256, &secret).as_ref())});
        match caller.call("POST", "/v1/partner/secure/data", &body) {
            Some((200, stored)) => {
                self.backups.lock().expect("no panic").push(text(&stored, "backup_id"));
            }
            Some((409, refused)) => self.follow(caller, &refused),
            Some((503, _)) | None => {}
            Some(other) => panic!("{}: {other:?}", self.user),
        }
    }

    fn rotate(&self, caller: &Caller) {
        let (key_id, _) = self.key();
        match caller.call("POST", &format!("/v1/partner/keys/{key_id}/rotate"), &json!({})) {
            Some((200, new)) => {
                assert_eq!(new["supersedes"], key_id);
                *self.key.lock().expect("no panic") = (text(&new, "key_id"), text(&new, "public_key"));
                self.rotations.fetch_add(1, Ordering::Relaxed);
            }
            Some((409, refused)) => self.follow(caller, &refused),
            Some((503, _)) | None => {}
            Some(other) => panic!("{}: {other:?}", self.user),
        }
    }

    fn acknowledged(&self) -> usize {
        self.backups.lock().expect("no panic").len()
    }

    /// There is one active key, and it guards what is looked at, whole.
    fn check(&self, caller: &Caller, backups: &[String]) {
        let query = format!("/v1/partner/keys?status=active&user_identifier={}", self.user);
        let active = caller.in_peace("GET", &query, &Value::Null);
        let active = active["data"].as_array().expect("a list");
        assert_eq!(active.len(), 1, "{}: one active key", self.user);
        for backup in backups {
            let shown = caller.in_peace("GET", &format!("/v1/partner/backups/{backup}"), &Value::Null);
            assert_eq!(shown["key_id"], active[0]["key_id"], "{backup} answers to another key");
            let verdict = caller.in_peace("GET", &format!("/v1/backups/{backup}/verify"), &Value::Null);
            assert_eq!(verdict["is_backup_valid"], true, "{backup} was acknowledged and is lost");
        }
    }
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("{name} is missing: {answer}")).to_owned()
}

fn encrypt(public_key: &str, secret: &[u8]) -> Vec<u8> {
    let digits = public_key.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
    let der: Vec<_> = digits.map(|pair| u8::from_str_radix(pair, 16).expect("digits")).collect();
    let key = PublicEncryptingKey::from_der(&der).expect("an RSA key");
    let key = OaepPublicEncryptingKey::new(key).expect("an RSA key for OAEP");
    let mut out = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA256_MGF1SHA256, secret, &mut out, None).expect("encrypts").to_vec()
}

/// The installation and everybody in it.
struct World {
    chance: Chance,
    installation: Installation,
    rows: Rows,
    caller: Caller,
    wallets: Vec<Wallet>,
    _cluster: Option<Cluster>,
    _folder: tempfile::TempDir,
}

impl World {
    fn begin(postgres: bool, mut chance: Chance) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let tenants = fixture::copy_into(folder.path());
        let cluster = postgres.then(Cluster::start);
        let address = cluster.as_ref().map_or(String::new(), Cluster::address);
        let setup = Setup { folder: folder.path(), database: &address, rsa_keys: RSA_KEYS_MIN };
        let mut installation = Installation::new(&setup, &mut chance);
        installation.start();
        let prepared = fixture::sqlite(folder.path());
        let rows = if postgres { Rows::Postgres(address) } else { prepared.clone() };
        if postgres {
            for table in ["tenants", "api_credentials", "pool_keys"] {
                rows.copy_table(&prepared, table);
            }
        }
        let tenant = tenants.iter().find(|tenant| tenant.kind == "partner").expect("a partner");
        let address = installation.base_url().trim_start_matches("http://").to_owned();
        let caller = Caller { address, api_key: tenant.api_keys.full.clone() };
        let wallets: Vec<_> = (0..WALLETS.len()).map(|number| Wallet::new(&caller, number)).collect();
        for (wallet, first) in wallets.iter().zip(WALLETS) {
            while wallet.acknowledged() < first {
                wallet.store(&caller, &mut chance);
            }
        }
        Self { chance, installation, rows, caller, wallets, _cluster: cluster, _folder: folder }
    }

    fn round(&mut self, round: usize) -> &'static str {
        let victim = ["server", "enclave", "both"][(round + self.chance.below(2)) % 3];
        let moment = Duration::from_millis(100 + self.chance.below(2_900) as u64);
        let stop = AtomicBool::new(false);
        let (caller, stop) = (&self.caller, &stop);
        thread::scope(|scope| {
            for wallet in &self.wallets {
                let (mut mine, mut theirs) = (self.chance.fork(), self.chance.fork());
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        if wallet.acknowledged() < ITEMS_MAX {
                            wallet.store(caller, &mut mine);
                        }
                        thread::sleep(Duration::from_millis(mine.below(60) as u64));
                    }
                });
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_millis(theirs.below(900) as u64));
                        wallet.rotate(caller);
                    }
                });
            }
            thread::sleep(moment);
            if victim != "enclave" {
                self.installation.kill_server();
            }
            if victim != "server" {
                self.installation.kill_enclave();
            }
            stop.store(true, Ordering::Relaxed);
        });
        self.installation.start();
        self.check_rows();
        for wallet in &self.wallets {
            let backups = wallet.backups.lock().expect("no panic").clone();
            let sample: Vec<_> =
                (0..SAMPLE).map(|_| backups[self.chance.below(backups.len())].clone()).collect();
            wallet.check(&self.caller, &sample);
        }
        victim
    }

    /// Every rotation is there whole, or not at all.
    fn check_rows(&self) {
        let number = |sql: &str| self.rows.number(sql);
        self.rows.check_integrity();
        let guarding = "SELECT count(*) FROM backups b JOIN customer_keys k ON k.id = b.key_id WHERE k.state <> 'active'";
        assert_eq!(number(guarding), 0, "backups under keys that were replaced");
        let heirs = number("SELECT count(*) FROM customer_keys WHERE supersedes IS NOT NULL");
        assert_eq!(number("SELECT count(DISTINCT supersedes) FROM customer_keys"), heirs, "two successors");
        for sql in [
            "SELECT count(*) FROM customer_keys WHERE state = 'superseded'",
            "SELECT count(*) FROM audit_entries WHERE action = 'key.rotated'",
            "SELECT count(*) FROM audit_entries WHERE action = 'key.superseded'",
            "SELECT count(*) FROM events WHERE type = 'key.rotated'",
        ] {
            assert_eq!(number(sql), heirs, "{sql}");
        }
        let doubled = "SELECT count(*) FROM pool_keys p JOIN customer_keys k ON k.id = p.key_id";
        assert_eq!(number(doubled), 0, "a key is assigned and in the pool");
    }

    /// Everything that was ever acknowledged opens; and each wallet is rotated once more, in peace.
    fn finish(&mut self) {
        for wallet in &self.wallets {
            let before = wallet.rotations.load(Ordering::Relaxed);
            while wallet.rotations.load(Ordering::Relaxed) == before {
                wallet.rotate(&self.caller);
            }
            let backups = wallet.backups.lock().expect("no panic").clone();
            wallet.check(&self.caller, &backups);
        }
        self.check_rows();
    }

    fn acknowledged(&self) -> usize {
        self.wallets.iter().map(Wallet::acknowledged).sum()
    }

    /// How many there were, answered or not.
    fn rotations(&self) -> usize {
        self.rows.number("SELECT count(*) FROM customer_keys WHERE supersedes IS NOT NULL")
    }
}
