//! The root log: one log that names each checkpoint of every other, so that whoever keeps it keeps them all.

use domain::ids::TenantId;
use reqwest::Method;
use serde_json::{Value, json};
use server::audit::{Cosigner, Finding, Verification, Verified, VerifierKey};
use testkit::foreign::python;
use testkit::{Actor, App, Plan, Vandal};

use crate::examination::failures;
use crate::v1::audit::history;
use crate::v1::audit_checkpoint::{FOREIGN, checkpoint, export, judge_with, verify};
use crate::v1::audit_export::fill;
use crate::v1::webhooks::sink::until;

const LOGS: [&str; 4] = ["audit_entries", "audit_heads", "audit_checkpoints", "audit_witnesses"];

/// The root log, as whoever administers the installation gets it.
struct Root {
    note: String,
    export: String,
    key: String,
}

impl Root {
    async fn of(app: &App) -> Self {
        let admin = app.admin().await;
        let (note, key) = (admin.root_log_checkpoint().await.unwrap(), admin.root_log_key());
        let mut export = Vec::new();
        let entries = admin.export_root_log(&mut export).await.unwrap();
        let export = String::from_utf8(export).unwrap();
        assert_eq!(entries, i64::try_from(export.lines().count()).unwrap());
        admin.close().await;
        Self { note, export, key }
    }

    /// Both verifiers agree on it as on any log, with the enclave's signature.
    async fn holds(&self, app: &App) {
        let verified = verify(&self.key, &self.export, &self.note, None).unwrap();
        let admin = app.admin().await;
        let enclave_key = admin.root_log_cosigner().await.unwrap();
        admin.close().await;
        Verification::check_cosigned(&Cosigner::parse(&enclave_key).unwrap(), &self.note, None).unwrap();
        let case = (self.export.clone(), self.note.clone(), None);
        let said = judge_with(&self.key, Some(&enclave_key), &[case]);
        assert_eq!(said, [json!({"ok": true, "size": verified.checkpoint.size})]);
    }
}

/// A log as its tenant has it.
#[derive(Clone)]
struct Kept {
    key: String,
    note: String,
    export: String,
}

impl Kept {
    async fn of(actor: &Actor) -> Self {
        let made = checkpoint(actor).await;
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { key: text("key"), note: text("note"), export: export(actor).await }
    }

    /// What the service's own rules say, with the root log.
    fn compare(&self, root_log: &str) -> Result<Verified, Finding> {
        let mut begun = Verification::begin(&VerifierKey::parse(&self.key).unwrap(), &self.note, None)?;
        let mut read = begun.root_log();
        root_log.lines().try_for_each(|line| read.take(line))?;
        begun.compare_with(read)?;
        self.export.lines().try_for_each(|line| begun.take(line))?;
        begun.end()
    }

    /// The same, once the other verifier has said it too.
    fn judge(&self, root_log: &str) -> Result<Verified, Finding> {
        let case =
            json!({"export": self.export, "checkpoint": self.note, "since": null, "root_log": root_log});
        let ask = json!({"key": self.key, "enclave_key": null, "cases": [case]});
        let theirs = python(FOREIGN, &[], ask.to_string().as_bytes());
        let theirs: Value = serde_json::from_slice(&theirs).unwrap();
        let ours = self.compare(root_log);
        match &ours {
            Ok(verified) => assert_eq!(theirs, json!({"ok": true, "size": verified.checkpoint.size})),
            Err(found) => {
                assert_eq!((&theirs["ok"], &theirs["fault"]), (&json!(false), &json!(found.fault.as_str())));
                assert_eq!(theirs["first_bad_seq"], json!(found.first_bad_seq), "{theirs} {found}");
            }
        }
        ours
    }
}

async fn every_checkpoint_is_named_once(app: App) {
    let (partner, retail) = (app.partner(), app.retail());
    history(&app).await;
    retail.approved("user-1").await;
    for actor in [&partner, &retail] {
        checkpoint(actor).await;
    }
    fill(&app, &partner, 70).await;
    let (ours, theirs) = (Kept::of(&partner).await, Kept::of(&retail).await);
    let root = Root::of(&app).await;
    root.holds(&app).await;
    let named = root.export.lines().count();
    assert_eq!(i64::try_from(named).unwrap(), app.place.rows("audit_checkpoints"));
    let mut counted = 0;
    for kept in [&ours, &theirs] {
        counted += kept.judge(&root.export).unwrap().named.unwrap();
    }
    assert_eq!(counted, named, "of these two logs, and of none besides");
    let again = Root::of(&app).await;
    assert_eq!((&again.export, &again.note), (&root.export, &root.note), "it does not name itself");
    assert_eq!(app.anonymous().get("/readyz").await.ok()["audit_logs"], "whole");
    // No tenant gets it, whoever he says he is.
    let admin = app.admin().await;
    let refused = admin.log_key(TenantId::root_log().as_str()).await.unwrap_err();
    assert!(refused.to_string().contains("there is no tenant"), "{refused}");
    assert!(
        !admin.list_tenants().await.unwrap().iter().any(|tenant| tenant.id == TenantId::root_log().as_str())
    );
    admin.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_checkpoint_is_named_once_on_sqlite() {
    Box::pin(every_checkpoint_is_named_once(Plan::default().on_sqlite().start().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_checkpoint_is_named_once_on_postgres() {
    Box::pin(every_checkpoint_is_named_once(App::on_postgres().await)).await;
}

/// Whoever has the database and the server's keys puts one tenant's whole log back, or makes another of it: each is a
/// log like any other by itself, and not the one that was named.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_put_back_or_made_anew_is_missed() {
    let app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    history(&app).await;
    let early = Kept::of(&partner).await;
    fill(&app, &partner, 3).await;
    let late = Kept::of(&partner).await;
    let root = Root::of(&app).await;
    late.judge(&root.export).unwrap();
    assert!(verify(&early.key, &early.export, &early.note, None).is_ok(), "by itself it holds");
    let found = early.judge(&root.export).unwrap_err();
    assert_eq!((found.fault.as_str(), found.first_bad_seq), ("missing", Some(7)), "{found}");
    // An old checkpoint of the log as it is now is no fault: nothing of it is gone.
    assert!(Kept { note: early.note.clone(), ..late.clone() }.judge(&root.export).is_ok());
    let ours = format!("tenant_id = '{}'", app.tenant_of(&partner).await);
    app.place.run(&format!(
        "BEGIN IMMEDIATE; DELETE FROM audit_checkpoints WHERE {ours}; UPDATE audit_entries SET actor = 'nobody' \
         WHERE seq = 3 AND {ours}; DELETE FROM audit_heads WHERE {ours}; UPDATE audit_entries SET seq = NULL, \
         prev_hash = NULL, entry_hash = NULL WHERE {ours}; COMMIT"
    ));
    app.seal_entries().await;
    let forged = Kept::of(&partner).await;
    assert!(verify(&forged.key, &forged.export, &forged.note, None).is_ok(), "by itself it holds too");
    let found = forged.judge(&root.export).unwrap_err();
    assert_eq!((found.fault.as_str(), found.first_bad_seq), ("fork", Some(1)), "{found}");
    // What is signed since is named too: two heads of one size, of which one is wrong.
    let found = forged.judge(&Root::of(&app).await.export).unwrap_err();
    assert_eq!(found.fault.as_str(), "fork", "{found}");
    // A root log from which the log was left out says so.
    let stranger = Kept::of(&app.retail()).await;
    let found = stranger.judge(&root.export).unwrap_err();
    assert_eq!((found.fault.as_str(), found.first_bad_seq), ("missing", None), "{found}");
}

/// All of it put back, the root log with the others: what was kept of that outside tells, and the enclave does.
#[tokio::test(flavor = "multi_thread")]
async fn a_root_log_that_was_put_back_goes_on_unsigned() {
    let mut app = Plan::default().on_sqlite().start().await;
    history(&app).await;
    Root::of(&app).await;
    app.stop_service().await;
    let vandal = Vandal::new(&app.place, 0);
    app.start_service().await.unwrap();
    fill(&app, &app.partner(), 3).await;
    checkpoint(&app.partner()).await;
    let kept = Root::of(&app).await;
    app.stop_service().await;
    vandal.put_back(&LOGS);
    app.start_service().await.unwrap();
    app.partner().assigned("another", "customer-1").await;
    checkpoint(&app.partner()).await;
    let forged = Root::of(&app).await;
    let fork = verify(&kept.key, &forged.export, &forged.note, Some(&kept.note)).unwrap_err();
    assert_eq!(fork.fault.as_str(), "fork", "{fork}");
    assert!(!forged.note.contains("holdfast-enclave"), "{}", forged.note);
    assert_eq!(app.anonymous().get("/readyz").await.ok()["audit_logs"], "forked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_a_reset_began_is_named_and_no_fault() {
    let mut app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    for round in 0..3 {
        partner.assigned(&format!("user-{round}"), "customer-1").await;
        partner.call(&Method::POST, "/v1/sandbox/reset").send().await.ok();
    }
    let kept = Kept::of(&partner).await;
    let root = Root::of(&app).await;
    kept.judge(&root.export).unwrap();
    for origin in ["", "/log-2\"", "/log-3\"", "/log-4\""] {
        assert!(root.export.contains(origin), "{origin}: {}", root.export);
    }
    app.stop_service().await;
    assert_eq!(failures(&app).await, [""; 0]);
}

/// The root log is brought up to date before the others: one that does not read holds up none of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_root_log_holds_up_no_other() {
    let app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    history(&app).await;
    Root::of(&app).await;
    let root = TenantId::root_log();
    // A place that is taken, and a head that somebody wrote.
    let edits = [
        format!(
            "INSERT INTO audit_entries (id, seq, tenant_id, time, actor, actor_type, action, result, request_id) SELECT \
             '01890000-0000-7000-8000-0000000000ff', seq + 1, tenant_id, 1, 'x', 'x', 'x', 'ok', 'x' FROM audit_heads \
             WHERE tenant_id = '{root}'"
        ),
        format!("UPDATE audit_heads SET peaks = x'00' WHERE tenant_id = '{root}'"),
    ];
    for (round, edit) in edits.iter().enumerate() {
        app.place.run(edit);
        checkpoint(&partner).await;
        partner.assigned(&format!("later-{round}"), "customer-1").await;
        until("the others go on", async || app.place.rows("audit_entries WHERE seq IS NULL") == 0).await;
    }
}
