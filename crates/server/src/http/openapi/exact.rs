//! What a member or a parameter may hold, by its name: words, lengths, patterns, formats. The words come from the
//! rules of [`domain`], so that the document cannot name others than the service takes.

use std::fmt::Display;

use boundary::freeze::FREEZE_HOURS_MAX;
use boundary::statement::Field;
use domain::audit::{ActorType, Outcome};
use domain::backup::{BackupKind, BackupState, CheckState};
use domain::credential::Scope;
use domain::key::{KeyEnvironment, KeyState, KeyType};
use domain::limits::{IDENTIFIER_CHARS_MAX, ITEM_KEY_CHARS_MAX, PAGE_DEFAULT, PAGE_MAX};
use domain::verification::{Action, InquiryState};
use domain::webhook::{AttemptOutcome, DeliveryState, DisabledReason};
use serde_json::{Map, Value, json};

/// No name has control characters, as [`char::is_control`] knows them.
const NO_CONTROLS: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";
/// The same, and something besides white space, as [`str::trim`] knows it.
const NOT_BLANK: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000][^\\u0000-\\u001f\\u007f-\\u009f]*$";
/// Standard base64 with padding, whose last character wastes no bit (RFC 4648 §3.5).
const BASE64: &str = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";
const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
/// What RFC 3339 leaves open: UTC, and no leap second.
const UTC: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-5][0-9](\\.[0-9]+)?([Zz]|\\+00:00)$";
const VERIFICATION_ID: &str = "^[A-Za-z0-9_-]{1,64}$";
/// Whole bytes, 16 to 2,048 of them.
const PUBLIC_KEY: &str = "^([a-fA-F0-9]{2}){16,2048}$";

/// Day and month are looked at one by one.
const DATE: &str = "^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";

/// The members of answers that are always there, and null where there is nothing to say. Any other member of an
/// answer that has nothing to say is left out.
const NULL_WHERE_NONE: [(&str, &[&str]); 15] = [
    (
        "AuditEntry",
        &["key_id", "backup_id", "recovery_id", "verification_id", "customer_id", "package_id", "reason"],
    ),
    ("AuditPage", &["next_cursor"]),
    ("KeyPage", &["next_cursor"]),
    ("BackupPage", &["next_cursor"]),
    ("CredentialPage", &["next_cursor"]),
    ("WebhookPage", &["next_cursor"]),
    ("DeliveryPage", &["next_cursor"]),
    ("KeyShown", &["customer_id", "package_id", "supersedes", "superseded_by"]),
    ("BackupShown", &["customer_id", "package_id", "delete_after"]),
    ("Credential", &["expires_at", "revoked_at"]),
    ("CreatedCredential", &["expires_at"]),
    ("Webhook", &["disabled_reason", "failing_since", "previous_secret_until"]),
    ("Delivery", &["next_attempt_at"]),
    ("Attempt", &["answer_code"]),
    ("FreezeState", &["frozen_until"]),
];

/// What is sent inside of requests. A null in what is sent is as if the member were not there.
const SENT_INSIDE: [&str; 3] = ["Organisation", "Package", "ItemToStore"];

/// Narrows every schema and every parameter of the document.
pub fn apply(document: &mut Value) {
    for (owner, schema) in document["components"]["schemas"].as_object_mut().into_iter().flatten() {
        let is_sent = owner.ends_with("Request") || SENT_INSIDE.contains(&owner.as_str());
        object(owner, schema, is_sent);
        for part in schema.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
            object(owner, part, is_sent);
        }
    }
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
            for parameter in parameters.into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap_or_default().to_owned();
                let is_query = parameter["in"] == "query";
                // A text on the wire is no null.
                never_null(&mut parameter["schema"]);
                narrow(&mut parameter["schema"], of_parameter(path, &name, is_query));
            }
            if operation.get("requestBody").is_some() {
                body(&mut operation["requestBody"]);
            }
        }
    }
}

/// What a body is, beyond its members.
fn body(asked: &mut Value) {
    for (kind, content) in asked["content"].as_object_mut().into_iter().flatten() {
        // What may be left out may be empty, but is no null.
        never_null(&mut content["schema"]);
        if kind == "multipart/form-data" {
            content["encoding"] = json!({"file": {"contentType": "application/octet-stream"}});
        }
    }
}

fn object(owner: &str, schema: &mut Value, is_sent: bool) {
    let nulls = NULL_WHERE_NONE.iter().find(|(name, _)| *name == owner).map_or(&[][..], |(_, names)| *names);
    let mut always = Vec::new();
    for (name, member) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        if nulls.contains(&name.as_str()) {
            always.push(Value::from(name.as_str()));
        } else if !is_sent {
            never_null(member);
        }
        narrow(member, of_member(owner, name, is_sent));
    }
    if !always.is_empty() {
        always.extend(schema["required"].as_array().cloned().unwrap_or_default());
        always.sort_by_key(Value::to_string);
        schema["required"] = always.into();
    }
}

fn never_null(member: &mut Value) {
    if let Some(types) = member["type"].as_array() {
        let rest: Vec<_> = types.iter().filter(|word| *word != "null").cloned().collect();
        member["type"] = if let [one] = rest.as_slice() { one.clone() } else { rest.into() };
    }
    let Some(choices) = member.get("oneOf").and_then(Value::as_array) else { return };
    let mut rest = choices.iter().filter(|choice| choice["type"] != "null");
    if let (Some(one), None) = (rest.next().cloned(), rest.next()) {
        *member = one;
    }
}

/// Adds to a schema what is known of it.
fn narrow(schema: &mut Value, mut known: Map<String, Value>) {
    if known.is_empty() || !schema.is_object() {
        return;
    }
    let takes_null = schema["type"].as_array().is_some_and(|types| types.iter().any(|word| word == "null"));
    if let Some(words) = known.get_mut("enum").and_then(Value::as_array_mut).filter(|_| takes_null) {
        words.push(Value::Null);
    }
    for (name, value) in known {
        schema[name] = value;
    }
}

type Known = Map<String, Value>;

fn known(value: Value) -> Known {
    match value {
        Value::Object(known) => known,
        _ => Known::new(),
    }
}

fn words<T: Display>(words: impl IntoIterator<Item = T>) -> Known {
    known(json!({"enum": words.into_iter().map(|word| word.to_string()).collect::<Vec<_>>()}))
}

/// A list of words, each at most once.
fn list<T: Display>(of: impl IntoIterator<Item = T>) -> Known {
    let mut items = words(of);
    items.insert("type".to_owned(), "string".into());
    known(json!({"items": items, "uniqueItems": true}))
}

fn name(chars_max: usize) -> Known {
    known(json!({"minLength": 1, "maxLength": chars_max, "pattern": NO_CONTROLS}))
}

fn persons_name() -> Known {
    known(json!({"minLength": 1, "maxLength": IDENTIFIER_CHARS_MAX, "pattern": NOT_BLANK}))
}

fn instant() -> Known {
    known(json!({"format": "date-time"}))
}

/// What the member of this name holds.
fn of_member(owner: &str, member: &str, is_sent: bool) -> Known {
    match (owner, member) {
        ("StatusResponse", "status") => return words(["pending", "approved", "declined", "review"]),
        ("KeyShown", "status") => return words(KeyState::ALL),
        ("BackupShown", "status") => return words(BackupState::ALL),
        ("Attempt", "status") => return words(AttemptOutcome::ALL),
        ("SimulateRequest" | "PlayForm", "action") => return words(Action::ALL),
        ("PlayForm", "birthdate") => return known(json!({"pattern": DATE})),
        ("PlayForm", _) => return persons_name(),
        ("Health", "status") => return words(["ok"]),
        ("Readiness", _) => return of_readiness(member),
        ("Delivery", "state") => return words(DeliveryState::ALL),
        ("BackupShown", "backup_type") => return words(BackupKind::ALL),
        ("StoreFileResponse", "backup_type") => return words([BackupKind::File]),
        // An endpoint may have no description; a credential's name is never empty.
        (_, "description") => {
            return known(json!({"maxLength": IDENTIFIER_CHARS_MAX, "pattern": NO_CONTROLS}));
        }
        ("CreateCredentialRequest", "scopes") => {
            let mut scopes = list(Scope::ALL);
            scopes.insert("minItems".to_owned(), 1.into());
            return scopes;
        }
        ("Credential" | "CreatedCredential" | "Issuer", "scopes") => return list(Scope::ALL),
        // A type may be named twice, and is kept once.
        ("CreateWebhookRequest" | "UpdateWebhookRequest", "events") => {
            return known(json!({"items": {"type": "string", "enum": domain::event::TYPES}}));
        }
        ("FreezeRequest", "hours") => return known(json!({"minimum": 1, "maximum": FREEZE_HOURS_MAX})),
        ("Webhook", "events") => return list(domain::event::TYPES),
        ("BackupShown" | "RecoveredItem", "metadata") => return known(json!({"additionalProperties": true})),
        ("StoreRequest" | "StoreDataRequest" | "StoreOwnRequest", "metadata") => return metadata(),
        _ => {}
    }
    match member {
        "key_environment" => words(KeyEnvironment::ALL),
        "key_type" => words(KeyType::ALL),
        "padding_type" => words(["OAEP"]),
        "backup_type" => words([BackupKind::Data]),
        "inquiry_status" => words(InquiryState::ALL),
        "check" => words(CheckState::ALL),
        "actor_type" => words(ActorType::ALL),
        "result" => words(Outcome::ALL),
        "disabled_reason" => words(DisabledReason::ALL),
        "sign_with" | "signed_fields" => list(Field::ALL.map(Field::as_str)),
        "item_key" if is_sent => name(ITEM_KEY_CHARS_MAX),
        "user_identifier" | "customer_id" | "package_id" | "customer_name" | "package_name" | "issuer"
        | "audience" | "name"
            if is_sent =>
        {
            name(IDENTIFIER_CHARS_MAX)
        }
        "verification_id" => known(json!({"pattern": VERIFICATION_ID})),
        "public_key" if is_sent => known(json!({"pattern": PUBLIC_KEY})),
        "public_key" => known(json!({"pattern": "^([a-f0-9]{2})+$"})),
        "data" | "item_value" if is_sent => known(json!({"contentEncoding": "base64", "pattern": BASE64})),
        "signature" | "item_value" => known(json!({"contentEncoding": "base64"})),
        "gpg_public_key" => known(json!({"contentMediaType": "application/pgp-keys", "minLength": 1})),
        "prev_hash" | "sha256" => known(json!({"pattern": "^[a-f0-9]{64}$"})),
        "expires_at" if is_sent => known(json!({"format": "date-time", "pattern": UTC})),
        "time" | "expires_at" | "delete_after" | "failing_since" | "coincover:validFrom" => instant(),
        _ if member.ends_with("_at") || member.ends_with("_until") => instant(),
        "id" | "key_id" | "backup_id" | "recovery_id" | "delivery_id" | "supersedes" | "superseded_by" => {
            known(json!({"format": "uuid", "pattern": UUID}))
        }
        _ => Known::new(),
    }
}

/// What the answer of `/readyz` says of each thing.
fn of_readiness(member: &str) -> Known {
    match member {
        "status" => words(["ready"]),
        "files" => words(["ready", "away"]),
        "audit_logs" => words(["whole", "foreign", "forked"]),
        "witnesses" => words(["none", "well", "away", "forked"]),
        "environment" => words(["production", "sandbox"]),
        _ => Known::new(),
    }
}

/// What may stand beside a backup.
fn metadata() -> Known {
    let text = json!({"type": ["string", "null"]});
    let members = ["description", "content_type", "original_filename"];
    let members: Known = members.into_iter().map(|member| (member.to_owned(), text.clone())).collect();
    known(json!({"properties": members, "additionalProperties": true}))
}

/// What a parameter of this name holds.
fn of_parameter(path: &str, parameter: &str, is_query: bool) -> Known {
    let is_list_of = |thing: &str| path.ends_with(thing);
    match parameter {
        "limit" => known(json!({"minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT})),
        "status" if is_list_of("/keys") => words(KeyState::ALL),
        "status" if is_list_of("/backups") => words(BackupState::ALL),
        "key_environment" => words(KeyEnvironment::ALL),
        "backup_type" => words(BackupKind::ALL),
        "x-override-status" => words(Action::ALL.iter().filter(|action| action.is_override())),
        "from" | "to" => known(json!({"format": "date-time", "pattern": UTC})),
        "cursor" => known(json!({"minLength": 1})),
        // What may be a header's value, from its first character to its last.
        "Idempotency-Key" => known(json!({"pattern": "^[!-~]([ -~]*[!-~])?$"})),
        "verification_id" => known(json!({"pattern": VERIFICATION_ID})),
        "id" | "key_id" | "backup_id" | "delivery_id" => known(json!({"format": "uuid", "pattern": UUID})),
        // A filter takes any name, whether there can be such a thing or not.
        _ if is_query && path.starts_with("/v1/") => known(json!({"pattern": NO_CONTROLS})),
        _ => Known::new(),
    }
}
