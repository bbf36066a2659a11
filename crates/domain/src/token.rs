//! The claims of a bearer token: which there must be, and what they must say.

use std::time::Duration;

use boundary::json::{Json as _, Value, member};

use crate::credential::Scope;
use crate::limits::{TOKEN_AUDIENCES_MAX, TOKEN_SKEW};
use crate::time::Timestamp;

/// What a token is good for, in its claim `type`.
pub const TYPE: &str = "ID_TOKEN";

/// How long a token of the service itself lives.
pub const LIFE: Duration = Duration::from_mins(30);

/// What a service expects of a token.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Who must have issued it.
    pub issuer: &'a str,
    /// For whom it must be.
    pub audience: &'a str,
    /// The longest it may live.
    pub life_max: Duration,
    /// Whether a scope that is none of ours spoils it; else it gives nothing.
    pub only_our_scopes: bool,
    /// The present instant.
    pub now: Timestamp,
}

/// The claims of a token that are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whom it speaks for: a UUID.
    pub subject: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
}

/// The claims of a new token of the service itself.
pub fn write(issuer: &str, subject: &str, scopes: &[Scope], now: Timestamp, expires_at: Timestamp) -> Value {
    let words: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    Value::object([
        ("iss", Value::text(issuer)),
        ("aud", Value::text(issuer)),
        ("sub", Value::text(subject)),
        ("iat", Value::Integer(now.seconds())),
        ("exp", Value::Integer(expires_at.seconds())),
        ("type", Value::text(TYPE)),
        ("scope", Value::text(words.join(" "))),
    ])
}

/// Reads the claims; none when one is missing, of another kind, or says something else.
pub fn read(claims: &Value, expected: &Expected<'_>) -> Option<Claims> {
    let text = |name: &str| claims.get(name)?.as_text();
    let instant = |name: &str| {
        let seconds = member::<i64>(claims, name).filter(|seconds| *seconds >= 0)?;
        Some(Timestamp::from_ms(seconds.checked_mul(1_000)?))
    };
    let audience = claims.get("aud")?;
    let is_for_us = match audience {
        Value::List(list) => list.iter().any(|one| one.as_text() == Some(expected.audience)),
        one => one.as_text() == Some(expected.audience),
    };
    let (issued_at, expires_at, now) = (instant("iat")?, instant("exp")?, expected.now);
    let is_in_time = now < expires_at && issued_at <= now + TOKEN_SKEW && issued_at < expires_at;
    let is_short = expires_at.since(issued_at) <= expected.life_max;
    let is_begun = match claims.get("nbf") {
        Some(_) => instant("nbf")? <= now + TOKEN_SKEW,
        None => true,
    };
    let says_so = text("iss")? == expected.issuer && text("type")? == TYPE;
    let subject = text("sub").filter(|subject| is_uuid(subject))?.to_owned();
    let words = text("scope")?.split(' ').filter(|word| !word.is_empty());
    let scopes: Vec<_> = words.map(Scope::parse).collect();
    let are_ours = !expected.only_our_scopes || scopes.iter().all(Option::is_some);
    (is_for_us && is_in_time && is_short && is_begun && says_so && are_ours)
        .then(|| Claims { subject, scopes: scopes.into_iter().flatten().collect() })
}

/// Who says that it issued a token, and for whom: to find the key by, and not to be believed before that.
pub fn read_unverified(claims: &Value) -> Option<(String, Vec<String>)> {
    let issuer = claims.get("iss")?.as_text()?.to_owned();
    let audience = claims.get("aud")?;
    let audiences = match audience {
        Value::List(_) => Vec::<String>::read(audience)?,
        one => vec![one.as_text()?.to_owned()],
    };
    (audiences.len() <= TOKEN_AUDIENCES_MAX).then_some((issuer, audiences))
}

fn is_uuid(text: &str) -> bool {
    text.parse::<crate::ids::CredentialId>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: &str = "00000000-0000-7000-8000-000000000001";

    fn expected() -> Expected<'static> {
        let now = Timestamp::from_ms(1_763_700_000_000);
        Expected { issuer: "us", audience: "us", life_max: LIFE, only_our_scopes: true, now }
    }

    fn claims() -> Value {
        let now = expected().now;
        write("us", SUBJECT, &[Scope::Retail, Scope::Audit], now, now + LIFE)
    }

    /// With a member changed; removed, when there is no value.
    fn with(name: &str, value: Option<Value>) -> Value {
        let Value::Object(mut members) = claims() else { unreachable!() };
        members.retain(|(known, _)| known != name);
        members.extend(value.map(|value| (name.to_owned(), value)));
        Value::Object(members)
    }

    fn is_read(claims: &Value) -> bool {
        read(claims, &expected()).is_some()
    }

    #[test]
    fn what_is_written_is_read() {
        let scopes = vec![Scope::Retail, Scope::Audit];
        assert_eq!(read(&claims(), &expected()), Some(Claims { subject: SUBJECT.to_owned(), scopes }));
    }

    #[test]
    fn every_claim_must_be_there_and_say_what_it_should() {
        let now = expected().now.seconds();
        for name in ["iss", "aud", "sub", "iat", "exp", "type", "scope"] {
            assert!(!is_read(&with(name, None)), "{name} missing");
            for wrong in
                [Value::Null, Value::text("x"), Value::Integer(-1), Value::Bool(true), Value::List(vec![])]
            {
                assert!(!is_read(&with(name, Some(wrong.clone()))), "{name} {wrong:?}");
            }
        }
        for (name, value) in [
            ("exp", Value::Integer(now)),
            ("exp", Value::Integer(now - 1)),
            ("exp", Value::Integer(now + 1_801)),
            ("exp", Value::Integer(i64::MAX)),
            ("exp", Value::text((now + 60).to_string())),
            ("iat", Value::Integer(now + 31)),
            ("iat", Value::Integer(now - 1)),
            ("nbf", Value::Integer(now + 31)),
            ("nbf", Value::text("now")),
            ("type", Value::text("id_token")),
            ("aud", Value::List(vec![Value::text("them")])),
            ("aud", Value::text("us ")),
            ("sub", Value::text(SUBJECT.replace("8000", "800"))),
            ("scope", Value::text("retail root")),
        ] {
            assert!(!is_read(&with(name, Some(value.clone()))), "{name} {value:?}");
        }
    }

    #[test]
    fn what_is_allowed_is_read() {
        let now = expected().now.seconds();
        for (name, value) in [
            ("iat", Value::Integer(now)),
            ("exp", Value::Integer(now + 1)),
            ("nbf", Value::Integer(now + 30)),
            ("aud", Value::List(vec![Value::text("them"), Value::text("us")])),
            ("jti", Value::text("more")),
            ("scope", Value::text("")),
        ] {
            assert!(is_read(&with(name, Some(value.clone()))), "{name} {value:?}");
        }
    }

    #[test]
    fn a_foreign_issuers_other_scopes_give_nothing() {
        let foreign = Expected { only_our_scopes: false, ..expected() };
        let claims = with("scope", Some(Value::text("openid audit  root Audit")));
        assert_eq!(read(&claims, &foreign).unwrap().scopes, [Scope::Audit]);
    }

    #[test]
    fn a_token_names_one_issuer_and_a_few_audiences() {
        let many = |count: usize| Value::List(vec![Value::text("us"); count]);
        assert_eq!(read_unverified(&claims()), Some(("us".to_owned(), vec!["us".to_owned()])));
        assert!(read_unverified(&with("aud", Some(many(TOKEN_AUDIENCES_MAX)))).is_some());
        for (name, value) in [
            ("aud", Some(many(TOKEN_AUDIENCES_MAX + 1))),
            ("aud", Some(Value::List(vec![Value::Null]))),
            ("aud", None),
            ("iss", Some(Value::List(vec![Value::text("us")]))),
            ("iss", None),
        ] {
            assert_eq!(read_unverified(&with(name, value)), None, "{name}");
        }
    }
}
