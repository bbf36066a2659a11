//! `/control/keys/{id}/destruction`: from the request to the key that is gone, and everything that keeps it.

mod beside;
mod owners;

use std::time::Duration;

use domain::ids::TenantId;
use serde_json::{Value, json};
use server::edge::clock::Clock as _;
use store::freezes::{self, TenantFreeze};
use testkit::device::secret;
use testkit::{Answer, App, Given, Person, Plan, assign_body};

use super::approvals::{EVERYBODY, Stage, hidden, link, sign_page, vote};
use super::path_of;
use super::recoveries::{recover_key, unpack, wait_for};
use crate::examination::failures;

/// A little more than what the jobs need to look at everything twice.
const ROUNDS: Duration = Duration::from_millis(2_500);
const DAY: Duration = Duration::from_hours(24);

/// The stage of recoveries, whose second member is an owner too.
async fn two_owners(app: App, seats: &[(&str, &str)]) -> Stage {
    let mut stage = Box::pin(Stage::of(app, seats, &[])).await;
    let path = path_of(&stage.owner, "member-2@").await;
    assert_eq!(stage.owner.post(&format!("{path}/role"), &[("role", "owner")]).await.status, 303);
    stage.second.sign_in().await;
    stage
}

fn page_of(key: &str) -> String {
    format!("/control/keys/{key}/destruction")
}

async fn ask(person: &mut Person, key: &str, days: &str) -> Answer {
    person.post(&page_of(key), &[("reason", "the customer is gone"), ("days", days)]).await
}

/// Confirms what the page shows.
async fn confirm(person: &mut Person, key: &str) -> Answer {
    let page = person.open(&page_of(key)).await.text();
    let asked_at = hidden(&page, "asked_at");
    let fields = [("confirmed", "yes"), ("asked_at", asked_at.as_str())];
    person.post(&format!("{}/confirm", page_of(key)), &fields).await
}

async fn ask_and_confirm(stage: &mut Stage, key: &str) {
    let asked = ask(&mut stage.owner, key, "30").await;
    assert_eq!(asked.status, 303, "{}", asked.text());
    let confirmed = confirm(&mut stage.second, key).await;
    assert_eq!(confirmed.status, 303, "{}", confirmed.text());
    assert_eq!(status(&stage.app, key).await, "destroy-pending");
}

/// Leaves out the days.
async fn hasten(stage: &mut Stage, key: &str) {
    let done = stage.owner.post(&format!("{}/hasten", page_of(key)), &[]).await;
    assert_eq!(done.status, 303, "{}", done.text());
}

async fn stop(person: &mut Person, key: &str) -> Answer {
    person.post(&format!("{}/stop", page_of(key)), &[]).await
}

/// What programs are told of the key.
async fn status(app: &App, key: &str) -> String {
    let key = app.partner().get(&format!("/v1/partner/keys/{key}")).await.ok();
    key["status"].as_str().unwrap().to_owned()
}

async fn until_status(app: &App, key: &str, wanted: &str) {
    for _ in 0..100 {
        if status(app, key).await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!("the key is {}", status(app, key).await);
}

/// That the jobs, having looked, leave the key as it is.
async fn stays(app: &App, key: &str) {
    tokio::time::sleep(ROUNDS).await;
    assert_eq!(status(app, key).await, "destroy-pending");
}

/// Where a row of this table is.
fn one(app: &App, of: &str) -> bool {
    app.place.rows(of) == 1
}

async fn types(app: &App) -> Vec<String> {
    let events = app.events(&app.partner()).await;
    events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

/// While it waits, nothing new comes, and what was there is there.
async fn takes_nothing_and_tells(stage: &mut Stage) {
    let (key, partner) = (stage.key.key_id.clone(), stage.app.partner());
    let (path, item) = (page_of(&key), stage.key.device().item("more", &secret("more")));
    assert_eq!(status(&stage.app, &key).await, "destroy-pending");
    partner.try_store_data(&stage.key, &item).await.refused(404, "not-found");
    partner.post(&format!("/v1/partner/keys/{key}/rotate"), &json!({})).await.refused(404, "not-found");
    let again = partner.assign(&assign_body("user-1", "customer-1")).await;
    again.refused(409, "key-already-assigned");
    let mut auditor = stage.app.person("auditor").await;
    assert!(auditor.open("/control/notices").await.text().contains("A key will be destroyed"));
    let shown = auditor.open(&path).await.text();
    assert!(shown.contains("Destroyed from") && !shown.contains("/stop\""), "{shown}");
    assert!(auditor.open(&format!("/control/keys/{key}")).await.text().contains("Will be destroyed"));
    assert_eq!(types(&stage.app).await.iter().filter(|had| *had == "key.destroy-pending").count(), 1);
}

/// Of a key that is destroyed there is its row, with nothing in it, and what the log says.
async fn leaves_a_tombstone(stage: &mut Stage) {
    let (key, partner) = (stage.key.key_id.clone(), stage.app.partner());
    let (path, item) = (page_of(&key), stage.key.device().item("more", &secret("more")));
    let left = format!("customer_keys WHERE id = '{key}' AND length(sealed) = 0 AND length(public_key) > 0");
    assert!(one(&stage.app, &left), "a tombstone with nothing in it");
    let gone = "state = 'deleted' AND ciphertext IS NULL AND record IS NULL AND checksum_sealed IS NULL";
    assert!(one(&stage.app, &format!("backups WHERE id = '{}' AND {gone}", stage.backup)));
    let entry = partner.audit("&action=key.destroyed").await;
    assert_eq!((entry.len(), &entry[0]["key_id"]), (1, &json!(key)));
    let told = entry[0]["reason"].as_str().unwrap();
    assert!(
        told.starts_with("asked by ") && told.contains("confirmed by ") && told.contains("SHA-256"),
        "{told}"
    );
    assert_eq!(partner.audit("&action=backup.deleted").await.len(), 1);
    let types = types(&stage.app).await;
    for name in ["key.destroyed", "backup.deleted"] {
        assert_eq!(types.iter().filter(|had| *had == name).count(), 1, "{name}: {types:?}");
    }
    partner.try_store_data(&stage.key, &item).await.refused(404, "not-found");
    stage.owner.sign_in().await;
    assert!(stage.owner.open(&path).await.text().contains("nothing brings it back"));
    assert_eq!(stop(&mut stage.owner, &key).await.status, 409);
    assert_eq!(ask(&mut stage.owner, &key, "30").await.status, 409);
    assert_eq!(partner.assign(&assign_body("user-1", "customer-1")).await.status, 200);
}

async fn a_key_is_destroyed_by_two_owners_once_the_days_are_over(app: App) {
    let mut stage = two_owners(app, &EVERYBODY).await;
    let key = stage.key.key_id.clone();
    let path = page_of(&key);
    for (reason, days, at_fault) in
        [("", "30", "reason"), ("x", "6", "days"), ("x", "31", "days"), ("x", "a", "days")]
    {
        let refused = stage.owner.post(&path, &[("reason", reason), ("days", days)]).await;
        assert_eq!(refused.status, 400, "{days}");
        assert!(refused.text().contains(&format!("id=\"{at_fault}-fault\"")), "{}", refused.text());
    }
    assert_eq!(ask(&mut stage.first, &key, "30").await.status, 403, "a member");
    assert_eq!(ask(&mut stage.owner, &key, "30").await.status, 303);
    assert_eq!(ask(&mut stage.second, &key, "30").await.status, 409, "there is a request");
    assert_eq!(status(&stage.app, &key).await, "active", "one alone does nothing");
    // The second person is another one, and means it.
    let own = stage.owner.open(&path).await.text();
    assert!(own.contains("the customer is gone") && !own.contains("/confirm\""), "{own}");
    let seen = hidden(&stage.second.open(&path).await.text(), "asked_at");
    let own =
        stage.owner.post(&format!("{path}/confirm"), &[("confirmed", "yes"), ("asked_at", &seen)]).await;
    assert_eq!(own.status, 403, "{}", own.text());
    stage.refused("key.destruction-refused", "second-person-needed").await;
    let unmeant = stage.second.post(&format!("{path}/confirm"), &[("asked_at", &seen)]).await;
    assert!(stage.second.follow(&unmeant).await.text().contains("Nothing was done"));
    let other = [("confirmed", "yes"), ("asked_at", "2026-01-01T00:00:00.000Z")];
    assert_eq!(stage.second.post(&format!("{path}/confirm"), &other).await.status, 409, "another request");
    assert_eq!(status(&stage.app, &key).await, "active");
    assert_eq!(confirm(&mut stage.second, &key).await.status, 303);
    assert_eq!(confirm_again(&mut stage.second, &path, &seen).await, 409, "once");

    takes_nothing_and_tells(&mut stage).await;
    stage.app.clock.advance(Duration::from_mins(30 * 24 * 60 - 1));
    stays(&stage.app, &key).await;
    assert!(one(&stage.app, &format!("backups WHERE id = '{}' AND ciphertext IS NOT NULL", stage.backup)));
    stage.app.clock.advance(Duration::from_mins(1));
    until_status(&stage.app, &key, "destroyed").await;

    leaves_a_tombstone(&mut stage).await;
    stage.app.stop_service().await;
    assert_eq!(failures(&stage.app).await, [""; 0], "a destroyed key is no fault");
    let back = format!("UPDATE customer_keys SET state = 'active', sealed = public_key WHERE id = '{key}'");
    stage
        .app
        .place
        .run(&format!("UPDATE customer_keys SET assignment_slot = NULL WHERE id = '{key}'; {back}"));
    let found = failures(&stage.app).await;
    assert!(found.iter().any(|text| text.contains(&format!("key {key} was destroyed"))), "{found:#?}");
}

async fn confirm_again(person: &mut Person, path: &str, seen: &str) -> u16 {
    let fields = [("confirmed", "yes"), ("asked_at", seen)];
    person.post(&format!("{path}/confirm"), &fields).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_destroyed_by_two_owners_once_the_days_are_over_on_sqlite() {
    let app = Plan::default().on_sqlite().start().await;
    Box::pin(a_key_is_destroyed_by_two_owners_once_the_days_are_over(app)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_destroyed_by_two_owners_once_the_days_are_over_on_postgres() {
    Box::pin(a_key_is_destroyed_by_two_owners_once_the_days_are_over(App::on_postgres().await)).await;
}

#[tokio::test]
async fn each_of_them_proves_who_he_is() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let key = stage.key.key_id.clone();
    let to_prove = |answer: &Answer| answer.header("location").starts_with("/control/prove");
    stage.app.clock.advance(Duration::from_mins(11));
    assert!(to_prove(&ask(&mut stage.owner, &key, "30").await));
    assert_eq!(stage.app.place.rows("key_destructions"), 0);
    stage.owner.prove().await;
    assert_eq!(ask(&mut stage.owner, &key, "30").await.header("location"), page_of(&key) + "?said=asked");
    assert!(to_prove(&confirm(&mut stage.second, &key).await));
    stage.second.prove().await;
    assert_eq!(confirm(&mut stage.second, &key).await.header("location"), page_of(&key) + "?said=confirmed");
    assert!(to_prove(&stop(&mut stage.first, &key).await));
    assert_eq!(status(&stage.app, &key).await, "destroy-pending");
    stage.first.prove().await;
    assert_eq!(stop(&mut stage.first, &key).await.header("location"), page_of(&key) + "?said=stopped");
}

#[tokio::test]
async fn owners_and_the_people_of_the_list_stop_it_and_the_key_is_what_it_was() {
    let seats = [("(owner@", "normal"), ("(member-2@", "normal")];
    let mut stage = two_owners(App::start().await, &seats).await;
    let key = stage.key.key_id.clone();
    ask_and_confirm(&mut stage, &key).await;
    let refused = stop(&mut stage.first, &key).await;
    assert_eq!(refused.status, 403, "a member who is not on the list");
    stage.refused("key.destruction-stop-refused", "not-on-acl").await;
    assert!(!stage.first.open(&page_of(&key)).await.text().contains("/stop\""));
    assert_eq!(status(&stage.app, &key).await, "destroy-pending");
    assert_eq!(stop(&mut stage.owner, &key).await.status, 303);
    assert_eq!(status(&stage.app, &key).await, "active");
    assert_eq!(stop(&mut stage.owner, &key).await.status, 409, "there is nothing left to stop");
    let item = stage.key.device().item("more", &secret("more"));
    stage.app.partner().try_store_data(&stage.key, &item).await.ok();
    assert!(types(&stage.app).await.contains(&"key.kept".to_owned()));
    // A request alone is taken back, and tells no program.
    assert_eq!(ask(&mut stage.owner, &key, "7").await.status, 303);
    assert_eq!(stop(&mut stage.second, &key).await.status, 303);
    assert_eq!(types(&stage.app).await.iter().filter(|had| *had == "key.kept").count(), 1);

    // One that was replaced is that again.
    let rotate = format!("/v1/partner/keys/{key}/rotate");
    stage.app.partner().post(&rotate, &json!({})).await.ok();
    ask_and_confirm(&mut stage, &key).await;
    assert_eq!(stop(&mut stage.owner, &key).await.status, 303);
    assert_eq!(status(&stage.app, &key).await, "superseded");
    stage.app.clock.advance(31 * DAY);
    tokio::time::sleep(ROUNDS).await;
    assert_eq!(status(&stage.app, &key).await, "superseded", "what was stopped stays so");
    stage.app.stop_service().await;
    assert_eq!(failures(&stage.app).await, [""; 0]);
}

#[tokio::test]
async fn a_member_of_the_list_stops_it() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let key = stage.key.key_id.clone();
    ask_and_confirm(&mut stage, &key).await;
    assert!(stage.first.open(&page_of(&key)).await.text().contains("/stop\""));
    assert_eq!(stop(&mut stage.first, &key).await.status, 303);
    assert_eq!(status(&stage.app, &key).await, "active");
}

#[tokio::test]
async fn what_nobody_confirms_in_a_week_lapses() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let key = stage.key.key_id.clone();
    assert_eq!(ask(&mut stage.owner, &key, "30").await.status, 303);
    let seen = hidden(&stage.second.open(&page_of(&key)).await.text(), "asked_at");
    stage.app.clock.advance(7 * DAY);
    for person in [&mut stage.owner, &mut stage.second] {
        person.sign_in().await;
    }
    // To the millisecond, whether a job was there or not.
    assert_eq!(confirm_again(&mut stage.second, &page_of(&key), &seen).await, 409);
    for _ in 0..100 {
        if one(&stage.app, "key_destructions WHERE state = 'lapsed'") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(stage.owner.open(&page_of(&key)).await.text().contains("Nobody confirmed it in time"));
    assert_eq!(stage.logged("key.destruction-lapsed").await.len(), 1);
    assert_eq!(status(&stage.app, &key).await, "active");
    ask_and_confirm(&mut stage, &key).await;
}

#[tokio::test]
async fn a_recovery_goes_on_and_the_end_waits_for_it() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let key = stage.key.key_id.clone();
    ask_and_confirm(&mut stage, &key).await;
    let path = stage.ask_and_prove().await;
    hasten(&mut stage, &key).await;
    stays(&stage.app, &key).await;
    assert!(stage.owner.open(&page_of(&key)).await.text().contains("A recovery runs that needs the key"));
    for person in [&mut stage.first, &mut stage.second] {
        assert_eq!(vote(person, &path, "yes").await.status, 303);
    }
    wait_for(&stage, &path, "It is ready").await;
    until_status(&stage.app, &key, "destroyed").await;
    let package = link(&mut stage.first, &path).await;
    let folder = unpack(&stage.app, &stage.first.get(&package).await.body);
    assert_eq!(std::fs::read(folder.join("data").join(&stage.backup)).unwrap(), stage.plaintext);
    let certificate = stage.app.fixture.recipient.certificate.clone();
    let asked = [("keys", key.as_str()), ("reason", "x"), ("certificate", certificate.as_str())];
    let refused = stage.first.post("/control/recoveries", &asked).await;
    assert_eq!(refused.status, 409, "nothing is recovered under a key that is gone");
    assert!(refused.text().contains("destroyed"), "{}", refused.text());
}

#[tokio::test]
async fn a_key_that_went_out_while_it_was_to_be_destroyed_is_closed_when_that_is_stopped() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let key = stage.key.key_id.clone();
    let file = stage.key.device().encrypt(b"what the file holds");
    stage.app.partner().try_store_file(&stage.key, &file, &Value::Null).await.ok();
    ask_and_confirm(&mut stage, &key).await;
    recover_key(&mut stage, &key).await;
    assert_eq!(status(&stage.app, &key).await, "destroy-pending");
    stop(&mut stage.owner, &key).await;
    assert_eq!(status(&stage.app, &key).await, "released");
}

#[tokio::test]
async fn a_recovery_that_a_row_says_is_over_keeps_the_key_all_the_same() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let key = stage.key.key_id.clone();
    ask_and_confirm(&mut stage, &key).await;
    stage.ask_and_prove().await;
    stage.app.place.run("UPDATE control_recovery_keys SET ended_at = 1");
    hasten(&mut stage, &key).await;
    stays(&stage.app, &key).await;
    stage.refused("key.destruction-halted", "rows-changed").await;
}

/// What a captured server would write: that nothing is frozen.
async fn forge_an_end(app: &App) {
    let (tenant, now) = (app.tenant_of(&app.partner()).await, app.clock.now());
    let row = TenantFreeze { number: 99, frozen_until: None, changed_by: "nobody".into(), changed_at: now };
    assert!(app.db.write("forge", move |tx| freezes::of(&tenant).set(tx, &row)).await.unwrap());
}

#[tokio::test]
async fn a_frozen_account_destroys_nothing() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let key = stage.key.key_id.clone();
    ask_and_confirm(&mut stage, &key).await;
    assert_eq!(stage.owner.post("/control/freeze", &[("hours", "72")]).await.status, 303);
    hasten(&mut stage, &key).await;
    stays(&stage.app, &key).await;
    assert!(stage.owner.open(&page_of(&key)).await.text().contains("nothing is destroyed"));
    forge_an_end(&stage.app).await;
    stays(&stage.app, &key).await;
    let page = stage.owner.post("/control/freeze/end", &[]).await;
    assert_eq!(sign_page(&mut stage.owner, &page, "/control/freeze/end/sign").await.status, 303);
    until_status(&stage.app, &key, "destroyed").await;
}

/// Until each entry has its place.
async fn placed(app: &App) {
    for _ in 0..100 {
        if app.place.rows("audit_entries WHERE seq IS NULL") == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!("entries wait");
}

/// What somebody does to the database, what the log calls the doubt, and what is as it was afterwards.
const FORGED: [(&str, &str, &str); 10] = [
    ("UPDATE key_destructions SET due_at = 1", "rows-changed", ""),
    ("UPDATE key_destructions SET due_at = 1, days = 7", "rows-changed", ""),
    (
        "UPDATE key_destructions SET confirmed_by = (SELECT id FROM people WHERE email LIKE 'member-1@%' \
         AND tenant_id = key_destructions.tenant_id), due_at = 1",
        "rows-changed",
        "",
    ),
    (
        "UPDATE key_destructions SET due_at = 1; DELETE FROM row_seals WHERE place = 'key_destructions'",
        "rows-changed",
        "",
    ),
    // All is sealed, and the log says otherwise.
    (
        "HASTEN; UPDATE audit_entries SET actor = 'x' WHERE action = 'key.destruction-confirmed'",
        "log-differs",
        "",
    ),
    // The rows beside it.
    (
        "HASTEN; UPDATE people SET name = 'x' || name WHERE email LIKE 'owner@%'",
        "rows-changed",
        "UPDATE people SET name = substr(name, 2) WHERE email LIKE 'owner@%'",
    ),
    // Who would have stopped it is said to be on no list, or out.
    (
        "HASTEN; CREATE TABLE old_lists AS SELECT acl_id, hash FROM acl_versions; \
         UPDATE acl_versions SET hash = zeroblob(32)",
        "rows-changed",
        "UPDATE acl_versions SET hash = (SELECT hash FROM old_lists WHERE old_lists.acl_id = acl_versions.acl_id)",
    ),
    (
        "HASTEN; UPDATE people SET state = 'removed' WHERE email LIKE 'member-1@%'",
        "rows-changed",
        "UPDATE people SET state = 'active' WHERE email LIKE 'member-1@%'",
    ),
    (
        "HASTEN; UPDATE people SET name = 'x' || name WHERE email LIKE 'member-2@%'",
        "rows-changed",
        "UPDATE people SET name = substr(name, 2) WHERE email LIKE 'member-2@%'",
    ),
    ("HASTEN; UPDATE customer_keys SET acl_id = NULL", "rows-changed", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_wrote_past_the_service_destroys_nothing() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let key = stage.key.key_id.clone();
    for (edit, doubt, undo) in FORGED {
        ask_and_confirm(&mut stage, &key).await;
        if let Some(edit) = edit.strip_prefix("HASTEN; ") {
            stage.app.place.run(edit);
            hasten(&mut stage, &key).await;
        } else {
            stage.app.place.run(edit);
        }
        for _ in 0..100 {
            if one(&stage.app, "key_destructions WHERE state = 'halted'") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        stays(&stage.app, &key).await;
        stage.refused("key.destruction-halted", doubt).await;
        assert!(
            one(&stage.app, &format!("customer_keys WHERE id = '{key}' AND length(sealed) > 100")),
            "{edit}"
        );
        assert!(stage.owner.open(&page_of(&key)).await.text().contains("It stands still"), "{edit}");
        assert!(stage.owner.open("/control/notices").await.text().contains("A key is not destroyed"));
        assert_eq!(stop(&mut stage.owner, &key).await.status, 303, "{edit}");
        stage.app.place.run(undo);
        assert_eq!(status(&stage.app, &key).await, "active", "{edit}");
    }
}

/// Keeps what a destruction rests on, as it is now.
const KEEP: &str = "DROP TABLE IF EXISTS old_keys; CREATE TABLE old_keys AS SELECT id, state FROM customer_keys; \
    DROP TABLE IF EXISTS old_ones; CREATE TABLE old_ones AS SELECT * FROM key_destructions; \
    DROP TABLE IF EXISTS old_seals; \
    CREATE TABLE old_seals AS SELECT * FROM row_seals WHERE place IN ('customer_keys', 'key_destructions')";

/// Puts it back: all of it fits, but for what the log says.
const PUT_BACK: &str = "UPDATE customer_keys SET state = (SELECT state FROM old_keys o WHERE o.id = customer_keys.id); \
    DELETE FROM row_seals WHERE place IN ('customer_keys', 'key_destructions'); \
    INSERT INTO row_seals SELECT * FROM old_seals; \
    DELETE FROM key_destructions; INSERT INTO key_destructions SELECT * FROM old_ones";

/// What is done to the log beside it.
const RELOGGED: [&str; 7] = [
    "SELECT 1",
    // No hash is over an entry's id.
    "UPDATE audit_entries SET id = '00000000' || substr(id, 9) WHERE action = 'key.destruction-stopped'",
    "UPDATE audit_entries SET result = 'failed' WHERE action = 'key.destruction-stopped'",
    "UPDATE audit_entries SET key_id = NULL, action = 'x' WHERE action = 'key.destruction-stopped'",
    "DELETE FROM audit_entries WHERE action = 'key.destruction-stopped'",
    // Written anew: as if it were waiting, or had a place.
    "INSERT INTO audit_entries (id, tenant_id, time, actor, actor_type, action, key_id, result, reason, request_id, refused) \
     SELECT 'ffffffff' || substr(id, 9), tenant_id, time, actor, actor_type, action, key_id, result, reason, request_id, 1 \
     FROM audit_entries e WHERE action IN ('key.destruction-requested', 'key.destruction-confirmed') AND seq > \
     (SELECT max(seq) - 9 FROM audit_entries d WHERE d.tenant_id = e.tenant_id AND d.action = 'key.destruction-stopped')",
    "INSERT INTO audit_entries (id, tenant_id, seq, time, actor, actor_type, action, key_id, result, reason, request_id, \
     prev_hash, entry_hash) SELECT 'ffffffff' || substr(id, 9), tenant_id, seq + 9000, time, actor, actor_type, action, \
     key_id, result, reason, request_id, prev_hash, entry_hash \
     FROM audit_entries WHERE action IN ('key.destruction-requested', 'key.destruction-confirmed') AND seq IS NOT NULL",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_destruction_that_was_stopped_is_not_put_back() {
    for relogged in RELOGGED {
        let mut stage = two_owners(App::start().await, &EVERYBODY).await;
        let key = stage.key.key_id.clone();
        ask_and_confirm(&mut stage, &key).await;
        stage.app.place.run(KEEP);
        assert_eq!(stop(&mut stage.first, &key).await.status, 303);
        placed(&stage.app).await;
        stage.app.clock.advance(31 * DAY);
        stage.app.place.run(&format!("BEGIN; {relogged}; {PUT_BACK}; COMMIT"));
        stays(&stage.app, &key).await;
        assert!(one(&stage.app, "key_destructions WHERE state = 'halted'"), "{relogged}");
        let entry = "audit_entries WHERE action = 'key.destruction-halted' AND reason = 'log-differs'";
        assert!(one(&stage.app, entry), "{relogged}");
    }
}

/// The instant that was right while it was only asked for is sealed as well.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_instant_is_put_back_and_the_days_are_waited_for_all_the_same() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let key = stage.key.key_id.clone();
    assert_eq!(ask(&mut stage.owner, &key, "30").await.status, 303);
    stage.app.place.run(KEEP);
    assert_eq!(confirm(&mut stage.second, &key).await.status, 303);
    // Of the seal, the cell of that column: it has eight bytes a column.
    let columns = store::rows::Table::find_sealed("key_destructions").unwrap().sealed();
    let at = 8 * columns.take_while(|column| *column != "due_at").count();
    let cell = format!(
        "unhex(hex(substr(seal, 1, {at})) || (SELECT hex(substr(o.seal, {}, 8)) FROM old_seals o WHERE o.place = \
         'key_destructions') || hex(substr(seal, {})))",
        at + 1,
        at + 9
    );
    stage.app.place.run(&format!(
        "BEGIN; UPDATE key_destructions SET due_at = (SELECT due_at FROM old_ones); \
         UPDATE row_seals SET seal = {cell} WHERE place = 'key_destructions'; COMMIT"
    ));
    stage.app.clock.advance(8 * DAY);
    stays(&stage.app, &key).await;
    let entry = "audit_entries WHERE action = 'key.destruction-halted' AND reason = 'log-differs'";
    assert!(one(&stage.app, entry), "the seals fit, and the log names thirty days");
}

#[tokio::test]
async fn the_word_of_who_is_no_owner_any_more_counts_no_longer() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let key = stage.key.key_id.clone();
    ask_and_confirm(&mut stage, &key).await;
    let path = path_of(&stage.owner, "member-2@").await;
    assert_eq!(stage.owner.post(&format!("{path}/role"), &[("role", "member")]).await.status, 303);
    hasten(&mut stage, &key).await;
    until_status(&stage.app, &key, "active").await;
    let stopped = ("ok".to_owned(), "owner-gone".to_owned());
    assert_eq!(stage.logged("key.destruction-stopped").await, [stopped]);
    // Nor is what such a one asked for confirmed.
    assert_eq!(stage.owner.post(&format!("{path}/role"), &[("role", "owner")]).await.status, 303);
    stage.second.sign_in().await;
    assert_eq!(ask(&mut stage.second, &key, "30").await.status, 303);
    assert_eq!(stage.owner.post(&format!("{path}/role"), &[("role", "member")]).await.status, 303);
    assert_eq!(confirm(&mut stage.owner, &key).await.status, 409);
    assert_eq!(status(&stage.app, &key).await, "active");
}

/// As if its thirty days were over.
fn deleted(app: &App, stored: &Value) {
    let backup = stored["backup_id"].as_str().unwrap();
    app.place.run(&format!("UPDATE backups SET state = 'deleted' WHERE id = '{backup}'"));
}

/// A file stays encrypted to the key that it was stored under, which its recovery delivers too.
#[tokio::test]
async fn a_key_that_files_may_need_is_kept_and_one_that_is_gone_is_left_out() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let (old, partner) = (stage.key.key_id.clone(), stage.app.partner());
    let rotated = partner.post(&format!("/v1/partner/keys/{old}/rotate"), &json!({})).await.ok();
    let new = Given::of(rotated);
    // Asked for while there is none, and not confirmed any more.
    assert_eq!(ask(&mut stage.owner, &old, "30").await.status, 303);
    let stored = partner.try_store_file(&new, b"early", &json!({"original_filename": "a"})).await.ok();
    assert_eq!(confirm(&mut stage.second, &old).await.status, 409);
    stage.refused("key.destruction-refused", "files-need-key").await;
    assert_eq!(stop(&mut stage.owner, &old).await.status, 303);
    deleted(&stage.app, &stored);
    ask_and_confirm(&mut stage, &old).await;
    let file = b"a file".repeat(100);
    let stored = partner.try_store_file(&new, &file, &json!({"original_filename": "a"})).await.ok();
    hasten(&mut stage, &old).await;
    stays(&stage.app, &old).await;
    assert!(stage.owner.open(&page_of(&old)).await.text().contains("guards files"));
    assert_eq!(stop(&mut stage.owner, &old).await.status, 303);
    assert_eq!(ask(&mut stage.owner, &old, "30").await.status, 409);
    stage.refused("key.destruction-refused", "files-need-key").await;

    deleted(&stage.app, &stored);
    ask_and_confirm(&mut stage, &old).await;
    hasten(&mut stage, &old).await;
    until_status(&stage.app, &old, "destroyed").await;
    // What came after it is given out without it.
    partner.try_store_file(&new, &file, &json!({"original_filename": "b"})).await.ok();
    let certificate = stage.app.fixture.recipient.certificate.clone();
    let asked = [("keys", new.key_id.as_str()), ("reason", "x"), ("certificate", certificate.as_str())];
    let answer = stage.first.post("/control/recoveries", &asked).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let path = answer.header("location").to_owned();
    let page = stage.first.open(&path).await.text();
    stage.play(&page, "approve_inquiry").await;
    for person in [&mut stage.first, &mut stage.second] {
        assert_eq!(vote(person, &path, "yes").await.status, 303);
    }
    wait_for(&stage, &path, "It is ready").await;
    let package = link(&mut stage.first, &path).await;
    let folder = unpack(&stage.app, &stage.first.get(&package).await.body);
    assert!(folder.join(format!("keys/{}.pem", new.key_id)).exists());
    assert!(!folder.join(format!("keys/{old}.pem")).exists());
}

/// How many shares of a key there are in both stores.
async fn shares(app: &App, tenant: &TenantId, key: &str) -> usize {
    let all = app.shares().await;
    all.iter().flatten().filter(|name| name.starts_with(&format!("{tenant}/{key}/"))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_and_files_go_too_and_whatever_ends_that_halfway_the_next_round_ends_it() {
    let mut stage = two_owners(Plan::default().in_shares().start().await, &EVERYBODY).await;
    let (key, partner) = (stage.key.key_id.clone(), stage.app.partner());
    let tenant = stage.app.tenant_of(&partner).await;
    let other = partner.assigned("user-2", "customer-1").await;
    partner.try_store_file(&stage.key, b"a file", &json!({"original_filename": "a"})).await.ok();
    assert_eq!(stage.app.files().await.len(), 1);
    assert_eq!(
        (shares(&stage.app, &tenant, &key).await, shares(&stage.app, &tenant, &other.key_id).await),
        (2, 2)
    );
    ask_and_confirm(&mut stage, &key).await;
    // A store is away: the key is gone here, and what is left there is not forgotten, whatever dies meanwhile.
    let away = stage.app.folder().join("shares-a");
    let aside = away.with_extension("aside");
    std::fs::rename(&away, &aside).unwrap();
    std::fs::write(&away, "no folder").unwrap();
    hasten(&mut stage, &key).await;
    until_status(&stage.app, &key, "destroyed").await;
    tokio::time::sleep(ROUNDS).await;
    assert!(one(&stage.app, "key_destructions WHERE state = 'erasing'"));
    assert!(stage.owner.open(&page_of(&key)).await.text().contains("is being removed"));
    assert_eq!(stop(&mut stage.owner, &key).await.status, 409, "there is nothing to keep");
    // Now the files are away, and the shares go.
    let files = stage.app.folder().join("data/files");
    let elsewhere = files.with_extension("aside");
    std::fs::rename(&files, &elsewhere).unwrap();
    std::fs::remove_file(&away).unwrap();
    std::fs::rename(&aside, &away).unwrap();
    tokio::time::sleep(ROUNDS).await;
    assert_eq!(shares(&stage.app, &tenant, &key).await, 0);
    assert!(one(&stage.app, "key_destructions WHERE state = 'erasing'"), "a file is left");
    stage.app.stop_service().await;
    std::fs::rename(&elsewhere, &files).unwrap();
    assert_eq!(stage.app.files().await.len(), 1);
    stage.app.start_service().await.unwrap();
    for _ in 0..100 {
        if one(&stage.app, "key_destructions WHERE state = 'done'") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(one(&stage.app, "key_destructions WHERE state = 'done'"));
    assert_eq!(shares(&stage.app, &tenant, &key).await, 0);
    assert_eq!(shares(&stage.app, &tenant, &other.key_id).await, 2, "another key's stay");
    assert_eq!(stage.app.files().await.len(), 0);
    assert_eq!(stage.logged("key.shares-removed").await.len(), 1);
    assert!(one(
        &stage.app,
        &format!("customer_keys WHERE id = '{key}' AND split_id IS NULL AND length(sealed) = 0")
    ));
}

/// Shares and files are where nobody reaches who writes to the database.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_says_that_a_key_is_destroyed_removes_nothing() {
    let stage = two_owners(Plan::default().in_shares().start().await, &EVERYBODY).await;
    let (key, partner) = (stage.key.key_id.clone(), stage.app.partner());
    let tenant = stage.app.tenant_of(&partner).await;
    partner.try_store_file(&stage.key, b"a file", &json!({"original_filename": "a"})).await.ok();
    stage.app.place.run(&format!(
        "INSERT INTO key_destructions (tenant_id, key_id, state, key_state, reason, days, asked_by, confirmed_by, due_at, \
         asked_at, confirmed_at, ended_at) SELECT '{tenant}', '{key}', 'erasing', 'active', 'x', 7, id, id, 0, 0, 0, 0 \
         FROM people WHERE tenant_id = '{tenant}' AND email LIKE 'owner@%'"
    ));
    let forged = ["SELECT 1", "UPDATE customer_keys SET state = 'destroyed', sealed = x'', split_id = NULL"];
    for edit in forged {
        stage.app.place.run(&format!("{edit}; UPDATE key_destructions SET due_at = 0"));
        tokio::time::sleep(ROUNDS).await;
        assert_eq!(shares(&stage.app, &tenant, &key).await, 2, "{edit}");
        assert_eq!(stage.app.files().await.len(), 1, "{edit}");
        assert!(one(&stage.app, "key_destructions WHERE state = 'erasing'"), "{edit}");
        assert_eq!(stage.logged("key.shares-removed").await, [], "{edit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_does_not_read_keeps_no_other_destruction() {
    let edits = [
        "UPDATE key_destructions SET asked_by = 'nobody' WHERE key_id = 'KEY'",
        "UPDATE customer_keys SET supersedes = id WHERE id = 'KEY'",
    ];
    for edit in edits {
        let mut stage = two_owners(App::start().await, &EVERYBODY).await;
        let (key, other) =
            (stage.key.key_id.clone(), stage.app.partner().assigned("user-2", "customer-1").await);
        for key in [&key, &other.key_id] {
            ask_and_confirm(&mut stage, key).await;
        }
        stage.app.place.run(&edit.replace("KEY", &key));
        stage.app.clock.advance(30 * DAY);
        until_status(&stage.app, &other.key_id, "destroyed").await;
        assert_eq!(status(&stage.app, &key).await, "destroy-pending", "{edit}");
    }
}

#[tokio::test]
async fn a_key_held_offline_is_destroyed_here_and_the_page_says_what_is_elsewhere() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let mut body = assign_body("user-3", "customer-1");
    body["key_environment"] = json!("COLD");
    let key = Given::of(stage.app.partner().assign(&body).await.ok());
    let stored = stage.app.partner().try_store_data(&key, &key.device().item("a", &secret("a"))).await.ok();
    let backup = stored["backup_id"].as_str().unwrap().to_owned();
    ask_and_confirm(&mut stage, &key.key_id).await;
    assert!(
        stage.owner.open(&page_of(&key.key_id)).await.text().contains("the folder of the offline machine")
    );
    hasten(&mut stage, &key.key_id).await;
    until_status(&stage.app, &key.key_id, "destroyed").await;
    assert!(one(&stage.app, &format!("backups WHERE id = '{backup}' AND ciphertext IS NULL")));
    // One whose backups wait for a ceremony is not asked for.
    body["user_identifier"] = json!("user-4");
    let moving = Given::of(stage.app.partner().assign(&body).await.ok());
    stage.app.partner().try_store_data(&moving, &moving.device().item("a", &secret("a"))).await.ok();
    let rotate = format!("/v1/partner/keys/{}/rotate", moving.key_id);
    let rotated: Value = stage.app.partner().post(&rotate, &json!({})).await.ok();
    assert_eq!(rotated["supersedes"], moving.key_id);
    assert_eq!(ask(&mut stage.owner, &moving.key_id, "30").await.status, 409);
    assert_eq!(status(&stage.app, &moving.key_id).await, "superseding");
}
