//! What a tenant has stored: keys and backups, listed, shown, deleted and restored.

use serde_json::{Value, json};

use super::{Row, row};
use crate::conformance::answer::Answer;
use crate::conformance::call::Caller;
use crate::conformance::stage::{NO_ID, PARTNER_DATA};
use crate::conformance::verdict::{Played, Stop, must};
use crate::conformance::world::{Need, World};

const NEEDS: &[Need] = &[Need::Partner];

pub const ROWS: &[Row] = &[
    row(
        "stored.key",
        "a key is shown as first answered, with status, history and the count of its backups",
        NEEDS,
        key,
    ),
    row("stored.keys", "keys are listed newest first, under each filter", NEEDS, keys),
    row(
        "stored.keys.pages",
        "limit and cursor page through a list; next_cursor is null at its end",
        NEEDS,
        pages,
    ),
    row(
        "stored.keys.odd-query",
        "a limit out of 1 to 200, a cursor or status that is none, is 400",
        NEEDS,
        odd_query,
    ),
    row("stored.backup", "a backup is shown with its metadata, and never its ciphertext", NEEDS, backup),
    row("stored.backups", "backups are listed under each filter", NEEDS, backups),
    row("stored.delete", "a deletion is pending for 30 days, and restore cancels it", NEEDS, delete),
    row("stored.delete.unknown", "deleting and restoring an unknown backup is 404", NEEDS, delete_unknown),
];

fn key(w: &World) -> Played {
    let body = w.assignment(&w.name("user"), json!({"sign_with": ["key_id", "user_id"]}));
    let first = w.partner().post("/v1/partner/keys", &body).expect(200)?;
    let shown = w.partner().get(&format!("/v1/partner/keys/{}", first.text("/key_id")?)).expect(200)?;
    for member in
        ["key_id", "public_key", "signature", "signed_payload", "signed_fields", "kid", "customer_id"]
    {
        shown.is(&format!("/{member}"), first.json[member].clone())?;
    }
    shown.is("/status", "active")?.is("/backups_count", 0)?;
    shown.must(!shown.list("/history")?.is_empty(), "expected the assignment in the history")
}

fn ids(answer: &Answer, member: &str) -> Result<Vec<Value>, Stop> {
    Ok(answer.list("/data")?.iter().map(|entry| entry[member].clone()).collect())
}

fn keys(w: &World) -> Played {
    let (user, organisation) = (w.name("user"), w.name("org"));
    let other = w.assigned(&w.name("other"), json!({}))?;
    let mine = w.assigned(&user, json!({}))?;
    let all = w.partner().get(&format!("/v1/partner/keys?customer_id={organisation}")).expect(200)?;
    all.must(ids(&all, "key_id")? == [json!(mine.id), json!(other.id)], "expected both keys, newest first")?;
    for filter in [
        format!("user_identifier={user}"),
        format!("user_identifier={user}&status=active&key_environment=HOT"),
    ] {
        let found = w.partner().get(&format!("/v1/partner/keys?{filter}")).expect(200)?;
        found.must(ids(&found, "key_id")? == [json!(mine.id)], "expected this user's key alone")?;
    }
    let none =
        w.partner().get(&format!("/v1/partner/keys?user_identifier={user}&status=superseded")).expect(200)?;
    none.is("/data", json!([]))?.lacks("/next_cursor").map(drop)
}

fn pages(w: &World) -> Played {
    for user in ["a", "b", "c"] {
        w.assigned(&w.name(user), json!({}))?;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..3 {
        let path = format!("/v1/partner/keys?customer_id={}&limit=2{cursor}", w.name("org"));
        let page = w.partner().get(&path).expect(200)?;
        seen.extend(ids(&page, "key_id")?);
        let Some(next) = page.json["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let all = w.partner().get(&format!("/v1/partner/keys?customer_id={}", w.name("org"))).expect(200)?;
    all.must(ids(&all, "key_id")? == seen && seen.len() == 3, "expected the pages to be the list")
}

fn odd_query(w: &World) -> Played {
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=nonsense", "cursor"),
        ("status=odd", "status"),
    ] {
        w.partner().get(&format!("/v1/partner/keys?{query}")).faults(&[field])?;
    }
    Ok(())
}

/// A backup of data: its id and what was sent.
fn stored(w: &World) -> Result<(String, Value), Stop> {
    let mut body = w.partner_key()?.data(&w.name("a"))?;
    body["metadata"] = json!({"description": "d"});
    Ok((w.partner().post(PARTNER_DATA, &body).expect(200)?.text("/backup_id")?, body))
}

fn backup(w: &World) -> Played {
    let (id, body) = stored(w)?;
    let shown = w.partner().get(&format!("/v1/partner/backups/{id}")).expect(200)?;
    shown.is("/backup_id", id)?.is("/backup_type", "data")?.is("/status", "confirmed")?;
    shown.is("/key_id", w.partner_key()?.id)?.is("/metadata/description", "d")?.is("/data_size", 512)?;
    let ciphertext = body["data"].as_str().unwrap_or_default();
    shown.must(!String::from_utf8_lossy(&shown.body).contains(ciphertext), "expected no ciphertext")
}

fn backups(w: &World) -> Played {
    let (id, _) = stored(w)?;
    let key = w.partner_key()?;
    for filter in [format!("key_id={}", key.id), format!("user_identifier={}&backup_type=data", key.user)] {
        let found = w.partner().get(&format!("/v1/partner/backups?{filter}")).expect(200)?;
        found.must(
            ids(&found, "backup_id")?.first() == Some(&json!(id)),
            "expected the newest backup first",
        )?;
    }
    let none =
        w.partner().get(&format!("/v1/partner/backups?key_id={}&backup_type=file", key.id)).expect(200)?;
    must(!ids(&none, "backup_id")?.contains(&json!(id)), || {
        "expected the filter backup_type to count".to_owned()
    })
}

fn status_is(partner: &Caller<'_>, path: &str, status: &str) -> Played {
    partner.get(path).expect(200)?.is("/status", status).map(drop)
}

fn delete(w: &World) -> Played {
    let (id, _) = stored(w)?;
    let (partner, path) = (w.partner(), format!("/v1/partner/backups/{id}"));
    let pending = partner.delete(&path).expect(200)?;
    let first = pending.text("/delete_after")?;
    partner.delete(&path).expect(200)?.is("/delete_after", first)?;
    status_is(&partner, &path, "delete-pending")?;
    partner.post(&format!("{path}/restore"), &Value::Null).expect(200)?;
    status_is(&partner, &path, "confirmed")
}

fn delete_unknown(w: &World) -> Played {
    for id in [NO_ID, "x"] {
        w.partner().delete(&format!("/v1/partner/backups/{id}")).refused(404, "not-found")?;
        w.partner()
            .post(&format!("/v1/partner/backups/{id}/restore"), &Value::Null)
            .refused(404, "not-found")?;
    }
    Ok(())
}
