//! A webhook's receiver, and a sender that is killed as a process while it sends.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::chance::Chance;
use crate::rig::group::wait_for;
use crate::rig::http::Caller;
use crate::rig::installation::{Installation, Setup};
use crate::rig::{checkpoints, fixture};

/// How long the service lives between two kills, milliseconds.
const LIFE_MS: usize = 250;
/// How long the receiver thinks about one of three deliveries, milliseconds.
const THOUGHT_MS: usize = 200;
/// How long a caller waits before the next call.
const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_mins(2);

/// What came: the bodies under each id, one for each time.
type Came = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// The checkpoints of the audit log that came with them.
type Told = Arc<Mutex<BTreeSet<String>>>;

/// Kills the service that often while it writes events and sends them.
pub fn run(seed: u64, kills: usize) {
    let mut chance = Chance::of(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let tenants = fixture::copy_into(folder.path());
    let setup = Setup { folder: folder.path(), database: "", rsa_keys: 0 };
    let mut installation = Installation::new(&setup, &mut chance);
    installation.start();
    let tenant = tenants.iter().find(|tenant| tenant.kind == "retail").expect("a tenant");
    let caller = Caller { base_url: installation.base_url(), api_key: tenant.api_keys.full.clone() };
    let (url, came, told) = receive(chance.fork());
    let made = caller.post("/v1/webhooks", None, &json!({"url": url})).expect("an answer");
    assert_eq!(made.status, 200, "{}", made.body);
    let stop = Arc::new(AtomicBool::new(false));
    let calling = {
        let (caller, stop) = (caller.clone(), Arc::clone(&stop));
        thread::spawn(move || call(&caller, &stop))
    };
    for _ in 0..kills {
        thread::sleep(Duration::from_millis(chance.below(LIFE_MS) as u64));
        installation.kill_server();
        installation.start();
    }
    stop.store(true, Ordering::SeqCst);
    let acknowledged = calling.join().expect("no panic");
    assert!(acknowledged.len() >= kills, "{} calls were answered", acknowledged.len());
    let rows = fixture::sqlite(folder.path());
    let written = rows.list("SELECT id, body FROM events");
    let bodies = |came: &Came| came.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let missing = || {
        let came = bodies(&came);
        written.iter().filter(|row| !came.contains_key(&row[0])).count()
    };
    wait_for("the last event", PATIENCE, || (missing() == 0).then_some(()));
    let came = bodies(&came);
    for row in &written {
        assert!(came[&row[0]].iter().all(|body| *body == row[1]), "{}: the same event on each try", row[0]);
    }
    assert_eq!(came.len(), written.len(), "nothing came that was not written");
    let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let id = rows.list("SELECT id FROM tenants WHERE kind = 'retail'");
    let vouched = checkpoints::check(&rows, &id[0][0], told.iter());
    assert!(told.len() > 1 && vouched > 0, "checkpoints were told: {told:?}");
    println!("figure: webhooks: {} checkpoints were told, the last kept is of {vouched} entries", told.len());
    let told = |id: &String| written.iter().any(|row| row[1].contains(id));
    assert!(acknowledged.iter().all(told), "each answered call has its event");
    let deliveries: usize = came.values().map(Vec::len).sum();
    println!(
        "figure: webhooks: {kills} kills, {} events, {deliveries} deliveries, {} duplicates, {} lost",
        written.len(),
        deliveries - written.len(),
        missing()
    );
    installation.stop();
}

/// Begins inquiries until it is told to stop; those whose beginning was answered.
fn call(caller: &Caller, stop: &AtomicBool) -> Vec<String> {
    let mut answered = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let body = json!({"user_identifier": format!("user-{}", answered.len() % 50)});
        let answer = caller.post("/v1/verification/start", None, &body).filter(|answer| answer.status == 200);
        let id = answer.map(|answer| answer.json()["verification_id"].as_str().expect("an id").to_owned());
        answered.extend(id);
        thread::sleep(PAUSE);
    }
    answered
}

/// A receiver that acknowledges everything, some of it after a while.
fn receive(mut chance: Chance) -> (String, Came, Told) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let came = Came::default();
    let told = Told::default();
    let kept = (Arc::clone(&came), Arc::clone(&told));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let ((came, told), is_slow) = (kept.clone(), chance.percent(33));
            let thought = Duration::from_millis(if is_slow { chance.below(THOUGHT_MS) as u64 } else { 0 });
            thread::spawn(move || take(stream, &came, &told, thought));
        }
    });
    (url, came, told)
}

/// Takes one delivery in; one whose sender died before it had said all is none.
fn take(mut stream: TcpStream, came: &Came, told: &Told, thought: Duration) -> Option<()> {
    let mut bytes = Vec::new();
    let body = loop {
        let mut buffer = [0; 4_096];
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let Some((head, body)) = std::str::from_utf8(&bytes).ok()?.split_once("\r\n\r\n") else { continue };
        let length: usize = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
        if body.len() == length {
            let id = head.split("webhook-id: ").nth(1)?.split("\r\n").next()?.to_owned();
            let checkpoint = head.split("holdfast-checkpoint: ").nth(1).and_then(|rest| rest.lines().next());
            told.lock().unwrap_or_else(PoisonError::into_inner).extend(checkpoint.map(str::to_owned));
            break (id, body.to_owned());
        }
    };
    let said: Value = serde_json::from_str(&body.1).expect("JSON");
    assert_eq!(said["id"], json!(body.0));
    came.lock().unwrap_or_else(PoisonError::into_inner).entry(body.0).or_default().push(body.1);
    thread::sleep(thought);
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()
}
