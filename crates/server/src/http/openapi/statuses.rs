//! Which statuses an operation answers with, and which headers: by what it takes, and by what it does.

use std::collections::BTreeSet;

use domain::access::Deed;
use domain::idempotency::Keeping;
use serde_json::{Map, Value, json};

/// What each status of a failure means, wherever it is answered. Another method than a path takes is 405, and a
/// header block that is too large 431: neither is an operation's answer.
const MEANINGS: [(u16, &str); 12] = [
    (400, "The request breaks a rule; `errors` says where, if a field does."),
    (401, "No valid credential."),
    (403, "The credential may not do this, or the state of the verification forbids it."),
    (
        404,
        "There is no such thing for this credential: unknown, another tenant's and malformed ids are alike.",
    ),
    (408, "The body did not arrive in time."),
    (409, "The state of things forbids it, or the first call of this `Idempotency-Key` decides."),
    (413, "The body is too large."),
    (415, "The body is not of the content type that is needed."),
    (422, "This `Idempotency-Key` was used for another call."),
    (429, "Too often; `Retry-After` says when to come back."),
    (500, "A fault; the request id finds it in the service's log."),
    (503, "Something needed is away; `Retry-After` says when to come back."),
];

/// Of the sandbox's page for playing a person: the failures that are pages too.
const PAGES: [u16; 5] = [400, 403, 404, 409, 503];

/// What an answer is, where its operation does not say: what its body is.
fn describe(response: &mut Value, schemas: &Value) {
    if response["description"].as_str().is_none_or(str::is_empty) {
        let reference = response["content"]["application/json"]["schema"]["$ref"].as_str();
        let schema =
            reference.and_then(|text| text.rsplit('/').next()).map(|name| &schemas[name]["description"]);
        response["description"] =
            schema.filter(|text| text.is_string()).cloned().unwrap_or_else(|| "Done.".into());
    }
}

/// Replaces `4XX` and `5XX` by the statuses that are answered, and says which headers come with each answer.
pub fn apply(document: &mut Value) {
    let responses: Map<_, _> =
        MEANINGS.iter().map(|(status, text)| (name(*status), failure(*status, text))).collect();
    document["components"]["responses"] = responses.into();
    document["components"]["headers"] = headers();
    let schemas = document["components"]["schemas"].clone();
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let deed = Deed::of_route(&method.to_uppercase(), path);
            let statuses = statuses(method, path, deed, operation);
            let how = Sent { counted: deed.is_some(), named: method == "post" && deed.is_some() };
            let Some(responses) = operation["responses"].as_object_mut() else { continue };
            responses.retain(|status, _| status.starts_with(['2', '3']));
            for response in responses.values_mut() {
                describe(response, &schemas);
                response["headers"] = sent(how);
            }
            for status in statuses {
                let is_page = path.starts_with("/identity/") && PAGES.contains(&status);
                let response = if is_page { page() } else { reference("responses", &name(status)) };
                responses.insert(status.to_string(), response);
            }
        }
    }
}

/// The statuses of the failures of an operation.
fn statuses(method: &str, path: &str, deed: Option<Deed>, operation: &Value) -> BTreeSet<u16> {
    let Some(deed) = deed else { return of_public(path).iter().copied().collect() };
    let takes_body = operation.get("requestBody").is_some();
    let is_named = method == "post" && deed.keeping() != Keeping::Nothing;
    let has_query = operation["parameters"].as_array().into_iter().flatten().any(|one| one["in"] == "query");
    let mut statuses = BTreeSet::from([401, 403, 429, 500, 503]);
    let mut add = |is_so: bool, more: &[u16]| statuses.extend(more.iter().filter(|_| is_so));
    add(takes_body, &[400, 408, 413, 415]);
    add(is_named, &[400, 408, 409, 413, 422]);
    add(has_query, &[400]);
    add(path.contains('{') || names_a_thing(deed), &[404]);
    add(minds_a_state(deed), &[409]);
    statuses
}

/// Whether the deed is done to something that a member or the account names.
const fn names_a_thing(deed: Deed) -> bool {
    matches!(
        deed,
        Deed::ReadVerification
            | Deed::SimulateVerification
            | Deed::GenerateKey
            | Deed::StoreBackup
            | Deed::RecoverBackups
            | Deed::StoreData
            | Deed::StoreOwnData
            | Deed::StoreFile
            | Deed::StoreOwnFile
            | Deed::DamageBackup
            | Deed::ReadIssuer
            | Deed::DeleteIssuer
    )
}

/// Whether the state of something forbids the deed at times; a POST that may be named is among them anyway.
const fn minds_a_state(deed: Deed) -> bool {
    matches!(
        deed,
        Deed::RecoverBackups
            | Deed::VerifyKey
            | Deed::VerifyBackup
            | Deed::DeleteBackup
            | Deed::DeleteOwnBackup
            | Deed::SetIssuer
            | Deed::RotateKey
            | Deed::RotateOwnKey
    )
}

/// The same, for what needs no credential.
fn of_public(path: &str) -> &'static [u16] {
    match path {
        "/healthz" => &[],
        "/v1/providers/persona/webhook" => &[400, 401, 408, 413, 429, 500, 503],
        "/identity/{verification_id}" => &[400, 403, 404, 408, 409, 413, 500, 503],
        _ => &[500, 503],
    }
}

fn name(status: u16) -> String {
    format!("Failure{status}")
}

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

fn failure(status: u16, text: &str) -> Value {
    let named = matches!(status, 400 | 404 | 409 | 413 | 415 | 422);
    let mut headers = sent(Sent { counted: status != 401, named });
    if matches!(status, 429 | 503) {
        headers["Retry-After"] = reference("headers", "RetryAfter");
    }
    if status == 401 {
        headers["WWW-Authenticate"] = reference("headers", "WwwAuthenticate");
    }
    let body = json!({"application/json": {"schema": reference("schemas", "ErrorBody")}});
    json!({"description": text, "headers": headers, "content": body})
}

fn page() -> Value {
    let text = json!({"schema": {"type": "string"}});
    let body = json!({"text/html": text, "application/json": {"schema": reference("schemas", "ErrorBody")}});
    json!({"description": "A page that says why not; a fault is answered as elsewhere.", "content": body})
}

/// Of the headers, those that may come with an answer: to a call that was counted, to one that may be named.
#[derive(Clone, Copy)]
struct Sent {
    counted: bool,
    named: bool,
}

fn sent(how: Sent) -> Value {
    let mut headers = json!({"X-Request-Id": reference("headers", "RequestId")});
    if how.counted {
        for (header, name) in [
            ("RateLimit-Limit", "RateLimitLimit"),
            ("RateLimit-Remaining", "RateLimitRemaining"),
            ("RateLimit-Reset", "RateLimitReset"),
        ] {
            headers[header] = reference("headers", name);
        }
    }
    if how.named {
        headers["Idempotent-Replay"] = reference("headers", "IdempotentReplay");
    }
    headers
}

fn headers() -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    json!({
        "RequestId": {
            "description": "The call's id: the caller's own `X-Request-Id`, if that was sane, else ours",
            "required": true,
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
        },
        "RateLimitLimit": {"description": "How many calls a full bucket holds; with every answer to a valid credential", "schema": count},
        "RateLimitRemaining": {"description": "How many calls are left in it", "schema": count},
        "RateLimitReset": {"description": "In how many seconds it is full", "schema": count},
        "RetryAfter": {"description": "When to come back, seconds", "required": true, "schema": count},
        "WwwAuthenticate": {"description": "How to show a credential", "required": true, "schema": {"const": "Bearer"}},
        "IdempotentReplay": {
            "description": "Only where the answer is that of the first call of this `Idempotency-Key`",
            "schema": {"const": "true"},
        },
    })
}
