//! The routes: each handler takes a call apart, builds a command, calls one flow, writes the answer.

pub mod audit;
pub mod auth;
pub mod credentials;
pub mod files;
pub mod freeze;
pub mod health;
pub mod identity;
pub mod institution;
pub mod jwks;
pub mod partner;
pub mod provider;
pub mod retail_backups;
pub mod retail_keys;
pub mod sandbox;
pub mod stored_backups;
pub mod stored_keys;
pub mod verification;
pub mod webhooks;

use std::collections::HashMap;

use axum::extract::Query;
use boundary::statement::{Field, FieldFault, parse_fields};
use domain::audit::hex;
use serde_json::{Map, Value};

use super::form::Form;

/// The query of a call, as texts; of a name given twice the last counts.
type Params = Query<HashMap<String, String>>;

/// Reads `sign_with` and checks that each field has a value for such a key.
fn sign_with(form: &Form<'_>, resolves: impl Fn(Field) -> bool) -> Vec<Field> {
    const NAME: &str = "sign_with";
    let fields = match parse_fields(&form.optional_texts(NAME)) {
        Ok(fields) => fields,
        Err(FieldFault::Unknown(name)) if name == "public_key" => {
            form.fault(NAME, "must not list public_key: it is always signed");
            return Vec::new();
        }
        Err(FieldFault::Unknown(name)) => {
            form.fault(
                NAME,
                format!(
                    "names {name:?}, which is no field; the fields are {}",
                    Field::ALL.map(Field::as_str).join(", ")
                ),
            );
            return Vec::new();
        }
        Err(FieldFault::Repeated(field) | FieldFault::Unresolved(field)) => {
            form.fault(NAME, format!("names {} twice", field.as_str()));
            return Vec::new();
        }
    };
    for field in fields.iter().filter(|field| !resolves(**field)) {
        form.fault(NAME, format!("names {}, which this key does not have", field.as_str()));
    }
    fields
}

/// The fields that were signed, as they are answered.
fn signed_fields(stored: Option<&str>) -> Option<Vec<String>> {
    stored.and_then(|text| serde_json::from_str(text).ok())
}

/// A public key as it leaves the service.
fn public_key_hex(key: &[u8]) -> String {
    hex(key)
}

/// A text member of stored metadata.
fn text_of(metadata: &Map<String, Value>, name: &str) -> Option<String> {
    metadata.get(name).and_then(Value::as_str).map(str::to_owned)
}
