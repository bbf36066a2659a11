//! What a caller may be told when the answer is no.

use std::collections::BTreeMap;

/// The kind of a refusal; the HTTP layer alone knows which status that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request itself is wrong.
    Invalid,
    /// Who asks is not known.
    Unauthenticated,
    /// Who asks may not.
    Forbidden,
    /// There is no such thing for who asks.
    NotFound,
    /// The thing exists but does not take this method.
    MethodNotAllowed,
    /// The state of things forbids it.
    Conflict,
    /// It is not what was sent before under the same name.
    Mismatch,
    /// Too large.
    TooLarge,
    /// Not the content type that is needed.
    UnsupportedMedia,
    /// Not within the time allowed for it.
    TooSlow,
    /// Too often.
    TooMany,
    /// Something needed is away for now.
    Unavailable,
}

/// A refusal: all that a caller may be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub struct Refusal {
    /// Its kind.
    pub kind: Kind,
    /// For a program; never changes.
    pub code: &'static str,
    /// For a person.
    pub text: String,
    /// Each field at fault, by its JSON path.
    pub fields: BTreeMap<String, Vec<String>>,
    /// When to come back, seconds.
    pub retry_after_s: Option<u32>,
}

impl Refusal {
    /// A refusal without field errors.
    pub fn new(kind: Kind, code: &'static str, text: impl Into<String>) -> Self {
        Self { kind, code, text: text.into(), fields: BTreeMap::new(), retry_after_s: None }
    }

    /// The request breaks a rule on these fields.
    pub fn invalid(fields: BTreeMap<String, Vec<String>>) -> Self {
        let text = fields.iter().next().map_or_else(
            || "the request is not valid".to_owned(),
            |(path, faults)| format!("{path} {}", faults.join(" and ")),
        );
        Self { fields, ..Self::new(Kind::Invalid, "validation-failed", text) }
    }

    /// The request breaks a rule on one field.
    pub fn field(path: &str, fault: impl Into<String>) -> Self {
        Self::invalid(BTreeMap::from([(path.to_owned(), vec![fault.into()])]))
    }

    /// The same, with a time to come back.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// Unknown, foreign or malformed: one answer for all three.
    pub fn not_found() -> Self {
        Self::new(Kind::NotFound, "not-found", "there is no such thing for this credential")
    }

    /// There is no such operation here.
    pub fn no_such_path() -> Self {
        Self::new(Kind::NotFound, "no-such-path", "there is nothing at this path")
    }

    /// One answer for a credential that is missing, malformed, unknown, expired or revoked.
    pub fn unauthenticated() -> Self {
        Self::new(
            Kind::Unauthenticated,
            "unauthenticated",
            "a valid API key is needed, as `X-API-Key: <key>` or `Authorization: Bearer <key>`",
        )
    }

    /// A part of the service that is needed is away.
    pub fn unavailable(what: &str) -> Self {
        Self::new(
            Kind::Unavailable,
            "unavailable",
            format!("{what} is not available right now; nothing was changed"),
        )
        .retry_after(crate::limits::UNAVAILABLE_RETRY_AFTER_S)
    }
}
