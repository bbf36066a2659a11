//! `/v1/backup/recover`: when it opens, and that every refusal is in the log.

use std::time::Duration;

use testkit::device::{checksum, secret};
use testkit::{Actor, App, Plan};

use crate::story::message;

/// A user with one confirmed item, and what it is encrypted to.
async fn enrolled(retail: &Actor, user: &str) -> String {
    let id = retail.approved(user).await;
    let key = retail.key(user, &id).await;
    retail.store(user, &id, &key, &[key.device().item("seed", &secret("seed"))]).await.remove(0)
}

/// The last refusal in the log.
async fn last_refusal(actor: &Actor) -> (String, Option<String>) {
    let entry = actor.audit("&action=recovery.refused").await.pop().unwrap();
    assert_eq!(entry["result"], "refused", "{entry}");
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    (text("reason").unwrap(), text("verification_id"))
}

#[tokio::test]
async fn only_an_approved_check_recovers_and_every_refusal_is_logged() {
    let app = App::start().await;
    let retail = app.retail();
    let certificate = &app.fixture.recipient.certificate;
    enrolled(&retail, "user-1").await;
    for action in [
        "start_inquiry",
        "complete_inquiry",
        "mark_for_review_inquiry",
        "fail_inquiry",
        "decline_inquiry",
        "expire_inquiry",
        "create_passed_verification",
    ] {
        let id = retail.start_as("user-1", action).await;
        let before = app.census();
        let answer = retail.recover("user-1", &id, certificate).await;
        answer.refused(403, "verification-not-approved");
        assert_eq!(
            last_refusal(&retail).await,
            ("verification-not-approved".to_owned(), Some(id)),
            "{action}"
        );
        let mut after = app.census();
        *after.get_mut("audit_entries").unwrap() -= 1;
        assert_eq!(after, before, "{action}");
    }
    let stranger =
        app.new_tenant(domain::credential::TenantKind::Retail, domain::credential::Scope::ALL).await;
    let foreign = stranger.approved("user-1").await;
    retail.recover("user-1", &foreign, certificate).await.refused(404, "not-found");
    assert_eq!(last_refusal(&retail).await, ("not-found".to_owned(), None), "a stranger's id is not told");
    assert!(stranger.audit("&action=recovery.refused").await.is_empty(), "it is in the caller's log");
    let others = retail.approved("user-2").await;
    retail.recover("user-1", &others, certificate).await.refused(404, "not-found");
    retail.recover("user-2", &others, certificate).await.refused(404, "no-backup");
    assert_eq!(last_refusal(&retail).await, ("no-backup".to_owned(), Some(others)));
    let id = retail.approved("user-1").await;
    retail.recover("user-1", &id, "not a key").await.refused(400, "validation-failed");
    assert_eq!(last_refusal(&retail).await, ("validation-failed".to_owned(), Some(id)));
}

#[tokio::test]
async fn recovery_is_open_for_an_hour() {
    let app = App::start().await;
    let retail = app.retail();
    let certificate = &app.fixture.recipient.certificate;
    enrolled(&retail, "user-1").await;
    let (id, closed) = (retail.approved("user-1").await, retail.approved("user-1").await);
    retail.simulate(&closed, "close_window").await.ok();
    retail.recover("user-1", &closed, certificate).await.refused(403, "verification-window-closed");
    assert_eq!(last_refusal(&retail).await, ("verification-window-closed".to_owned(), Some(closed)));
    app.clock.advance(Duration::from_hours(1));
    // Not the window's end yet, but of the enclave's welcome: the server has heard of no other window.
    retail.recover("user-1", &id, "not a key").await.refused(400, "validation-failed");
    app.clock.advance(Duration::from_millis(1));
    retail.recover("user-1", &id, certificate).await.refused(403, "verification-window-closed");
    assert_eq!(last_refusal(&retail).await.1, Some(id.clone()));
    // A refused call used nothing up: stores are still taken.
    let key = retail.key("user-1", &id).await;
    retail.store("user-1", &id, &key, &[key.device().item("more", &secret("more"))]).await;
}

#[tokio::test]
async fn the_enclave_says_for_how_long_recovery_is_open() {
    for (window_s, closes) in [(600, Duration::from_mins(10)), (604_800, Duration::from_hours(168))] {
        let app = Plan::default().with_recovery_window(window_s).start().await;
        let retail = app.retail();
        let certificate = &app.fixture.recipient.certificate;
        enrolled(&retail, "user-1").await;
        let id = retail.approved("user-1").await;
        retail.recover("user-1", &id, certificate).await.ok();
        // At its last instant the call goes on to the certificate, at the next it does not.
        app.clock.advance(closes);
        retail.recover("user-1", &id, "not a key").await.refused(400, "validation-failed");
        app.clock.advance(Duration::from_millis(1));
        retail.recover("user-1", &id, certificate).await.refused(403, "verification-window-closed");
    }
}

#[tokio::test]
async fn a_check_of_before_another_window_releases_nothing_and_the_next_one_does() {
    let mut app = App::start().await;
    let retail = app.retail();
    let certificate = app.fixture.recipient.certificate.clone();
    enrolled(&retail, "user-1").await;
    let id = retail.approved("user-1").await;
    app.enclave.restart_with_window(600);
    retail.recover("user-1", &id, &certificate).await.refused(403, "release-refused");
    let next = retail.approved("user-1").await;
    let answer = retail.recover("user-1", &next, &certificate).await.ok();
    assert_eq!(
        answer["backup"].as_array().unwrap().len(),
        1,
        "what was stored before is his still: {answer}"
    );
}

#[tokio::test]
async fn a_user_gets_all_of_his_own_newest_first() {
    let app = App::start().await;
    let (retail, gpg) = (app.retail(), app.fixture.recipient.gpg());
    enrolled(&retail, "user-2").await;
    let mut names = Vec::new();
    for at in 0..4 {
        app.clock.advance(Duration::from_millis(1));
        let id = retail.approved("user-1").await;
        let key = retail.key("user-1", &id).await;
        let name = format!("item-{at}");
        retail.store("user-1", &id, &key, &[key.device().item(&name, &secret(&name))]).await;
        names.insert(0, name);
    }
    let id = retail.approved("user-1").await;
    let answer = retail.recover("user-1", &id, &app.fixture.recipient.certificate).await.ok();
    let backup = answer["backup"].as_array().unwrap();
    let found: Vec<_> = backup.iter().map(|item| item["item_key"].as_str().unwrap()).collect();
    assert_eq!(found, names);
    for item in backup {
        let name = item["item_key"].as_str().unwrap();
        assert_eq!(gpg.decrypt(&message(item)), secret(name));
        assert_eq!(item["item_checksum"], checksum(&secret(name)));
    }
}

#[tokio::test]
async fn a_sixth_recovery_in_a_day_waits_and_nobody_elses() {
    let app = Plan::default().with_recovery_limits().start().await;
    let (retail, certificate) = (app.retail(), &app.fixture.recipient.certificate);
    for user in ["user-1", "user-2"] {
        enrolled(&retail, user).await;
    }
    for _ in 0..5 {
        let id = retail.approved("user-1").await;
        retail.recover("user-1", &id, certificate).await.ok();
        // The same recovery delivered again is none more.
        retail.recover("user-1", &id, certificate).await.ok();
    }
    let id = retail.approved("user-1").await;
    for _ in 0..2 {
        let answer = retail.recover("user-1", &id, certificate).await;
        answer.refused(429, "recovery-limit");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=86_400).contains(&wait), "{wait}");
        assert_eq!(last_refusal(&retail).await, ("recovery-limit".to_owned(), Some(id.clone())));
    }
    let other = retail.approved("user-2").await;
    retail.recover("user-2", &other, certificate).await.ok();
}

#[tokio::test]
async fn a_damaged_item_fails_alone() {
    let app = App::start().await;
    let (retail, user) = (app.retail(), "user-1");
    let id = retail.approved(user).await;
    let key = retail.key(user, &id).await;
    let items = [key.device().item("bad", &secret("bad")), key.device().item("good", &secret("good"))];
    let stored = retail.store(user, &id, &key, &items).await;
    let damage = serde_json::json!({"backup_id": stored[0]});
    retail.post("/v1/sandbox/damage", &damage).await.ok();
    let answer = retail.recover(user, &id, &app.fixture.recipient.certificate).await.ok();
    let of = |name: &str| {
        answer["backup"].as_array().unwrap().iter().find(|item| item["item_key"] == name).unwrap().clone()
    };
    let (bad, good) = (of("bad"), of("good"));
    assert_eq!(bad["backup_id"], stored[0]);
    assert!(bad["error"].is_string(), "{bad}");
    for absent in ["recovery_id", "recovery_package", "item_value"] {
        assert!(bad.get(absent).is_none(), "{bad}");
    }
    assert!(good.get("error").is_none(), "{good}");
    assert_eq!(app.fixture.recipient.gpg().decrypt(&message(&good)), secret("good"));
    let log = retail.audit("&action=recovery.released").await;
    let results: Vec<_> = log.iter().map(|entry| (&entry["backup_id"], &entry["result"])).collect();
    assert_eq!(results.len(), 2);
    assert!(results.contains(&(&stored[0].clone().into(), &"failed".into())), "{results:?}");
    assert!(results.contains(&(&stored[1].clone().into(), &"ok".into())), "{results:?}");
}

#[tokio::test]
async fn when_every_item_fails_nothing_is_used_up() {
    let app = App::start().await;
    let (retail, user) = (app.retail(), "user-1");
    let stored = enrolled(&retail, user).await;
    let damage = serde_json::json!({"backup_id": stored});
    retail.post("/v1/sandbox/damage", &damage).await.ok();
    let id = retail.approved(user).await;
    for _ in 0..4 {
        let answer = retail.recover(user, &id, &app.fixture.recipient.certificate).await.ok();
        assert!(answer["backup"][0]["error"].is_string(), "{answer}");
    }
    // Damaging it again mends it: one bit is turned back.
    retail.post("/v1/sandbox/damage", &damage).await.ok();
    let answer = retail.recover(user, &id, &app.fixture.recipient.certificate).await.ok();
    assert!(answer["backup"][0]["item_value"].is_string(), "{answer}");
}
