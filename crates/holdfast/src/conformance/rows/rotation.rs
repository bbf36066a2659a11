//! Rotations: a new key, and everything that was under the old one.

use serde_json::json;

use super::{Row, row};
use crate::conformance::answer::Answer;
use crate::conformance::call::Call;
use crate::conformance::form::{FORM, Form};
use crate::conformance::stage::{DATA, KEYS, NO_ID, PARTNER_DATA, PARTNER_FILE, PARTNER_KEYS, cold_stock};
use crate::conformance::verdict::Played;
use crate::conformance::world::{Need, World};

use Need::Partner;

const NEEDS: &[Need] = &[Partner];

pub const ROWS: &[Row] = &[
    row(
        "rotation.rotate",
        "a rotation answers as an assignment, with supersedes; the old key is superseded",
        NEEDS,
        rotate,
    ),
    row(
        "rotation.backups",
        "data and files answer to the new key, under their ids and names",
        NEEDS,
        backups,
    ),
    row(
        "rotation.stores",
        "a superseded key takes no store: 409 with the id of its successor",
        NEEDS,
        stores,
    ),
    row(
        "rotation.again",
        "a superseded key is not rotated again: 409 with the id of its successor",
        NEEDS,
        again,
    ),
    row("rotation.sign-with", "a rotation signs what was asked for", NEEDS, sign_with),
    row(
        "rotation.assignment",
        "after a rotation the user still has a key: another assignment is 409",
        NEEDS,
        assignment,
    ),
    row("rotation.unknown", "an unknown key is 404", NEEDS, unknown),
    row("rotation.whole", "what was stored before a rotation verifies after it", &[Need::Institution], whole),
    row(
        "rotation.cold",
        "a COLD key is superseding until the ceremony, and the new one takes the stores",
        NEEDS,
        cold,
    ),
];

fn rotation<'w>(w: &'w World, key_id: &str) -> Call<'w> {
    w.partner().post(&format!("{PARTNER_KEYS}/{key_id}/rotate"), &json!({}))
}

fn superseded_by(answer: &Answer, successor: &str) -> Played {
    answer.refused(409, "key-superseded")?.is("/errors/superseded_by", json!([successor])).map(drop)
}

fn rotate(w: &World) -> Played {
    let old = w.assigned(&w.name("user"), json!({}))?;
    let new = rotation(w, &old.id).expect(200)?;
    new.is("/supersedes", old.id.as_str())?.has(&["/public_key", "/signature", "/assigned_at", "/kid"])?;
    new.is("/key_type", "ed25519")?.is("/key_environment", "HOT")?.is("/package_id", "package-1")?;
    let new_id = new.text("/key_id")?;
    let shown = w.partner().get(&format!("{PARTNER_KEYS}/{}", old.id)).expect(200)?;
    shown.is("/status", "superseded")?.is("/superseded_by", new_id.as_str())?;
    let shown = w.partner().get(&format!("{PARTNER_KEYS}/{new_id}")).expect(200)?;
    shown.is("/status", "active")?.is("/supersedes", old.id).map(drop)
}

fn backups(w: &World) -> Played {
    let old = w.assigned(&w.name("user"), json!({"key_type": "rsa4096"}))?;
    let data = w.partner().post(PARTNER_DATA, &old.data("a")?).expect(200)?.text("/backup_id")?;
    let form = Form::default().text("public_key", &old.public).file("application/octet-stream", b"bytes");
    let file = w.partner().call(reqwest::Method::POST, PARTNER_FILE).raw(FORM, form.end());
    let file = file.expect(200)?.text("/backup_id")?;
    let new = rotation(w, &old.id).expect(200)?.text("/key_id")?;
    for id in [data, file] {
        let shown = w.partner().get(&format!("/v1/partner/backups/{id}")).expect(200)?;
        shown.is("/key_id", new.as_str())?.is("/status", "confirmed")?;
    }
    w.partner().get(&format!("{PARTNER_KEYS}/{new}")).expect(200)?.is("/backups_count", 2).map(drop)
}

fn stores(w: &World) -> Played {
    let old = w.assigned(&w.name("user"), json!({"key_type": "rsa4096"}))?;
    let body = old.data("a")?;
    let new = rotation(w, &old.id).expect(200)?.text("/key_id")?;
    superseded_by(&w.partner().post(PARTNER_DATA, &body).send()?, &new)?;
    let form = Form::default().text("public_key", &old.public).file("application/octet-stream", b"bytes");
    let file = w.partner().call(reqwest::Method::POST, PARTNER_FILE).raw(FORM, form.end());
    superseded_by(&file.send()?, &new)
}

fn again(w: &World) -> Played {
    let old = w.assigned(&w.name("user"), json!({}))?;
    let new = rotation(w, &old.id).expect(200)?.text("/key_id")?;
    superseded_by(&rotation(w, &old.id).send()?, &new)
}

fn sign_with(w: &World) -> Played {
    let old = w.assigned(&w.name("user"), json!({}))?;
    let path = format!("{PARTNER_KEYS}/{}/rotate", old.id);
    let answer = w.partner().post(&path, &json!({"sign_with": ["key_id", "user_id"]})).expect(200)?;
    answer.is("/signed_fields", json!(["key_id", "user_id"]))?.has(&["/signed_payload"])?;
    super::signatures::verify(w, &answer, &answer.text("/signed_payload")?)
}

fn assignment(w: &World) -> Played {
    let user = w.name("user");
    let old = w.assigned(&user, json!({}))?;
    rotation(w, &old.id).expect(200)?;
    let body = w.assignment(&user, json!({}));
    w.partner().post(PARTNER_KEYS, &body).refused(409, "key-already-assigned").map(drop)
}

fn unknown(w: &World) -> Played {
    for id in [NO_ID, "x"] {
        rotation(w, id).refused(404, "not-found")?;
    }
    Ok(())
}

fn whole(w: &World) -> Played {
    let old = w.institution_key_with(json!({"key_type": "rsa4096"}))?;
    let id = w.institution().post(DATA, &old.data("a")?).expect(200)?.text("/backup_id")?;
    let rotated = w.institution().post(&format!("{KEYS}/{}/rotate", old.id), &json!({})).expect(200)?;
    rotated.is("/supersedes", old.id)?;
    w.institution()
        .get(&format!("/v1/backups/{id}/verify"))
        .expect(200)?
        .is("/is_backup_valid", true)
        .map(drop)
}

fn cold(w: &World) -> Played {
    let change = json!({"key_environment": "COLD"});
    let old = cold_stock(w.partner().post(PARTNER_KEYS, &w.assignment(&w.name("user"), change)))?;
    let new = cold_stock(rotation(w, &old.text("/key_id")?))?;
    new.is("/key_environment", "COLD")?;
    let shown = w.partner().get(&format!("{PARTNER_KEYS}/{}", old.text("/key_id")?)).expect(200)?;
    let status = shown.text("/status")?;
    shown.must(
        ["superseding", "superseded"].contains(&status.as_str()),
        format!("expected the old key to be superseding, got {status}"),
    )
}
