//! Witnesses outside: ours signs what goes on from what it signed before, and nothing else; and whatever one answers, the
//! service keeps no other line than his own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boundary::Env;
use domain::audit::checkpoint::{Checkpoint, LogKey, VerifierKey};
use domain::audit::tree::{Hash, Tree, leaf};
use domain::audit::witness::{ADD_CHECKPOINT, AddCheckpoint, REQUEST_BYTES_MAX, SIZE_TYPE, WitnessKey};
use domain::ids::TenantId;
use domain::time::Timestamp;
use server::audit::{Cosigner, Verification};
use server::config::Settings;
use server::edge::clock::Clock as _;
use server::witness::{Witness, load_or_create_key, serve};
use testkit::{Actor, App, Plan};
use tokio::net::TcpListener;

use super::audit_checkpoint::checkpoint;
use super::webhooks::sink::until;

const TENANT: &str = "01890000-0000-7000-8000-000000000001";
const NAME: &str = "witness.example.org";

fn log() -> LogKey {
    LogKey::of(&[7; 32], Env::Sandbox).unwrap()
}

fn key_of(seed: u8) -> WitnessKey {
    WitnessKey::of(&[seed; 32], NAME).unwrap()
}

/// Leaves of a log whose first so many are of one history, and the others of this one.
fn leaves(common: usize, size: usize, history: &str) -> Vec<Hash> {
    (0..size).map(|at| leaf(format!("{at} {}", if at < common { "" } else { history }).as_bytes())).collect()
}

/// How a log of these leaves goes on from the first `old`.
fn request(old: usize, leaves: &[Hash]) -> String {
    let mut tree = Tree::default();
    leaves[..old].iter().for_each(|leaf| tree.push(*leaf));
    let proof = tree.consistency(&leaves[old..]);
    leaves[old..].iter().for_each(|leaf| tree.push(*leaf));
    let note = log().sign(TENANT, 1, leaves.len().try_into().unwrap(), &tree.root());
    AddCheckpoint { old: old.try_into().unwrap(), proof, note }.text()
}

/// A witness of the log on this machine, gone with the test: where it takes checkpoints.
async fn witness(folder: &Path) -> String {
    let logs = vec![VerifierKey::parse(&log().vkey(TENANT)).unwrap()];
    let witness = Witness::open(folder, key_of(3), logs).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{ADD_CHECKPOINT}", listener.local_addr().unwrap());
    tokio::spawn(serve(witness, listener, std::future::pending()));
    url
}

/// Status, type of the body, and body.
async fn ask(url: &str, body: String) -> (u16, String, String) {
    let answer = reqwest::Client::new().post(url).body(body).send().await.unwrap();
    let content = answer.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), content.unwrap_or_default(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_witness_answers_as_the_standard_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = witness(folder.path()).await;
    let (ours, theirs) = (leaves(3, 9, "a"), leaves(3, 9, "b"));
    let status = async |body: String| ask(&url, body).await.0;
    assert_eq!(status("nothing".to_owned()).await, 400);
    let unsigned = request(0, &ours[..5]).replacen("\n5\n", "\n6\n", 1);
    assert_eq!(status(unsigned).await, 403);
    let stranger = LogKey::of(&[8; 32], Env::Sandbox).unwrap().sign(TENANT, 1, 1, &[1; 32]);
    assert_eq!(status(AddCheckpoint { old: 0, proof: vec![], note: stranger }.text()).await, 404);
    assert_eq!(status(request(0, &ours[..5]) + &"x".repeat(REQUEST_BYTES_MAX)).await, 413);
    let (signed, _, line) = ask(&url, request(0, &ours[..5])).await;
    let note = AddCheckpoint::read(&request(0, &ours[..5])).unwrap().note;
    assert_eq!(signed, 200);
    Cosigner::parse(&key_of(3).vkey()).unwrap().check(&(note + &line)).unwrap();
    // Where it is, it says; and that is where it stays, over a restart too.
    for url in [url, witness(folder.path()).await] {
        for body in
            [request(0, &ours), request(0, &theirs[..5]), request(3, &theirs), request(5, &theirs[..5])]
        {
            assert_eq!(ask(&url, body).await, (409, SIZE_TYPE.to_owned(), "5\n".to_owned()));
        }
        assert_eq!(ask(&url, request(5, &theirs)).await.0, 422, "another history");
        assert_eq!(ask(&url, request(5, &ours[..5])).await.0, 200, "the same again");
    }
}

/// What is kept and cannot be read is no reason to begin anew.
#[tokio::test]
async fn a_witness_that_cannot_read_what_it_kept_signs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = witness(folder.path()).await;
    assert_eq!(ask(&url, request(0, &leaves(0, 5, "a"))).await.0, 200);
    let kept: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let note = std::fs::read_to_string(&kept[0]).unwrap();
    std::fs::write(&kept[0], note.replacen("\n5\n", "\n4\n", 1)).unwrap();
    assert_eq!(ask(&url, request(0, &leaves(0, 5, "b"))).await.0, 500, "altered");
    std::fs::write(&kept[0], [0xff]).unwrap();
    assert_eq!(ask(&url, request(0, &leaves(0, 5, "b"))).await.0, 500, "no text");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_histories_that_come_at_once_one_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let (url, client) = (witness(folder.path()).await, reqwest::Client::new());
    for size in 1..=8 {
        // All go on from the same, so that whichever is first is right.
        let bodies = (0..24).map(|history| request(size - 1, &leaves(size - 1, size, &history.to_string())));
        let bodies: Vec<_> = bodies.collect();
        let asked = bodies.into_iter().map(|body| tokio::spawn(client.post(&url).body(body).send()));
        let mut answered = Vec::new();
        for asked in asked.collect::<Vec<_>>() {
            answered.push(asked.await.unwrap().unwrap().status().as_u16());
        }
        answered.sort_unstable();
        assert_eq!(answered, [&[200][..], &[409; 23]].concat(), "at {size}");
        // It forgets which it was, so that the next round goes on from what is known here.
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        assert_eq!(ask(&url, request(0, &leaves(size, size, ""))).await.0, 200);
    }
}

#[test]
fn a_witness_has_one_key_which_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("witness.key");
    assert!(load_or_create_key(&path, None).is_err() && !path.exists(), "it has no name");
    assert!(load_or_create_key(&path, Some("a b")).is_err() && !path.exists(), "nobody is called that");
    let made = load_or_create_key(&path, Some(NAME)).unwrap().vkey();
    assert!(made.starts_with(NAME));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(load_or_create_key(&path, Some("other.example.org")).unwrap().vkey(), made);
    std::fs::write(&path, "no key").unwrap();
    assert!(load_or_create_key(&path, Some(NAME)).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "no key");
}

/// What a witness answers to a request.
type Script = Arc<Mutex<Box<dyn Fn(&AddCheckpoint) -> (u16, String) + Send>>>;

async fn play(State(script): State<Script>, body: String) -> (StatusCode, String) {
    let asked = AddCheckpoint::read(&body).unwrap();
    if asked.note.lines().next().unwrap().contains(TenantId::root_log().as_str()) {
        return (StatusCode::NOT_FOUND, String::new());
    }
    let (status, text) = script.lock().unwrap()(&asked);
    (StatusCode::from_u16(status).unwrap(), text)
}

/// A service with one witness, who does not follow the root log, and of another answers as the test has it.
struct Stage {
    app: App,
    partner: Actor,
    script: Script,
}

impl Stage {
    async fn set() -> Self {
        let script: Script = Arc::new(Mutex::new(Box::new(|_| (500, String::new()))));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route(ADD_CHECKPOINT, post(play)).with_state(Arc::clone(&script));
        tokio::spawn(axum::serve(listener, routes).into_future());
        let mut app = Plan::default().on_sqlite().start().await;
        assert_eq!(app.anonymous().get("/readyz").await.ok()["witnesses"], "none");
        app.stop_service().await;
        let (file, key) = (app.folder().join("witness.toml"), key_of(3).vkey());
        let text = format!("environment = 'sandbox'\n[witness]\nurls = '{url}'\nkeys = '{key}'\n");
        std::fs::write(&file, text).unwrap();
        app.settings().witnesses = Settings::load(&file).unwrap().witnesses;
        app.start_service().await.unwrap();
        let partner = app.partner();
        Self { app, partner, script }
    }

    /// Writes an entry, which a checkpoint covers then.
    async fn act(&self, user: &str) -> i64 {
        self.partner.assigned(user, "customer-1").await;
        checkpoint(&self.partner).await["size"].as_i64().unwrap()
    }

    /// Has the witness asked again, who answers like that; waits until that is noted.
    async fn answer(
        &self,
        state: &str,
        script: impl Fn(&AddCheckpoint) -> (u16, String) + Send + 'static,
    ) -> String {
        *self.script.lock().unwrap() = Box::new(script);
        let other = if state == "signed" { "away" } else { "signed" };
        self.put(&format!("state = '{other}', ask_after = 0"));
        let noted = format!("audit_witnesses WHERE state = '{state}'");
        until(state, async || self.app.place.rows(&noted) == 1).await;
        let ready = self.app.anonymous().get("/readyz").await.ok();
        ready["witnesses"].as_str().unwrap().to_owned()
    }

    /// Writes into what is kept of the witness.
    fn put(&self, what: &str) {
        let root = TenantId::root_log();
        self.app.place.run(&format!("UPDATE audit_witnesses SET {what} WHERE tenant_id <> '{root}'"));
    }

    /// How many lines of the witness are under the last checkpoint.
    async fn lines(&self) -> usize {
        let note = checkpoint(&self.partner).await["note"].as_str().unwrap().to_owned();
        note.matches(&format!("\u{2014} {NAME} ")).count()
    }

    fn rows(&self, which: &str) -> i64 {
        self.app.place.rows(&format!("audit_witnesses WHERE {which}"))
    }
}

/// The line of the witness whose key this is.
fn line(key: &WitnessKey, asked: &AddCheckpoint) -> String {
    let origin = asked.note.lines().next().unwrap().to_owned();
    let mut lines = asked.note.lines().skip(1);
    let size = lines.next().unwrap().parse().unwrap();
    let root = STANDARD.decode(lines.next().unwrap()).unwrap().try_into().unwrap();
    key.sign(&Checkpoint { origin, size, root }, Timestamp::from_ms(1_795_239_567_000))
}

#[tokio::test]
async fn whatever_a_witness_answers_his_own_line_alone_is_kept() {
    let stage = Stage::set().await;
    let size = stage.act("user-1").await;
    until("he is asked", async || stage.rows("state = 'away'") == 1).await;
    let (now, minute) = (stage.app.clock.now().ms(), Duration::from_mins(1).as_millis());
    assert_eq!(stage.rows(&format!("ask_after = {now} + {minute}")), 1, "he is left alone for a while");
    let scrape = stage.app.scrape().await;
    assert_eq!((scrape.one("audit_witnesses_away"), scrape.one("audit_witnesses_forked")), (1, 0));
    // The signature of another, in his name; of his under another text; nothing; a size that is none.
    assert_eq!(stage.answer("away", |asked| (200, line(&key_of(4), asked))).await, "away");
    let other = |asked: &AddCheckpoint| {
        let note = asked
            .note
            .lines()
            .enumerate()
            .map(|(at, text)| if at == 1 { "99999\n".to_owned() } else { format!("{text}\n") });
        (200, line(&key_of(3), &AddCheckpoint { note: note.collect(), ..asked.clone() }))
    };
    assert_eq!(stage.answer("away", other).await, "away");
    assert_eq!(stage.answer("away", |_| (200, String::new())).await, "away");
    assert_eq!(stage.answer("away", |_| (409, "many".to_owned())).await, "away");
    assert_eq!((stage.lines().await, stage.rows("size > 0")), (0, 0));
    // He does not follow this log: nobody's alarm.
    assert_eq!(stage.answer("stranger", |_| (404, String::new())).await, "well");
    let hour = Duration::from_hours(1).as_millis();
    assert_eq!(stage.rows(&format!("ask_after = {now} + {hour}")), 1);
    // He knows another history: one that ours does not go on from, that is longer, or of which nothing is known here.
    let told = [(422, String::new()), (409, format!("{}\n", size + 1_000)), (409, "0\n".to_owned())];
    for answer in told {
        assert_eq!(stage.answer("forked", move |_| answer.clone()).await, "forked");
    }
    let scrape = stage.app.scrape().await;
    assert_eq!((scrape.one("audit_witnesses_away"), scrape.one("audit_witnesses_forked")), (0, 1));
    // His own, among those of others.
    let lines = |asked: &AddCheckpoint| (200, line(&key_of(4), asked) + &line(&key_of(3), asked));
    assert_eq!(stage.answer("signed", lines).await, "well");
    assert_eq!(stage.lines().await, 1);
    let note = checkpoint(&stage.partner).await["note"].as_str().unwrap().to_owned();
    Verification::check_witnessed(&Cosigner::parse(&key_of(3).vkey()).unwrap(), &note).unwrap();
    assert!(Verification::check_witnessed(&Cosigner::parse(&key_of(4).vkey()).unwrap(), &note).is_err());
}

#[tokio::test]
async fn a_witness_who_is_ahead_of_the_database_says_where_he_is() {
    let stage = Stage::set().await;
    let first = stage.act("user-1").await;
    until("he is asked", async || stage.rows("state = 'away'") == 1).await;
    let signs = |asked: &AddCheckpoint| (200, line(&key_of(3), asked));
    assert_eq!(stage.answer("signed", signs).await, "well");
    let second = stage.act("user-2").await;
    assert!(second > first);
    // The database forgot that he signed; he asks for the proof from there, and gets it.
    stage.put("size = 0, line = NULL");
    let knows = move |asked: &AddCheckpoint| {
        let goes_on = asked.old == first && !asked.proof.is_empty();
        if goes_on { signs(asked) } else { (409, format!("{first}\n")) }
    };
    assert_eq!(stage.answer("signed", knows).await, "well");
    assert_eq!((stage.lines().await, stage.rows(&format!("size >= {second}"))), (1, 1));
    // What he signed is gone from the log: nothing goes on from it.
    stage.act("user-3").await;
    stage.put(&format!("size = {first}"));
    stage.app.place.run(&format!("DELETE FROM audit_checkpoints WHERE size = {first}"));
    let never = |_: &AddCheckpoint| unreachable!("without a proof there is nothing to ask");
    assert_eq!(stage.answer("forked", never).await, "forked");
}
