//! Calls with an `Idempotency-Key`, sent to two server processes over one database, of which one is killed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::api::sandbox::Tenant;
use serde_json::{Value, json};

use crate::rig::chance::Chance;
use crate::rig::fixture;
use crate::rig::group::wait_for;
use crate::rig::hex::hex;
use crate::rig::http::{Answer, Caller};
use crate::rig::installation::{Installation, Setup, data_dir};
use crate::rig::rows::Rows;
use cluster::Cluster;

/// Nobody who is alive takes longer.
const RUN_MAX: Duration = Duration::from_secs(5);
/// The moment of a kill after the calls are sent, milliseconds: a call takes some tens of them.
const MOMENT_MS: usize = 60;
const PATIENCE: Duration = Duration::from_mins(1);

/// A call whose effect can be counted.
struct Deed {
    path: &'static str,
    body: Value,
    /// The same path with another body.
    other: Value,
    /// Counts the effects.
    count: String,
}

/// Two server processes, one enclave, one database.
struct Pair {
    servers: [Installation; 2],
    callers: [Caller; 2],
    rows: Rows,
    chance: Chance,
    public_key: String,
    _cluster: Cluster,
    _folder: tempfile::TempDir,
}

/// What happened in all.
#[derive(Default)]
pub struct Figures {
    kills: usize,
    replays: usize,
    taken_over: usize,
}

/// Kills one of the two, again and again.
pub fn run(seed: u64, kills: usize) {
    let mut pair = Pair::begin(seed);
    let mut figures = Figures::default();
    for round in 0..kills {
        pair.round(round, &mut figures);
    }
    let Figures { kills, replays, taken_over } = figures;
    println!(
        "figure: named calls on two processes: {kills} kills, {replays} replays, {taken_over} taken over"
    );
}

impl Pair {
    fn begin(seed: u64) -> Self {
        let mut chance = Chance::of(seed);
        let folder = tempfile::tempdir().expect("a folder");
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        fs::create_dir(&first).expect("a folder");
        fs::create_dir(&second).expect("a folder");
        let tenants = fixture::copy_into(&first);
        share(&first, &second);
        let cluster = Cluster::start();
        let address = cluster.address();
        let mut servers = [&first, &second]
            .map(|folder| Installation::new(&Setup { folder, database: &address, rsa_keys: 0 }, &mut chance));
        servers[0].start();
        let rows = Rows::Postgres(address);
        for table in ["tenants", "api_credentials", "pool_keys"] {
            rows.copy_table(&fixture::sqlite(&first), table);
        }
        servers[1].start_server();
        servers[1].wait_until_ready();
        let api_key = partner(&tenants);
        let callers =
            servers.each_ref().map(|server| Caller { base_url: server.base_url(), api_key: api_key.clone() });
        let assigned = callers[0].post("/v1/partner/keys", None, &assignment("the first", "rsa4096"));
        let public_key =
            assigned.expect("an answer").json()["public_key"].as_str().expect("a key").to_owned();
        Self { servers, callers, rows, chance, public_key, _cluster: cluster, _folder: folder }
    }

    fn round(&mut self, round: usize, figures: &mut Figures) {
        let (name, deed) = (format!("round-{round}"), self.deed(round));
        let victim = self.chance.below(2);
        let moment = Duration::from_millis(self.chance.below(MOMENT_MS) as u64);
        let Self { servers, callers, rows, .. } = self;
        let answers = thread::scope(|scope| {
            let calls = callers.each_ref().map(|caller| {
                scope.spawn(|| {
                    wait_for("an answer", PATIENCE, || {
                        caller.post(deed.path, Some(&name), &deed.body).filter(is_final)
                    })
                })
            });
            thread::sleep(moment);
            servers[victim].kill_server();
            figures.kills += 1;
            figures.taken_over += give_up(rows, &callers[1 - victim], &name, &deed);
            servers[victim].start_server();
            servers[victim].wait_until_ready();
            calls.map(|call| call.join().expect("no panic"))
        });
        let [one, other] = &answers;
        agree(&name, one, other);
        figures.replays += answers.iter().filter(|answer| answer.is_replay).count();
        for caller in callers.iter() {
            let again = caller.post(deed.path, Some(&name), &deed.body).expect("an answer");
            agree(&name, one, &again);
            let other = caller.post(deed.path, Some(&name), &deed.other).expect("an answer");
            assert_eq!(other.status, 422, "{name}: {}", other.body);
        }
        assert_eq!(rows.number(&deed.count), 1, "{name}: {one:?}");
        println!("{name}: {} killed after {moment:?}: {} {}", victim + 1, one.status, deed.path);
    }

    /// Each kind in its turn.
    fn deed(&self, round: usize) -> Deed {
        let user = format!("user-{round}");
        if round.is_multiple_of(3) {
            return Deed {
                path: "/v1/partner/keys",
                body: assignment(&user, "secp256k1"),
                other: assignment(&user, "ed25519"),
                count: format!(
                    "SELECT count(*) FROM customer_keys k JOIN users u ON u.id = k.user_id WHERE u.user_identifier = '{user}'"
                ),
            };
        }
        if round % 3 == 1 {
            let (data, checksum) = encrypt(&self.public_key, user.as_bytes());
            let body =
                |checksum: &str| json!({"public_key": self.public_key, "data": data, "checksum": checksum});
            return Deed {
                path: "/v1/partner/secure/data",
                body: body(&checksum),
                other: body(&"0".repeat(64)),
                count: format!(
                    "SELECT count(*) FROM backups WHERE data_size = 512 AND ciphertext = '\\x{}'",
                    { hex(&STANDARD.decode(&data).expect("base64")) }
                ),
            };
        }
        Deed {
            path: "/v1/credentials",
            body: json!({"name": user, "scopes": ["audit"]}),
            other: json!({"name": user, "scopes": ["partner"]}),
            count: format!("SELECT count(*) FROM api_credentials WHERE name = '{user}'"),
        }
    }
}

/// What a device would send.
fn encrypt(public_key: &str, plaintext: &[u8]) -> (String, String) {
    let digits = public_key.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("text"));
    let der: Vec<_> = digits.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect();
    let key = PublicEncryptingKey::from_der(&der).expect("a key");
    let key = OaepPublicEncryptingKey::new(key).expect("a key");
    let mut out = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut out, None).expect("encrypts");
    (STANDARD.encode(out), hex(digest(&SHA256, plaintext).as_ref()))
}

/// Two answers to one call are one answer; where it has a secret, that is shown once and then named.
fn agree(name: &str, one: &Answer, other: &Answer) {
    let shown = |answer: &Answer| answer.status == 200 && answer.body.contains("api_key");
    if !shown(one) && !shown(other) {
        assert_eq!((one.status, told(one)), (other.status, told(other)), "{name}: one answer for both");
        return;
    }
    assert!(!(shown(one) && shown(other)), "{name}: a secret shown twice");
    let (first, then) = if shown(one) { (one, other) } else { (other, one) };
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    assert!(then.body.contains("idempotency-secret-shown") && then.body.contains(&id), "{name}: {then:?}");
}

/// An answer without the id of a request, which a kept answer has from the first and a refusal of now its own.
fn told(answer: &Answer) -> Value {
    let mut body = answer.json();
    if body["code"] == "idempotency-secret-shown" {
        body["request_id"] = Value::Null;
    }
    body
}

/// A call of a dead process holds its name until the lease is over, and no longer: waits until nobody who is alive
/// runs it, and lets that time pass in the database. 1 if there was such a call.
fn give_up(rows: &Rows, caller: &Caller, name: &str, deed: &Deed) -> usize {
    let running = "SELECT count(*) FROM idempotency_keys WHERE state = 'running'";
    thread::sleep(Duration::from_millis(200));
    if rows.number(running) == 0 {
        return 0;
    }
    thread::sleep(RUN_MAX);
    if rows.number(running) == 0 {
        return 0;
    }
    let answer = caller.post(deed.path, Some(name), &deed.body).expect("an answer");
    assert_eq!((answer.status, &answer.json()["code"]), (409, &json!("idempotency-in-progress")));
    rows.list("UPDATE idempotency_keys SET lease_until = 0 WHERE state = 'running'");
    1
}

/// Not to be asked again: neither a service in trouble nor a call that runs.
fn is_final(answer: &Answer) -> bool {
    answer.status < 500 && !answer.body.contains("idempotency-in-progress")
}

/// The second process has a folder of its own, and the first one's keys and enclave.
fn share(first: &Path, second: &Path) {
    let (from, to) = (data_dir(first), data_dir(second));
    fs::create_dir(&to).expect("a folder");
    for name in ["server.keys", "simulator.provider"] {
        fs::copy(from.join(name), to.join(name)).expect("a copy");
    }
    symlink(from.join("enclave.sock"), to.join("enclave.sock")).expect("a link");
}

fn partner(tenants: &[Tenant]) -> String {
    let partner = tenants.iter().find(|tenant| tenant.kind == "partner").expect("a partner");
    partner.api_keys.full.clone()
}

fn assignment(user: &str, key_type: &str) -> Value {
    json!({
        "user_identifier": user, "key_type": key_type, "key_environment": "HOT",
        "organisation": {"customer_id": "customer", "customer_name": "Customer"},
        "package": {"package_id": "package", "package_name": "Package"},
    })
}
