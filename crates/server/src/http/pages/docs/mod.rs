//! The contract to read, made from the document of `/openapi.json`.

mod words;

use std::collections::BTreeMap;

use domain::access::Deed;
use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use words::{kind, name_of, prose};

/// Where its style is served.
pub const STYLE_PATH: &str = "/static/docs.css";

/// The style.
pub const STYLE: &str = include_str!("../docs.css");

/// The surfaces in the order in which one meets them: tag, title, what it is for.
const PARTS: [(&str, &str, &str); 9] = [
    (
        "retail",
        "Retail",
        "A consumer proves who he is, and gets his material back encrypted to his own OpenPGP key.",
    ),
    (
        "partner",
        "Partner Key Service",
        "Wallet providers assign keys to their customers' users and store under them.",
    ),
    ("institution", "Institutions", "The same for wallets of one's own."),
    ("audit", "Audit", "Who did what, in a log that cannot be rewritten in silence."),
    ("webhooks", "Webhooks", "Signed reports of what happens, sent to you."),
    ("credentials", "Credentials", "API keys, tokens, and issuers of one's own."),
    ("sandbox", "Sandbox", "What exists only where one rehearses."),
    ("keys", "Signing keys", "What verifies our signatures."),
    ("operation", "Operation", "Whether it is there."),
];

/// An operation: method, path, description.
type Call<'d> = (&'d str, &'d str, &'d Value);

/// The whole document as one page.
pub fn render(document: &Value) -> Markup {
    let calls = by_tag(document);
    let parts = parts(&calls);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Holdfast API" }
                link rel="stylesheet" href=(STYLE_PATH);
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    h1 { "Holdfast API" }
                    p { (prose(document["info"]["description"].as_str().unwrap_or_default())) }
                    p { "Version " (document["info"]["version"].as_str().unwrap_or_default()) ". "
                        "For programs: " a href="/openapi.json" { "/openapi.json" } ", OpenAPI 3.1." }
                }
                nav aria-label="Contents" {
                    a href="#start" { "Before the first call" }
                    @for (tag, title, _) in &parts {
                        h2 { a href={ "#" (tag) } { (title) } }
                        ul { @for (method, path, operation) in &calls[tag] {
                            li { a href={ "#" (id(operation)) } { (short(operation, method, path)) } }
                        } }
                    }
                    h2 { a href="#types" { "Types" } }
                }
                main #main {
                    (start())
                    @for (tag, title, purpose) in &parts {
                        section.part id=(tag) {
                            h2 { (title) }
                            p.purpose { (purpose) }
                            @for call in &calls[tag] { (operation(document, *call)) }
                        }
                    }
                    (types(document))
                }
            }
        }
    }
}

fn by_tag(document: &Value) -> BTreeMap<&str, Vec<Call<'_>>> {
    let mut found: BTreeMap<&str, Vec<Call<'_>>> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let tag = operation["tags"][0].as_str().unwrap_or("operation");
            found.entry(tag).or_default().push((method, path, operation));
        }
    }
    for calls in found.values_mut() {
        calls.sort_by_key(|(method, path, _)| place(method, path));
    }
    found
}

/// Where a call stands among the others: as in the access table, which is in the order of use.
fn place(method: &str, path: &str) -> usize {
    let deed = Deed::of_route(&method.to_uppercase(), path);
    Deed::ALL.iter().position(|known| Some(*known) == deed).unwrap_or(usize::MAX)
}

/// The parts that have a call; what has no title of its own goes by its tag.
fn parts<'d>(calls: &BTreeMap<&'d str, Vec<Call<'d>>>) -> Vec<(&'d str, &'d str, &'static str)> {
    let known = PARTS.iter().filter_map(|(tag, title, purpose)| {
        calls.get_key_value(tag).map(|(tag, _)| (*tag, *title, *purpose))
    });
    let others = calls.keys().filter(|tag| PARTS.iter().all(|(known, ..)| known != *tag));
    known.chain(others.map(|tag| (*tag, *tag, ""))).collect()
}

fn start() -> Markup {
    html! {
        section #start {
            h2 { "Before the first call" }
            p { "Send your API key as " code { "X-API-Key" } " or " code { "Authorization: Bearer" }
                ". Bodies are JSON. Every answer carries " code { "X-Request-Id" } ": name it when you ask us about a call." }
            p { "A failed call answers " code { "message" } ", " code { "error" } ", a stable " code { "code" } " and the "
                code { "request_id" } "; where fields are at fault, " code { "errors" } " says which and why." }
            p { "Give a POST an " code { "Idempotency-Key" } " and a repeat within a day is answered as the first was. "
                "At 429 and 503, " code { "Retry-After" } " says when to come back." }
            p { "Lists take " code { "limit" } " and " code { "cursor" } ", and answer " code { "data" } " and "
                code { "next_cursor" } "." }
        }
    }
}

fn id(operation: &Value) -> &str {
    operation["operationId"].as_str().unwrap_or_default()
}

fn short<'d>(operation: &'d Value, method: &'d str, path: &'d str) -> String {
    let summary = operation["summary"].as_str().map(|text| text.trim_end_matches('.').to_owned());
    summary.unwrap_or_else(|| format!("{} {path}", method.to_uppercase()))
}

fn operation(document: &Value, (method, path, operation): Call<'_>) -> Markup {
    let asked = &operation["requestBody"]["content"];
    html! {
        article id=(id(operation)) {
            h3 { (short(operation, method, path)) }
            p.call { span.method { (method.to_uppercase()) } " " code { (path) } }
            @if let Some(text) = operation["description"].as_str() { p { (prose(text)) } }
            (parameters(&operation["parameters"]))
            @for (kind, content) in asked.as_object().into_iter().flatten() {
                h4 { "Body " small { (kind) } }
                (shape(document, &content["schema"]))
                (example(document, content))
            }
            @for (status, response) in answers(operation, |status| status.starts_with(['2', '3'])) {
                h4 { "Answer " (status) }
                @if let Some(text) = response["description"].as_str().filter(|text| !text.is_empty()) {
                    p { (prose(text)) }
                }
                @if let Some((_, content)) = response["content"].as_object().and_then(|all| all.iter().next()) {
                    (shape(document, &content["schema"]))
                    (example(document, content))
                }
            }
            @let failures: Vec<_> = answers(operation, |status| status.starts_with(['4', '5'])).collect();
            @if !failures.is_empty() {
                h4 { "Failures" }
                p { @for (at, (status, _)) in failures.iter().enumerate() {
                    @if at > 0 { ", " }
                    (status)
                } }
            }
        }
    }
}

/// The answers whose status is of a kind.
fn answers(operation: &Value, fits: impl Fn(&str) -> bool) -> impl Iterator<Item = (&String, &Value)> {
    operation["responses"].as_object().into_iter().flatten().filter(move |(status, _)| fits(status))
}

fn parameters(parameters: &Value) -> Markup {
    let Some(parameters) = parameters.as_array().filter(|list| !list.is_empty()) else { return html! {} };
    html! {
        h4 { "Parameters" }
        table {
            thead { tr { th { "Name" } th { "In" } th { "Type" } th { "Meaning" } } }
            tbody { @for parameter in parameters {
                tr {
                    td { code { (parameter["name"].as_str().unwrap_or_default()) }
                        (needed(parameter["required"].as_bool().unwrap_or_default())) }
                    td { (parameter["in"].as_str().unwrap_or_default()) }
                    td { (kind(&parameter["schema"])) }
                    td { (prose(parameter["description"].as_str().unwrap_or_default())) }
                }
            } }
        }
    }
}

fn needed(is_needed: bool) -> Markup {
    html! { @if is_needed { " " span.needed { "required" } } }
}

/// The schema that a reference names.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    name_of(schema).map_or(schema, |name| &document["components"]["schemas"][name])
}

/// An object's members; of anything else, what it is.
fn shape(document: &Value, schema: &Value) -> Markup {
    let object = resolved(document, schema);
    if object["properties"].is_object() {
        members(object)
    } else {
        html! { p { (kind(schema)) } }
    }
}

fn members(object: &Value) -> Markup {
    let required: Vec<_> =
        object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut members: Vec<_> = object["properties"].as_object().into_iter().flatten().collect();
    members.sort_by_key(|(name, _)| (!required.contains(&name.as_str()), (*name).clone()));
    html! {
        table {
            thead { tr { th { "Member" } th { "Type" } th { "Meaning" } } }
            tbody { @for (name, member) in members {
                tr {
                    td { code { (name) } (needed(required.contains(&name.as_str()))) }
                    td { (kind(member)) }
                    td { (prose(member["description"].as_str().unwrap_or_default())) }
                }
            } }
        }
    }
}

fn example(document: &Value, content: &Value) -> Markup {
    let schema = resolved(document, &content["schema"]);
    let own = [&content["example"], &schema["example"], &schema["examples"][0]];
    let Some(example) = own.into_iter().find(|example| !example.is_null()) else { return html! {} };
    // What was read as JSON has a JSON text.
    html! { pre { code { (serde_json::to_string_pretty(example).unwrap_or_default()) } } }
}

fn types(document: &Value) -> Markup {
    html! {
        section.part #types {
            h2 { "Types" }
            @for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
                article id={ "type-" (name) } {
                    h3 { (name) }
                    @if let Some(text) = schema["description"].as_str() { p { (prose(text)) } }
                    (shape(document, schema))
                }
            }
        }
    }
}
