//! Somebody writes into the audit logs past the service: nothing of it gets a place there, the operator is told, and all
//! goes on.

use domain::ids::TenantId;
use server::doctor::{self, Verdict};
use testkit::{App, Plan};

use crate::examination::failures;
use crate::v1::audit_checkpoint::checkpoint;
use crate::v1::webhooks::sink::until;

/// What the doctor's quick look finds wrong with what waits.
async fn seen(app: &mut App) -> Vec<String> {
    let lines = Box::pin(doctor::test(&app.settings().clone(), &[])).await;
    let lines: Vec<_> = lines.into_iter().filter(|line| line.check == "audit").collect();
    assert!(!lines.is_empty(), "it looks at it");
    lines.into_iter().filter(|line| line.verdict == Verdict::Failure).map(|line| line.text).collect()
}

async fn what_nobody_said_is_in_no_log_and_told_of(mut app: App) {
    let partner = app.partner();
    partner.assigned("user-1", "customer-1").await;
    assert_eq!((partner.audit("").await.len(), seen(&mut app).await), (1, Vec::new()));
    let (ours, root_log) = (app.tenant_of(&partner).await, TenantId::root_log());
    let ids = ["01890000-0000-7000-8000-00000000000a", "01890000-0000-7000-8000-00000000000b"];
    for (id, owner) in ids.into_iter().zip([&ours, &root_log]) {
        app.place.run(&format!(
            "INSERT INTO audit_entries (id, tenant_id, time, actor, actor_type, action, result, request_id) \
             VALUES ('{id}', '{owner}', 1, 'nobody', 'service', 'backup.deleted', 'ok', 'service')"
        ));
    }
    until("both are refused", async || app.place.all_rows("audit_entries WHERE refused") == 2).await;
    partner.assigned("user-2", "customer-1").await;
    let log = partner.audit("").await;
    assert!(log.len() == 2 && log.iter().all(|entry| entry["actor"] != "nobody"), "{log:?}");
    let made = checkpoint(&partner).await;
    assert!(made["size"] == 2 && made.get("enclave_key").is_some(), "the log goes on, and is signed: {made}");
    assert_eq!(app.anonymous().get("/readyz").await.ok()["audit_logs"], "foreign");
    assert_eq!(app.scrape().await.one("audit_entries_refused"), 2);
    let told: Vec<String> = ids
        .into_iter()
        .zip([&ours, &root_log])
        .map(|(id, owner)| {
            format!(
                "audit_entries {id} in the log of {owner} waits for its place, and was not written by the service as it is"
            )
        })
        .rev()
        .collect();
    assert_eq!(seen(&mut app).await, told);
    assert_eq!(failures(&app).await, told);
    // The operator takes them away.
    app.place.run("DELETE FROM audit_entries WHERE refused");
    assert_eq!(app.anonymous().get("/readyz").await.ok()["audit_logs"], "whole");
    assert_eq!(app.scrape().await.one("audit_entries_refused"), 0);
    assert_eq!((seen(&mut app).await, failures(&app).await), (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_said_is_in_no_log_and_told_of_on_sqlite() {
    Box::pin(what_nobody_said_is_in_no_log_and_told_of(Plan::default().on_sqlite().start().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_said_is_in_no_log_and_told_of_on_postgres() {
    Box::pin(what_nobody_said_is_in_no_log_and_told_of(App::on_postgres().await)).await;
}
