//! Encrypted files, as forms.

use reqwest::Method;
use serde_json::json;

use super::{Row, row};
use crate::conformance::call::Call;
use crate::conformance::crypto::sha256_hex;
use crate::conformance::form::{FORM, Form};
use crate::conformance::stage::PARTNER_FILE;
use crate::conformance::verdict::{Played, Stop};
use crate::conformance::world::{Need, World};

const NEEDS: &[Need] = &[Need::Partner];
/// What a file may hold.
const FILE_BYTES_MAX: usize = 10_485_760;
const OCTETS: &str = "application/octet-stream";

pub const ROWS: &[Row] = &[
    row(
        "files.store",
        "a file answers backup_id, backup_type file, metadata, data_size and sha256",
        NEEDS,
        store,
    ),
    row("files.order", "the parts come in any order", NEEDS, order),
    row("files.largest", "a file of 10,485,760 bytes is taken", NEEDS, largest),
    row("files.too-large", "one byte more is 413, and the client can read it", NEEDS, too_large),
    row("files.content-type", "a file part that is not application/octet-stream is 415", NEEDS, content_type),
    row("files.no-form", "a body that is no multipart/form-data is 415", NEEDS, no_form),
    row("files.broken-form", "a form that ends early is 400", NEEDS, broken_form),
    row(
        "files.fields",
        "a form without public_key or file, and metadata that is no object, are 400",
        NEEDS,
        fields,
    ),
    row("files.unknown-key", "an unknown public key is 404", NEEDS, unknown_key),
    row(
        "files.repeat",
        "the same bytes, key and original_filename answer the first backup_id",
        NEEDS,
        repeat,
    ),
    row(
        "files.named-repeat",
        "a named repeat is compared by key, metadata and the file's SHA-256",
        NEEDS,
        named_repeat,
    ),
];

fn send(w: &World, form: Form) -> Call<'_> {
    w.partner().call(Method::POST, PARTNER_FILE).raw(FORM, form.end())
}

/// A key of its own for each row: files need no RSA.
fn key(w: &World) -> Result<String, Stop> {
    Ok(w.assigned(&w.name("user"), json!({}))?.public)
}

fn store(w: &World) -> Played {
    let bytes = w.name("bytes").into_bytes();
    let metadata = json!({"original_filename": "a.bin", "description": "d"}).to_string();
    let form = Form::default().text("public_key", &key(w)?).text("metadata", &metadata).file(OCTETS, &bytes);
    let answer = send(w, form).expect(200)?;
    answer.has(&["/backup_id", "/metadata/stored_at"])?.is("/backup_type", "file")?;
    answer.is("/data_size", bytes.len())?.is("/sha256", sha256_hex(&bytes))?;
    answer.is("/metadata/original_filename", "a.bin")?.is("/metadata/description", "d").map(drop)
}

fn order(w: &World) -> Played {
    let key = key(w)?;
    let last = Form::default().file(OCTETS, b"1").text("public_key", &key);
    let between =
        Form::default().text("metadata", "{}").file(OCTETS, b"2").text("public_key", &key.to_uppercase());
    for form in [last, between] {
        send(w, form).expect(200)?;
    }
    Ok(())
}

fn largest(w: &World) -> Played {
    let form = Form::default().text("public_key", &key(w)?).file(OCTETS, &vec![7; FILE_BYTES_MAX]);
    send(w, form).expect(200)?.is("/data_size", FILE_BYTES_MAX).map(drop)
}

fn too_large(w: &World) -> Played {
    let form = Form::default().text("public_key", &key(w)?).file(OCTETS, &vec![7; FILE_BYTES_MAX + 1]);
    send(w, form).refused(413, "file-too-large").map(drop)
}

fn content_type(w: &World) -> Played {
    let form = Form::default().text("public_key", &key(w)?).file("text/plain", b"1");
    send(w, form).refused(415, "file-content-type").map(drop)
}

fn no_form(w: &World) -> Played {
    w.partner().post(PARTNER_FILE, &json!({"public_key": "ab"})).refused(415, "content-type").map(drop)
}

fn broken_form(w: &World) -> Played {
    let mut body = Form::default().text("public_key", &key(w)?).file(OCTETS, b"1").end();
    body.truncate(body.len() - 8);
    let call = w.partner().call(Method::POST, PARTNER_FILE).raw(FORM, body);
    call.refused(400, "malformed-form").map(drop)
}

fn fields(w: &World) -> Played {
    let key = key(w)?;
    send(w, Form::default().file(OCTETS, b"1")).faults(&["public_key"])?;
    send(w, Form::default().text("public_key", &key)).faults(&["file"])?;
    send(w, Form::default().text("public_key", &key).file(OCTETS, b"")).faults(&["file"])?;
    let form = Form::default().text("public_key", &key).text("metadata", "[]").file(OCTETS, b"1");
    send(w, form).faults(&["metadata"]).map(drop)
}

fn unknown_key(w: &World) -> Played {
    let form = Form::default().text("public_key", &"ab".repeat(32)).file(OCTETS, b"1");
    send(w, form).refused(404, "not-found").map(drop)
}

fn repeat(w: &World) -> Played {
    let key = key(w)?;
    let form = |name: &str| {
        let metadata = json!({"original_filename": name}).to_string();
        Form::default().text("public_key", &key).text("metadata", &metadata).file(OCTETS, b"same")
    };
    let first = send(w, form("a")).expect(200)?.text("/backup_id")?;
    send(w, form("a")).expect(200)?.is("/backup_id", first.as_str())?;
    let other = send(w, form("b")).expect(200)?;
    other.must(other.text("/backup_id")? != first, "expected another name to be another backup")
}

fn named_repeat(w: &World) -> Played {
    let (key, name) = (key(w)?, w.name("name"));
    let form = |bytes: &[u8]| Form::default().text("public_key", &key).file(OCTETS, bytes);
    let first = send(w, form(b"same")).named(&name).expect(200)?.text("/backup_id")?;
    // The same parts, wrapped anew.
    let turned = Form::default().file(OCTETS, b"same").text("public_key", &key);
    let again = send(w, turned).named(&name).expect(200)?;
    again.is("/backup_id", first)?.header_is("idempotent-replay", "true")?;
    send(w, form(b"other")).named(&name).refused(422, "idempotency-mismatch").map(drop)
}
