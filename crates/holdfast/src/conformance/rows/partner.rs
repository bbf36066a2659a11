//! Partners: keys assigned to customers, and data under them.

use serde_json::json;

use super::{Row, row};
use crate::conformance::stage::{PARTNER_DATA, PARTNER_KEYS, base64, cold_stock, with};
use crate::conformance::verdict::{Played, Stop, must};
use crate::conformance::world::{Need, World};

use Need::{Institution, Partner};

pub const ROWS: &[Row] = &[
    row(
        "partner.assign",
        "an assignment answers key, signature, organisation, package, environment, type, kid",
        &[Partner],
        assign,
    ),
    row(
        "partner.assign.types",
        "rsa4096, secp256k1 and ed25519 have their encodings; left out it is rsa4096",
        &[Partner],
        types,
    ),
    row(
        "partner.assign.required",
        "user, environment, organisation and package with their ids are required",
        &[Partner],
        required,
    ),
    row("partner.assign.words", "a key type or environment that is none is 400", &[Partner], words),
    row(
        "partner.assign.taken",
        "a second key for one user and organisation is 409, whatever its type",
        &[Partner],
        taken,
    ),
    row("partner.assign.race", "of simultaneous assignments exactly one wins", &[Partner], race),
    row(
        "partner.assign.other-organisation",
        "the same user of another organisation gets a key",
        &[Partner],
        other_organisation,
    ),
    row("partner.assign.cold", "a COLD key is assigned from the offline stock", &[Partner], cold),
    row(
        "partner.ceremony",
        "a sandbox holds a ceremony when it is asked, and says how many COLD keys it brought",
        &[Partner, Need::Sandbox],
        ceremony,
    ),
    row(
        "partner.data",
        "a store of data answers backup_id, checksum, data_size, backup_type and metadata",
        &[Partner],
        data,
    ),
    row(
        "partner.data.repeat",
        "the same ciphertext, key and checksum answer the first backup_id",
        &[Partner],
        repeat,
    ),
    row("partner.data.fields", "public_key, checksum and data are required", &[Partner], data_fields),
    row("partner.data.padding", "padding_type is OAEP; anything else is 400", &[Partner], padding),
    row(
        "partner.data.check",
        "wrong checksum and cut ciphertext give one and the same 400",
        &[Partner],
        check,
    ),
    row("partner.data.not-rsa", "data for a key that is not RSA is 400", &[Partner], not_rsa),
    row("partner.data.unknown-key", "an unknown public key is 404", &[Partner], unknown_key),
    row(
        "partner.data.foreign-key",
        "another tenant's public key is 404",
        &[Partner, Institution],
        foreign_key,
    ),
    row("partner.data.cold", "data under a COLD key is taken unchecked, and says so", &[Partner], cold_data),
];

fn assign(w: &World) -> Played {
    let body = w.assignment(&w.name("user"), json!({}));
    let answer = w.partner().post(PARTNER_KEYS, &body).expect(200)?;
    answer.has(&["/key_id", "/public_key", "/signature", "/assigned_at", "/kid"])?;
    answer.is("/customer_id", body["organisation"]["customer_id"].clone())?.is("/package_id", "package-1")?;
    answer.is("/metadata/customer_name", "Conformance")?.is("/metadata/package_name", "Package")?;
    answer.is("/key_type", "ed25519")?.is("/key_environment", "HOT").map(drop)
}

fn types(w: &World) -> Played {
    for (change, key_type, characters) in [
        (json!({"key_type": null}), "rsa4096", 1100),
        (json!({"key_type": "secp256k1"}), "secp256k1", 66),
        (json!({"key_type": "ed25519"}), "ed25519", 64),
    ] {
        let body = w.assignment(&w.name(key_type), change);
        let answer = w.partner().post(PARTNER_KEYS, &body).expect(200)?;
        let key = answer.is("/key_type", key_type)?.text("/public_key")?;
        let is_hex = key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let what = format!("expected {characters} characters of lower-case hexadecimal, got {}", key.len());
        answer.must(is_hex && key.len() == characters, what)?;
    }
    Ok(())
}

fn required(w: &World) -> Played {
    let all = ["user_identifier", "key_environment", "organisation", "package"];
    w.partner().post(PARTNER_KEYS, &json!({})).faults(&all)?;
    let body = w.assignment(&w.name("user"), json!({"organisation": {}, "package": {}}));
    w.partner()
        .post(PARTNER_KEYS, &body)
        .faults(&["organisation.customer_id", "package.package_id"])
        .map(drop)
}

fn words(w: &World) -> Played {
    let body = w.assignment(&w.name("user"), json!({"key_type": "rsa2048", "key_environment": "hot"}));
    w.partner().post(PARTNER_KEYS, &body).faults(&["key_type", "key_environment"]).map(drop)
}

fn taken(w: &World) -> Played {
    let user = w.name("user");
    let first = w.assigned(&user, json!({}))?;
    for change in [json!({}), json!({"key_type": "secp256k1"}), json!({"package": {"package_id": "other"}})] {
        let body = w.assignment(&user, change);
        let answer = w.partner().post(PARTNER_KEYS, &body).refused(409, "key-already-assigned")?;
        answer.is("/message", "Key already assigned for this user and organisation")?;
        let body = String::from_utf8_lossy(&answer.body);
        answer.must(!body.contains(&first.id), "expected the refusal not to give the key away")?;
    }
    Ok(())
}

fn race(w: &World) -> Played {
    let body = w.assignment(&w.name("user"), json!({}));
    let answers: Vec<_> = std::thread::scope(|scope| {
        let calls = [(); 6].map(|()| scope.spawn(|| w.partner().post(PARTNER_KEYS, &body).send()));
        calls.into_iter().filter_map(|call| call.join().ok()).collect::<Result<_, Stop>>()
    })?;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        lost.refused(409, "key-already-assigned")?;
    }
    must(won == 1, || format!("expected one of {} calls at once to win, and {won} did", answers.len()))
}

fn other_organisation(w: &World) -> Played {
    let user = w.name("user");
    w.assigned(&user, json!({}))?;
    w.assigned(&user, json!({"organisation": {"customer_id": w.name("another")}})).map(drop)
}

fn cold(w: &World) -> Played {
    let body = w.assignment(&w.name("user"), json!({"key_environment": "COLD"}));
    cold_stock(w.partner().post(PARTNER_KEYS, &body))?.is("/key_environment", "COLD").map(drop)
}

fn ceremony(w: &World) -> Played {
    let held = w.partner().post("/v1/sandbox/ceremony", &json!({})).expect(200)?;
    held.is("/ok", true)?.has(&["/keys_added"]).map(drop)
}

fn data(w: &World) -> Played {
    let key = w.partner_key()?;
    let mut body = key.data(&w.name("a"))?;
    body["metadata"] = json!({"description": "d"});
    body["padding_type"] = json!("OAEP");
    let answer = w.partner().post(PARTNER_DATA, &body).expect(200)?;
    answer.has(&["/backup_id", "/metadata/stored_at"])?.is("/checksum", body["checksum"].clone())?;
    answer.is("/data_size", 512)?.is("/backup_type", "data")?.is("/metadata/description", "d").map(drop)
}

fn repeat(w: &World) -> Played {
    let body = w.partner_key()?.data(&w.name("a"))?;
    let first = w.partner().post(PARTNER_DATA, &body).expect(200)?.text("/backup_id")?;
    w.partner().post(PARTNER_DATA, &body).expect(200)?.is("/backup_id", first).map(drop)
}

fn data_fields(w: &World) -> Played {
    w.partner().post(PARTNER_DATA, &json!({})).faults(&["public_key", "checksum", "data"])?;
    let body = json!({"public_key": "none", "checksum": "none", "data": "none!"});
    w.partner().post(PARTNER_DATA, &body).faults(&["public_key", "checksum", "data"]).map(drop)
}

fn padding(w: &World) -> Played {
    let body = with(&w.partner_key()?.data("a")?, json!({"padding_type": "PKCS1"}));
    w.partner().post(PARTNER_DATA, &body).faults(&["padding_type"]).map(drop)
}

fn check(w: &World) -> Played {
    let body = w.partner_key()?.data("a")?;
    let wrong = with(&body, json!({"checksum": "0".repeat(64)}));
    let first = w.partner().post(PARTNER_DATA, &wrong).refused(400, "check-failed")?;
    let cut = with(&body, json!({"data": base64(&[1; 511])}));
    let second = w.partner().post(PARTNER_DATA, &cut).refused(400, "check-failed")?;
    second.must(second.face() == first.face(), "expected one answer, whatever the cause")
}

fn not_rsa(w: &World) -> Played {
    let key = w.assigned(&w.name("user"), json!({}))?;
    let body = with(&w.partner_key()?.data("a")?, json!({"public_key": key.public}));
    w.partner().post(PARTNER_DATA, &body).expect(400).map(drop)
}

fn unknown_key(w: &World) -> Played {
    let body = with(&w.partner_key()?.data("a")?, json!({"public_key": "ab".repeat(550)}));
    w.partner().post(PARTNER_DATA, &body).refused(404, "not-found").map(drop)
}

fn foreign_key(w: &World) -> Played {
    let body = w.institution_key()?.data("a")?;
    w.partner().post(PARTNER_DATA, &body).refused(404, "not-found").map(drop)
}

fn cold_data(w: &World) -> Played {
    let change = json!({"key_environment": "COLD", "key_type": "rsa4096"});
    let answer = cold_stock(w.partner().post(PARTNER_KEYS, &w.assignment(&w.name("user"), change)))?;
    let key = crate::conformance::stage::Key {
        id: answer.text("/key_id")?,
        public: answer.text("/public_key")?,
        user: String::new(),
    };
    let stored = w.partner().post(PARTNER_DATA, &key.data("a")?).expect(200)?;
    stored.is("/metadata/check", "unverified-cold").map(drop)
}
