//! The enclave's signature under checkpoints: there at each reading and each release, in time by itself, and never under
//! a second history.

use std::time::Duration;

use domain::credential::{Scope, TenantKind};
use domain::ids::TenantId;
use serde_json::{Value, json};
use server::audit::{Cosigner, Verification};
use testkit::device::secret;
use testkit::{Actor, App, Plan};

use super::audit::history;
use super::audit_checkpoint::{checkpoint, export, judge_with};
use super::audit_export::fill;
use super::webhooks::sink::until;

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What the log says about the tenant's heads.
fn heads(app: &App, condition: &str) -> bool {
    app.place.rows(&format!("audit_heads WHERE {condition}")) == 1
}

/// What is of a tenant's log, and not of the root log.
fn ours() -> String {
    format!("tenant_id <> '{}'", TenantId::root_log())
}

/// The newest checkpoint, once both verifiers have found both signatures under it.
async fn cosigned(actor: &Actor, since: Option<&Value>) -> Value {
    let made = checkpoint(actor).await;
    let (key, note) = (text(&made["key"]), text(&made["note"]));
    let enclave_key = text(&made["enclave_key"]);
    let since = since.map(|older| text(&older["note"]));
    let cosigner = Cosigner::parse(&enclave_key).expect("a key");
    Verification::check_cosigned(&cosigner, &note, since.as_deref()).unwrap();
    let case = (export(actor).await, note.clone(), since);
    let said = judge_with(&key, Some(&enclave_key), std::slice::from_ref(&case));
    assert_eq!(said, [json!({"ok": true, "size": made["size"]})]);
    // Without the line, or with another's, it is found missing.
    let (alone, _) = note.trim_end().rsplit_once('\n').unwrap();
    let case = (case.0, format!("{alone}\n"), None);
    assert!(Verification::check_cosigned(&cosigner, &case.1, None).is_err());
    assert_eq!(judge_with(&key, Some(&enclave_key), &[case])[0]["fault"], "checkpoint");
    made
}

async fn a_checkpoint_that_is_read_has_both_signatures(app: App) {
    let partner = app.partner();
    history(&app).await;
    let first = cosigned(&partner, None).await;
    assert_eq!(cosigned(&partner, None).await, first, "nothing new, the same signature");
    fill(&app, &partner, 70).await;
    let second = cosigned(&partner, Some(&first)).await;
    assert_eq!(second["enclave_key"], first["enclave_key"]);
    let stranger = app.new_tenant(TenantKind::Partner, &[Scope::Audit, Scope::Credentials]).await;
    let empty = checkpoint(&stranger).await;
    assert_eq!((&empty["size"], empty.get("enclave_key")), (&json!(0), None), "nothing to sign");
    assert_eq!(app.anonymous().get("/readyz").await.ok()["audit_logs"], "whole");
}

#[tokio::test]
async fn a_checkpoint_that_is_read_has_both_signatures_on_sqlite() {
    a_checkpoint_that_is_read_has_both_signatures(Plan::default().on_sqlite().start().await).await;
}

#[tokio::test]
async fn a_checkpoint_that_is_read_has_both_signatures_on_postgres() {
    a_checkpoint_that_is_read_has_both_signatures(App::on_postgres().await).await;
}

#[tokio::test]
async fn the_enclave_signs_by_itself_by_time_by_entries_and_at_a_release() {
    let app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    partner.assigned("user-1", "customer-1").await;
    until("the first is signed at once", async || heads(&app, "cosigned_size = 1")).await;
    partner.assigned("user-2", "customer-1").await;
    app.clock.advance(Duration::from_secs(11));
    until("a checkpoint", async || heads(&app, "checkpoint_size = 2")).await;
    assert!(heads(&app, "cosigned_size = 1"), "it waits for time, or for entries");
    app.clock.advance(Duration::from_mins(1));
    until("signed by time", async || heads(&app, "cosigned_size = 2")).await;
    fill(&app, &partner, 256).await;
    until("signed by entries", async || heads(&app, "cosigned_size > 250")).await;
}

#[tokio::test]
async fn a_release_is_signed_before_it_is_answered() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    let key = retail.key("user-1", &id).await;
    retail.store("user-1", &id, &key, &[key.device().item("a", &secret("a"))]).await;
    cosigned(&retail, None).await;
    retail.recover("user-1", &id, &app.fixture.recipient.certificate).await.ok();
    let uncovered = "audit_entries WHERE action = 'recovery.released' AND (seq IS NULL OR seq > (SELECT max(size) FROM \
                     audit_checkpoints WHERE cosigner IS NOT NULL))";
    assert_eq!(app.place.rows(uncovered), 0);
}

/// Whoever has the database and the server's keys writes the history anew and signs it: the enclave does not.
#[tokio::test]
async fn a_history_that_was_written_anew_is_not_signed_and_told_of() {
    let app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    history(&app).await;
    let kept = cosigned(&partner, None).await;
    let ours = ours();
    app.place.run(&format!(
        "BEGIN IMMEDIATE; UPDATE audit_entries SET actor = 'nobody' WHERE seq = 3 AND {ours}; \
         DELETE FROM audit_checkpoints WHERE {ours}; UPDATE audit_heads SET seq = 0, entry_hash = NULL, peaks = NULL, tag = NULL, \
         checkpoint_size = NULL, checkpoint_at = NULL, cosigned_size = NULL WHERE {ours}; \
         UPDATE audit_entries SET seq = NULL, prev_hash = NULL, entry_hash = NULL WHERE {ours}; COMMIT"
    ));
    app.seal_entries().await;
    let forged = checkpoint(&partner).await;
    assert_eq!((&forged["size"], forged.get("enclave_key")), (&kept["size"], None), "{forged}");
    assert_eq!(app.anonymous().get("/readyz").await.ok()["audit_logs"], "forked");
    assert_eq!(app.scrape().await.one("audit_logs_forked"), 1);
    // It stays so while it grows: no later checkpoint is signed.
    fill(&app, &partner, 3).await;
    assert_eq!(checkpoint(&partner).await.get("enclave_key"), None);
    let (key, enclave_key) = (text(&kept["key"]), text(&kept["enclave_key"]));
    let case = (export(&partner).await, text(&forged["note"]), None);
    assert_eq!(judge_with(&key, Some(&enclave_key), &[case])[0]["fault"], "checkpoint");
}

/// The same for an old copy of the log, put back: it has fewer entries, and goes another way from there.
#[tokio::test]
async fn an_old_copy_of_the_log_is_not_signed_on() {
    let app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    history(&app).await;
    let copied = cosigned(&partner, None).await;
    partner.assigned("later-1", "customer-1").await;
    let ahead = cosigned(&partner, Some(&copied)).await;
    let (size, ours) = (&copied["size"], ours());
    app.place.run(&format!(
        "BEGIN IMMEDIATE; DELETE FROM audit_entries WHERE (seq > {size} OR seq IS NULL) AND {ours}; \
         DELETE FROM audit_checkpoints WHERE size > {size} AND {ours}; \
         UPDATE audit_heads SET seq = {size}, checkpoint_size = {size}, cosigned_size = {size}, tag = NULL, \
         entry_hash = (SELECT entry_hash FROM audit_entries WHERE seq = {size} AND {ours}), \
         peaks = (SELECT peaks FROM audit_checkpoints WHERE size = {size} AND {ours}) WHERE {ours}; COMMIT"
    ));
    app.seal_entries().await;
    assert_eq!(checkpoint(&partner).await["note"], copied["note"], "by itself it is what it was");
    for number in 2..5 {
        partner.assigned(&format!("later-{number}"), "customer-1").await;
        let made = checkpoint(&partner).await;
        assert_eq!(made.get("enclave_key"), None, "{made} {ahead}");
    }
    assert_eq!(app.anonymous().get("/readyz").await.ok()["audit_logs"], "forked");
}

/// The enclave signed, and the service went away before it kept the signature: it is no fork.
#[tokio::test]
async fn a_signature_that_was_lost_is_made_again() {
    let app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    history(&app).await;
    let first = cosigned(&partner, None).await;
    fill(&app, &partner, 5).await;
    cosigned(&partner, Some(&first)).await;
    let ours = ours();
    let lose = format!(
        "UPDATE audit_checkpoints SET cosigner = NULL, note = substr(note, 1, instr(note, char(10) || \
         '\u{2014} holdfast-enclave')) WHERE size = (SELECT max(size) FROM audit_checkpoints WHERE {ours}) AND {ours}; \
         UPDATE audit_heads SET cosigned_size = (SELECT max(size) FROM audit_checkpoints WHERE cosigner IS NOT NULL AND \
         {ours}) WHERE {ours}"
    );
    app.place.run(&lose);
    // Of the same size again, and then from one that this database does not know to be signed.
    cosigned(&partner, Some(&first)).await;
    app.place.run(&lose);
    partner.assigned("later", "customer-1").await;
    cosigned(&partner, Some(&first)).await;
    assert_eq!(app.anonymous().get("/readyz").await.ok()["audit_logs"], "whole");
}

#[tokio::test]
async fn without_the_enclave_a_checkpoint_has_one_signature() {
    let mut app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    history(&app).await;
    app.enclave.kill();
    let made = checkpoint(&partner).await;
    assert_eq!((&made["size"], made.get("enclave_key")), (&json!(6), None), "{made}");
    app.enclave.restart();
    cosigned(&partner, None).await;
}

#[tokio::test]
async fn a_reset_begins_a_log_that_is_signed_anew() {
    let app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    history(&app).await;
    let before = cosigned(&partner, None).await;
    partner.call(&reqwest::Method::POST, "/v1/sandbox/reset").send().await.ok();
    partner.assigned("user-1", "customer-1").await;
    let after = cosigned(&partner, None).await;
    assert_eq!(after["origin"], format!("{}/log-2", text(&before["origin"])));
    assert_eq!(app.anonymous().get("/readyz").await.ok()["audit_logs"], "whole");
}
