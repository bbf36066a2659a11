//! `/v1/audit/export`.

use domain::credential::{Scope, TenantKind};
use domain::ids::{EntryId, TenantId};
use domain::time::Timestamp;
use serde_json::Value;
use server::edge::clock::{Clock as _, SystemClock};
use store::StoreError;
use store::audit::AuditEntry;
use testkit::{Actor, App, Plan};

use super::audit::{follow, history};

/// The lines of an export, in the caller's eyes: a whole answer of whole lines.
async fn export(actor: &Actor, query: &str) -> Vec<Value> {
    let answer = actor.get(&format!("/v1/audit/export{query}")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-ndjson"));
    assert!(answer.header("content-length").is_empty(), "written while it is read");
    let text = answer.text();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Writes entries as the service does.
pub async fn append(app: &App, tenant: &TenantId, entries: Vec<AuditEntry>) {
    let tenant = tenant.clone();
    let written = app.db.write("append", move |tx| {
        entries.iter().try_for_each(|entry| store::audit::of(&tenant).append(tx, entry))
    });
    written.await.unwrap_or_else(|error: StoreError| unreachable!("{error}"));
}

/// Entries that nobody has numbered yet.
pub async fn fill(app: &App, actor: &Actor, count: u32) {
    let tenant = app.tenant_of(actor).await;
    let entry = |number: u32| {
        let id = format!("01890000-0000-7000-8000-0{}", 10_000_000_000 + u64::from(number));
        filled(id.parse().unwrap(), Timestamp::from_ms(number.into()))
    };
    append(app, &tenant, (1..=count).map(entry).collect()).await;
}

/// An entry that says nothing.
pub fn filled(id: EntryId, time: Timestamp) -> AuditEntry {
    AuditEntry {
        id,
        time,
        actor: "nobody".to_owned(),
        actor_type: "service".to_owned(),
        action: "test.filled".to_owned(),
        key_id: None,
        backup_id: None,
        recovery_id: None,
        verification_id: None,
        customer_id: None,
        package_id: None,
        result: "ok".to_owned(),
        reason: None,
        request_id: "request".to_owned(),
    }
}

async fn it_is_the_log_line_by_line(app: App) {
    let partner = app.partner();
    fill(&app, &partner, 1_700).await;
    history(&app).await;
    let lines = export(&partner, "").await;
    assert_eq!(lines.len(), 1_706);
    assert_eq!(lines, partner.audit("").await, "the same entries");
    let tenant = app.tenant_of(&partner).await;
    let hashes = follow(tenant.as_str(), &lines);
    assert_eq!(lines[0]["prev_hash"], "0".repeat(64));
    for (at, (line, before)) in lines[1..].iter().zip(&hashes).enumerate() {
        assert_eq!((&line["seq"], &line["prev_hash"]), (&(at + 2).into(), &before.as_str().into()));
    }
    let answer = partner.get("/v1/audit/export").await;
    assert_eq!(answer.header("holdfast-audit-size"), "1706");
}

#[tokio::test]
async fn it_is_the_log_line_by_line_on_sqlite() {
    it_is_the_log_line_by_line(Plan::default().on_sqlite().start().await).await;
}

#[tokio::test]
async fn it_is_the_log_line_by_line_on_postgres() {
    it_is_the_log_line_by_line(App::on_postgres().await).await;
}

#[tokio::test]
async fn filters_choose_as_they_do_on_pages() {
    let app = App::start().await;
    let partner = app.partner();
    let (key, backup) = history(&app).await;
    let all = partner.audit("").await;
    let third = all[2]["time"].as_str().unwrap();
    for (query, count) in [
        ("&customer_id=customer-1".to_owned(), 2),
        ("&package_id=package-1&action=key.assigned".to_owned(), 3),
        (format!("&key_id={key}"), 2),
        (format!("&backup_id={backup}"), 1),
        (format!("&from={third}"), 4),
        (format!("&to={third}"), 2),
        ("&action=nothing".to_owned(), 0),
        // A page has those; an export is whole.
        ("&limit=1".to_owned(), 6),
        ("&cursor=s4".to_owned(), 6),
    ] {
        let lines = export(&partner, &format!("?{}", &query[1..])).await;
        assert_eq!(lines.len(), count, "{query}");
        if !query.contains("limit") && !query.contains("cursor") {
            assert_eq!(lines, partner.audit(&query).await, "{query}");
        }
    }
    for (query, field) in [("from=yesterday", "from"), ("key_id=x", "key_id"), ("action=%00", "action")] {
        let answer = partner.get(&format!("/v1/audit/export?{query}")).await;
        assert_eq!(answer.faults(), [field], "{query}");
    }
}

#[tokio::test]
async fn nobody_sees_anothers_and_an_empty_log_is_whole() {
    let app = App::start().await;
    history(&app).await;
    let stranger = app.new_tenant(TenantKind::Partner, &[Scope::Audit]).await;
    assert!(export(&stranger, "").await.is_empty());
    assert_eq!(stranger.get("/v1/audit/export").await.header("holdfast-audit-size"), "0");
    let answer = app.anonymous().get("/v1/audit/export").await;
    answer.refused(401, "unauthenticated");
}

#[tokio::test]
async fn each_act_that_was_answered_before_is_in_it() {
    let app = App::start().await;
    let partner = app.partner();
    for at in 1..=5 {
        partner.assigned(&format!("user-{at}"), "customer-1").await;
        assert_eq!(export(&partner, "").await.len(), at, "at once");
    }
}

#[tokio::test]
async fn what_cannot_be_finished_is_cut_and_does_not_end() {
    let app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    fill(&app, &partner, 1_200).await;
    assert_eq!(export(&partner, "").await.len(), 1_200);
    // A row that does not read, behind the first page: as good as a database that goes away meanwhile.
    app.place.run("UPDATE audit_entries SET prev_hash = x'00' WHERE seq = 900");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = |query: &str| {
        let call = http.get(format!("{}/v1/audit/export{query}", app.base()));
        call.header("x-api-key", partner.api_key.as_deref().unwrap()).send()
    };
    let answer = ask("").await.unwrap();
    assert_eq!(answer.status(), 200, "it had begun well");
    let whole = answer.bytes().await;
    assert!(whole.is_err(), "{} bytes were taken for the whole", whole.unwrap().len());
    // On the first page, before there is an answer, it is one.
    let early = ask("?from=1970-01-01T00:00:00.800Z").await.unwrap();
    assert_eq!(early.status(), 500);
    let head = http.head(format!("{}/v1/audit/export", app.base()));
    let head = head.header("x-api-key", partner.api_key.as_deref().unwrap()).send().await.unwrap();
    assert_eq!(head.status(), 200, "and the service goes on");
}

#[tokio::test]
async fn a_log_that_begins_anew_meanwhile_is_cut() {
    let app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    // More than the buffers of a connection hold, so that the writer waits for its reader.
    fill(&app, &partner, 40_000).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let call = http.get(format!("{}/v1/audit/export", app.base()));
    let mut answer = call.header("x-api-key", partner.api_key.as_deref().unwrap()).send().await.unwrap();
    assert!(answer.chunk().await.unwrap().is_some(), "it begins");
    partner.post("/v1/sandbox/reset", &Value::Null).await.ok();
    let rest = loop {
        match answer.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert!(rest.is_err(), "half of the old log is no log");
    assert_eq!(export(&partner, "").await.len(), 1, "the new one");
}

/// The resident memory of this process, KiB: now, or at most since it was last forgotten.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_log() {
    const GROWTH_KIB_MAX: u64 = 16 * 1024;
    let count = 100_000;
    let app = Plan::default().on_sqlite().start().await;
    let partner = app.partner();
    fill(&app, &partner, count).await;
    partner.get("/v1/audit/checkpoint").await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let call = http.get(format!("{}/v1/audit/export", app.base()));
    // The peak is forgotten, so that what came before it does not count.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, begun) = (memory("VmRSS"), SystemClock.now());
    let mut answer = call.header("x-api-key", partner.api_key.as_deref().unwrap()).send().await.unwrap();
    let (mut lines, mut bytes) = (0, 0);
    while let Some(piece) = answer.chunk().await.unwrap() {
        lines += piece.split(|byte| *byte == b'\n').count() - 1;
        bytes += piece.len();
    }
    let peak = memory("VmHWM");
    println!(
        "figure: export of {count} entries, {} MiB, in {:.1?}: {before} KiB before, {peak} KiB at most",
        bytes >> 20,
        SystemClock.now().since(begun)
    );
    assert_eq!(lines, usize::try_from(count).unwrap());
    let growth = peak.saturating_sub(before);
    assert!(growth < GROWTH_KIB_MAX, "it grew by {growth} KiB");
}
