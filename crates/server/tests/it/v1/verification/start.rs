//! `/v1/verification/start` and `status`.

use std::time::Duration;

use domain::limits::INQUIRY_LIFE;
use domain::verification::Action;
use reqwest::Method;
use serde_json::json;
use server::config::Windows;
use testkit::{App, Plan};

#[tokio::test]
async fn a_check_begins_and_tells_where_it_stands() {
    let app = App::start().await;
    let retail = app.retail();
    let answer = retail.post("/v1/verification/start", &json!({"user_identifier": "user-1"})).await.ok();
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    let id = answer["verification_id"].as_str().unwrap();
    let status = retail.get(&format!("/v1/verification/status?verification_id={id}")).await.ok();
    assert_eq!((&status["status"], &status["inquiry_status"]), (&json!("pending"), &json!("CREATED")));
    assert_eq!(status["verification_id"], id);
    let updated_at = status["updated_at"].as_str().unwrap().to_owned();
    app.clock.advance(Duration::from_secs(1));
    retail.simulate(id, "start_inquiry").await.ok();
    let status = retail.get(&format!("/v1/verification/status?verification_id={id}")).await.ok();
    assert_eq!(status["inquiry_status"], "PENDING");
    assert!(status["updated_at"].as_str().unwrap() > updated_at.as_str(), "{status}");
}

#[tokio::test]
async fn the_header_plays_each_of_the_nine_actions_and_no_other() {
    let app = App::start().await;
    let retail = app.retail();
    for action in Action::ALL.iter().filter(|action| action.is_override()) {
        let id = retail.start_as("user-1", action.as_str()).await;
        let expected = action.target().map_or("CREATED", |state| state.as_str());
        assert_eq!(retail.inquiry_status(&id).await, expected, "{action}");
    }
    let before = app.census();
    for action in
        ["close_window", "approve", "APPROVE_INQUIRY", "approved", "", "approve_inquiry,decline_inquiry"]
    {
        let call = retail.call(&Method::POST, "/v1/verification/start").header("x-override-status", action);
        let answer = call.json(&json!({"user_identifier": "user-2"})).send().await;
        answer.refused(400, "override-unknown");
    }
    assert_eq!(app.census(), before, "nothing was begun");
}

#[tokio::test]
async fn a_fingerprint_is_one_or_is_refused() {
    let app = App::start().await;
    let retail = app.retail();
    let with = |fingerprint: String| json!({"user_identifier": "user-1", "gpg_fingerprint": fingerprint});
    for fingerprint in ["Ab".repeat(20), "0f".repeat(32)] {
        retail.post("/v1/verification/start", &with(fingerprint)).await.ok();
    }
    let before = app.census();
    for fingerprint in ["", "ab", &"ab".repeat(21), &"xy".repeat(20), &format!("0x{}", "ab".repeat(20))] {
        let answer = retail.post("/v1/verification/start", &with(fingerprint.to_owned())).await;
        assert_eq!(answer.faults(), ["gpg_fingerprint"], "{fingerprint:?}");
    }
    assert_eq!(app.census(), before, "nothing was begun");
}

#[tokio::test]
async fn what_nobody_finishes_expires_and_what_waits_for_people_does_not() {
    let app = App::start().await;
    let retail = app.retail();
    let mut ids = Vec::new();
    for (action, end) in [
        ("start_inquiry", "EXPIRED"),
        ("create_passed_verification", "EXPIRED"),
        ("complete_inquiry", "COMPLETED"),
        ("mark_for_review_inquiry", "NEEDS_REVIEW"),
        ("approve_inquiry", "APPROVED"),
    ] {
        ids.push((retail.start_as("user-1", action).await, end));
    }
    let key = retail.key("user-1", &ids[0].0).await;
    let items = [key.device().item("seed", b"x")];
    let kept = retail.store("user-1", &ids[0].0, &key, &items).await;
    app.clock.advance(INQUIRY_LIFE);
    // The job looks once a second.
    while retail.inquiry_status(&ids[0].0).await != "EXPIRED"
        || retail.inquiry_status(&ids[1].0).await != "EXPIRED"
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for (id, end) in &ids {
        assert_eq!(retail.inquiry_status(id).await, *end);
    }
    let events = app.events(&retail).await;
    let deleted = events.iter().find(|event| event["type"] == "backup.deleted").unwrap();
    assert_eq!(deleted["data"]["backup_id"], kept[0], "what was not confirmed goes with it");
    retail.try_store("user-1", &ids[0].0, &key, &items).await.refused(403, "verification-not-approved");
}

#[tokio::test]
async fn the_settings_say_how_long_an_inquiry_lives() {
    let second = Duration::from_secs(1);
    for rest in [Duration::from_mins(10), Duration::from_hours(48)] {
        let inquiry_life = rest + second;
        let app = Plan::default().with_windows(Windows { inquiry_life, ..Windows::default() }).start().await;
        let retail = app.retail();
        let first = retail.start("user-1").await;
        app.clock.advance(second);
        let later = retail.start("user-1").await;
        app.clock.advance(rest);
        while retail.inquiry_status(&first).await != "EXPIRED" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // The same look found the other, and left it.
        assert_eq!(retail.inquiry_status(&later).await, "CREATED");
    }
}
