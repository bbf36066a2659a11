//! `/v1/partner/secure/file`: what is taken, what is refused, and what becomes of it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use domain::audit::hex;
use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Actor, Answer, App, Form, Given, Plan};

const PATH: &str = "/v1/partner/secure/file";
const MAX: usize = 10_485_760;

/// Bytes that look encrypted, other ones for each seed.
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(length).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

/// A partner with a key, in each kind of store.
async fn in_each_store() -> Vec<App> {
    vec![App::start().await, Plan::default().on_postgres().in_bucket().start().await]
}

async fn send(actor: &Actor, form: &Form) -> Answer {
    actor.send_form(PATH, form).await
}

/// What the store of files holds of a backup.
async fn held(app: &App, actor: &Actor, id: &str) -> Vec<u8> {
    let (tenant, mut held) = (app.tenant_of(actor).await, Vec::new());
    let found = app.blobs().read(&tenant, &id.parse().unwrap(), |piece| held.extend_from_slice(piece)).await;
    assert!(found.unwrap(), "no file of {id}");
    held
}

#[tokio::test]
async fn a_file_is_kept_as_it_came() {
    for app in in_each_store().await {
        let partner = app.partner();
        let key = partner.assigned("user-1", "customer-1").await;
        let file = bytes(1, 700_001);
        let metadata = json!({"original_filename": "wallet.enc", "colour": {"of": ["it", 7]}});
        let answer = partner.try_store_file(&key, &file, &metadata).await.ok();
        let id = answer["backup_id"].as_str().unwrap();
        assert_eq!(answer["backup_type"], "file");
        assert_eq!(answer["data_size"], 700_001);
        assert_eq!(answer["sha256"], sha256(&file));
        let mut combined = metadata.clone();
        combined["stored_at"] = answer["metadata"]["stored_at"].clone();
        assert!(combined["stored_at"].is_string());
        assert_eq!(answer["metadata"], combined);
        assert_eq!(answer.as_object().unwrap().len(), 5, "{answer}");
        assert_eq!(held(&app, &partner, id).await, file);

        let shown = partner.get(&format!("/v1/partner/backups/{id}")).await.ok();
        for (name, value) in [
            ("key_id", json!(key.key_id)),
            ("backup_type", json!("file")),
            ("status", json!("confirmed")),
            ("check", json!("not-checked")),
            ("data_size", json!(700_001)),
            ("sha256", json!(sha256(&file))),
            ("metadata", combined),
            ("user_identifier", json!("user-1")),
        ] {
            assert_eq!(shown[name], value, "{name}");
        }
        let listed = partner.get("/v1/partner/backups?backup_type=file").await.ok();
        assert_eq!(listed["data"], json!([shown]));
        assert_eq!(partner.get("/v1/partner/backups?backup_type=data").await.ok()["data"], json!([]));
        let entries = partner.audit(&format!("&backup_id={id}")).await;
        assert_eq!((entries.len(), &entries[0]["action"]), (1, &json!("backup.stored")));
        assert_eq!(entries[0]["key_id"], key.key_id);
        let events = app.events(&partner).await;
        let told: Vec<_> = events.iter().filter(|event| event["type"] == "backup.stored").collect();
        assert_eq!((told.len(), &told[0]["data"]["backup_type"]), (1, &json!("file")));
        assert_eq!(told[0]["data"]["backup_id"], id);
        let other = app.new_tenant(TenantKind::Partner, &[Scope::Partner]).await;
        other.get(&format!("/v1/partner/backups/{id}")).await.refused(404, "not-found");
    }
}

#[tokio::test]
async fn parts_come_in_any_order_and_strangers_are_passed_over() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    let metadata = json!({"original_filename": "a"}).to_string();
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (seed, order) in orders.into_iter().enumerate() {
        let file = bytes(100 + seed as u64, 90_000 + seed);
        let mut form = Form::new("x'y--z");
        for part in order {
            form = match part {
                0 => form.text("public_key", &key.public_key.to_uppercase()),
                1 => form.file(&file),
                _ => form.text("metadata", &metadata),
            };
            form = form.text("more", &"of it ".repeat(5_000)).text("", "x");
        }
        let answer = send(&partner, &form).await.ok();
        assert_eq!(answer["sha256"], sha256(&file), "{order:?}");
        assert_eq!(answer["metadata"]["original_filename"], "a", "{order:?}");
    }
    // Whatever looks like the end of a part is no end without its boundary.
    let file = b"\r\n--boundary-\r\n\r\n--boundar\r\n--\r\n--y--\r\n".repeat(3_000);
    let form = Form::new("boundary-1").file(&file).text("public_key", &key.public_key);
    assert_eq!(send(&partner, &form).await.ok()["sha256"], sha256(&file));
}

#[tokio::test]
async fn each_fault_is_named() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    let before = app.census();
    let new = || Form::new("b").text("public_key", &key.public_key);
    let with = |metadata: &str| new().file(b"x").text("metadata", metadata);
    let long = json!({"a": "b".repeat(16 * 1024)}).to_string();
    let deep = "[".repeat(10_000);
    for (form, fields) in [
        (Form::new("b"), &["file", "public_key"][..]),
        (new(), &["file"]),
        (new().file(b""), &["file"]),
        (new().file(b"x").file(b"x"), &["file"]),
        (new().text("public_key", &key.public_key).file(b"x"), &["public_key"]),
        (with("{}").text("metadata", "{}"), &["metadata"]),
        (Form::new("b").file(b"x"), &["public_key"]),
        (Form::new("b").file(b"x").text("public_key", "0x"), &["public_key"]),
        (Form::new("b").file(b"x").text("public_key", &"ab".repeat(2_049)), &["public_key"]),
        (Form::new("b").file(b"x").text("public_key", &"ab".repeat(90_000)), &["public_key"]),
        (
            Form::new("b").file(b"x").part("Content-Disposition: form-data; name=public_key", b"\xff"),
            &["public_key"],
        ),
        (with("text"), &["metadata"]),
        (with(""), &["metadata"]),
        (with("7"), &["metadata"]),
        (with("[]"), &["metadata"]),
        (with(&deep), &["metadata"]),
        (with(&long), &["metadata"]),
        (with(r#"{"original_filename": 7}"#), &["metadata.original_filename"]),
        (with(r#"{"content_type": []}"#).text("metadata2", "x"), &["metadata.content_type"]),
    ] {
        assert_eq!(send(&partner, &form).await.faults(), fields);
    }
    let disposition = "Content-Disposition: form-data; name=\"file\"";
    for headers in [
        disposition.to_owned(),
        format!("{disposition}; filename=\"a\""),
        format!("{disposition}\r\nContent-Type: text/plain"),
        format!("{disposition}\r\nContent-Type: application/octet-streams"),
        format!("{disposition}\r\nContent-Type: application/pgp-encrypted"),
        format!("{disposition}\r\nContent-Type: nothing"),
    ] {
        let answer = send(&partner, &new().part(&headers, b"x")).await;
        answer.refused(415, "file-content-type");
    }
    assert_eq!(app.census(), before, "nothing was stored");
    assert!(app.files().await.is_empty());
    for content_type in ["application/octet-stream", "Application/Octet-Stream; charset=binary"] {
        let form = new().part(&format!("{disposition}\r\nContent-Type: {content_type}"), b"x");
        send(&partner, &form).await.ok();
    }
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    let (before, form) = (app.census(), Form::of(&key, b"x", &Value::Null));
    let raw = |content_type: &str, body: Vec<u8>| partner.call(&Method::POST, PATH).raw(content_type, body);
    for content_type in ["application/json", "text/plain", "multipart/mixed; boundary=b", "form-data", ""] {
        raw(content_type, form.whole()).send().await.refused(415, "content-type");
    }
    partner.call(&Method::POST, PATH).untyped(form.whole()).send().await.refused(415, "content-type");
    raw("multipart/form-data", form.whole()).send().await.refused(400, "malformed-form");
    let content_type = form.content_type();
    for body in [
        Vec::new(),
        b"{}".to_vec(),
        b"----other\r\n\r\n".to_vec(),
        form.open(),
        form.whole()[..form.whole().len() - 6].to_vec(),
        form.whole()[..200].to_vec(),
    ] {
        raw(&content_type, body).send().await.refused(400, "malformed-form");
    }
    let many = (0..16).fold(Form::new("b"), |form, _| form.text("x", "y"));
    send(&partner, &many.clone().text("x", "y")).await.refused(400, "malformed-form");
    assert_eq!(send(&partner, &many).await.faults(), ["file", "public_key"]);
    // Headers without an end, and what stands before the first part, are read no further than they are allowed to
    // go.
    let endless = "a".repeat(5 * 1024 * 1024);
    let headers = Form::new("b").part(&format!("X-Long: {endless}"), b"x");
    send(&partner, &headers).await.refused(400, "malformed-form");
    let preamble = raw("multipart/form-data; boundary=b", endless.into_bytes());
    preamble.send().await.refused(400, "malformed-form");
    assert_eq!(app.census(), before, "nothing was stored");
}

#[tokio::test]
async fn ten_mebibytes_and_not_a_byte_more() {
    for app in in_each_store().await {
        let partner = app.partner();
        let key = partner.assigned("user-1", "customer-1").await;
        let file = bytes(3, MAX + 1);
        let most = partner.try_store_file(&key, &file[..MAX], &Value::Null).await.ok();
        assert_eq!((&most["data_size"], &most["sha256"]), (&json!(MAX), &json!(sha256(&file[..MAX]))));
        let id = most["backup_id"].as_str().unwrap();
        assert_eq!(sha256(&held(&app, &partner, id).await), sha256(&file[..MAX]));
        let before = app.census();
        partner.try_store_file(&key, &file, &Value::Null).await.refused(413, "file-too-large");
        assert_eq!(app.census(), before, "nothing was stored");
        assert_eq!(app.files().await.into_iter().collect::<Vec<_>>(), [id]);
    }
}

/// As many clients do: everything is sent before anything is read.
fn send_all_then_read(address: std::net::SocketAddr, head: &str, body: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_all_before_it_reads_is_told_that_it_is_too_much() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    let (address, api_key) = (app.service().address(), partner.api_key.clone().unwrap());
    for size in [MAX + 1, 30_000_000] {
        for framing in ["length", "chunks"] {
            let form = Form::of(&key, &bytes(4, size), &Value::Null);
            let body = form.whole();
            let (how, body) = if framing == "length" {
                (format!("content-length: {}", body.len()), body)
            } else {
                let framed = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
                ("transfer-encoding: chunked".to_owned(), framed)
            };
            let head = format!(
                "POST {PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {api_key}\r\n\
                 content-type: {}\r\n{how}\r\n\r\n",
                form.content_type()
            );
            let answer = tokio::task::spawn_blocking(move || send_all_then_read(address, &head, &body)).await;
            let answer = answer.unwrap().unwrap_or_else(|error| unreachable!("{size} by {framing}: {error}"));
            assert!(answer.starts_with("HTTP/1.1 413 "), "{size} by {framing}: {answer}");
            assert!(answer.contains("\"file-too-large\""), "{answer}");
        }
    }
    assert!(app.files().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_announced_as_too_much_is_refused_before_it_comes() {
    let app = App::start().await;
    let (address, api_key) = (app.service().address(), app.partner().api_key.unwrap());
    let head = |framing: &str| {
        format!(
            "POST {PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {api_key}\r\n\
             content-type: multipart/form-data; boundary=b\r\n{framing}\r\n\r\n"
        )
    };
    let announced = head("content-length: 30000000\r\nexpect: 100-continue");
    let answer = tokio::task::spawn_blocking(move || send_all_then_read(address, &announced, b"")).await;
    let answer = answer.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"file-too-large\""), "{answer}");
    // Without a length, and not in the file.
    let stranger = Form::new("b").text("more", &"x".repeat(11 * 1024 * 1024)).whole();
    let framed = [format!("{:x}\r\n", stranger.len()).as_bytes(), &stranger, b"\r\n0\r\n\r\n"].concat();
    let chunked = head("transfer-encoding: chunked");
    let answer = tokio::task::spawn_blocking(move || send_all_then_read(address, &chunked, &framed)).await;
    let answer = answer.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"file-too-large\""), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stops_in_the_middle_leaves_nothing() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    let before = app.census();
    let (address, api_key) = (app.service().address(), partner.api_key.clone().unwrap());
    let form = Form::of(&key, &bytes(5, 300_000), &Value::Null);
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {api_key}\r\ncontent-type: {}\r\n\
         content-length: {}\r\n\r\n",
        form.content_type(),
        form.whole().len() + 1
    );
    let half = form.whole()[..150_000].to_vec();
    let hang_up = || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&half).unwrap();
        stream
    };
    drop(hang_up());
    // And one who keeps the line open without a word: he has ten seconds, and a second for each KiB that he sent.
    let mut silent = TcpStream::connect(address).unwrap();
    silent.write_all(head.as_bytes()).unwrap();
    silent.write_all(&half[..1_000]).unwrap();
    let answer = tokio::task::spawn_blocking(move || {
        let mut answer = String::new();
        silent.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        silent.read_to_string(&mut answer).map(|_| answer)
    });
    let answer = answer.await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"body-too-slow\""), "{answer}");
    assert_eq!(app.census(), before, "nothing was stored");
    assert!(app.files().await.is_empty());
    assert_eq!(std::fs::read_dir(app.folder().join("data/uploads")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_key_that_is_unknown_foreign_or_no_longer_active_takes_nothing() {
    let app = App::start().await;
    let partner = app.partner();
    let other = app.new_tenant(TenantKind::Partner, &[Scope::Partner]).await;
    let foreign = other.assigned("user-1", "customer-1").await;
    let mut keys = Vec::new();
    for state in ["superseding", "superseded", "released", "destroy-pending", "destroyed"] {
        let key = partner.assigned(state, "customer-1").await;
        app.place.run(&format!("UPDATE customer_keys SET state = '{state}' WHERE id = '{}'", key.key_id));
        keys.push(key);
    }
    let before = app.census();
    let unknown = Given { public_key: "ab".repeat(550), ..foreign.clone() };
    for (key, status, code) in [
        (&foreign, 404, "not-found"),
        (&unknown, 404, "not-found"),
        (&keys[0], 409, "key-superseded"),
        (&keys[1], 409, "key-superseded"),
        (&keys[2], 409, "key-released"),
        (&keys[3], 404, "not-found"),
        (&keys[4], 404, "not-found"),
    ] {
        partner.try_store_file(key, b"x", &Value::Null).await.refused(status, code);
    }
    assert_eq!(app.census(), before, "nothing was stored");
    assert!(app.files().await.is_empty());
}

#[tokio::test]
async fn every_kind_of_key_guards_files() {
    let app = App::start().await;
    let partner = app.partner();
    for (key_type, environment) in
        [("rsa4096", "HOT"), ("secp256k1", "HOT"), ("ed25519", "HOT"), ("rsa4096", "COLD")]
    {
        let mut body = testkit::assign_body(&format!("{key_type} {environment}"), "customer-1");
        body["key_type"] = json!(key_type);
        body["key_environment"] = json!(environment);
        let key = partner.assign(&body).await.ok();
        let form =
            Form::new("b").file(b"the same bytes").text("public_key", key["public_key"].as_str().unwrap());
        let stored = send(&partner, &form).await.ok();
        let shown =
            partner.get(&format!("/v1/partner/backups/{}", stored["backup_id"].as_str().unwrap())).await;
        assert_eq!(shown.ok()["check"], "not-checked", "{key_type} {environment}");
    }
    assert_eq!(app.files().await.len(), 4);
}

#[tokio::test]
async fn a_user_holds_so_many_backups_and_no_more() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    let first = partner.try_store_file(&key, b"first", &Value::Null).await.ok();
    app.place.run(
        "INSERT INTO backups (id, tenant_id, user_id, key_id, kind, state, check_state, metadata, data_size, \
         stored_at, updated_at) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) \
         SELECT 'filler-' || n.i, tenant_id, user_id, key_id, kind, state, check_state, metadata, data_size, \
         stored_at, updated_at FROM backups, n",
    );
    partner.try_store_file(&key, b"second", &Value::Null).await.refused(409, "backup-limit");
    let again = partner.try_store_file(&key, b"first", &Value::Null).await.ok();
    assert_eq!(again["backup_id"], first["backup_id"]);
    assert_eq!(app.files().await.len(), 1);
}
