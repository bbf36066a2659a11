//! `holdfast doctor --deep`, check by check: each edit below is told by the check that it is for.
//!
//! To try one by hand: leave its check out of `server/src/doctor` and the line of the table says that it is missed.

use std::time::Duration;

use domain::credential::{Scope, TenantKind};
use domain::ids::TenantId;
use domain::time::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use server::doctor::{Verdict, examine};
use testkit::device::secret;
use testkit::{App, Person, Place, Plan, Vandal};

use crate::control::approvals::{EVERYBODY, Stage as Control};
use crate::v1::audit_export::{append, filled};
use crate::v1::webhooks::sink::{OK, Sink};

/// What is edited, and how what is found begins; names in braces are those of the [`World`].
const CASES: &[(&str, &str)] = &[
    // The seals of rows.
    (
        "INSERT INTO users (id, tenant_id, user_identifier, created_at) VALUES ('{unknown}', '{tenant}', 'x', 1)",
        "users {unknown} was not written by the service",
    ),
    (
        "UPDATE api_credentials SET scopes = 'partner audit' WHERE id = '{credential}'",
        "api_credentials {credential} is not as the service wrote it: scopes",
    ),
    (
        "UPDATE row_seals SET seal = (SELECT seal FROM row_seals WHERE row_id = '{key}') WHERE row_id = '{credential}'",
        "api_credentials {credential} is not as the service wrote it: tenant_id, key_hash, scopes",
    ),
    (
        "DELETE FROM webhook_endpoints WHERE id = '{webhook}'",
        "webhook_endpoints {webhook} is gone, and the service did not remove it",
    ),
    // The chain.
    (
        "UPDATE audit_entries SET actor = 'x' WHERE tenant_id = '{tenant}' AND seq = 2",
        "the log of {tenant}: entry 2 is not as it was written",
    ),
    (
        "UPDATE audit_entries SET prev_hash = entry_hash WHERE tenant_id = '{tenant}' AND seq = 3",
        "the log of {tenant}: entry 3 is not as it was written",
    ),
    (
        "UPDATE audit_entries SET seq = seq + 1000 WHERE tenant_id = '{tenant}' AND seq = 2",
        "the log of {tenant}: entry 2 is not as it was written",
    ),
    (
        "DELETE FROM audit_entries WHERE tenant_id = '{tenant}' AND seq = {last}",
        "the log of {tenant}: entry {last} is not as it was written",
    ),
    (
        "UPDATE audit_heads SET entry_hash = NULL WHERE tenant_id = '{tenant}'",
        "the log of {tenant}: entry {last} is not as it was written",
    ),
    // The head.
    (
        "UPDATE audit_heads SET seq = {last} - 1, entry_hash = (SELECT prev_hash FROM audit_entries WHERE \
         tenant_id = '{tenant}' AND seq = {last}), peaks = NULL WHERE tenant_id = '{tenant}'",
        "the log of {tenant}: its head is not",
    ),
    (
        "UPDATE audit_heads SET peaks = entry_hash WHERE tenant_id = '{tenant}'",
        "the log of {tenant}: its head is not",
    ),
    (
        "UPDATE audit_heads SET peaks = NULL WHERE tenant_id = '{tenant}'",
        "the log of {tenant}: its head was not written by the service",
    ),
    (
        "UPDATE audit_heads SET tag = NULL WHERE tenant_id = '{root}'",
        "the log of {root}: its head was not written by the service",
    ),
    (
        "INSERT INTO audit_heads (tenant_id, seq, entry_hash, peaks, tag) SELECT '{unknown}', seq, entry_hash, peaks, tag \
         FROM audit_heads WHERE tenant_id = '{tenant}'",
        "the log of {unknown}: its head was not written by the service",
    ),
    (
        "UPDATE audit_heads SET refused = TRUE WHERE tenant_id = '{tenant}'",
        "the log of {tenant} is kept from growing, though the service wrote its head",
    ),
    (
        "INSERT INTO audit_entries (id, seq, tenant_id, time, actor, actor_type, action, result, request_id) \
         VALUES ('{unknown}', {last} + 1, '{tenant}', 1, 'x', 'service', 'backup.deleted', 'ok', 'service')",
        "the log of {tenant}: there are numbered entries that its head does not count",
    ),
    (
        "UPDATE audit_heads SET checkpoint_size = NULL WHERE tenant_id = '{tenant}'",
        "the log of {tenant}: its head is not",
    ),
    (
        "UPDATE audit_heads SET checkpoint_size = {last} WHERE tenant_id = '{tenant}'",
        "the log of {tenant}: its head is not",
    ),
    ("DELETE FROM audit_heads WHERE tenant_id = '{tenant}'", "the log of {tenant}: its head is not"),
    // The checkpoints, by both signatures.
    (
        "UPDATE audit_checkpoints SET note = replace(note, '\u{2014} holdfast-sandbox', '\u{2014} x') \
         WHERE tenant_id = '{tenant}'",
        "the log of {tenant}: a checkpoint is not signed",
    ),
    (
        "UPDATE audit_checkpoints SET root = (SELECT prev_hash FROM audit_entries WHERE tenant_id = '{tenant}' \
         AND seq = 3) WHERE tenant_id = '{tenant}'",
        "the log of {tenant}: a checkpoint is not signed",
    ),
    (
        "UPDATE audit_checkpoints SET note = replace(note, '\u{2014} holdfast-enclave', '\u{2014} x') \
         WHERE tenant_id = '{tenant}'",
        "the log of {tenant}: a checkpoint is not signed",
    ),
    (
        "UPDATE audit_heads SET forked_at = 1 WHERE tenant_id = '{tenant}'",
        "the log of {tenant} is not the one that the enclave signed before",
    ),
    // What the root log says of it.
    (
        "DELETE FROM tenants WHERE id = '{tenant}'; DELETE FROM audit_entries WHERE tenant_id = '{tenant}'; \
         DELETE FROM audit_checkpoints WHERE tenant_id = '{tenant}'; DELETE FROM audit_heads WHERE tenant_id = '{tenant}'",
        "the log of {tenant} is gone",
    ),
    (
        "DELETE FROM audit_entries WHERE tenant_id = '{tenant}'; DELETE FROM audit_checkpoints WHERE tenant_id = '{tenant}'; \
         DELETE FROM audit_heads WHERE tenant_id = '{tenant}'",
        "the log of {tenant} is not the one that the root log names: entry 1 is missing",
    ),
    (
        "DELETE FROM audit_checkpoints WHERE tenant_id = '{tenant}' AND size > {early}; \
         DELETE FROM audit_entries WHERE tenant_id = '{tenant}' AND seq > {early}; \
         UPDATE audit_heads SET seq = {early}, checkpoint_size = {early}, cosigned_size = {early}, entry_hash = (SELECT \
         entry_hash FROM audit_entries WHERE tenant_id = '{tenant}' AND seq = {early}), peaks = (SELECT peaks FROM \
         audit_checkpoints WHERE tenant_id = '{tenant}') WHERE tenant_id = '{tenant}'",
        "the log of {tenant} is not the one that the root log names: entry {after_early} is missing",
    ),
    (
        "INSERT INTO audit_entries (id, seq, entry_hash, tenant_id, time, actor, actor_type, action, result, reason, \
         request_id) SELECT '{unknown}', 99999, entry_hash, tenant_id, time, actor, actor_type, action, result, replace(reason, '{early} ', '{last} '), \
         request_id FROM audit_entries WHERE tenant_id = '{root}' AND actor LIKE '%/{tenant}' AND reason LIKE '{early} %'",
        "the log of {tenant} is not the one that the root log names: fork",
    ),
    (
        "INSERT INTO audit_entries (id, seq, entry_hash, tenant_id, time, actor, actor_type, action, result, reason, \
         request_id) SELECT '{unknown}', 99999, entry_hash, tenant_id, time, actor || '/log-2', actor_type, action, result, reason, request_id FROM \
         audit_entries WHERE tenant_id = '{root}' AND actor LIKE '%/{tenant}' AND reason LIKE '{early} %'",
        "the root log names log 2 of {tenant}, which is not there",
    ),
    (
        "UPDATE audit_heads SET log = 2 WHERE tenant_id = '{tenant}'",
        "the log of {tenant} began anew, and no reset",
    ),
    (
        "DELETE FROM audit_entries WHERE tenant_id = '{root}'; DELETE FROM audit_checkpoints WHERE tenant_id = '{root}'; \
         DELETE FROM audit_heads WHERE tenant_id = '{root}'",
        "the log of {tenant}: the root log does not name its last checkpoint",
    ),
    (
        "INSERT INTO audit_entries (id, seq, entry_hash, tenant_id, time, actor, actor_type, action, result, request_id) \
         SELECT '{unknown}', 99999, entry_hash, tenant_id, 1, 'x', 'service', 'checkpoint.signed', 'ok', 'service' \
         FROM audit_entries WHERE tenant_id = '{root}' AND seq = 1",
        "entry {unknown} of the root log names no log of here",
    ),
    (
        "UPDATE audit_entries SET reason = NULL WHERE tenant_id = '{root}' AND seq = 2",
        "the log of {root}: entry 2 is not as it was written",
    ),
    (
        "UPDATE audit_heads SET forked_at = 1 WHERE tenant_id = '{root}'",
        "the log of {root} is not the one that the enclave signed before",
    ),
    (
        "UPDATE audit_entries SET id = 'x' WHERE tenant_id = '{root}' AND seq = 2",
        "the root log, {root}, cannot be read",
    ),
    // What waits for its place.
    (
        "INSERT INTO audit_entries (id, tenant_id, time, actor, actor_type, action, result, request_id) \
         VALUES ('{unknown}', '{tenant}', 1, 'x', 'service', 'backup.deleted', 'ok', 'service')",
        "audit_entries {unknown} in the log of {tenant} waits for its place, and was not written by the service",
    ),
    (
        "INSERT INTO audit_entries (id, tenant_id, time, actor, actor_type, action, result, request_id) \
         VALUES ('x', '{root}', 1, 'x', 'service', 'checkpoint.signed', 'ok', 'service')",
        "audit_entries x in the log of {root} waits for its place, and was not written by the service",
    ),
    (
        "INSERT INTO audit_entries (id, tenant_id, time, actor, actor_type, action, result, request_id, refused) \
         VALUES ('x', '{unknown}', 1, 'x', 'service', 'x', 'ok', 'service', TRUE)",
        "audit_entries x in the log of {unknown} waits for its place, and was not written by the service",
    ),
    (
        "UPDATE audit_entries SET refused = TRUE WHERE id = '{waits}'",
        "audit_entries {waits} in the log of {tenant} is kept from its place, though the service wrote it",
    ),
    // Whose they are, and whether they read.
    (
        "UPDATE tenants SET id = '{unknown}' WHERE id = '{tenant}'",
        "the log of {tenant} is of no tenant that there is",
    ),
    ("UPDATE tenants SET id = 'x' WHERE id = '{tenant}'", "the tenants cannot be read"),
    (
        "UPDATE audit_entries SET id = 'x' WHERE tenant_id = '{tenant}' AND seq = 2",
        "the log of {tenant} cannot be read",
    ),
    // What the log says of the rows.
    ("DELETE FROM customer_keys WHERE id = '{key}'", "the log of {tenant} says that key {key} is there"),
    (
        "UPDATE customer_keys SET state = 'active', assignment_slot = NULL WHERE id = '{rotated}'",
        "the log of {tenant} says that key {rotated} is closed to new backups",
    ),
    (
        "UPDATE customer_keys SET acl_id = NULL WHERE id = '{guarded}'",
        "the log of {tenant} says that key {guarded} is under list {list}",
    ),
    (
        "DELETE FROM backups WHERE id = '{backup}'",
        "the log of {tenant} says that backup.stored was the last of backup {backup}",
    ),
    (
        "UPDATE backups SET state = 'confirmed' WHERE id = '{deleted}'",
        "the log of {tenant} says that backup.deleted was the last of backup {deleted}",
    ),
    (
        "DELETE FROM verifications WHERE id = '{check}'",
        "the log of {retail} says that check {check} was started",
    ),
    (
        "DELETE FROM api_credentials WHERE id = '{credential}'",
        "the log of {tenant} says that credential {credential} was made",
    ),
    (
        "UPDATE api_credentials SET revoked_at = NULL WHERE id = '{revoked}'",
        "the log of {tenant} says that credential {revoked} is revoked",
    ),
    (
        "UPDATE people SET role = 'owner' WHERE id = '{auditor}'",
        "the log of {tenant} says that person {auditor} is auditor",
    ),
    (
        "UPDATE people SET state = 'active' WHERE id = '{removed}'",
        "the log of {tenant} says that person {removed} is removed",
    ),
    (
        "DELETE FROM webhook_endpoints WHERE id = '{webhook}'",
        "the log of {tenant} says that webhook {webhook} was made or deleted otherwise",
    ),
    (
        "UPDATE webhook_endpoints SET id = '{gone}' WHERE id = '{webhook}'",
        "the log of {tenant} says that webhook {gone} was made or deleted otherwise",
    ),
    // What the enclave proves.
    ("UPDATE customer_keys SET sealed = public_key WHERE id = '{key}'", "customer_keys {key} does not hold"),
    (
        "UPDATE backups SET ciphertext = checksum_sealed WHERE id = '{backup}'",
        "backups {backup} does not hold",
    ),
    ("UPDATE backups SET tenant_id = '{unknown}' WHERE id = '{backup}'", "backups {backup} does not hold"),
    (
        "UPDATE verifications SET ticket = substr(ticket, 2) WHERE id = '{check}'",
        "verifications {check} does not hold",
    ),
];

/// An installation that has one of everything that is looked at, and is stopped.
struct World {
    app: App,
    vandal: Vandal,
    names: Names,
}

type Names = Vec<(&'static str, String)>;

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap().to_owned()
}

/// Keys of which one was superseded, backups of which one was deleted, and a check.
async fn fill_inventory(app: &App) -> Names {
    let partner = app.partner();
    let check = app.retail().approved("a").await;
    let (key, rotated) = (partner.assigned("a", "x").await, partner.assigned("b", "x").await);
    partner.post(&format!("/v1/partner/keys/{}/rotate", rotated.key_id), &json!({})).await.ok();
    let mut names = Vec::new();
    for name in ["backup", "deleted"] {
        let stored = partner.try_store_data(&key, &key.device().item(name, &secret(name))).await.ok();
        names.push((name, text(&stored, "backup_id")));
    }
    let path = format!("/v1/partner/backups/{}", names[1].1);
    partner.call(&Method::DELETE, &path).send().await.ok();
    app.clock.advance(Duration::from_hours(31 * 24));
    while partner.get(&path).await.ok()["status"] != "deleted" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    names.extend([("key", key.key_id), ("rotated", rotated.key_id), ("check", check)]);
    names
}

/// Two of each, of which one was removed.
async fn fill_settings(app: &App) -> Names {
    let (sink, mut names) = (Sink::new(OK).await, Vec::new());
    for (kept, gone, path, body) in [
        ("credential", "revoked", "/v1/credentials", json!({"name": "x", "scopes": ["audit"]})),
        ("webhook", "gone", "/v1/webhooks", json!({"url": sink.url})),
    ] {
        for name in [kept, gone] {
            names.push((name, text(&app.partner().post(path, &body).await.ok(), "id")));
        }
        let path = format!("{path}/{}", names[names.len() - 1].1);
        let removed = app.partner().call(&Method::DELETE, &path).send().await;
        assert!(removed.status < 300, "{}", removed.text());
    }
    names
}

/// Somebody whose role was changed, and somebody who was removed.
async fn fill_team(owner: &mut Person) -> Names {
    let mut names = Vec::new();
    for (name, path, fields) in
        [("auditor", "role", [("role", "auditor")]), ("removed", "remove", [("confirmed", "yes")])]
    {
        let email = format!("{name}@x.example");
        let fields_of = [("email", email.as_str()), ("name", "N"), ("role", "member")];
        assert_eq!(owner.post("/control/team/invite", &fields_of).await.status, 200);
        let person = crate::control::path_of(owner, &email).await;
        assert_eq!(owner.post(&format!("{person}/{path}"), &fields).await.status, 303);
        names.push((name, person.rsplit('/').next().unwrap().to_owned()));
    }
    names
}

impl World {
    async fn new(app: App) -> Self {
        let partner = app.partner();
        let mut names = [fill_inventory(&app).await, fill_settings(&app).await].concat();
        // A log of no entries whose checkpoint somebody read is as whole as any.
        app.new_tenant(TenantKind::Partner, Scope::ALL).await.get("/v1/audit/checkpoint").await;
        let Control { mut app, mut owner, key, acl, .. } = Control::of(app, &EVERYBODY, &[]).await;
        names.extend(fill_team(&mut owner).await);
        partner.get("/v1/audit/checkpoint").await;
        // The log goes on from its last checkpoint, by what is said of a row.
        let late = partner.post("/v1/credentials", &json!({"name": "late", "scopes": ["audit"]})).await.ok();
        app.clock.advance(Duration::from_millis(1));
        partner.call(&Method::DELETE, &format!("/v1/credentials/{}", text(&late, "id"))).send().await;
        while app.place.rows("audit_entries WHERE seq IS NULL") > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (tenant, retail) = (app.tenant_of(&partner).await, app.tenant_of(&app.retail()).await);
        app.stop_service().await;
        let last = app.place.rows(&format!("audit_entries WHERE tenant_id = '{tenant}'"));
        let early = (1..=last).find(|size| {
            app.place.rows(&format!("audit_checkpoints WHERE tenant_id = '{tenant}' AND size = {size}")) > 0
        });
        let early = early.unwrap();
        names.extend([
            ("tenant", tenant.to_string()),
            ("retail", retail.to_string()),
            ("last", last.to_string()),
            ("early", early.to_string()),
            ("after_early", (early + 1).to_string()),
            ("root", TenantId::root_log().to_string()),
            ("guarded", key.key_id),
            ("list", acl),
            ("unknown", "01890000-0000-7000-8000-00000000dead".to_owned()),
        ]);
        let waits = "01890000-0000-7000-8000-000000000aaa";
        names.push(("waits", waits.to_owned()));
        append(&app, &tenant, vec![filled(waits.parse().unwrap(), Timestamp::from_ms(1))]).await;
        let vandal = Vandal::new(&app.place, 0);
        Self { app, vandal, names }
    }

    fn named(&self, text: &str) -> String {
        let fill = |text: String, (name, value): &(&str, String)| text.replace(&format!("{{{name}}}"), value);
        self.names.iter().fold(text.to_owned(), fill)
    }

    fn edit(&self, edit: &str) {
        let free = match self.app.place {
            Place::Sqlite(_) => "PRAGMA foreign_keys = OFF",
            Place::Postgres(_) => "SET session_replication_role = replica",
        };
        self.app.place.run(&format!("{free}; {}", self.named(edit)));
    }

    async fn failures(&self) -> Vec<String> {
        failures(&self.app).await
    }
}

/// Whoever reads the examination of a whole installation sees that each check was made.
#[tokio::test(flavor = "multi_thread")]
async fn each_check_says_that_all_is_well_on_either_engine() {
    for app in [Plan::default().on_sqlite().start().await, App::on_postgres().await] {
        let admin = app.admin().await;
        let found = examine(&admin, &mut |_, _, _| {}).await.unwrap();
        admin.close().await;
        let checks: Vec<_> = found.iter().map(|line| (line.check, line.verdict)).collect();
        let all = ["rows", "database", "audit", "keys", "backups", "packages", "sessions"];
        assert_eq!(checks, all.map(|check| (check, Verdict::Ok)), "{found:#?}");
    }
}

/// What an examination finds that is not as it should be.
pub async fn failures(app: &App) -> Vec<String> {
    let admin = app.admin().await;
    let found = examine(&admin, &mut |_, _, _| {}).await.unwrap();
    admin.close().await;
    found.into_iter().filter(|line| line.verdict == Verdict::Failure).map(|line| line.text).collect()
}

async fn each_check_tells_what_it_is_for(app: App) {
    let world = Box::pin(World::new(app)).await;
    assert_eq!(world.failures().await, [""; 0], "all is whole");
    let mut missed = Vec::new();
    for (edit, finding) in CASES {
        world.edit(edit);
        let found = world.failures().await;
        let finding = world.named(finding);
        if !found.iter().any(|text| text.starts_with(&finding)) {
            missed.push(format!("{finding}: {found:#?}"));
        }
        world.vandal.undo();
    }
    println!("figure: examination-edits {} edits", CASES.len());
    assert!(missed.is_empty(), "{} missed: {}", missed.len(), missed.join("\n"));
    assert_eq!(world.failures().await, [""; 0], "all is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_tells_what_it_is_for_on_sqlite() {
    Box::pin(each_check_tells_what_it_is_for(Plan::default().on_sqlite().start().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_tells_what_it_is_for_on_postgres() {
    Box::pin(each_check_tells_what_it_is_for(App::on_postgres().await)).await;
}

/// The service may run, or have ended a moment ago: what it wrote last is not in the chain yet, and no fault.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_place_yet_is_believed_and_gets_none() {
    let world = Box::pin(World::new(Plan::default().on_sqlite().start().await)).await;
    world.edit(CASES.iter().find(|(edit, _)| edit.contains("seq = {last} - 1")).unwrap().0);
    let told = [
        "the log of {tenant}: its head was not written by the service as it is",
        "the log of {tenant}: there are numbered entries that its head does not count",
        "the log of {tenant}: its head is not what its entries and checkpoints make",
    ];
    let told = told.map(|text| world.named(text));
    assert_eq!(world.failures().await, told, "what lies behind the head was read too");
    world.edit(
        "UPDATE audit_heads SET tag = NULL WHERE tenant_id = '{tenant}'; UPDATE audit_entries SET seq = NULL, prev_hash = NULL, entry_hash = NULL \
         WHERE tenant_id = '{tenant}' AND seq = {last}",
    );
    let found = world.failures().await;
    let [waits, made] = ["waits for its place, and was not written by the service", "was made"];
    assert!(found.len() == 4 && found[0].contains(waits) && found[3].contains(made), "{found:#?}");
    assert_eq!([&found[1], &found[2]], [&told[0], &told[2]]);
    assert_eq!(world.app.seal_entries().await, 2, "the entry and the head");
    let tables = ["audit_heads", "audit_entries", "audit_checkpoints"];
    let before = tables.map(|table| world.app.place.contents(table));
    assert_eq!(world.failures().await, [""; 0]);
    assert_eq!(tables.map(|table| world.app.place.contents(table)), before, "nothing of it is written");
}

/// What the log's key did sign, and not of this log: a checkpoint of the log before a reset.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_checkpoint_of_another_history_is_told() {
    let mut app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    for user in ["a", "b"] {
        partner.assigned(user, "x").await;
    }
    partner.get("/v1/audit/checkpoint").await;
    let vandal = Vandal::new(&app.place, 0);
    partner.call(&Method::POST, "/v1/sandbox/reset").send().await.ok();
    for user in ["c", "d", "e"] {
        partner.assigned(user, "x").await;
    }
    partner.get("/v1/audit/checkpoint").await;
    app.stop_service().await;
    assert_eq!(failures(&app).await, [""; 0]);
    vandal.put_back(&["audit_checkpoints"]);
    let tenant = app.tenant_of(&partner).await;
    let other = format!("the log of {tenant} is not the one that was signed");
    let found = failures(&app).await;
    assert!(found.iter().any(|text| text.starts_with(&other)), "{found:#?}");
}
