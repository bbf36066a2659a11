//! The examples of the document: each is played against the service, and each answer is of the form that the document
//! gives, by its schema and by its example.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::credential::{Scope, TenantKind};
use reqwest::Method;
use serde_json::{Map, Value, json};
use testkit::{Answer, App};

use crate::openapi::{conforms, operations, resolve};
use crate::stage::Stage;

/// The order of a user's and a tenant's life, by `operationId`. An operation that is not named here is played after
/// these, before [`LAST`].
const FIRST: [&str; 30] = [
    "start",
    "simulate",
    "status",
    "generate",
    "store",
    "recover",
    "damage",
    "assign_key",
    "read_key",
    "store_data",
    "read_backup",
    "delete_backup",
    "restore_backup",
    "new_key",
    "read_own_key",
    "verify_key",
    "store_own_data",
    "read_own_backup",
    "verify_backup",
    "delete_own_backup",
    "restore_own_backup",
    "create_webhook",
    "test_webhook",
    "list_deliveries",
    "redeliver",
    "update_webhook",
    "rotate_webhook_secret",
    "create_credential",
    "set_issuer",
    "read_issuer",
];

/// What ends things.
const LAST: [&str; 4] = ["revoke_credential", "delete_webhook", "delete_issuer", "reset"];

/// What only others can call: a provider, who signs; a browser, whose form is no JSON.
const OTHERS: [&str; 2] = ["persona_webhook", "identity_deed"];

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/openapi/examples.json");

/// Texts that are longer are cut in the examples of answers, to a length at which hexadecimal and base64 stay whole.
const LONG: usize = 100;
const CUT: usize = 64;

/// Which operation, with its path and method.
type Operation = (String, String, Value);

fn in_order(document: &Value) -> Vec<Operation> {
    let mut all = operations(document);
    all.retain(|(_, _, operation)| !OTHERS.contains(&id(operation)));
    let place = |operation: &Value| {
        let of = |ids: &[&str]| ids.iter().position(|known| *known == id(operation));
        of(&FIRST).or(of(&LAST).map(|at| 2_000 + at)).unwrap_or(1_000)
    };
    all.sort_by_key(|(_, _, operation)| place(operation));
    all
}

fn id(operation: &Value) -> &str {
    operation["operationId"].as_str().unwrap()
}

fn example<'d>(operation: &'d Value, place: &str) -> &'d Value {
    operation.pointer(&format!("/{place}/content/application~1json/example")).unwrap_or(&Value::Null)
}

/// What an answer looks like in the document: secrets and long texts cut short, a list's first two.
fn shown(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() > LONG => text[..CUT].into(),
        Value::Array(items) => items.iter().take(2).map(shown).collect(),
        Value::Object(members) => {
            let shown = |(name, member): (&String, &Value)| {
                let secret = ["api_key", "secret", "token"].contains(&name.as_str());
                let text = member.as_str().filter(|_| secret);
                (
                    name.clone(),
                    text.map_or_else(|| shown(member), |text| format!("{}...", &text[..11]).into()),
                )
            };
            Value::Object(members.iter().map(shown).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// Whether two values have the same members of the same types; null is of every type.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Null, _) | (_, Value::Null) => true,
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, member)| other.get(name).is_some_and(|other| alike(member, other)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.is_empty() == other.is_empty() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}

/// Has another implementation of JSON Schema say what is wrong with each value.
fn judge(document: &Value, cases: &[(String, Value, Value)]) {
    const SCRIPT: &str = "
import json, sys, jsonschema_rs
given = json.load(sys.stdin)
for at, schema, value in given['cases']:
    schema = {'$schema': 'https://json-schema.org/draft/2020-12/schema', 'components': given['components'], 'allOf': [schema]}
    for error in jsonschema_rs.Draft202012Validator(schema, validate_formats=True).iter_errors(value):
        print(at, '/'.join(map(str, error.instance_path)), error.message[:300])
";
    let input = json!({"components": document["components"], "cases": cases});
    let faults = testkit::foreign::python(SCRIPT, &[], input.to_string().as_bytes());
    assert!(faults.is_empty(), "{}", String::from_utf8_lossy(&faults));
}

/// Calls an operation as its example does, with what the tenant has.
async fn play(stage: &Stage, (path, method, operation): &Operation) -> Answer {
    let method: Method = method.parse().unwrap();
    let mut called = stage.path(path, None).await;
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        if parameter["in"] == "query" && parameter["required"] == true {
            let name = parameter["name"].as_str().unwrap();
            let value = stage.value(path, name).await.unwrap_or_else(|| unreachable!("{path}: no {name}"));
            called = format!("{called}?{name}={}", value.as_str().unwrap());
        }
    }
    let mut call = stage.actor.call(&method, &called);
    // Where an answer has two forms, the one that an example is written of.
    if operation.pointer("/responses/200/content/application~1json").is_some() {
        call = call.header("accept", "application/json");
    }
    let asked = &operation["requestBody"];
    let takes_json = asked["content"]["application/json"].is_object();
    let has_example = example(operation, "requestBody").is_object();
    assert!(has_example || !takes_json, "{method} {path} has no example of its body: write one into {PATH}");
    stage.send(call, path, asked, None).await
}

/// Writes the examples of answers anew whose form is another now.
fn write(answers: &BTreeMap<String, Value>) {
    let mut examples: Value = serde_json::from_str(&std::fs::read_to_string(PATH).unwrap()).unwrap();
    for (id, answer) in answers {
        let example = &mut examples[id]["answer"];
        if example.is_null() || !alike(example, answer) {
            *example = answer.clone();
        }
    }
    std::fs::write(PATH, serde_json::to_string_pretty(&examples).unwrap() + "\n").unwrap();
}

#[tokio::test]
async fn every_example_runs_and_is_answered_in_the_form_of_its_example() {
    let mut app = App::start().await;
    let mut ceremonies = app.restart_with_ceremonies().await;
    tokio::spawn(async move {
        while let Some(call) = ceremonies.recv().await {
            call.held(3);
        }
    });
    let document = app.anonymous().get("/openapi.json").await.ok();
    let mut stage = Stage::empty(&app, app.new_tenant(TenantKind::Partner, Scope::ALL).await).await;
    let (mut cases, mut answers) = (Vec::new(), BTreeMap::new());
    for played in in_order(&document) {
        let (path, method, operation) = &played;
        let at = format!("{method} {path}");
        let answer = play(&stage, &played).await;
        // So that lists have one order.
        app.clock.advance(Duration::from_millis(2));
        let response = &operation["responses"][answer.status.to_string()];
        let response = resolve(&document, response);
        assert!([200, 204].contains(&answer.status), "{at}: {}", answer.text());
        let Some((kind, content)) = response["content"].as_object().and_then(|all| all.iter().next()) else {
            assert!(answer.body.is_empty(), "{at}: {}", answer.text());
            continue;
        };
        assert_eq!(answer.header("content-type").split(';').next(), Some(kind.as_str()), "{at}");
        if kind != "application/json" {
            continue;
        }
        let value = answer.json();
        stage.learn(path, &value);
        conforms(&document, &content["schema"], &value, &at);
        cases.push((at.clone(), content["schema"].clone(), value.clone()));
        cases.push((format!("{at}: the example"), content["schema"].clone(), content["example"].clone()));
        let request = &operation["requestBody"]["content"]["application/json"];
        if request.is_object() {
            cases.push((format!("{at}: the body"), request["schema"].clone(), request["example"].clone()));
        }
        answers.insert(id(operation).to_owned(), shown(&value));
    }
    if std::env::var_os("HOLDFAST_WRITE_REFERENCE").is_some() {
        write(&answers);
        // The document has them when it is built anew.
        return;
    }
    for (path, method, operation) in in_order(&document) {
        let Some(answer) = answers.get(id(&operation)) else { continue };
        let example = example(&operation, "responses/200");
        assert!(!example.is_null(), "{method} {path}: no example; HOLDFAST_WRITE_REFERENCE=1 writes one");
        assert!(alike(example, answer), "{method} {path} answers {answer}, its example is {example}");
    }
    judge(&document, &cases);
}
