//! `/v1/verification/simulate`.

use serde_json::{Value, json};
use testkit::App;

/// The table that is committed for people to read.
const TABLE: &str = include_str!("../../../../../../docs/reference/inquiry-states.txt");

/// What leads from a new inquiry to each state.
fn way_to(state: &str) -> &'static [&'static str] {
    match state {
        "CREATED" => &[],
        "PENDING" => &["start_inquiry"],
        "COMPLETED" => &["start_inquiry", "complete_inquiry"],
        "NEEDS_REVIEW" => &["mark_for_review_inquiry"],
        "FAILED" => &["fail_inquiry"],
        "APPROVED" => &["complete_inquiry", "approve_inquiry"],
        "DECLINED" => &["decline_inquiry"],
        "EXPIRED" => &["expire_inquiry"],
        other => unreachable!("{other} is in the table and not here"),
    }
}

fn event_of(action: &str, end: &str) -> Value {
    let name = match (action, end) {
        ("create_passed_verification", _) => "verification.passed",
        ("create_failed_verification", _) => "verification.failed",
        (_, "PENDING") => "inquiry.started",
        (_, "NEEDS_REVIEW") => "inquiry.marked-for-review",
        (_, end) => return json!(format!("inquiry.{}", end.to_lowercase())),
    };
    json!(name)
}

#[tokio::test]
async fn every_action_from_every_state_does_what_the_table_says() {
    let app = App::start().await;
    let retail = app.retail();
    let mut lines = TABLE.lines().skip_while(|line| !line.starts_with("state"));
    let actions: Vec<_> = lines.next().unwrap().split_whitespace().skip(2).collect();
    assert_eq!(actions.len(), 10);
    let mut cells = 0;
    for line in lines {
        let words: Vec<_> = line.split_whitespace().collect();
        let (state, status, ends) = (words[0], words[1], &words[2..]);
        assert_eq!(ends.len(), actions.len(), "{line}");
        for (action, end) in actions.iter().zip(ends) {
            // A user each: one who is declined often has his next approval reviewed.
            let id = retail.start(&format!("user-{cells}")).await;
            for step in way_to(state) {
                retail.simulate(&id, step).await.ok();
            }
            let shown = retail.get(&format!("/v1/verification/status?verification_id={id}")).await.ok();
            assert_eq!((&shown["inquiry_status"], &shown["status"]), (&json!(state), &json!(status)));
            let (before, told) = (app.census(), app.events(&retail).await.len());
            let answer = retail.simulate(&id, action).await;
            let told = app.events(&retail).await.split_off(told);
            let now = retail.inquiry_status(&id).await;
            if *end == "-" {
                answer.refused(409, "inquiry-state");
                assert_eq!((now.as_str(), app.census()), (state, before), "{action} on {state}");
            } else {
                assert_eq!(answer.ok(), json!({"ok": true, "inquiryId": id}));
                assert_eq!(now, if *end == "stays" { state } else { end }, "{action} on {state}");
                let types: Vec<_> = told.iter().map(|event| event["type"].clone()).collect();
                let expected = if *action == "close_window" { vec![] } else { vec![event_of(action, end)] };
                assert_eq!(types, expected, "{action} on {state} tells of the state reached only");
            }
            cells += 1;
        }
    }
    assert_eq!(cells, 80);
}

#[tokio::test]
async fn an_action_is_one_of_ten_words() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.start("user-1").await;
    for action in ["approve", "Approve_Inquiry", "reset", "approve_inquiry "] {
        let answer = retail.simulate(&id, action).await;
        assert_eq!(answer.faults(), ["action"], "{action}");
        assert!(answer.text().contains("approve_inquiry"), "the words are named");
    }
    assert_eq!(retail.inquiry_status(&id).await, "CREATED");
}

#[tokio::test]
async fn a_window_is_closed_once() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    retail.simulate(&id, "close_window").await.ok();
    retail.simulate(&id, "close_window").await.refused(409, "inquiry-state");
}
