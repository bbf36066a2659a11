//! One check serves one recovery: three deliveries, of the same items, to the same key.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::App;
use testkit::device::secret;
use testkit::foreign::{CURVE25519, Gpg};

fn ids(answer: &Value) -> BTreeSet<String> {
    let items = answer["backup"].as_array().unwrap().iter();
    items.map(|item| item["backup_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn three_deliveries_then_no_more() {
    let app = App::start().await;
    let (retail, user) = (app.retail(), "user-1");
    let certificate = &app.fixture.recipient.certificate;
    let id = retail.approved(user).await;
    let key = retail.key(user, &id).await;
    retail.store(user, &id, &key, &[key.device().item("a", &secret("a"))]).await;
    let first = retail.recover(user, &id, certificate).await.ok();
    // Stores stay possible, and do not change what is delivered.
    retail.store(user, &id, &key, &[key.device().item("b", &secret("b"))]).await;
    for padded in [format!("\n \t{certificate}\r\n"), certificate.clone()] {
        let again = retail.recover(user, &id, &padded).await.ok();
        assert_eq!(ids(&again), ids(&first), "the same items as the first");
        assert_eq!(again["backup"][0]["recovery_id"], first["backup"][0]["recovery_id"]);
    }
    for _ in 0..2 {
        retail.recover(user, &id, certificate).await.refused(403, "verification-used");
    }
    let released = retail.audit("&action=recovery.released").await;
    assert_eq!(released.len(), 3, "each delivery is logged");
    let refused = retail.audit("&action=recovery.refused").await;
    assert!(refused.iter().all(|entry| entry["reason"] == "verification-used"), "{refused:?}");
    assert_eq!(refused.len(), 2);
    assert!(retail.audit("&action=recovery.alarm").await.is_empty(), "the same key is no alarm");
    let next = retail.approved(user).await;
    assert_eq!(ids(&retail.recover(user, &next, certificate).await.ok()).len(), 2, "a new check, all items");
}

#[tokio::test]
async fn another_key_is_refused_and_an_alarm() {
    let app = App::start().await;
    let (retail, user, gpg) = (app.retail(), "user-1", Gpg::default());
    let other = gpg.export(&gpg.generate("Other", CURVE25519, &[]));
    let id = retail.approved(user).await;
    let key = retail.key(user, &id).await;
    retail.store(user, &id, &key, &[key.device().item("a", &secret("a"))]).await;
    retail.recover(user, &id, &app.fixture.recipient.certificate).await.ok();
    retail.recover(user, &id, &other).await.refused(403, "verification-used");
    let alarms = retail.audit("&action=recovery.alarm").await;
    assert_eq!(alarms.len(), 1);
    assert_eq!(
        (&alarms[0]["verification_id"], &alarms[0]["reason"]),
        (&json!(id), &json!("other-fingerprint"))
    );
    assert_eq!(retail.audit("&action=recovery.refused").await.len(), 1);
    retail.recover(user, &id, &app.fixture.recipient.certificate).await.ok();
}

#[tokio::test]
async fn a_fingerprint_bound_at_the_start_is_the_only_one() {
    let app = App::start().await;
    let (retail, user, gpg) = (app.retail(), "user-1", Gpg::default());
    let fingerprint = gpg.generate("Bound", CURVE25519, &[]);
    let enrolment = retail.approved(user).await;
    let key = retail.key(user, &enrolment).await;
    retail.store(user, &enrolment, &key, &[key.device().item("a", &secret("a"))]).await;
    let bind = json!({"user_identifier": user, "gpg_fingerprint": fingerprint.to_lowercase()});
    let id = retail.post("/v1/verification/start", &bind).await.ok();
    let id = id["verification_id"].as_str().unwrap();
    retail.simulate(id, "approve_inquiry").await.ok();
    let before = app.census();
    let answer = retail.recover(user, id, &app.fixture.recipient.certificate).await;
    assert_eq!(answer.faults(), ["gpg_public_key"]);
    let mut after = app.census();
    *after.get_mut("audit_entries").unwrap() -= 1;
    assert_eq!(after, before, "nothing but the refusal");
    let answer = retail.recover(user, id, &gpg.export(&fingerprint)).await.ok();
    assert_eq!(gpg.decrypt(&crate::story::message(&answer["backup"][0])), secret("a"));
}

#[tokio::test]
async fn recoveries_at_once_deliver_three_times_and_no_more() {
    let app = App::start().await;
    let (retail, user) = (app.retail(), "user-1");
    let id = retail.approved(user).await;
    let key = retail.key(user, &id).await;
    retail.store(user, &id, &key, &[key.device().item("a", &secret("a"))]).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (retail, id, certificate) =
            (retail.clone(), id.clone(), app.fixture.recipient.certificate.clone());
        calls.spawn(async move { retail.recover(user, &id, &certificate).await });
    }
    let mut delivered = 0;
    for answer in calls.join_all().await {
        match answer.status {
            200 => delivered += 1,
            409 => drop(answer.refused(409, "recovery-running")),
            _ => drop(answer.refused(403, "verification-used")),
        }
    }
    assert!((1..=3).contains(&delivered), "{delivered}");
    while delivered < 3 {
        retail.recover(user, &id, &app.fixture.recipient.certificate).await.ok();
        delivered += 1;
    }
    retail.recover(user, &id, &app.fixture.recipient.certificate).await.refused(403, "verification-used");
    assert_eq!(retail.audit("&action=recovery.released").await.len(), 3);
}
