//! The audit log: listed, exported, and proven by its checkpoint.

use serde_json::{Value, json};

use super::{Row, row};
use crate::conformance::merkle;
use crate::conformance::stage::PARTNER_KEYS;
use crate::conformance::verdict::{Played, must};
use crate::conformance::world::{Need, World};

use Need::Partner;

pub const ROWS: &[Row] = &[
    row("audit.entry", "an entry has its members, and says who did what to which object", &[Partner], entry),
    row(
        "audit.at-once",
        "the list shows every act that was answered before it was called",
        &[Partner],
        at_once,
    ),
    row("audit.refusal", "a call without its scope is an entry too", &[Partner, Need::ReducedKeys], refusal),
    row("audit.pages", "entries ascend by seq without gaps, page by page", &[Partner], pages),
    row("audit.filters", "customer, key, action and time filter the list", &[Partner], filters),
    row(
        "audit.odd-filters",
        "a malformed filter is 400, an unknown id an empty page",
        &[Partner],
        odd_filters,
    ),
    row("audit.export", "the export is the same entries, one JSON object a line", &[Partner], export),
    row(
        "audit.checkpoint",
        "the export is proven by the signed checkpoint, with no service",
        &[Partner],
        checkpoint,
    ),
    row(
        "audit.checkpoint.consistent",
        "a later checkpoint goes on from an earlier one",
        &[Partner],
        consistent,
    ),
    row(
        "audit.no-secrets",
        "no ciphertext, key material or credential is in an entry",
        &[Partner],
        no_secrets,
    ),
];

fn entry(w: &World) -> Played {
    let id = w.name("request").replace('.', "-");
    let body = w.assignment(&w.name("user"), json!({}));
    let key =
        w.partner().post(PARTNER_KEYS, &body).header("x-request-id", &id).expect(200)?.text("/key_id")?;
    let log = w.partner().get(&format!("/v1/audit?key_id={key}")).expect(200)?;
    log.has(&["/data/0/seq", "/data/0/time", "/data/0/actor", "/data/0/prev_hash"])?;
    log.is("/data/0/action", "key.assigned")?
        .is("/data/0/actor_type", "api_key")?
        .is("/data/0/result", "ok")?;
    log.is("/data/0/key_id", key)?.is("/data/0/customer_id", w.name("org"))?;
    log.is("/data/0/package_id", "package-1")?.is("/data/0/request_id", id).map(drop)
}

fn at_once(w: &World) -> Played {
    for at in 0..5 {
        let key = w.assigned(&w.name(&format!("user-{at}")), json!({}))?;
        let log = w.partner().get(&format!("/v1/audit?key_id={}", key.id)).expect(200)?;
        log.must(log.list("/data")?.len() == 1, "expected the assignment that was just answered")?;
    }
    Ok(())
}

fn refusal(w: &World) -> Played {
    let id = w.name("request").replace('.', "-");
    let reduced = w.caller(&w.keys("partner").no_partner_scope);
    reduced.get("/v1/partner/keys").header("x-request-id", &id).refused(403, "scope-missing")?;
    let log = w.partner().get("/v1/audit/export?action=access.refused").expect(200)?;
    let text = String::from_utf8_lossy(&log.body);
    log.must(text.contains(&id), "expected an entry access.refused with this request id")
}

fn pages(w: &World) -> Played {
    for at in 0..3 {
        w.assigned(&w.name(&format!("user-{at}")), json!({}))?;
    }
    let (mut last, mut cursor) = (0, String::new());
    for _ in 0..3 {
        let page = w.partner().get(&format!("/v1/audit?limit=1{cursor}")).expect(200)?;
        for entry in page.list("/data")? {
            let seq = entry["seq"].as_i64().unwrap_or_default();
            page.must(seq == last + 1, format!("expected seq {}, got {seq}", last + 1))?;
            last = seq;
        }
        let Some(next) = page.json["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    must(last == 3, || format!("expected three pages of one entry, got {last}"))
}

fn filters(w: &World) -> Played {
    let key = w.assigned(&w.name("user"), json!({}))?;
    w.partner().post(&format!("{PARTNER_KEYS}/{}/rotate", key.id), &json!({})).expect(200)?;
    let log = |query: String| w.partner().get(&format!("/v1/audit?{query}")).expect(200);
    let of_customer = log(format!("customer_id={}", w.name("org")))?;
    of_customer.must(of_customer.list("/data")?.len() >= 2, "expected the assignment and the rotation")?;
    let one = log(format!("key_id={}&action=key.assigned", key.id))?;
    one.must(one.list("/data")?.len() == 1, "expected the assignment alone")?;
    let time = one.text("/data/0/time")?;
    let since = log(format!("key_id={}&from={time}", key.id))?;
    since.must(!since.list("/data")?.is_empty(), "expected what happened from then on")?;
    let long_ago = log(format!("key_id={}&to=2020-01-01T00:00:00Z", key.id))?;
    long_ago.is("/data", json!([])).map(drop)
}

fn odd_filters(w: &World) -> Played {
    for (query, field) in [("key_id=x", "key_id"), ("from=yesterday", "from"), ("limit=0", "limit")] {
        w.partner().get(&format!("/v1/audit?{query}")).faults(&[field])?;
    }
    let unknown = format!("/v1/audit?key_id={}", crate::conformance::stage::NO_ID);
    w.partner().get(&unknown).expect(200)?.is("/data", json!([])).map(drop)
}

fn export(w: &World) -> Played {
    let key = w.assigned(&w.name("user"), json!({}))?;
    let listed = w.partner().get(&format!("/v1/audit?key_id={}", key.id)).expect(200)?;
    let export = w.partner().get(&format!("/v1/audit/export?key_id={}", key.id)).expect(200)?;
    export.must(export.header("content-type").starts_with("application/x-ndjson"), "expected JSON lines")?;
    let text = String::from_utf8_lossy(&export.body).into_owned();
    let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    export.must(
        text.ends_with('\n') && lines == listed.list("/data")?,
        "expected the entries of the list, a line each",
    )
}

fn checkpoint(w: &World) -> Played {
    w.assigned(&w.name("user"), json!({}))?;
    let checkpoint =
        w.partner().get("/v1/audit/checkpoint").header("accept", "application/json").expect(200)?;
    let export = w.partner().get("/v1/audit/export").expect(200)?;
    let (note, key) = (checkpoint.text("/note")?, checkpoint.text("/key")?);
    let proven = merkle::Checkpoint::open(&note, &key).map_err(|fault| checkpoint.fail(fault))?;
    checkpoint
        .is("/size", proven.size)?
        .is("/root", proven.root.as_str())?
        .is("/origin", proven.origin.as_str())?;
    let text = String::from_utf8_lossy(&export.body);
    let leaves = merkle::leaves(&text).map_err(|fault| export.fail(fault))?;
    proven.covers(&leaves).map_err(|fault| export.fail(fault))?;
    let plain = w.partner().get("/v1/audit/checkpoint").expect(200)?;
    plain.must(plain.header("content-type").starts_with("text/plain"), "expected the note as text")
}

fn consistent(w: &World) -> Played {
    let checkpoint = || -> Result<_, crate::conformance::verdict::Stop> {
        w.assigned(&w.name(&crate::edge::random_hex(4)?), json!({}))?;
        let call = w.partner().get("/v1/audit/checkpoint").header("accept", "application/json");
        let answer = call.expect(200)?;
        merkle::Checkpoint::open(&answer.text("/note")?, &answer.text("/key")?)
            .map_err(|fault| answer.fail(fault))
    };
    let (older, newer) = (checkpoint()?, checkpoint()?);
    must(newer.size > older.size && newer.origin == older.origin, || {
        format!("expected the log to grow from {} entries, got {}", older.size, newer.size)
    })?;
    let export = w.partner().get("/v1/audit/export").expect(200)?;
    let leaves =
        merkle::leaves(&String::from_utf8_lossy(&export.body)).map_err(|fault| export.fail(fault))?;
    older.covers(&leaves).and_then(|()| newer.covers(&leaves)).map_err(|fault| export.fail(fault))
}

fn no_secrets(w: &World) -> Played {
    let key = w.partner_key()?;
    let body = key.data(&w.name("a"))?;
    w.partner().post("/v1/partner/secure/data", &body).expect(200)?;
    let export = w.partner().get("/v1/audit/export").expect(200)?;
    let text = String::from_utf8_lossy(&export.body);
    let secrets = [body["data"].as_str().unwrap_or_default(), &key.public, &w.keys("partner").full];
    export.must(secrets.iter().all(|secret| !text.contains(secret)), "expected none of them in the log")
}
