//! Institutions: the standard endpoints.

use reqwest::Method;
use serde_json::json;

use super::{Row, row};
use crate::conformance::form::{FORM, Form};
use crate::conformance::stage::{DATA, FILE, KEYS, Key, NO_ID, cold_stock, with};
use crate::conformance::verdict::{Played, Stop, must};
use crate::conformance::world::{Need, World};

use Need::{Institution, Sandbox};

const NEEDS: &[Need] = &[Institution];

pub const ROWS: &[Row] = &[
    row("institution.key", "a key needs user and type; its environment is HOT when left out", NEEDS, key),
    row("institution.key.again", "each call makes another key: no 409", NEEDS, again),
    row("institution.key.required", "user_identifier and key_type are required", NEEDS, required),
    row(
        "institution.key.organisation",
        "organisation and package are optional, and come back",
        NEEDS,
        organisation,
    ),
    row("institution.key.verify", "verify of a key answers message and is_key_valid", NEEDS, verify_key),
    row("institution.key.verify.cold", "verify of a COLD key is 409 held-offline", NEEDS, verify_cold),
    row("institution.data", "a store of data answers id, checksum, size and type", NEEDS, data),
    row(
        "institution.data.no-checksum",
        "checksum is optional, and the ciphertext still must open",
        NEEDS,
        no_checksum,
    ),
    row("institution.data.check", "a wrong checksum is 400 check-failed", NEEDS, check),
    row(
        "institution.data.verify",
        "verify of a backup answers message and is_backup_valid",
        NEEDS,
        verify_data,
    ),
    row(
        "institution.data.verify.damaged",
        "verify of a damaged backup is 200 with false",
        &[Institution, Sandbox],
        damaged,
    ),
    row(
        "institution.data.verify.cold",
        "verify of a backup under a COLD key is 409 held-offline",
        NEEDS,
        verify_cold_data,
    ),
    row("institution.file", "a file is stored, and its digest is verified", NEEDS, file),
    row("institution.verify.unknown", "verify of an unknown key or backup is 404", NEEDS, unknown),
    row(
        "institution.lists",
        "keys and backups are listed, shown, deleted and restored, without /partner",
        NEEDS,
        lists,
    ),
];

fn key(w: &World) -> Played {
    let body = json!({"user_identifier": w.name("user"), "key_type": "secp256k1"});
    let answer = w.institution().post(KEYS, &body).expect(200)?;
    answer.has(&["/key_id", "/public_key", "/signature"])?.is("/key_environment", "HOT")?;
    answer.is("/key_type", "secp256k1")?.lacks("/customer_id").map(drop)
}

fn again(w: &World) -> Played {
    let (first, second) = (w.institution_key_with(json!({}))?, w.institution_key_with(json!({}))?);
    must(first.id != second.id, || "expected two keys, got one twice".to_owned())
}

fn required(w: &World) -> Played {
    w.institution().post(KEYS, &json!({})).faults(&["user_identifier", "key_type"]).map(drop)
}

fn organisation(w: &World) -> Played {
    let body = json!({
        "user_identifier": w.name("user"), "key_type": "ed25519",
        "organisation": {"customer_id": "c"}, "package": {"package_id": "p"},
    });
    let answer = w.institution().post(KEYS, &body).expect(200)?;
    answer.is("/customer_id", "c")?.is("/package_id", "p")?;
    let body = with(&body, json!({"organisation": {}}));
    w.institution().post(KEYS, &body).faults(&["organisation.customer_id"]).map(drop)
}

fn verify_key(w: &World) -> Played {
    for key_type in ["ed25519", "secp256k1"] {
        let key = w.institution_key_with(json!({"key_type": key_type}))?;
        let answer = w.institution().get(&format!("{KEYS}/{}/verify", key.id)).expect(200)?;
        answer.has(&["/message"])?.is("/is_key_valid", true)?;
    }
    Ok(())
}

pub fn cold_key(w: &World, key_type: &str) -> Result<Key, Stop> {
    let body = json!({"user_identifier": w.name("user"), "key_type": key_type, "key_environment": "COLD"});
    let answer = cold_stock(w.institution().post(KEYS, &body))?;
    Ok(Key { id: answer.text("/key_id")?, public: answer.text("/public_key")?, user: String::new() })
}

fn verify_cold(w: &World) -> Played {
    let key = cold_key(w, "ed25519")?;
    w.institution().get(&format!("{KEYS}/{}/verify", key.id)).refused(409, "held-offline").map(drop)
}

fn data(w: &World) -> Played {
    let body = w.institution_key()?.data(&w.name("a"))?;
    let answer = w.institution().post(DATA, &body).expect(200)?;
    answer.has(&["/backup_id", "/metadata/stored_at"])?.is("/checksum", body["checksum"].clone())?;
    answer.is("/data_size", 512)?.is("/backup_type", "data").map(drop)
}

fn no_checksum(w: &World) -> Played {
    let key = w.institution_key()?;
    let body = with(&key.data(&w.name("a"))?, json!({"checksum": null}));
    w.institution().post(DATA, &body).expect(200)?.lacks("/checksum")?;
    let unopenable = with(&body, json!({"data": crate::conformance::stage::base64(&[1; 512])}));
    w.institution().post(DATA, &unopenable).refused(400, "check-failed").map(drop)
}

fn check(w: &World) -> Played {
    let body = with(&w.institution_key()?.data("a")?, json!({"checksum": "0".repeat(64)}));
    w.institution().post(DATA, &body).refused(400, "check-failed").map(drop)
}

/// A backup of data; its id.
fn stored(w: &World, key: &Key) -> Result<String, Stop> {
    w.institution().post(DATA, &key.data(&w.name("a"))?).expect(200)?.text("/backup_id")
}

fn verify_data(w: &World) -> Played {
    let id = stored(w, &w.institution_key()?)?;
    let answer = w.institution().get(&format!("/v1/backups/{id}/verify")).expect(200)?;
    answer.has(&["/message"])?.is("/is_backup_valid", true).map(drop)
}

fn damaged(w: &World) -> Played {
    let id = stored(w, &w.institution_key()?)?;
    w.institution().post("/v1/sandbox/damage", &json!({"backup_id": id})).expect(200)?;
    w.institution()
        .get(&format!("/v1/backups/{id}/verify"))
        .expect(200)?
        .is("/is_backup_valid", false)
        .map(drop)
}

fn verify_cold_data(w: &World) -> Played {
    let id = stored(w, &cold_key(w, "rsa4096")?)?;
    w.institution().get(&format!("/v1/backups/{id}/verify")).refused(409, "held-offline").map(drop)
}

fn file(w: &World) -> Played {
    let key = w.institution_key_with(json!({}))?;
    let form = Form::default().text("public_key", &key.public).file("application/octet-stream", b"bytes");
    let stored = w.institution().call(Method::POST, FILE).raw(FORM, form.end()).expect(200)?;
    let id = stored.is("/backup_type", "file")?.text("/backup_id")?;
    w.institution()
        .get(&format!("/v1/backups/{id}/verify"))
        .expect(200)?
        .is("/is_backup_valid", true)
        .map(drop)
}

fn unknown(w: &World) -> Played {
    for id in [NO_ID, "x"] {
        w.institution().get(&format!("{KEYS}/{id}/verify")).refused(404, "not-found")?;
        w.institution().get(&format!("/v1/backups/{id}/verify")).refused(404, "not-found")?;
    }
    Ok(())
}

fn lists(w: &World) -> Played {
    let key = w.institution_key()?;
    let id = stored(w, &key)?;
    let institution = w.institution();
    institution.get(&format!("{KEYS}/{}", key.id)).expect(200)?.is("/status", "active")?;
    institution
        .get(&format!("{KEYS}?user_identifier={}", key.user))
        .expect(200)?
        .is("/data/0/key_id", key.id.as_str())?;
    institution
        .get(&format!("/v1/backups?key_id={}", key.id))
        .expect(200)?
        .is("/data/0/backup_id", id.as_str())?;
    institution.get(&format!("/v1/backups/{id}")).expect(200)?.is("/status", "confirmed")?;
    institution.delete(&format!("/v1/backups/{id}")).expect(200)?.has(&["/delete_after"])?;
    institution.post(&format!("/v1/backups/{id}/restore"), &json!({})).expect(200).map(drop)
}
