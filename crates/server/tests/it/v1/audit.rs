//! `/v1/audit`.

use std::time::Duration;

use domain::credential::{Scope, TenantKind};
use serde_json::{Value, json};
use server::edge::clock::Clock as _;
use testkit::device::secret;
use testkit::foreign::python;
use testkit::{Actor, App};

/// A history with something of everything. Returns a key's and a backup's id.
pub async fn history(app: &App) -> (String, String) {
    let partner = app.partner();
    let mut last = None;
    for at in 0..3 {
        app.clock.advance(Duration::from_secs(10));
        let key = partner.assigned(&format!("user-{at}"), &format!("customer-{at}")).await;
        let item = key.device().item("", &secret("a"));
        let stored = partner.try_store_data(&key, &item).await.ok();
        last = Some((key.key_id, stored["backup_id"].as_str().unwrap().to_owned()));
    }
    last.unwrap()
}

#[tokio::test]
async fn every_act_that_was_answered_is_there_in_order_and_without_gaps() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    let key = retail.key("user-1", &id).await;
    let stored = retail.store("user-1", &id, &key, &[key.device().item("a", &secret("a"))]).await;
    let recovered = retail.recover("user-1", &id, &app.fixture.recipient.certificate).await.ok();
    retail.recover("user-1", &id, "nothing").await.refused(400, "validation-failed");
    let declined = retail.start_as("user-1", "decline_inquiry").await;
    let log = retail.audit("").await;
    let recovery = &recovered["backup"][0]["recovery_id"];
    let (id, declined) = (json!(id), json!(declined));
    let expected = [
        ("verification.started", "verification_id", &id),
        ("inquiry.approved", "verification_id", &id),
        ("key.assigned", "key_id", &json!(key.key_id)),
        ("backup.stored", "backup_id", &json!(stored[0])),
        ("recovery.requested", "recovery_id", recovery),
        ("recovery.released", "recovery_id", recovery),
        ("recovery.refused", "verification_id", &id),
        ("verification.started", "verification_id", &declined),
        ("inquiry.declined", "verification_id", &declined),
    ];
    assert_eq!(log.len(), expected.len(), "{log:?}");
    for (at, (entry, (action, name, object))) in log.iter().zip(expected).enumerate() {
        assert_eq!((&entry["action"], &entry[name]), (&json!(action), object), "{entry}");
        assert_eq!(entry["seq"], at + 1, "no gap");
    }
    assert_eq!((&log[1]["actor_type"], &log[1]["actor"]), (&json!("identity_provider"), &json!("simulator")));
    assert_eq!(log[2]["actor_type"], "api_key");
    assert!(app.partner().audit("").await.is_empty(), "each tenant has its own");
}

#[tokio::test]
async fn the_callers_name_of_a_call_is_in_its_entry() {
    let app = App::start().await;
    let call =
        app.partner().call(&reqwest::Method::POST, "/v1/partner/keys").header("x-request-id", "my-call.1");
    call.json(&testkit::assign_body("user-1", "customer-1")).send().await.ok();
    assert_eq!(app.partner().audit("").await[0]["request_id"], "my-call.1");
}

#[tokio::test]
async fn filters_choose_and_pages_join() {
    let app = App::start().await;
    let partner = app.partner();
    let (key, backup) = history(&app).await;
    let all = partner.audit("").await;
    assert_eq!(all.len(), 6);
    for (query, expected) in [
        ("&customer_id=customer-1".to_owned(), vec![3, 4]),
        ("&package_id=package-1".to_owned(), vec![1, 2, 3, 4, 5, 6]),
        ("&package_id=package-1&action=key.assigned".to_owned(), vec![1, 3, 5]),
        (format!("&key_id={key}"), vec![5, 6]),
        (format!("&backup_id={backup}"), vec![6]),
        (format!("&backup_id={backup}&action=key.assigned"), vec![]),
        ("&action=nothing".to_owned(), vec![]),
        ("&customer_id=%27%20OR%201=1".to_owned(), vec![]),
        (format!("&from={}", all[2]["time"].as_str().unwrap()), vec![3, 4, 5, 6]),
        (format!("&to={}", all[2]["time"].as_str().unwrap()), vec![1, 2]),
        (
            format!("&from={}&to={}", all[2]["time"].as_str().unwrap(), all[4]["time"].as_str().unwrap()),
            vec![3, 4],
        ),
    ] {
        let found: Vec<_> =
            partner.audit(&query).await.iter().map(|entry| entry["seq"].as_i64().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
    }
    for limit in [1, 2, 5, 6, 7, 200] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = partner.get(&format!("/v1/audit?limit={limit}{cursor}")).await.ok();
            let data = page["data"].as_array().unwrap();
            assert!(data.len() <= limit, "{page}");
            seen.extend(data.clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            assert_eq!(data.len(), limit, "only a full page has a next one");
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, all, "pages of {limit}");
    }
}

#[tokio::test]
async fn filters_that_are_none_are_named() {
    let app = App::start().await;
    let stranger = app.new_tenant(TenantKind::Partner, &[Scope::Audit]).await;
    history(&app).await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=99999999999", "limit"),
        ("cursor=", "cursor"),
        ("cursor=1", "cursor"),
        ("cursor=s-1", "cursor"),
        ("cursor=s1%20OR%201", "cursor"),
        ("cursor=s99999999999999999999", "cursor"),
        ("from=yesterday", "from"),
        ("from=2026-02-30T00:00:00Z", "from"),
        ("to=2026-01-01", "to"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        ("from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        ("key_id=x", "key_id"),
        ("backup_id=", "backup_id"),
        ("action=%00", "action"),
        ("customer_id=a%0A", "customer_id"),
        ("package_id=%7F", "package_id"),
    ] {
        let answer = app.partner().get(&format!("/v1/audit?{query}")).await;
        assert_eq!(answer.faults(), [field], "{query}");
    }
    // A forged cursor opens nothing of another tenant.
    for cursor in ["s0", "s1", "s6", "s9223372036854775807"] {
        let page = stranger.get(&format!("/v1/audit?cursor={cursor}")).await.ok();
        assert_eq!(page, json!({"data": [], "next_cursor": null}));
    }
}

/// The chain, computed as the documentation says: SHA-256 of a zero byte and the entry's canonical form.
pub fn follow(tenant: &str, log: &[Value]) -> Vec<String> {
    let script = "import sys, json, hashlib\n\
        ask = json.load(sys.stdin)\n\
        for entry in ask['log']:\n    \
            leaf = dict(entry, tenant=ask['tenant'])\n    \
            text = json.dumps(leaf, sort_keys=True, separators=(',', ':'), ensure_ascii=False)\n    \
            print(hashlib.sha256(b'\\0' + text.encode()).hexdigest())\n";
    let ask = json!({"tenant": tenant, "log": log});
    let text = String::from_utf8(python(script, &[], ask.to_string().as_bytes())).unwrap();
    text.lines().map(str::to_owned).collect()
}

async fn chain_holds(app: &App, actor: &Actor) -> usize {
    let log = actor.audit("").await;
    let hashes = follow(app.tenant_of(actor).await.as_str(), &log);
    assert_eq!(log[0]["prev_hash"], "0".repeat(64));
    for (entry, before) in log[1..].iter().zip(&hashes) {
        assert_eq!(entry["prev_hash"], *before, "{entry}");
    }
    log.len()
}

#[tokio::test]
async fn each_entry_holds_the_hash_of_the_one_before() {
    let app = App::start().await;
    // With every member that an entry can have; before the clock moves away from the enclave's.
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    let key = retail.key("user-1", &id).await;
    retail.store("user-1", &id, &key, &[key.device().item("a", &secret("a"))]).await;
    retail.recover("user-1", &id, &app.fixture.recipient.certificate).await.ok();
    retail.recover("user-1", &id, "nothing").await.refused(400, "validation-failed");
    retail.start("user-2").await;
    let log = retail.audit("").await;
    for member in ["key_id", "backup_id", "recovery_id", "verification_id", "reason"] {
        assert!(log[..log.len() - 1].iter().any(|entry| !entry[member].is_null()), "{member}");
    }
    assert_eq!(chain_holds(&app, &retail).await, log.len());
    history(&app).await;
    assert_eq!(chain_holds(&app, &app.partner()).await, 6);
    history_of_names(&app).await;
    assert_eq!(chain_holds(&app, &app.partner()).await, 7);
    let all = app.partner().audit("").await;
    let partly = app.partner().audit("&customer_id=customer-1").await;
    assert_eq!(partly[0]["prev_hash"], all[2]["prev_hash"], "a filter changes no entry");
}

pub async fn history_of_names(app: &App) {
    app.partner().assigned("ü", "Ørsted \"&\" 日本 \u{1d54c}").await;
}

async fn entries_written_at_once_are_all_there(app: App) {
    let (retail, at) = (app.retail(), app.clock.now());
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..24 {
        let retail = retail.clone();
        calls.spawn(async move {
            let id = retail.start_as(&format!("user-{number}"), "approve_inquiry").await;
            let log = retail.audit("&action=inquiry.approved").await;
            assert!(log.iter().any(|entry| entry["verification_id"] == id), "it was answered before");
        });
    }
    calls.join_all().await;
    assert_eq!(app.clock.now(), at, "all in one millisecond");
    assert_eq!(chain_holds(&app, &retail).await, 48);
    let log = retail.audit("").await;
    assert!(log.iter().enumerate().all(|(at, entry)| entry["seq"] == at + 1), "no gap");
    for name in ["action", "customer_id", "package_id"] {
        // PostgreSQL knows no such character.
        assert_eq!(retail.get(&format!("/v1/audit?{name}=%00")).await.faults(), [name]);
    }
}

#[tokio::test]
async fn entries_written_at_once_are_all_there_on_sqlite() {
    entries_written_at_once_are_all_there(App::start().await).await;
}

#[tokio::test]
async fn entries_written_at_once_are_all_there_on_postgres() {
    entries_written_at_once_are_all_there(App::on_postgres().await).await;
}
