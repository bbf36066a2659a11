//! The bodies of calls, before anybody looks at their members: true of every POST that takes JSON.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use domain::credential::Scope;
use reqwest::Method;
use serde_json::json;
use testkit::App;

use crate::routes::{Operation, operations};

const LIMIT: usize = 256 * 1024;

fn posts() -> impl Iterator<Item = Operation> {
    let takes_json = |operation: &Operation| {
        operation.method == Method::POST && !operation.body.is_null() && !operation.is_form
    };
    operations().into_iter().filter(takes_json)
}

fn with_scope(app: &App, operation: &Operation) -> testkit::Actor {
    match operation.scope {
        Scope::Partner | Scope::Credentials => app.partner(),
        Scope::Keys => app.institution(),
        _ => app.retail(),
    }
}

#[tokio::test]
async fn what_is_no_json_object_is_refused() {
    let app = App::start().await;
    let before = app.census();
    for operation in posts() {
        let actor = with_scope(&app, &operation);
        let empty = operation.needs_body().then_some("");
        for body in empty.into_iter().chain([
            "{",
            "nothing",
            "[]",
            "\"text\"",
            "null",
            "7",
            "{} {}",
            "{\"a\":1,}",
            "{'a':1}",
        ]) {
            let call = actor.call(&Method::POST, operation.path).raw("application/json", body);
            call.send().await.refused(400, "malformed-json");
        }
        let not_text = b"{\"user_identifier\":\"\xff\"}".to_vec();
        let call = actor.call(&Method::POST, operation.path).raw("application/json", not_text);
        call.send().await.refused(400, "malformed-json");
        let deep = "[".repeat(100_000);
        let call = actor.call(&Method::POST, operation.path).raw("application/json", deep);
        call.send().await.refused(400, "malformed-json");
    }
    assert_eq!(app.census(), before, "nothing was stored");
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let app = App::start().await;
    let before = app.census();
    for operation in posts() {
        let actor = with_scope(&app, &operation);
        let body = operation.body.to_string();
        for content_type in
            ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", ""]
        {
            let call = actor.call(&Method::POST, operation.path).raw(content_type, body.clone());
            call.send().await.refused(415, "content-type");
        }
        let call = actor.call(&Method::POST, operation.path).untyped(body);
        call.send().await.refused(415, "content-type");
    }
    assert_eq!(app.census(), before, "nothing was stored");
    for content_type in ["application/json", "Application/JSON", "application/json; charset=utf-8"] {
        let body = json!({"user_identifier": "user-1"}).to_string();
        app.retail().call(&Method::POST, "/v1/verification/start").raw(content_type, body).send().await.ok();
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_answer_arrives() {
    let app = App::start().await;
    let before = app.census();
    let padded = |bytes: usize| {
        let body = json!({"user_identifier": "user-1"}).to_string();
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    for bytes in [LIMIT + 1, LIMIT + 1024, 4 * LIMIT, 40 * LIMIT] {
        for operation in posts() {
            let actor = with_scope(&app, &operation);
            let call = actor.call(&Method::POST, operation.path).raw("application/json", padded(bytes));
            call.send().await.refused(413, "body-too-large");
        }
    }
    assert_eq!(app.census(), before, "nothing was stored");
    let call = app.retail().call(&Method::POST, "/v1/verification/start");
    call.raw("application/json", padded(LIMIT)).send().await.ok();
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
async fn a_client_that_sends_all_before_it_reads_gets_its_answer() {
    let app = App::start().await;
    let (address, key) = (app.service().address(), app.retail().api_key.unwrap());
    for (credential, bytes, status) in [
        (key.as_str(), LIMIT + 1, 413),
        (&key, 4 * LIMIT, 413),
        (&key, 20 * LIMIT, 413),
        ("nobody", 4 * LIMIT, 401),
    ] {
        let head = format!(
            "POST /v1/backup/store HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {credential}\r\n\
             content-type: application/json\r\ncontent-length: {bytes}\r\n\r\n"
        );
        let body = vec![b' '; bytes];
        let answer =
            tokio::task::spawn_blocking(move || send_all_then_read(address, &head, &body)).await.unwrap();
        let answer = answer.unwrap_or_else(|error| unreachable!("{bytes} bytes by {credential}: {error}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("\"request_id\""), "{answer}");
    }
}

#[tokio::test]
async fn unknown_members_are_ignored_and_of_a_repeated_one_the_last_counts() {
    let app = App::start().await;
    let retail = app.retail();
    let body =
        r#"{"user_identifier": "first", "more": {"of": "it"}, "user_identifier": "last", "__proto__": 1}"#;
    let call = retail.call(&Method::POST, "/v1/verification/start").raw("application/json", body);
    let id = call.send().await.ok()["verification_id"].as_str().unwrap().to_owned();
    let ask = |user: &str| json!({"user_identifier": user, "verification_id": id});
    retail.post("/v1/key/generate", &ask("first")).await.refused(404, "not-found");
    retail.post("/v1/key/generate", &ask("last")).await.ok();
}

#[tokio::test]
async fn every_missing_and_mistyped_member_is_named() {
    let app = App::start().await;
    let before = app.census();
    for operation in posts().filter(Operation::needs_body) {
        let actor = with_scope(&app, &operation);
        let required: Vec<_> = operation.body.as_object().unwrap().keys().cloned().collect();
        let answer = actor.post(operation.path, &json!({})).await;
        assert_eq!(answer.faults(), required, "{}", operation.path);
        for name in &required {
            for wrong in [json!(null), json!(7), json!({"x": "y"}), json!(["x"])] {
                let sort = |value: &serde_json::Value| std::mem::discriminant(value);
                if sort(&wrong) == sort(&operation.body[name]) {
                    continue;
                }
                let mut body = operation.body.clone();
                body[name] = wrong.clone();
                let faults = actor.post(operation.path, &body).await.faults();
                assert_eq!(faults, std::slice::from_ref(name), "{} {name} {wrong}", operation.path);
            }
        }
    }
    assert_eq!(app.census(), before, "nothing was stored");
}

#[tokio::test]
async fn an_identifier_has_its_length_and_no_control_characters() {
    let app = App::start().await;
    let retail = app.retail();
    for user in ["u".repeat(255), "é".repeat(255), "𝕦".repeat(255), " ".to_owned(), "a\u{2028}b".to_owned()]
    {
        retail.post("/v1/verification/start", &json!({"user_identifier": user})).await.ok();
    }
    let before = app.census();
    for user in ["", &"u".repeat(256), "a\nb", "\0", "a\u{7f}", "a\u{85}"] {
        let answer = retail.post("/v1/verification/start", &json!({"user_identifier": user})).await;
        assert_eq!(answer.faults(), ["user_identifier"], "{user:?}");
    }
    assert_eq!(app.census(), before, "nothing was stored");
}
