//! Something that the service needs is away: it says so, in time, and goes on when it is back.

use std::time::Duration;

use domain::limits::{BODY_GRACE, ENCLAVE_DEADLINE};
use serde_json::json;
use testkit::device::secret;
use testkit::{Actor, Answer, App, Given, Plan, Stop};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn unavailable(answer: &Answer, what: &str) {
    let body = answer.refused(503, "unavailable");
    assert!(body["message"].as_str().unwrap().contains(what), "{body}");
}

/// A call of each kind that needs enclave and database.
async fn calls(actor: &Actor, id: &str, key: &Given, certificate: &str, user: &str) -> Vec<Answer> {
    let fresh = format!("{user}-fresh");
    vec![
        actor.post("/v1/verification/start", &json!({"user_identifier": fresh})).await,
        actor.post("/v1/key/generate", &json!({"user_identifier": user, "verification_id": id})).await,
        actor.try_store(user, id, key, &[key.device().item("more", &secret("more"))]).await,
        actor.recover(user, id, certificate).await,
    ]
}

#[tokio::test]
async fn the_enclave_is_killed_and_comes_back() {
    let mut app = App::start().await;
    let (retail, user) = (app.retail(), "user-1");
    let certificate = app.fixture.recipient.certificate.clone();
    let id = retail.approved(user).await;
    let key = retail.key(user, &id).await;
    retail.store(user, &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
    app.enclave.kill();
    let before = app.census();
    for answer in calls(&retail, &id, &key, &certificate, user).await {
        unavailable(&answer, "enclave");
    }
    unavailable(&app.anonymous().get("/readyz").await, "enclave");
    assert_eq!(app.anonymous().get("/healthz").await.status, 200);
    let after = app.census();
    for table in ["verifications", "customer_keys", "backups", "recoveries", "events", "pool_keys"] {
        assert_eq!(after[table], before[table], "{table}");
    }
    // What needs no enclave goes on.
    assert_eq!(retail.inquiry_status(&id).await, "APPROVED");
    app.enclave.restart();
    for answer in calls(&retail, &id, &key, &certificate, user).await {
        answer.ok();
    }
    app.anonymous().get("/readyz").await.ok();
}

#[tokio::test]
async fn an_event_that_comes_while_the_enclave_is_away_is_applied_later() {
    let mut app = App::start().await;
    let retail = app.retail();
    let id = retail.start("user-1").await;
    app.enclave.kill();
    unavailable(&retail.simulate(&id, "approve_inquiry").await, "enclave");
    assert_eq!(retail.inquiry_status(&id).await, "CREATED", "never approved without a proof");
    app.enclave.restart();
    // A job looks for what was kept.
    while retail.inquiry_status(&id).await != "APPROVED" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let approvals =
        app.events(&retail).await.into_iter().filter(|event| event["type"] == "inquiry.approved").count();
    assert_eq!(approvals, 1);
}

#[tokio::test]
async fn the_file_is_locked_by_another_and_given_back() {
    let app = Plan::default().on_sqlite().with_patience(Duration::from_millis(300)).start().await;
    let (retail, user) = (app.retail(), "user-1");
    let certificate = &app.fixture.recipient.certificate;
    let id = retail.approved(user).await;
    let key = retail.key(user, &id).await;
    retail.store(user, &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
    let before = app.census();
    let lock = app.place.lock();
    for answer in calls(&retail, &id, &key, certificate, user).await {
        unavailable(&answer, "database");
    }
    drop(lock);
    assert_eq!(app.census()["backups"], before["backups"]);
    for answer in calls(&retail, &id, &key, certificate, user).await {
        answer.ok();
    }
}

#[tokio::test]
async fn the_database_server_stops_and_starts_again() {
    let mut app = Plan::default().on_postgres().with_patience(Duration::from_millis(500)).start().await;
    let (retail, user) = (app.retail(), "user-1");
    let certificate = app.fixture.recipient.certificate.clone();
    let id = retail.approved(user).await;
    let key = retail.key(user, &id).await;
    retail.store(user, &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
    app.cluster.as_mut().unwrap().end(Stop::Fast);
    for answer in calls(&retail, &id, &key, &certificate, user).await {
        unavailable(&answer, "database");
    }
    unavailable(&app.anonymous().get("/readyz").await, "database");
    app.cluster.as_mut().unwrap().start_again();
    // The first calls may still find a connection that has died.
    while app.anonymous().get("/readyz").await.status != 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for answer in calls(&retail, &id, &key, &certificate, user).await {
        answer.ok();
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart_of_all() {
    let mut app = App::start().await;
    let (retail, user) = (app.retail(), "user-1");
    let id = retail.approved(user).await;
    let key = retail.key(user, &id).await;
    let item = key.device().item("seed", &secret("seed"));
    let stored = retail.store(user, &id, &key, std::slice::from_ref(&item)).await;
    let log = retail.audit("").await;
    app.stop_service().await;
    app.enclave.restart();
    app.start_service().await.unwrap();
    let again = app.retail();
    assert_eq!(again.api_key, retail.api_key, "the sandbox's keys stay the same");
    assert_eq!(again.audit("").await, log);
    assert_eq!(again.store(user, &id, &key, &[item]).await, stored);
    let answer = again.recover(user, &id, &app.fixture.recipient.certificate).await.ok();
    let message = crate::story::message(&answer["backup"][0]);
    assert_eq!(app.fixture.recipient.gpg().decrypt(&message), secret("seed"));
}

#[tokio::test]
async fn a_recovery_that_was_left_open_is_closed_by_the_enclaves_log() {
    let app = App::start().await;
    let (retail, certificate) = (app.retail(), &app.fixture.recipient.certificate);
    let mut ids = Vec::new();
    for user in ["delivered", "undelivered"] {
        let id = retail.approved(user).await;
        let key = retail.key(user, &id).await;
        let stored = retail.store(user, &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
        if user == "undelivered" {
            // Intended, and nothing went out: every item fails.
            retail.post("/v1/sandbox/damage", &json!({"backup_id": stored[0]})).await.ok();
        }
        retail.recover(user, &id, certificate).await.ok();
        ids.push(id);
    }
    // As if the service had died before it wrote down how it ended.
    app.place.run("UPDATE recoveries SET state = 'releasing', deliveries = 0");
    app.clock.advance(ENCLAVE_DEADLINE * 3);
    let closed = loop {
        let log = retail.audit("").await;
        let closed: Vec<_> =
            log.into_iter().filter(|entry| entry["reason"] == "by-the-enclaves-log").collect();
        if closed.len() == 2 {
            break closed;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for (id, action, result) in [(&ids[0], "recovery.released", "ok"), (&ids[1], "recovery.failed", "failed")]
    {
        let entry = closed.iter().find(|entry| entry["verification_id"] == **id).unwrap();
        assert_eq!((&entry["action"], &entry["result"]), (&json!(action), &json!(result)));
    }
    let rows = |what: &str| app.place.rows(&format!("recoveries WHERE {what}"));
    assert_eq!(rows("state = 'released' AND deliveries = 1"), 1, "the delivery counts");
    assert_eq!(rows("state = 'failed' AND deliveries = 0"), 1);
    let released = |events: &[serde_json::Value]| {
        events.iter().filter(|event| event["type"] == "recovery.released").count()
    };
    assert_eq!(released(&app.events(&retail).await), 2, "told by the call, and by the one who closed it");
}

#[tokio::test]
async fn the_store_of_files_goes_and_comes_back() {
    let app = Plan::default().in_bucket().start().await;
    let files = async || {
        app.clock.advance(Duration::from_secs(10));
        app.anonymous().get("/readyz").await.ok()["files"].clone()
    };
    assert_eq!(files().await, "ready");
    app.s3.as_ref().unwrap().pause();
    assert_eq!(app.anonymous().get("/readyz").await.ok()["files"], "ready", "it is not asked at each call");
    assert_eq!(files().await, "away");
    // What needs no file goes on.
    app.partner().assigned("user-1", "customer-1").await;
    app.s3.as_ref().unwrap().resume();
    assert_eq!(files().await, "ready");
}

#[tokio::test]
async fn a_folder_of_files_that_is_gone_is_seen() {
    let mut app = App::start().await;
    assert_eq!(app.anonymous().get("/readyz").await.ok()["files"], "ready");
    let folder = app.settings().data_dir.join("files");
    std::fs::rename(&folder, app.folder().join("elsewhere")).unwrap();
    app.clock.advance(Duration::from_secs(10));
    assert_eq!(app.anonymous().get("/readyz").await.ok()["files"], "away");
}

/// Whoever opens a connection and does not say what he wants is not waited for, however slowly he goes on.
#[tokio::test]
async fn a_head_that_does_not_come_whole_is_not_waited_for() {
    let app = App::start().await;
    let mut calls = tokio::task::JoinSet::new();
    for drip in [false, true] {
        let mut stream = TcpStream::connect(app.service().address()).await.unwrap();
        calls.spawn(async move {
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-filler: ").await.unwrap();
            let (mut reading, mut writing) = stream.into_split();
            let dripping = tokio::spawn(async move {
                while drip && writing.write_all(b"a").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                // Kept open, so that nobody ends this but the service.
                std::future::pending::<()>().await;
            });
            let mut answer = Vec::new();
            let ended = tokio::time::timeout(BODY_GRACE * 2, reading.read_to_end(&mut answer)).await;
            dripping.abort();
            (drip, ended.is_ok())
        });
    }
    for (drip, ended) in calls.join_all().await {
        assert!(ended, "drip by drip: {drip}");
    }
}
