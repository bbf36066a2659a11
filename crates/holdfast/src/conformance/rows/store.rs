//! Retail stores: what is taken, and what is not.

use serde_json::json;

use super::{Row, row};
use crate::conformance::stage::{STORE, base64, with};
use crate::conformance::verdict::Played;
use crate::conformance::world::{Need, World};

use Need::{Retail, Sandbox};

const PLAYED: &[Need] = &[Retail, Sandbox];

pub const ROWS: &[Row] = &[
    row(
        "retail.store",
        "store answers backup_type data and, per item, name, id, checksum and size",
        PLAYED,
        store,
    ),
    row(
        "retail.store.metadata",
        "metadata is the request's with stored_at, the count and the kind of tenant",
        PLAYED,
        metadata,
    ),
    row(
        "retail.store.case",
        "public key and checksum are matched in any case; the checksum is answered as sent",
        PLAYED,
        case,
    ),
    row(
        "retail.store.repeat",
        "the same ciphertext, key, name and check answer the first backup_id",
        PLAYED,
        repeat,
    ),
    row(
        "retail.store.fields",
        "1 to 3 items, checksums of 64 hex digits, keys of 32 to 4,096, each named",
        &[Retail],
        fields,
    ),
    row("retail.store.count", "no item and four items are 400", PLAYED, count),
    row("retail.store.twice", "two items of one item_key are 400", PLAYED, twice),
    row("retail.store.metadata-size", "metadata over 16 KiB is 400", PLAYED, large_metadata),
    row(
        "retail.store.check",
        "wrong checksum, key, padding and cut ciphertext give one and the same 400",
        PLAYED,
        one_answer,
    ),
    row(
        "retail.store.all-or-nothing",
        "one bad item stops the whole call, and nothing is stored",
        PLAYED,
        all_or_nothing,
    ),
    row("retail.store.unknown-check", "an unknown check is 404", &[Retail], unknown_check),
    row("retail.store.wrong-user", "another user's check is 404", PLAYED, wrong_user),
    row("retail.store.wrong-key", "a key that is not this user's is 404", PLAYED, wrong_key),
    row(
        "retail.store.unconfirmed",
        "what is stored before the approval is released after it, and not before",
        PLAYED,
        unconfirmed,
    ),
    row("retail.store.declined", "a decline deletes what was unconfirmed", PLAYED, decline_deletes),
    row(
        "retail.store.not-approved",
        "a store on a declined, failed or expired check is 403",
        PLAYED,
        not_approved,
    ),
    row("retail.store.window", "a store after the window is 403", PLAYED, window),
];

fn store(w: &World) -> Played {
    let one = w.enrolled()?;
    let items = [one.key.item("seed", &w.name("a"))?, one.key.item("shard", &w.name("b"))?];
    let answer = w.store(&one.user, &one.check, &one.key, &items).expect(200)?;
    answer.is("/backup_type", "data")?;
    for (at, item) in items.iter().enumerate() {
        answer.has(&[&format!("/backup/{at}/backup_id")])?;
        answer.is(&format!("/backup/{at}/item_key"), item["item_key"].clone())?;
        answer.is(&format!("/backup/{at}/checksum"), item["item_checksum"].clone())?;
        answer.is(&format!("/backup/{at}/data_size"), 512)?;
    }
    answer.must(answer.list("/backup")?.len() == 2, "expected one entry an item")
}

fn metadata(w: &World) -> Played {
    let one = w.enrolled()?;
    let item = one.key.item("seed", &w.name("a"))?;
    let metadata = json!({"description": "é", "content_type": "text/plain", "more": {"of": 1}});
    let body = json!({
        "user_identifier": one.user, "verification_id": one.check, "public_key": one.key.public,
        "backup": [item], "metadata": metadata,
    });
    let answer = w.retail().post(STORE, &body).expect(200)?;
    answer.is("/metadata/description", "é")?.is("/metadata/more/of", 1)?;
    answer.is("/metadata/api_key_entity_type", "retail")?.is("/metadata/backup_items_count", 1)?;
    let time = answer.text("/metadata/stored_at")?;
    let is_utc = time.len() == "2026-01-01T00:00:00.000Z".len() && time.ends_with('Z');
    answer.must(is_utc, "expected stored_at in RFC 3339 with milliseconds and Z")
}

fn case(w: &World) -> Played {
    let one = w.enrolled()?;
    let mut item = one.key.item("seed", &w.name("a"))?;
    let upper = item["item_checksum"].as_str().unwrap_or_default().to_uppercase();
    item["item_checksum"] = json!(upper);
    let mut key = one.key.clone();
    key.public = key.public.to_uppercase();
    w.store(&one.user, &one.check, &key, &[item]).expect(200)?.is("/backup/0/checksum", upper).map(drop)
}

fn repeat(w: &World) -> Played {
    let one = w.enrolled()?;
    let item = [one.key.item("seed", &w.name("a"))?];
    let first = w.store(&one.user, &one.check, &one.key, &item).expect(200)?.text("/backup/0/backup_id")?;
    let again = w.store(&one.user, &one.check, &one.key, &item).expect(200)?;
    again.is("/backup/0/backup_id", first).map(drop)
}

fn fields(w: &World) -> Played {
    let item = json!({"item_key": "a", "item_value": "AAAA", "item_checksum": "0".repeat(64)});
    let body = json!({
        "user_identifier": "u", "verification_id": "v", "public_key": "ab".repeat(550), "backup": [item]
    });
    for (change, field) in [
        (json!({"public_key": "ab".repeat(15)}), "public_key"),
        (json!({"public_key": "ab".repeat(2049)}), "public_key"),
        (json!({"public_key": "x".repeat(64)}), "public_key"),
        (
            json!({"backup": [with(&item, json!({"item_checksum": "0".repeat(63)}))]}),
            "backup[0].item_checksum",
        ),
        (json!({"backup": [with(&item, json!({"item_value": "not base64!"}))]}), "backup[0].item_value"),
        (json!({"backup": [with(&item, json!({"item_key": "k".repeat(129)}))]}), "backup[0].item_key"),
    ] {
        w.retail().post(STORE, &with(&body, change)).faults(&[field])?;
    }
    Ok(())
}

fn count(w: &World) -> Played {
    let one = w.enrolled()?;
    let item = one.key.item("a", "a")?;
    let four: Vec<_> =
        ["a", "b", "c", "d"].iter().map(|name| with(&item, json!({"item_key": name}))).collect();
    w.store(&one.user, &one.check, &one.key, &[]).faults(&["backup"])?;
    w.store(&one.user, &one.check, &one.key, &four).faults(&["backup"]).map(drop)
}

fn twice(w: &World) -> Played {
    let one = w.enrolled()?;
    let items = [one.key.item("seed", "a")?, one.key.item("seed", "b")?];
    let answer = w.store(&one.user, &one.check, &one.key, &items).refused(400, "validation-failed")?;
    answer.has(&["/errors/backup[1].item_key"]).map(drop)
}

fn large_metadata(w: &World) -> Played {
    let one = w.enrolled()?;
    let body = json!({
        "user_identifier": one.user, "verification_id": one.check, "public_key": one.key.public,
        "backup": [one.key.item("a", "a")?], "metadata": {"description": "x".repeat(16 * 1024)},
    });
    w.retail().post(STORE, &body).faults(&["metadata"]).map(drop)
}

fn one_answer(w: &World) -> Played {
    let one = w.enrolled()?;
    let good = one.key.item("seed", &w.name("a"))?;
    let user = w.name("other");
    let stranger = w.retail_key(&user, &w.approved(&user)?)?;
    let bad = [
        with(&good, json!({"item_checksum": "0".repeat(64)})),
        with(&stranger.item("seed", &w.name("a"))?, json!({})),
        // As if another padding had been used: a number below the modulus that no OAEP made.
        with(&good, json!({"item_value": base64(&[1; 512])})),
        with(&good, json!({"item_value": base64(&[1; 511])})),
    ];
    let mut faces = Vec::new();
    for item in bad {
        let answer = w.store(&one.user, &one.check, &one.key, &[item]).refused(400, "check-failed")?;
        faces.push(answer.face());
        answer.must(answer.face() == faces[0], "expected one answer, whatever the cause")?;
    }
    Ok(())
}

fn all_or_nothing(w: &World) -> Played {
    let user = w.name("user");
    let check = w.approved(&user)?;
    let key = w.retail_key(&user, &check)?;
    let bad = with(&key.item("b", "b")?, json!({"item_checksum": "0".repeat(64)}));
    w.store(&user, &check, &key, &[key.item("a", "a")?, bad]).refused(400, "check-failed")?;
    w.recover(&user, &check, w.device()?.public_block()).refused(404, "no-backup").map(drop)
}

fn unknown_check(w: &World) -> Played {
    let item = json!({"item_key": "a", "item_value": base64(&[1; 512]), "item_checksum": "0".repeat(64)});
    let body = json!({
        "user_identifier": w.name("user"), "verification_id": "inq_unknown", "public_key": "ab".repeat(550),
        "backup": [item],
    });
    w.retail().post(STORE, &body).refused(404, "not-found").map(drop)
}

fn wrong_user(w: &World) -> Played {
    let one = w.enrolled()?;
    let theirs = w.approved(&w.name("other"))?;
    w.store(&one.user, &theirs, &one.key, &[one.key.item("a", "a")?]).refused(404, "not-found").map(drop)
}

fn wrong_key(w: &World) -> Played {
    let one = w.enrolled()?;
    let user = w.name("other");
    let check = w.approved(&user)?;
    w.store(&user, &check, &one.key, &[one.key.item("a", "a")?]).refused(404, "not-found").map(drop)
}

fn unconfirmed(w: &World) -> Played {
    let user = w.name("user");
    let check = w.check(&user)?;
    let key = w.retail_key(&user, &check)?;
    w.store(&user, &check, &key, &[key.item("a", "a")?]).expect(200)?;
    let certificate = w.device()?.public_block();
    w.recover(&user, &w.approved(&user)?, certificate).refused(404, "no-backup")?;
    w.simulate(&check, "approve_inquiry").expect(200)?;
    let back = w.recover(&user, &check, certificate).expect(200)?;
    back.is("/backup/0/item_key", "a").map(drop)
}

fn decline_deletes(w: &World) -> Played {
    let user = w.name("user");
    let check = w.check(&user)?;
    let key = w.retail_key(&user, &check)?;
    w.store(&user, &check, &key, &[key.item("a", "a")?]).expect(200)?;
    w.simulate(&check, "decline_inquiry").expect(200)?;
    let next = w.approved(&user)?;
    w.recover(&user, &next, w.device()?.public_block()).refused(404, "no-backup").map(drop)
}

fn not_approved(w: &World) -> Played {
    let one = w.enrolled()?;
    // Not by a decline: five of those in a week put a user's next approval to review.
    for action in ["fail_inquiry", "expire_inquiry"] {
        let check = w.check_as(&one.user, action)?;
        let call = w.store(&one.user, &check, &one.key, &[one.key.item("a", "a")?]);
        call.refused(403, "verification-not-approved")?;
    }
    Ok(())
}

fn window(w: &World) -> Played {
    let one = w.enrolled()?;
    let check = w.approved(&one.user)?;
    w.simulate(&check, "close_window").expect(200)?;
    let call = w.store(&one.user, &check, &one.key, &[one.key.item("a", "a")?]);
    call.refused(403, "verification-window-closed").map(drop)
}
