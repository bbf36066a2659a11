//! The simulated provider of the sandbox: the same signed events as a real one, made to order.
//!
//! It is a provider like any other to the enclave, which holds the other copy of its secret. Since that secret
//! lives in this process, the sandbox shows the path of a proof, not the separation of powers.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use boundary::json::{Value, canonical};
use domain::audit::hex;
use domain::entropy::Entropy;
use domain::ids::VerificationId;
use domain::time::Timestamp;
use domain::verification::Action;

use super::SignedEvent;

/// The provider's name, in its own events and in the enclave's configuration.
pub const NAME: &str = "simulator";

/// A simulated provider.
pub struct Simulator {
    secret: hmac::Key,
}

/// Whose inquiry an event is about.
pub struct Subject<'a> {
    /// The inquiry.
    pub verification_id: &'a VerificationId,
    /// The enclave's session, which a provider calls the reference.
    pub session_id: &'a str,
    /// The tenant; with the user, decides whose face is shown.
    pub tenant_id: &'a str,
    /// The tenant's name for the user.
    pub user_identifier: &'a str,
    /// Another person than the user, who is shown in his place.
    pub person: Option<&'a Person>,
}

/// A person, as a provider reports one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Date of birth, `YYYY-MM-DD`.
    pub birthdate: String,
}

impl Simulator {
    /// Signs with this secret.
    pub fn new(secret: &[u8]) -> Self {
        Self { secret: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// The signed event of an action; none for an action that no provider reports.
    pub fn event(
        &self,
        action: Action,
        subject: &Subject<'_>,
        now: Timestamp,
        chance: &mut dyn Entropy,
    ) -> Option<SignedEvent> {
        let (name, payload) = match action {
            Action::CloseWindow => return None,
            Action::PassCheck => ("verification.passed", check_payload(subject, "passed")),
            Action::FailCheck => ("verification.failed", check_payload(subject, "failed")),
            _ => (action.target()?.event_type(), inquiry_payload(subject, action, now)),
        };
        let mut id = [0; 12];
        chance.fill(&mut id);
        let document = Value::object([(
            "data",
            Value::object([
                ("type", Value::text("event")),
                ("id", Value::text(format!("evt_{}", hex(&id)))),
                (
                    "attributes",
                    Value::object([
                        ("name", Value::text(name)),
                        ("created-at", Value::text(now.rfc3339())),
                        ("payload", Value::object([("data", payload)])),
                    ]),
                ),
            ]),
        )]);
        let body = canonical(&document).ok()?.into_bytes();
        Some(SignedEvent { provider: NAME.to_owned(), signature: self.sign(&body, now), body })
    }

    fn sign(&self, body: &[u8], now: Timestamp) -> String {
        let t = now.seconds().to_string();
        let tag = hmac::sign(&self.secret, &[t.as_bytes(), b".", body].concat());
        format!("t={t},v1={}", hex(tag.as_ref()))
    }
}

fn inquiry_payload(subject: &Subject<'_>, action: Action, now: Timestamp) -> Value {
    let status = action.target().map_or("", |state| state.event_type().trim_start_matches("inquiry."));
    let derived = || Person::of_user(subject.tenant_id, subject.user_identifier);
    let person = subject.person.cloned().unwrap_or_else(derived);
    Value::object([
        ("type", Value::text("inquiry")),
        ("id", Value::text(subject.verification_id.as_str())),
        (
            "attributes",
            Value::object([
                ("status", Value::text(status)),
                ("reference-id", Value::text(subject.session_id)),
                ("updated-at", Value::text(now.rfc3339())),
                ("name-first", Value::text(person.first_name)),
                ("name-last", Value::text(person.last_name)),
                ("birthdate", Value::text(person.birthdate)),
            ]),
        ),
    ])
}

fn check_payload(subject: &Subject<'_>, status: &str) -> Value {
    let inquiry = Value::object([
        ("type", Value::text("inquiry")),
        ("id", Value::text(subject.verification_id.as_str())),
    ]);
    Value::object([
        ("type", Value::text("verification/government-id")),
        ("id", Value::text(format!("ver_{}", subject.session_id))),
        ("attributes", Value::object([("status", Value::text(status))])),
        ("relationships", Value::object([("inquiry", Value::object([("data", inquiry)]))])),
    ])
}

impl Person {
    /// The simulated person: always the same for one user of one tenant, so that a recovery matches the enrolment.
    pub fn of_user(tenant_id: &str, user_identifier: &str) -> Self {
        const FIRST: [&str; 8] = ["Ada", "Björn", "Chloé", "Dmitri", "Esi", "Farah", "Goro", "Hana"];
        let seed = digest(&SHA256, format!("{tenant_id}\0{user_identifier}").as_bytes());
        let seed = seed.as_ref();
        let birthdate =
            format!("{}-{:02}-{:02}", 1940 + u16::from(seed[1] % 60), 1 + seed[2] % 12, 1 + seed[3] % 28);
        let first_name = FIRST[usize::from(seed[0] % 8)].to_owned();
        Self { first_name, last_name: format!("Example-{}", hex(&seed[4..10])), birthdate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::chance::SystemChance;

    #[test]
    fn an_event_says_where_it_belongs() {
        let verification_id = "inq_1".parse().unwrap();
        let subject = Subject {
            verification_id: &verification_id,
            session_id: "00ff",
            tenant_id: "t",
            user_identifier: "u",
            person: None,
        };
        let simulator = Simulator::new(b"secret");
        for action in Action::ALL {
            let event = simulator.event(*action, &subject, Timestamp::from_ms(0), &mut SystemChance);
            let claimed = event.and_then(|event| event.claimed());
            match action {
                Action::CloseWindow => assert!(claimed.is_none()),
                _ => assert_eq!(claimed.unwrap().verification_id, "inq_1", "{action}"),
            }
        }
    }

    #[test]
    fn the_person_belongs_to_tenant_and_user() {
        let of = Person::of_user;
        assert_eq!(of("t", "u"), of("t", "u"));
        assert_ne!(of("t", "u"), of("t", "v"));
        assert_ne!(of("t", "u"), of("s", "u"));
    }
}
