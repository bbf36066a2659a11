//! No act without its entry: while the audit log cannot be written, every deed that has an entry is refused, and
//! nothing is changed.

use std::collections::BTreeMap;

use domain::access::Deed;
use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, App, Plan};

use crate::openapi::operations;
use crate::stage::Stage;
use crate::v1::issuer::idp::{Idp, Key};

/// What has no entry of its own: a token is no more than the key it was made from, and what is sent again was logged
/// when it happened.
const WITHOUT_ENTRY: [Deed; 3] = [Deed::ExchangeToken, Deed::TestWebhook, Deed::Redeliver];

/// What the other test plays; and what needs somebody who holds a ceremony.
const ELSEWHERE: [Deed; 2] = [Deed::SimulateVerification, Deed::RunCeremony];

/// What is written besides the act: what a call is known by, the stock of keys, who a user is, what
/// is on its way to webhooks, and the log itself.
const BESIDES: [&str; 8] = [
    "idempotency_keys",
    "pool_keys",
    "users",
    "webhook_deliveries",
    "webhook_attempts",
    "audit_entries",
    "audit_heads",
    "audit_checkpoints",
];

const BREAK: &str =
    "CREATE TRIGGER full BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'no room'); END";
const MEND: &str = "DROP TRIGGER full";

/// Everything that the database holds and a deed may change.
fn contents(app: &App) -> BTreeMap<String, Vec<String>> {
    let mut tables: Vec<_> = app.census().into_keys().collect();
    tables.retain(|table| !BESIDES.contains(&table.as_str()));
    tables.into_iter().map(|table| (table.clone(), app.place.contents(&table))).collect()
}

async fn call(stage: &Stage, deed: Deed, document: &Value) -> Answer {
    let (method, path) = deed.route();
    let call = stage.actor.call(&method.parse::<Method>().unwrap(), &stage.path(path, None).await);
    let operation = &document["paths"][path][method.to_lowercase()];
    // Who has a key of an organisation gets no other.
    let other = (deed == Deed::AssignKey).then_some(("user_identifier", "user-2"));
    stage.send(call, path, &operation["requestBody"], other).await
}

#[tokio::test]
async fn a_deed_whose_entry_cannot_be_written_is_not_done() {
    let app = Plan::default().on_sqlite().start().await;
    let document = app.anonymous().get("/openapi.json").await.ok();
    let stage = Stage::set(&app, app.new_tenant(TenantKind::Partner, Scope::ALL).await, "user-1").await;
    let deeds: Vec<_> = operations(&document)
        .into_iter()
        .filter_map(|(path, method, _)| Deed::of_route(&method, &path).filter(|_| method != "GET"))
        .filter(|deed| !WITHOUT_ENTRY.contains(deed) && !ELSEWHERE.contains(deed))
        .collect();
    assert!(deeds.len() > 25, "{deeds:?}");
    // Without an issuer and a deletion there is nothing to end; with one a deletion changes nothing.
    // A reset empties the enclave before the database, on purpose, so that it comes last.
    let needs_more = [Deed::DeleteIssuer, Deed::RestoreBackup, Deed::RestoreOwnBackup, Deed::ResetSandbox];
    let (later, first): (Vec<Deed>, Vec<Deed>) =
        deeds.into_iter().partition(|deed| needs_more.contains(deed));
    app.place.run(BREAK);
    let before = contents(&app);
    for deed in first {
        let answer = call(&stage, deed, &document).await;
        assert_eq!(answer.status, 503, "{deed}: {}", answer.text());
        answer.refused(503, "unavailable");
        assert_eq!(contents(&app), before, "{deed}");
    }
    app.place.run(MEND);
    Idp::with(&[&Key::new("2")]).await.register(&stage.actor).await;
    call(&stage, Deed::DeleteBackup, &document).await.ok();
    app.place.run(BREAK);
    let before = contents(&app);
    assert_eq!(later.last(), Some(&Deed::ResetSandbox));
    for deed in later {
        let answer = call(&stage, deed, &document).await;
        assert_eq!(answer.status, 503, "{deed}: {}", answer.text());
        assert_eq!(contents(&app), before, "{deed}");
    }
    // What was refused meanwhile is done when it can be logged.
    app.place.run(MEND);
    for deed in [Deed::RestoreBackup, Deed::RotateWebhookSecret, Deed::ResetSandbox, Deed::AssignKey] {
        assert_eq!(call(&stage, deed, &document).await.status, 200, "{deed}");
    }
}

/// A refused recovery has an entry too, and is refused otherwise while that cannot be written. A provider whose
/// event was answered with 503 sends it again.
#[tokio::test]
async fn neither_a_refusal_nor_a_verdict_counts_before_it_is_written() {
    for (app, stop, go) in [
        (Plan::default().on_sqlite().start().await, BREAK, MEND),
        (
            App::on_postgres().await,
            "ALTER TABLE audit_entries ADD CONSTRAINT is_full CHECK (false) NOT VALID",
            "ALTER TABLE audit_entries DROP CONSTRAINT is_full",
        ),
    ] {
        let retail = app.retail();
        let certificate = app.fixture.recipient.certificate.clone();
        let id = retail.start("user-2").await;
        app.place.run(stop);
        retail.simulate(&id, "approve_inquiry").await.refused(503, "unavailable");
        assert_eq!(retail.inquiry_status(&id).await, "CREATED");
        let body = json!({"user_identifier": "user-1"});
        retail.post("/v1/verification/start", &body).await.refused(503, "unavailable");
        retail.recover("user-1", "inq_unknown", &certificate).await.refused(503, "unavailable");
        app.place.run(go);
        retail.simulate(&id, "approve_inquiry").await.ok();
        retail.recover("user-1", "inq_unknown", &certificate).await.refused(404, "not-found");
        retail.post("/v1/verification/start", &body).await.ok();
    }
}
