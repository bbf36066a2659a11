//! `/v1/audit/checkpoint`, and the checkpoints that nobody asked for.

use std::time::Duration;

use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::{Value, json};
use server::audit::{Finding, Verification, Verified, VerifierKey};
use testkit::device::secret;
use testkit::foreign::python;
use testkit::{Actor, App, Plan};

use super::audit::{history, history_of_names};
use super::audit_export::fill;
use super::webhooks::sink::{OK, Sink, until};

/// The verifier that shares no code with the service.
pub const FOREIGN: &str = include_str!("verify_audit.py");

/// The checkpoint as JSON.
pub async fn checkpoint(actor: &Actor) -> Value {
    actor.call(&Method::GET, "/v1/audit/checkpoint").header("accept", "application/json").send().await.ok()
}

pub async fn export(actor: &Actor) -> String {
    actor.get("/v1/audit/export").await.text()
}

/// What the service's own rules say.
pub fn verify(key: &str, export: &str, note: &str, since: Option<&str>) -> Result<Verified, Finding> {
    let key = VerifierKey::parse(key).expect("a key");
    let mut begun = Verification::begin(&key, note, since)?;
    export.lines().try_for_each(|line| begun.take(line))?;
    begun.end()
}

/// What the other verifier says of each case: an export, a checkpoint, an older one.
pub fn judge(key: &str, cases: &[(String, String, Option<String>)]) -> Vec<Value> {
    judge_with(key, None, cases)
}

/// The same, where each checkpoint has to have the enclave's signature.
pub fn judge_with(
    key: &str,
    enclave_key: Option<&str>,
    cases: &[(String, String, Option<String>)],
) -> Vec<Value> {
    judge_by(FOREIGN, key, enclave_key, cases)
}

/// The same by a verifier of this text.
pub fn judge_by(
    verifier: &str,
    key: &str,
    enclave_key: Option<&str>,
    cases: &[(String, String, Option<String>)],
) -> Vec<Value> {
    let case = |(export, checkpoint, since): &(String, String, Option<String>)| json!({"export": export, "checkpoint": checkpoint, "since": since});
    let ask =
        json!({"key": key, "enclave_key": enclave_key, "cases": cases.iter().map(case).collect::<Vec<_>>()});
    let said = String::from_utf8(python(verifier, &[], ask.to_string().as_bytes())).unwrap();
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Both verifiers agree that the export holds.
async fn holds(actor: &Actor, since: Option<&Value>) -> Value {
    let made = checkpoint(actor).await;
    let since = since.map(|older| text(&older["note"]));
    let (key, note, export) = (text(&made["key"]), text(&made["note"]), export(actor).await);
    let verified =
        verify(&key, &export, &note, since.as_deref()).unwrap_or_else(|found| unreachable!("{found}"));
    assert_eq!(json!(verified.checkpoint.size), made["size"]);
    assert_eq!(json!(verified.checkpoint.origin), made["origin"]);
    assert_eq!(judge(&key, &[(export, note, since)]), [json!({"ok": true, "size": made["size"]})]);
    made
}

async fn it_covers_every_act_that_was_answered_before(app: App) {
    let partner = app.partner();
    history(&app).await;
    history_of_names(&app).await;
    let first = holds(&partner, None).await;
    assert_eq!(first["size"], 7);
    assert_eq!(holds(&partner, Some(&first)).await, first, "nothing new, the same checkpoint");
    fill(&app, &partner, 1_100).await;
    let second = holds(&partner, Some(&first)).await;
    assert_eq!((&second["size"], &second["key"]), (&json!(1_107), &first["key"]));
    assert_eq!(second["origin"], first["origin"]);
    let plain = partner.get("/v1/audit/checkpoint").await;
    assert_eq!((plain.status, plain.header("content-type")), (200, "text/plain; charset=utf-8"));
    assert_eq!(plain.text(), text(&second["note"]));
    let lines: Vec<_> = plain.text().lines().map(str::to_owned).collect();
    assert_eq!(lines[..3], [text(&second["origin"]), "1107".to_owned(), text(&second["root"])]);
}

#[tokio::test]
async fn it_covers_every_act_that_was_answered_before_on_sqlite() {
    it_covers_every_act_that_was_answered_before(Plan::default().on_sqlite().start().await).await;
}

#[tokio::test]
async fn it_covers_every_act_that_was_answered_before_on_postgres() {
    it_covers_every_act_that_was_answered_before(App::on_postgres().await).await;
}

#[tokio::test]
async fn an_empty_log_has_one_and_nobody_sees_anothers() {
    let app = App::start().await;
    history(&app).await;
    let stranger = app.new_tenant(TenantKind::Partner, &[Scope::Audit]).await;
    let empty = holds(&stranger, None).await;
    assert_eq!(empty["size"], 0);
    assert!(text(&empty["origin"]).ends_with(app.tenant_of(&stranger).await.as_str()), "{empty}");
    let (ours, theirs) = (checkpoint(&app.partner()).await, export(&stranger).await);
    let crossed = verify(&text(&empty["key"]), &theirs, &text(&ours["note"]), None).unwrap_err();
    assert!(crossed.text.contains("not signed by this key"), "{crossed}");
    app.anonymous().get("/v1/audit/checkpoint").await.refused(401, "unauthenticated");
    let without = app.new_tenant(TenantKind::Partner, &[Scope::Partner]).await;
    without.get("/v1/audit/checkpoint").await.refused(403, "scope-missing");
}

/// The log that the command's tests verify: what was once exported and signed stays what it is.
#[test]
fn both_verifiers_know_what_was_signed_before() {
    let export = include_str!("../../../../holdfast/tests/audit/export.jsonl");
    let [key, newest, older] = [
        include_str!("../../../../holdfast/tests/audit/key.txt"),
        include_str!("../../../../holdfast/tests/audit/checkpoint.txt"),
        include_str!("../../../../holdfast/tests/audit/older.txt"),
    ];
    let verified = verify(key, export, newest, Some(older)).unwrap();
    assert_eq!((verified.checkpoint.size, verified.since, verified.entries), (8, Some(4), 9));
    let case = (export.to_owned(), newest.to_owned(), Some(older.to_owned()));
    assert_eq!(judge(key, &[case]), [json!({"ok": true, "size": 8})]);
}

/// How many entries the newest checkpoint covers, as the database has it.
fn covered(app: &App, size: i64) -> bool {
    app.place.rows(&format!("audit_heads WHERE checkpoint_size = {size}")) == 1
}

/// Waits until the sequencer has numbered so many.
async fn numbered(app: &App, count: i64) {
    until("numbered", async || app.place.rows("audit_entries WHERE seq IS NOT NULL") == count).await;
}

#[tokio::test]
async fn the_sequencer_makes_them_by_itself() {
    let app = App::start().await;
    let partner = app.partner();
    partner.assigned("user-1", "customer-1").await;
    until("a checkpoint over the first entry", async || covered(&app, 1)).await;
    partner.assigned("user-2", "customer-1").await;
    numbered(&app, 2).await;
    assert!(covered(&app, 1), "it waits for more, or for time");
    app.clock.advance(Duration::from_secs(10));
    until("a checkpoint by time", async || covered(&app, 2)).await;
    fill(&app, &partner, 63).await;
    numbered(&app, 65).await;
    assert!(covered(&app, 2), "one less than is waited for");
    partner.assigned("user-3", "customer-1").await;
    until("a checkpoint by entries", async || covered(&app, 66)).await;
    assert_eq!(app.place.rows("audit_checkpoints"), 3, "each is kept");
}

#[tokio::test]
async fn a_release_has_one_before_it_is_answered() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    let key = retail.key("user-1", &id).await;
    retail.store("user-1", &id, &key, &[key.device().item("a", &secret("a"))]).await;
    holds(&retail, None).await;
    let before = app.place.rows("audit_checkpoints");
    retail.recover("user-1", &id, &app.fixture.recipient.certificate).await.ok();
    assert_eq!(app.place.rows("audit_checkpoints"), before + 1);
    let uncovered = "audit_entries WHERE action = 'recovery.released' AND (seq IS NULL OR seq > (SELECT \
                     max(size) FROM audit_checkpoints))";
    assert_eq!(app.place.rows(uncovered), 0);
}

async fn a_tree_grows_on_after_a_restart(mut app: App) {
    history(&app).await;
    let before = holds(&app.partner(), None).await;
    for round in 0..3 {
        app.stop_service().await;
        app.start_service().await.unwrap();
        let partner = app.partner();
        partner.assigned(&format!("later-{round}"), "customer-1").await;
        let after = holds(&partner, Some(&before)).await;
        assert_eq!((&after["size"], &after["key"]), (&json!(7 + round), &before["key"]));
    }
    let second = app.second_service().await;
    let elsewhere = app.partner().at(&format!("http://{}", second.address()));
    elsewhere.assigned("elsewhere", "customer-1").await;
    let there = holds(&elsewhere, Some(&before)).await;
    assert_eq!(holds(&app.partner(), Some(&there)).await, there, "two processes, one log");
    second.stop().await;
}

#[tokio::test]
async fn a_tree_grows_on_after_a_restart_on_sqlite() {
    a_tree_grows_on_after_a_restart(Plan::default().on_sqlite().start().await).await;
}

#[tokio::test]
async fn a_tree_grows_on_after_a_restart_on_postgres() {
    a_tree_grows_on_after_a_restart(App::on_postgres().await).await;
}

/// Whoever writes the database changes an entry and chains anew; whoever has the server too signs it.
#[tokio::test]
async fn a_database_that_was_rewritten_is_found_out() {
    let app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    history(&app).await;
    let (kept, export_before) = (checkpoint(&partner).await, export(&partner).await);
    app.place.run("UPDATE audit_entries SET actor = 'nobody' WHERE seq = 3");
    partner.assigned("later", "customer-1").await;
    let made = checkpoint(&partner).await;
    let (key, note, tampered) = (text(&kept["key"]), text(&made["note"]), export(&partner).await);
    let found = verify(&key, &tampered, &note, None).unwrap_err();
    assert_eq!((found.fault.as_str(), found.first_bad_seq), ("chain", Some(3)), "{found}");
    // The tree is made of what the entries were, so that the old ones still go with what is signed later.
    let added = tampered.lines().last().unwrap();
    assert!(verify(&key, &format!("{export_before}{added}\n"), &note, Some(&text(&kept["note"]))).is_ok());
    // All of it anew, hashes and tree: what was signed before tells.
    app.place.run(
        "BEGIN IMMEDIATE; DELETE FROM audit_checkpoints; \
         UPDATE audit_heads SET seq = 0, entry_hash = NULL, peaks = NULL, tag = NULL, checkpoint_size = NULL, checkpoint_at = NULL; \
         UPDATE audit_entries SET seq = NULL, prev_hash = NULL, entry_hash = NULL; COMMIT",
    );
    app.seal_entries().await;
    let (forged, rewritten) = (text(&checkpoint(&partner).await["note"]), export(&partner).await);
    assert!(verify(&key, &rewritten, &forged, None).is_ok(), "by itself it is a log like any other");
    let older = text(&kept["note"]);
    let fork = verify(&key, &rewritten, &forged, Some(&older)).unwrap_err();
    assert_eq!(fork.fault.as_str(), "fork", "{fork}");
    let heads = verify(&key, &rewritten, &forged, Some(&note)).unwrap_err();
    assert_eq!((heads.fault.as_str(), heads.first_bad_seq), ("fork", None), "two heads of one size: {heads}");
    let cases = [(rewritten.clone(), forged.clone(), Some(older)), (rewritten, forged, Some(note))];
    for (said, ours) in judge(&key, &cases).into_iter().zip([fork, heads]) {
        assert_eq!((&said["fault"], &said["first_bad_seq"]), (&json!("fork"), &json!(ours.first_bad_seq)));
    }
}

#[tokio::test]
async fn each_webhook_carries_the_last_one() {
    let app = App::start().await;
    let (sink, partner) = (Sink::new(OK).await, app.partner());
    let made = sink.register(&partner).await;
    partner.assigned("user-1", "customer-1").await;
    sink.wait_for(1).await;
    // The clock stands, so that nobody makes another after this one.
    let newest = checkpoint(&partner).await;
    partner.assigned("user-2", "customer-1").await;
    let hits = sink.wait_for(2).await;
    let line = format!("{} {}", newest["size"], text(&newest["root"]));
    assert_eq!(hits[1].headers["holdfast-checkpoint"], line);
    // Where there is none there is no header.
    app.place.run("DELETE FROM audit_checkpoints");
    partner.post(&format!("/v1/webhooks/{}/test", text(&made["id"])), &Value::Null).await.ok();
    let hits = sink.wait_for(3).await;
    assert!(!hits[2].headers.contains_key("holdfast-checkpoint"), "{:?}", hits[2]);
}

/// Whoever writes into the database alone has no line go out in the service's name.
async fn no_webhook_carries_one_that_the_service_did_not_sign(app: App) {
    let (sink, partner) = (Sink::new(OK).await, app.partner());
    let made = sink.register(&partner).await;
    history(&app).await;
    sink.wait_for(6).await;
    let (newest, stranger) = (checkpoint(&partner).await, app.retail());
    stranger.approved("anna").await;
    checkpoint(&stranger).await;
    let (ours, theirs) = (app.tenant_of(&partner).await, app.tenant_of(&stranger).await);
    let header = async |already: usize| {
        partner.post(&format!("/v1/webhooks/{}/test", text(&made["id"])), &Value::Null).await.ok();
        sink.wait_for(already + 1).await[already].headers.get("holdfast-checkpoint").cloned()
    };
    let line = Some(format!("{} {}", newest["size"], text(&newest["root"])));
    assert_eq!(header(6).await, line);
    let columns = "root, note, made_at, peaks, cosigner";
    let (last, theirs) = (
        format!("FROM audit_checkpoints WHERE tenant_id = '{ours}' ORDER BY size DESC LIMIT 1"),
        format!("FROM audit_checkpoints WHERE tenant_id = '{theirs}' ORDER BY size DESC LIMIT 1"),
    );
    // Of another size than was signed, of another root, and one that was signed for somebody else.
    for (at, from) in
        [format!("size + 1, {columns} {last}"), format!("size + 99, {columns} {theirs}")].iter().enumerate()
    {
        app.place.run(&format!(
            "INSERT INTO audit_checkpoints (tenant_id, size, {columns}) SELECT '{ours}', {from}"
        ));
        assert_eq!(header(7 + 2 * at).await, None, "{from}");
        app.place.run(&format!(
            "DELETE FROM audit_checkpoints WHERE tenant_id = '{ours}' AND size > {}",
            newest["size"]
        ));
        assert_eq!(header(8 + 2 * at).await, line, "the next one carries it again");
    }
    app.place.run(&format!(
        "UPDATE audit_checkpoints SET root = (SELECT root {theirs}) WHERE tenant_id = '{ours}'"
    ));
    assert_eq!(header(11).await, None, "of another root");
}

#[tokio::test]
async fn no_webhook_carries_one_that_the_service_did_not_sign_on_sqlite() {
    Box::pin(no_webhook_carries_one_that_the_service_did_not_sign(App::start().await)).await;
}

#[tokio::test]
async fn no_webhook_carries_one_that_the_service_did_not_sign_on_postgres() {
    Box::pin(no_webhook_carries_one_that_the_service_did_not_sign(App::on_postgres().await)).await;
}
