//! A user who was declined often: his next approval goes to review.

use testkit::device::secret;
use testkit::{Actor, App};

async fn decline(retail: &Actor, user: &str, times: usize) {
    for _ in 0..times {
        retail.start_as(user, "decline_inquiry").await;
    }
}

#[tokio::test]
async fn after_five_declines_an_approval_is_reviewed_and_the_next_one_counts() {
    let app = App::start().await;
    let (retail, certificate) = (app.retail(), &app.fixture.recipient.certificate);
    decline(&retail, "user-1", 5).await;
    let id = retail.start("user-1").await;
    let key = retail.key("user-1", &id).await;
    let stored = retail.store("user-1", &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
    let told = app.events(&retail).await.len();
    retail.simulate(&id, "approve_inquiry").await.ok();
    let status = retail.get(&format!("/v1/verification/status?verification_id={id}")).await.ok();
    assert_eq!((&status["status"], &status["inquiry_status"]), (&"review".into(), &"NEEDS_REVIEW".into()));
    let events = app.events(&retail).await.split_off(told);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["type"], "inquiry.marked-for-review");
    let entry = retail.audit("&action=inquiry.marked-for-review").await.pop().unwrap();
    assert_eq!((&entry["reason"], &entry["actor"]), (&"declined-often".into(), &"simulator".into()));
    retail.recover("user-1", &id, certificate).await.refused(403, "verification-not-approved");

    retail.simulate(&id, "approve_inquiry").await.ok();
    assert_eq!(retail.inquiry_status(&id).await, "APPROVED");
    let entry = retail.audit("&action=inquiry.approved").await.pop().unwrap();
    assert!(entry["reason"].is_null(), "{entry}");
    let answer = retail.recover("user-1", &id, certificate).await.ok();
    assert_eq!(answer["backup"][0]["backup_id"], stored[0], "the review confirmed it: {answer}");
    // The header says the same as the call.
    let next = retail.approved("user-1").await;
    assert_eq!(retail.inquiry_status(&next).await, "NEEDS_REVIEW");
    retail.simulate(&next, "decline_inquiry").await.ok();
    assert_eq!(retail.inquiry_status(&next).await, "DECLINED");
}

#[tokio::test]
async fn fewer_another_users_and_reviewed_ones_go_through() {
    let app = App::start().await;
    let retail = app.retail();
    decline(&retail, "user-1", 4).await;
    for action in ["fail_inquiry", "expire_inquiry", "create_failed_verification"] {
        retail.start_as("user-1", action).await;
    }
    decline(&retail, "user-2", 5).await;
    for user in ["user-1", "user-3"] {
        let id = retail.approved(user).await;
        assert_eq!(retail.inquiry_status(&id).await, "APPROVED", "{user}");
    }
    let id = retail.start_as("user-2", "mark_for_review_inquiry").await;
    retail.simulate(&id, "approve_inquiry").await.ok();
    assert_eq!(retail.inquiry_status(&id).await, "APPROVED", "it has been reviewed");
}
