//! Somebody writes into the audit logs past the service: nothing of it gets a place there or is signed, the operator is
//! told, and all goes on.

use std::time::Duration;

use domain::audit::hex;
use domain::audit::tree::{Hash, Tree};
use domain::ids::TenantId;
use reqwest::Method;
use server::doctor::{self, Verdict};
use store::StoreError;
use store::audit;
use testkit::{App, Place, Plan, Vandal};

use crate::examination::failures;
use crate::v1::audit::history;
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

/// Bytes as the engine's statements spell them.
fn blob(app: &App, bytes: &[u8]) -> String {
    let hex = hex(bytes);
    match app.place {
        Place::Sqlite(_) => format!("x'{hex}'"),
        Place::Postgres(_) => format!("'\\x{hex}'::bytea"),
    }
}

/// Chains an entry of his own after the last of a log, as whoever has the database alone can: the hashes need no key. Its
/// hash here is any, which no check before a signature would miss. The tree over all of it.
async fn chain(app: &App, of: &TenantId) -> Tree {
    let owner = of.clone();
    let leaves = app.db.read("list_leaves", move |rx| audit::of(&owner).list_leaves(rx, 0, 99)).await;
    let leaves: Vec<Hash> = leaves.unwrap_or_else(|error: StoreError| unreachable!("{error}"));
    let mut tree = Tree::default();
    for leaf in leaves.into_iter().chain([[7; 32]]) {
        tree.push(leaf);
    }
    let (size, hash, peaks) = (tree.size(), blob(app, &[7; 32]), blob(app, &tree.peaks()));
    app.place.run(&format!(
        "INSERT INTO audit_entries (id, tenant_id, seq, prev_hash, entry_hash, time, actor, actor_type, action, result, \
         request_id) SELECT '01890000-0000-7000-8000-00000000000c', tenant_id, {size}, entry_hash, {hash}, 1, 'nobody', \
         'service', 'backup.deleted', 'ok', 'service' FROM audit_heads WHERE tenant_id = '{of}'; \
         UPDATE audit_heads SET seq = {size}, entry_hash = {hash}, peaks = {peaks} WHERE tenant_id = '{of}'"
    ));
    tree
}

async fn a_link_that_somebody_added_is_signed_by_nobody_and_told_of(mut app: App) {
    let partner = app.partner();
    history(&app).await;
    let before = checkpoint(&partner).await;
    let ours = app.tenant_of(&partner).await;
    app.stop_service().await;
    let vandal = Vandal::new(&app.place, 0);
    chain(&app, &ours).await;
    let told = format!("the log of {ours}: its head was not written by the service as it is");
    assert_eq!(seen(&mut app).await, std::slice::from_ref(&told), "before the service comes back");
    app.start_service().await.unwrap();
    let partner = app.partner();
    let marked = format!("audit_heads WHERE refused AND tenant_id = '{ours}'");
    app.clock.advance(Duration::from_mins(1));
    until("the log is found", async || app.place.all_rows(&marked) == 1).await;
    partner.assigned("later", "customer-1").await;
    for path in ["/v1/audit", "/v1/audit/export", "/v1/audit/checkpoint"] {
        assert_eq!(partner.get(path).await.status, 503, "{path}");
    }
    assert_eq!(partner.call(&Method::POST, "/v1/sandbox/reset").send().await.status, 503);
    let size = before["size"].as_i64().unwrap();
    let later = format!("audit_checkpoints WHERE tenant_id = '{ours}' AND size > {size}");
    assert_eq!(app.place.all_rows(&later), 0, "nothing of it is signed");
    let waits = format!("audit_entries WHERE seq IS NULL AND tenant_id = '{ours}'");
    assert!(app.place.all_rows(&waits) > 0, "and nothing is added");
    assert_eq!(app.anonymous().get("/readyz").await.ok()["audit_logs"], "foreign");
    let metrics = app.scrape().await;
    assert_eq!((metrics.one("audit_logs_foreign"), metrics.one("audit_entries_refused")), (1, 0));
    assert_eq!(seen(&mut app).await, std::slice::from_ref(&told));
    assert!(failures(&app).await.contains(&told));
    // Other logs go on, and their acts are named in the root log.
    let stranger = app.retail();
    stranger.approved("anna").await;
    assert!(checkpoint(&stranger).await.get("enclave_key").is_some());
    // The operator puts back what was there; what waits is not of that time, and gets its places.
    app.stop_service().await;
    app.place.run(&format!("DELETE FROM audit_entries WHERE tenant_id = '{ours}' AND seq > {size}"));
    let waiting = app.place.all_rows(&waits);
    vandal.put_back(&["audit_heads"]);
    app.start_service().await.unwrap();
    let partner = app.partner();
    let after = checkpoint(&partner).await;
    assert_eq!(after["size"].as_i64().unwrap(), size + waiting);
    assert!(after.get("enclave_key").is_some(), "{after}");
    assert_eq!(app.anonymous().get("/readyz").await.ok()["audit_logs"], "whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_somebody_added_is_signed_by_nobody_and_told_of_on_sqlite() {
    let app = Plan::default().on_sqlite().start().await;
    Box::pin(a_link_that_somebody_added_is_signed_by_nobody_and_told_of(app)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_somebody_added_is_signed_by_nobody_and_told_of_on_postgres() {
    Box::pin(a_link_that_somebody_added_is_signed_by_nobody_and_told_of(App::on_postgres().await)).await;
}

async fn root_export(app: &App) -> String {
    let (admin, mut out) = (app.admin().await, Vec::new());
    admin.export_root_log(&mut out).await.unwrap();
    admin.close().await;
    String::from_utf8(out).unwrap()
}

/// Where a log's head is ours and there is more than it counts, which somebody else put there.
async fn what_stands_behind_the_head_is_shown_to_nobody(mut app: App) {
    let partner = app.partner();
    let (key, _) = history(&app).await;
    // Signing in is an entry, too.
    let auditor = app.person("auditor").await;
    checkpoint(&partner).await;
    assert!(root_export(&app).await.contains("checkpoint.signed"));
    let size = partner.audit("").await.len();
    let (ours, root_log) = (app.tenant_of(&partner).await, TenantId::root_log());
    let hash = blob(&app, &[7; 32]);
    let put = |id: &str, owner: &TenantId, seq: &str| {
        app.place.run(&format!(
            "INSERT INTO audit_entries (id, tenant_id, seq, prev_hash, entry_hash, time, actor, actor_type, action, key_id, \
             result, request_id) SELECT '01890000-0000-7000-8000-{id}', tenant_id, {seq}, entry_hash, {hash}, 1, 'nobody', \
             'service', 'key.destroyed', '{key}', 'ok', 'service' FROM audit_heads WHERE tenant_id = '{owner}'"
        ));
    };
    // The root log grows meanwhile: further away.
    for (id, owner, seq) in [
        ("00000000000a", &ours, "seq + 1"),
        ("00000000000b", &ours, "0"),
        ("00000000000c", &ours, "seq + 9"),
        ("00000000000d", &root_log, "seq + 999"),
    ] {
        put(id, owner, seq);
    }
    let about = format!("&key_id={key}");
    for query in ["", "&action=key.destroyed", &about] {
        let log = partner.audit(query).await;
        assert!(log.iter().all(|entry| entry["actor"] != "nobody"), "{query}: {log:?}");
    }
    let log = partner.audit("").await;
    assert!(log.len() == size && log.last().unwrap()["seq"] == size, "and all else is: {log:?}");
    let behind = partner.get(&format!("/v1/audit?cursor=s{size}")).await.ok();
    assert_eq!(behind["data"].as_array().unwrap().len(), 0, "{behind}");
    let exported = partner.get("/v1/audit/export").await.text();
    assert_eq!((exported.lines().count(), exported.contains("nobody")), (size, false));
    for path in
        ["/control/log", "/control/log?action=key.destroyed", &format!("/control/log?before={}", size + 99)]
    {
        let page = auditor.get(path).await;
        assert!(
            page.status == 200 && !page.text().contains("<code>key.destroyed</code>"),
            "{path}: {}",
            page.text()
        );
    }
    let verified = auditor.get("/control/log/verify").await.text();
    assert!(verified.contains("The chain is whole"), "{verified}");
    let shown = partner.get(&format!("/v1/partner/keys/{key}")).await.ok();
    assert!(!shown["history"].to_string().contains("nobody"), "{shown}");
    let root = root_export(&app).await;
    assert!(!root.is_empty() && !root.contains("nobody"), "{root}");
    // The doctor names it.
    let told = |owner: &TenantId| {
        format!("the log of {owner}: there are numbered entries that its head does not count")
    };
    assert_eq!(seen(&mut app).await, [told(&root_log), told(&ours)]);
    app.place.run("DELETE FROM audit_entries WHERE actor = 'nobody'");
    partner.assigned("later", "customer-1").await;
    assert_eq!(partner.audit("").await.len(), size + 1);
    assert_eq!(seen(&mut app).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_behind_the_head_is_shown_to_nobody_on_sqlite() {
    Box::pin(what_stands_behind_the_head_is_shown_to_nobody(App::start().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_behind_the_head_is_shown_to_nobody_on_postgres() {
    Box::pin(what_stands_behind_the_head_is_shown_to_nobody(App::on_postgres().await)).await;
}

/// The enclave signs what goes on from what it signed before: it would sign this, if it were asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_the_service_did_not_sign_is_not_shown_to_the_enclave() {
    let mut app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    history(&app).await;
    let before = checkpoint(&partner).await;
    let ours = app.tenant_of(&partner).await;
    app.stop_service().await;
    let tree = chain(&app, &ours).await;
    let (size, root, peaks) = (tree.size(), blob(&app, &tree.root()), blob(&app, &tree.peaks()));
    app.place.run(&format!(
        "INSERT INTO audit_checkpoints (tenant_id, size, root, note, made_at, peaks) SELECT tenant_id, {size}, {root}, \
         note, made_at, {peaks} FROM audit_checkpoints WHERE tenant_id = '{ours}' ORDER BY size DESC LIMIT 1; \
         UPDATE audit_heads SET checkpoint_size = {size}, cosign_after = NULL WHERE tenant_id = '{ours}'"
    ));
    app.start_service().await.unwrap();
    let noted = format!("audit_heads WHERE tenant_id = '{ours}' AND forked_at IS NOT NULL");
    until("it is told of", async || app.place.all_rows(&noted) == 1).await;
    let signed =
        format!("audit_checkpoints WHERE tenant_id = '{ours}' AND cosigner IS NOT NULL AND size = {size}");
    assert_eq!(app.place.all_rows(&signed), 0);
    // Taken away again, with all that came with it, the log goes on with the enclave: it signed nothing else.
    assert_eq!(app.anonymous().get("/readyz").await.ok()["audit_logs"], "forked");
    assert_eq!(before["size"].as_u64().unwrap() + 1, size);
}

/// A row that says another root of the same size is not given out, nor is the next log begun with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_with_another_root_is_not_shown_as_the_logs() {
    let app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    history(&app).await;
    checkpoint(&partner).await;
    let ours = app.tenant_of(&partner).await;
    app.place.run(&format!("UPDATE audit_checkpoints SET root = zeroblob(32) WHERE tenant_id = '{ours}'"));
    assert_eq!(partner.get("/v1/audit/checkpoint").await.status, 500);
    assert_eq!(partner.call(&Method::POST, "/v1/sandbox/reset").send().await.status, 500);
}
