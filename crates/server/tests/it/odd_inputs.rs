//! What no honest client sends, at every place of every call: it is refused in the one form, and nothing breaks.

use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, App, Call};

use crate::openapi::operations;
use crate::stage::Stage;

/// Operations that need a credential: method, path, operation.
fn deeds(document: &Value) -> Vec<(Method, String, Value)> {
    let all = operations(document).into_iter().filter(|(_, _, operation)| operation["security"].is_array());
    // What begins anew would take from the others what they are called with.
    let all = all.filter(|(path, _, _)| !path.ends_with("/reset"));
    all.map(|(path, method, operation)| (method.parse().unwrap(), path, operation)).collect()
}

/// On the engine that does not take every text.
async fn stage() -> (App, Stage, Value) {
    let app = App::on_postgres().await;
    let actor = app.new_tenant(TenantKind::Partner, Scope::ALL).await;
    let stage = Stage::set(&app, actor, "user-1").await;
    let document = app.anonymous().get("/openapi.json").await.ok();
    (app, stage, document)
}

/// Whatever it is, it is told in the one form, and it is the caller's fault.
fn is_refusal(answer: &Answer, at: &str) {
    assert!((400..500).contains(&answer.status), "{at}: {} {}", answer.status, answer.text());
    answer.refused(answer.status, answer.json()["code"].as_str().unwrap());
}

/// Nothing broke; what was refused was so in the one form.
fn is_whole(answer: &Answer, at: &str) {
    if answer.status >= 300 {
        is_refusal(answer, at);
    }
}

#[tokio::test]
async fn no_id_of_a_path_is_read_as_anything_but_an_id() {
    let (_app, stage, document) = stage().await;
    let long = "a".repeat(8 * 1024);
    let odd = ["%FF", "%00", "%C0%AF", "%2F", "a%2Fb", "%20", "%E2%80%AE", "%F0%9F%94%91", &long];
    let mut faces = Vec::new();
    for (method, path, operation) in deeds(&document).iter().filter(|(_, path, _)| path.contains('{')) {
        for parameter in operation["parameters"].as_array().unwrap().iter().filter(|one| one["in"] == "path")
        {
            for id in odd {
                let name = parameter["name"].as_str().unwrap();
                let called = stage.path(path, Some((name, id))).await;
                let call = stage.actor.call(method, &called);
                let call = if operation["requestBody"].is_object() { call.json(&json!({})) } else { call };
                let answer = call.send().await;
                answer.refused(404, "not-found");
                faces.push(answer.face());
            }
        }
    }
    assert!(faces.iter().all(|face| *face == faces[0]), "each is answered as any unknown id");
}

/// The same body with another value in the place of each text in it, one after the other.
fn with_each_text(body: &Value, other: &Value) -> Vec<Value> {
    match body {
        Value::String(_) => vec![other.clone()],
        Value::Array(items) => {
            let at = |at: usize| with_each_text(&items[at], other).into_iter().map(move |item| (at, item));
            let changed = (0..items.len()).flat_map(at).map(|(at, item)| {
                let mut items = items.clone();
                items[at] = item;
                items.into()
            });
            changed.collect()
        }
        Value::Object(members) => {
            let changed = members.iter().flat_map(|(name, member)| {
                with_each_text(member, other).into_iter().map(move |member| (name, member))
            });
            let whole = changed.map(|(name, member)| {
                let mut members = members.clone();
                members[name] = member;
                members.into()
            });
            whole.collect()
        }
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn no_text_of_a_body_breaks_anything() {
    let (_app, stage, document) = stage().await;
    let odd = [
        "\0",
        "a\0b",
        "\u{feff}",
        "\u{202e}",
        "\u{1f511}",
        "' OR 1=1 --",
        "../../etc/passwd",
        "${x}",
        "%s%n",
    ];
    let odd = odd.map(str::to_owned).into_iter().chain(["é".repeat(50_000), " ".repeat(300)]);
    let odd: Vec<_> =
        odd.map(Value::from).chain([json!(1e308), json!(-1), json!([[]]), json!(true)]).collect();
    for (method, path, operation) in deeds(&document) {
        let example = &operation["requestBody"]["content"]["application/json"]["example"];
        let body = stage.body(&path, example).await;
        let called = stage.path(&path, None).await;
        for odd in &odd {
            for body in with_each_text(&body, odd) {
                let answer = stage.actor.call(&method, &called).json(&body).send().await;
                if answer.status != 503 || answer.json()["code"] != "pool-empty" {
                    is_whole(&answer, &format!("{method} {path} {body}"));
                }
            }
        }
    }
}

#[tokio::test]
async fn no_body_that_is_no_object_is_taken_by_any_method() {
    let (app, stage, document) = stage().await;
    // What the stage caused is still being sent.
    let census = || {
        let mut census = app.census();
        census.retain(|table, _| !table.starts_with("webhook_"));
        census
    };
    let before = census();
    let bombs: [Vec<u8>; 6] = [
        "[".repeat(200_000).into_bytes(),
        "{\"a\":".repeat(40_000).into_bytes(),
        format!("{{\"a\":{}}}", "9".repeat(200_000)).into_bytes(),
        b"{\"a\":\"\xff\xfe\"}".to_vec(),
        b"{\"a\":\"\\ud800\"}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
    ];
    for (method, path, operation) in deeds(&document) {
        if !operation["requestBody"]["content"]["application/json"].is_object() {
            continue;
        }
        let called = stage.path(&path, None).await;
        let call = || stage.actor.call(&method, &called);
        for bomb in &bombs {
            call().raw("application/json", bomb.clone()).send().await.refused(400, "malformed-json");
        }
        for content_type in ["text/json", "multipart/form-data; boundary=x", "application/json+x", "*/*"] {
            call().raw(content_type, "{}").send().await.refused(415, "content-type");
        }
    }
    assert_eq!(census(), before, "nothing was stored");
}

#[tokio::test]
async fn no_parameter_of_a_query_breaks_anything() {
    let (_app, stage, document) = stage().await;
    let long = "a".repeat(8 * 1024);
    let odd =
        ["", "%00", "%FF", "%", "%zz", "-1", "0", "201", "99999999999999999999", "1e2", "[]", "a%0Ab", &long];
    for (method, path, operation) in deeds(&document) {
        let called = stage.path(&path, None).await;
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            if parameter["in"] != "query" {
                continue;
            }
            for odd in odd {
                let at = format!("{called}?{name}={odd}");
                let answer = stage.actor.call(&method, &at).send().await;
                is_whole(&answer, &at);
                let is_number = name == "limit";
                assert!(!is_number || answer.status == 400, "{at}: {}", answer.text());
            }
        }
    }
    for (from, to) in
        [("2026-01-02", "2026-01-01"), ("2026-01-01", "2026-01-01"), ("9999-12-31", "0001-01-01")]
    {
        let path = format!("/v1/audit?from={from}T00:00:00Z&to={to}T00:00:00Z");
        assert_eq!(stage.actor.get(&path).await.faults(), ["to"]);
    }
}

#[tokio::test]
async fn no_header_breaks_anything() {
    let (_app, stage, document) = stage().await;
    let long = "a".repeat(12 * 1024);
    let values: [&[u8]; 6] = [b"", b"\xff\xfe", b"a\tb", b"null", "é".as_bytes(), long.as_bytes()];
    for (method, path, operation) in deeds(&document) {
        let called = stage.path(&path, None).await;
        for header in [
            "idempotency-key",
            "x-override-status",
            "x-request-id",
            "authorization",
            "content-type",
            "accept",
        ] {
            for value in values {
                let call: Call = stage.actor.call(&method, &called).header_bytes(header, value);
                // A body that is refused in its turn, so that the call does nothing.
                let call = if operation["requestBody"].is_object() { call.untyped("{") } else { call };
                let answer = call.send().await;
                let is_away = answer.status == 503 && answer.json()["code"] == "ceremony-unavailable";
                if !is_away {
                    is_whole(&answer, &format!("{method} {path} {header}: {value:?}"));
                }
            }
        }
    }
}
