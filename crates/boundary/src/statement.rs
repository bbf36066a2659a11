//! What the enclave signs about a public key.
//!
//! Without fields, the statement is the public key's lower-case hexadecimal text. With fields, it is the
//! RFC 8785 form of an object that holds `public_key` and each field asked for.

use crate::json::{Value, canonical};
use crate::words;

words! {
    /// A field that may be signed beside the public key, by its name in `sign_with` and in the payload.
    pub enum Field {
        /// The tenant's name for its customer.
        ExternalCustomerId = "external_customer_id",
        /// The tenant's name for the product package.
        ExternalPackageId = "external_package_id",
        /// The credential that asked.
        PulledById = "pulled_by_id",
        /// What kind of credential: `api_key` or `user_credentials`.
        PulledByType = "pulled_by_type",
        /// The service's own UUID for the user.
        UserId = "user_id",
        /// The key's id.
        KeyId = "key_id",
        /// SHA-256 of the decoded public key, lower-case hexadecimal.
        KeyFingerprint = "key_fingerprint",
    }
}

/// The values of the fields; `None` where the key has no such thing.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// See [`Field::ExternalCustomerId`].
    pub external_customer_id: Option<&'a str>,
    /// See [`Field::ExternalPackageId`].
    pub external_package_id: Option<&'a str>,
    /// See [`Field::PulledById`].
    pub pulled_by_id: Option<&'a str>,
    /// See [`Field::PulledByType`].
    pub pulled_by_type: Option<&'a str>,
    /// See [`Field::UserId`].
    pub user_id: Option<&'a str>,
    /// See [`Field::KeyId`].
    pub key_id: Option<&'a str>,
    /// See [`Field::KeyFingerprint`].
    pub key_fingerprint: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// The value of one field.
    pub fn get(&self, field: Field) -> Option<&'a str> {
        match field {
            Field::ExternalCustomerId => self.external_customer_id,
            Field::ExternalPackageId => self.external_package_id,
            Field::PulledById => self.pulled_by_id,
            Field::PulledByType => self.pulled_by_type,
            Field::UserId => self.user_id,
            Field::KeyId => self.key_id,
            Field::KeyFingerprint => self.key_fingerprint,
        }
    }
}

/// Why a list of fields cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldFault {
    /// No field has this name (`public_key` included: it is always signed and never asked for).
    Unknown(String),
    /// Named twice.
    Repeated(Field),
    /// Has no value for this key.
    Unresolved(Field),
}

/// Reads a `sign_with` list.
pub fn parse_fields<S: AsRef<str>>(names: &[S]) -> Result<Vec<Field>, FieldFault> {
    let mut fields = Vec::new();
    for name in names {
        let name = name.as_ref();
        let field = Field::parse(name).ok_or_else(|| FieldFault::Unknown(name.to_owned()))?;
        if fields.contains(&field) {
            return Err(FieldFault::Repeated(field));
        }
        fields.push(field);
    }
    Ok(fields)
}

/// The payload to sign for these fields.
pub fn payload(public_key_hex: &str, fields: &[Field], facts: &Facts<'_>) -> Result<String, FieldFault> {
    let mut members = vec![("public_key".to_owned(), Value::text(public_key_hex))];
    for &field in fields {
        let value =
            facts.get(field).filter(|value| !value.is_empty()).ok_or(FieldFault::Unresolved(field))?;
        members.push((field.as_str().to_owned(), Value::text(value)));
    }
    // Canonical form refuses only non-integers, and every member is text.
    Ok(canonical(&Value::Object(members)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_is_canonical_whatever_the_order_asked_for() {
        let facts = Facts { external_customer_id: Some("Ünïcode"), key_id: Some("k"), ..Facts::default() };
        let fields = parse_fields(&["key_id", "external_customer_id"]).unwrap();
        assert_eq!(
            payload("ab", &fields, &facts).unwrap(),
            r#"{"external_customer_id":"Ünïcode","key_id":"k","public_key":"ab"}"#
        );
    }

    #[test]
    fn faults_name_the_field() {
        assert_eq!(parse_fields(&["public_key"]), Err(FieldFault::Unknown("public_key".into())));
        assert_eq!(parse_fields(&["key_id", "key_id"]), Err(FieldFault::Repeated(Field::KeyId)));
        assert_eq!(
            payload("ab", &[Field::UserId], &Facts::default()),
            Err(FieldFault::Unresolved(Field::UserId))
        );
        let empty = Facts { user_id: Some(""), ..Facts::default() };
        assert_eq!(payload("ab", &[Field::UserId], &empty), Err(FieldFault::Unresolved(Field::UserId)));
    }
}
