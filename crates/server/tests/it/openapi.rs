//! `/openapi.json`: describes every route and no other, and what calls really answer.

use std::collections::BTreeSet;

use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::App;

async fn document(app: &App) -> Value {
    app.anonymous().get("/openapi.json").await.ok()
}

/// Each path and method of the document, with its operation.
pub fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push((path.clone(), method.to_uppercase(), operation.clone()));
        }
    }
    found
}

/// A provider's event is signed instead.
fn takes_credential(path: &str) -> bool {
    path.starts_with("/v1/") && !path.starts_with("/v1/providers/")
}

/// What a reference in the document points at.
pub fn resolve<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let target = document.pointer(reference.trim_start_matches('#'));
            resolve(document, target.unwrap_or_else(|| unreachable!("{reference} points nowhere")))
        }
        None => schema,
    }
}

fn is_a(value: &Value, word: &str) -> bool {
    match word {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => unreachable!("{other} is no type of JSON"),
    }
}

/// Checks a value against a schema, and that it has no member that the schema does not name.
pub fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = resolve(document, schema);
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let fits =
            |choice: &&Value| is_a(value, resolve(document, choice)["type"].as_str().unwrap_or("object"));
        let choice = choices.iter().find(fits).unwrap_or_else(|| unreachable!("{at}: {value} fits none"));
        return conforms(document, choice, value, at);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = json!({"type": "object", "properties": {}});
        for part in parts.iter().map(|part| resolve(document, part)) {
            for (name, property) in part["properties"].as_object().into_iter().flatten() {
                whole["properties"][name] = property.clone();
            }
        }
        return conforms(document, &whole, value, at);
    }
    let types = match &schema["type"] {
        Value::String(word) => vec![word.as_str()],
        Value::Array(words) => words.iter().map(|word| word.as_str().unwrap()).collect(),
        _ => vec![],
    };
    assert!(
        types.is_empty() || types.iter().any(|word| is_a(value, word)),
        "{at}: {value} is none of {types:?}"
    );
    if let (Some(members), Some(properties)) = (value.as_object(), schema["properties"].as_object()) {
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(members.contains_key(name.as_str().unwrap()), "{at}: {name} is missing");
        }
        for (name, member) in members {
            let property =
                properties.get(name).unwrap_or_else(|| unreachable!("{at}.{name} is not described"));
            conforms(document, property, member, &format!("{at}.{name}"));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        conforms(document, &schema["items"], item, &format!("{at}[{index}]"));
    }
}

/// Every member anywhere that points somewhere.
fn references<'d>(value: &'d Value, found: &mut Vec<&'d Value>) {
    match value {
        Value::Object(members) => {
            if members.contains_key("$ref") {
                found.push(value);
            }
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_in_order() {
    let app = App::start().await;
    let document = document(&app).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut pointers = Vec::new();
    references(&document, &mut pointers);
    assert!(pointers.len() > 20);
    for pointer in pointers {
        resolve(&document, pointer);
    }
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap().to_owned();
        assert!(ids.insert(id.clone()), "{id} is the name of two operations");
        assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        assert!(!operation["responses"].as_object().unwrap().is_empty(), "{method} {path}");
        assert_eq!(operation["security"].is_array(), takes_credential(&path), "{method} {path}");
        let known = crate::routes::operations();
        let known = known.iter().find(|known| {
            known.method.as_str() == method && known.path.split('?').next() == Some(path.as_str())
        });
        // One that needs no scope is not in that table.
        let brakes = (method.as_str(), path.as_str()) == ("POST", "/v1/freeze");
        let has_body = brakes || known.is_some_and(|known| !known.body.is_null());
        let is_form = path.starts_with("/identity/") && method == "POST";
        assert_eq!(operation.get("requestBody").is_some(), has_body || is_form, "{method} {path}");
    }
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert!(schemes.contains_key("api_key") && schemes.contains_key("bearer"), "{schemes:?}");
}

#[tokio::test]
async fn what_is_described_is_served_and_what_is_served_is_described() {
    let app = App::start().await;
    let document = document(&app).await;
    let described: BTreeSet<_> =
        operations(&document).into_iter().map(|(path, method, _)| (method, path)).collect();
    for (method, path) in &described {
        let method: Method = method.parse().unwrap();
        let answer = app.retail().call(&method, path).send().await;
        assert!(
            ![404, 405].contains(&answer.status) || !answer.text().contains("no-such-path"),
            "{method} {path}"
        );
        let other = app.retail().call(&Method::TRACE, path).send().await;
        other.refused(405, "method-not-allowed");
        let allowed: BTreeSet<_> =
            other.header("allow").split(',').filter(|word| *word != "HEAD").map(str::to_owned).collect();
        let here: BTreeSet<_> =
            described.iter().filter(|(_, other)| other == path).map(|(method, _)| method.clone()).collect();
        assert_eq!(allowed, here, "{path} takes what is described and no more");
    }
    let source = include_str!("../../src/http/openapi.rs");
    assert_eq!(source.matches(".routes(routes!(").count(), described.len());
    let known = crate::routes::operations();
    assert!(known.iter().all(|operation| {
        let path = operation.path.split('?').next().unwrap().to_owned();
        described.contains(&(operation.method.to_string(), path))
    }));
    let needing = described.iter().filter(|(_, path)| takes_credential(path)).count();
    // `auth/token` and both of `freeze` need no scope: their tests stand by themselves.
    assert_eq!(known.len() + 3, needing, "every operation is in the table of the tests");
}

#[tokio::test]
async fn every_status_is_described_by_itself_and_every_refusal_has_the_one_form() {
    let app = App::start().await;
    let document = document(&app).await;
    for (path, method, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = resolve(&document, response);
            assert!(status.parse::<u16>().is_ok(), "{method} {path}: {status} is no status");
            assert!(response["description"].is_string(), "{method} {path} {status}");
            let body = &response["content"]["application/json"]["schema"]["$ref"];
            let is_page = path.starts_with("/identity/");
            assert!(status.starts_with(['2', '3']) || is_page || body == "#/components/schemas/ErrorBody");
        }
        if !takes_credential(&path) {
            continue;
        }
        let called: Method = method.parse().unwrap();
        let refused = app.anonymous().call(&called, &path).send().await.refused(401, "unauthenticated");
        let schema = json!({"$ref": "#/components/schemas/ErrorBody"});
        conforms(&document, &schema, &refused, &path);
        if operation.get("requestBody").is_some() {
            let actor = app.new_tenant(TenantKind::Partner, Scope::ALL).await;
            let faulty = actor.call(&called, &path).json(&json!({})).send().await;
            assert!(
                !operation["responses"][faulty.status.to_string()].is_null(),
                "{method} {path}: {faulty:?}"
            );
            conforms(
                &document,
                if faulty.status == 200 { &Value::Null } else { &schema },
                &faulty.json(),
                &path,
            );
        }
    }
}
