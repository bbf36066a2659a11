//! An identity check that people decide: from the customer who asks for it to the officer's word, and to the second
//! person's where somebody else has passed.

use serde_json::json;

use super::stage::{Stage, look_at, shown};
use crate::rig::browser::Browser;

/// A check of a user that the customer ends so: the path of its review.
async fn review(stage: &Stage, customer: &Browser, first_name: Option<&str>, button: &str) -> String {
    let start = json!({ "user_identifier": "ada" });
    let started = stage.sandbox.post("retail", "/v1/verification/start", &start).await;
    let id = started["verification_id"].as_str().expect("an inquiry");
    customer.go(&format!("{}/identity/{id}", stage.sandbox.credentials.base_url)).await;
    if let Some(name) = first_name {
        // Another person is out of sight until he is asked for.
        customer.run("document.querySelector('details').open = true").await;
        customer.fill("#first_name", name).await;
    }
    customer.press(button).await;
    customer.wait_for("In review").await;
    format!("/control/reviews/{id}")
}

/// The officer decides, with a reason, and signs.
async fn decide(officer: &Browser, choice: &str, reason: &str) {
    officer.run(&format!("document.querySelector('{choice}').click()")).await;
    officer.fill("#reason", reason).await;
    officer.press("Go on to sign").await;
    officer.wait_for("Look at it once more").await;
}

#[tokio::test]
async fn officers_decide_what_no_program_should() {
    let stage = Stage::new();
    let customer = stage.stranger().await;
    let asked = review(&stage, &customer, None, "Ask for a review").await;
    let officer = stage.signed_in_of("retail", "officer@").await;
    officer.go(&stage.at("/control/notices")).await;
    officer.wait_for("An identity check waits").await;
    officer.press("Reviews").await;
    officer.wait_for("Provider asked").await;
    look_at(&officer, "reviews").await;
    officer.go(&stage.at(&asked)).await;
    officer.wait_for("one officer decides").await;
    look_at(&officer, "review").await;
    decide(
        &officer,
        "#decision-0",
        "I called the number on file, and he knew the date of his first deposit.",
    )
    .await;
    look_at(&officer, "review-sign").await;
    let code = shown(&officer, ".short-code output").await;
    officer.press("Sign with your passkey").await;
    officer.wait_for("So it was approved").await;
    assert_eq!(shown(&officer, ".short-code output").await, code, "what was signed is what is kept");
    look_at(&officer, "review-approved").await;

    let other = review(&stage, &customer, Some("Eve"), "Pass").await;
    officer.go(&stage.at(&other)).await;
    officer.wait_for("needs two people").await;
    look_at(&officer, "review-of-another").await;
    decide(&officer, "#decision-0", "She married, and showed me the certificate.").await;
    officer.press("Sign with your passkey").await;
    officer.wait_for("waits for a second signature").await;
    look_at(&officer, "review-signed").await;
    let owner = stage.signed_in_of("retail", "owner@").await;
    owner.go(&stage.at(&other)).await;
    look_at(&owner, "review-second").await;
    owner.press("Sign beside him").await;
    owner.wait_for("Oskar Weiss and Olivia Owens").await;
    look_at(&owner, "review-of-another-approved").await;

    let third = review(&stage, &customer, Some("Mallory"), "Pass").await;
    officer.go(&stage.at(&third)).await;
    decide(&officer, "#decision-1", "Nobody answers, and the photograph is of somebody else.").await;
    officer.press("Sign with your passkey").await;
    officer.wait_for("So it was declined").await;
    let auditor = stage.signed_in_of("retail", "auditor@").await;
    auditor.go(&stage.at("/control/reviews")).await;
    auditor.wait_for("Declined").await;
    look_at(&auditor, "reviews-of-all-kinds").await;
    owner.go(&stage.at("/control/acls/owners")).await;
    owner.wait_for("Owners and officers on record").await;
    look_at(&owner, "owners-and-officers").await;
}
