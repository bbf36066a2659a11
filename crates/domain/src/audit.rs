//! Audit entries: who did what to which object, with what result; the tree over them, and how it is vouched for.

mod chain;
pub mod checkpoint;
pub mod cosignature;
pub mod root;
pub mod subject;
pub mod tree;
pub mod verify;
pub mod witness;

use std::time::Duration;

use boundary::json::{Value, canonical};

use crate::time::Timestamp;
use crate::words::words;

words! {
    /// What kind of actor did something.
    ActorType {
        /// A tenant's credential.
        ApiKey = "api_key",
        /// Somebody for whom a token of the tenant's own issuer speaks.
        UserCredentials = "user_credentials",
        /// Somebody who signed in to Control.
        Person = "person",
        /// Whoever administers the installation, past the API.
        Operator = "operator",
        /// An identity provider, through its signed event.
        IdentityProvider = "identity_provider",
        /// The service itself: an expiry, a clean-up.
        Service = "service",
    }

    /// How it ended.
    Outcome {
        /// Done.
        Ok = "ok",
        /// Refused by a rule.
        Refused = "refused",
        /// Tried and not achieved.
        Failed = "failed",
    }
}

/// The hash before the first entry of a log.
pub const FIRST_PREV_HASH: [u8; 32] = [0; 32];

/// One act at its place in a tenant's log, as it is hashed. Absent objects are `None`.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// From 1, without gaps.
    pub seq: i64,
    /// When.
    pub time: Timestamp,
    /// Who.
    pub actor: &'a str,
    /// An [`ActorType`].
    pub actor_type: &'a str,
    /// What, such as `key.assigned`.
    pub action: &'a str,
    /// To what: the members that name objects, in any order.
    pub objects: [(&'static str, Option<&'a str>); 6],
    /// An [`Outcome`].
    pub result: &'a str,
    /// The stable code of a refusal.
    pub reason: Option<&'a str>,
    /// The call that did it.
    pub request_id: &'a str,
    /// The hash of the entry before.
    pub prev_hash: &'a [u8; 32],
}

impl Leaf<'_> {
    /// SHA-256 of a zero byte (RFC 6962 §2.1) and the entry's RFC 8785 form.
    pub fn hash(&self) -> [u8; 32] {
        let mut members = vec![
            ("tenant", Value::text(self.tenant)),
            ("seq", Value::Integer(self.seq)),
            ("time", Value::text(self.time.rfc3339())),
            ("actor", Value::text(self.actor)),
            ("actor_type", Value::text(self.actor_type)),
            ("action", Value::text(self.action)),
            ("result", Value::text(self.result)),
            ("reason", Value::text_or_null(self.reason)),
            ("request_id", Value::text(self.request_id)),
            ("prev_hash", Value::text(hex(self.prev_hash))),
        ];
        members.extend(self.objects.iter().map(|(name, id)| (*name, Value::text_or_null(*id))));
        let members = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        // The only number is a row count, far below 2^53.
        let text = canonical(&Value::Object(members)).unwrap_or_default();
        tree::leaf(text.as_bytes())
    }
}

/// What a recovery that gave something out is called: a checkpoint is made over it at once.
pub const RELEASED: &str = "recovery.released";

/// How many entries a checkpoint waits for, at most.
pub const CHECKPOINT_ENTRIES: i64 = 64;

/// How long an entry waits for a checkpoint, where there was one before, give or take the sequencer's second.
pub const CHECKPOINT_AFTER: Duration = Duration::from_secs(10);

/// Whether a log of so many entries needs a checkpoint now: `last` is the size and the instant of the last one.
pub fn is_checkpoint_due(
    size: i64,
    last: Option<(i64, Timestamp)>,
    has_released: bool,
    now: Timestamp,
) -> bool {
    let Some((covered, made_at)) = last else { return size > 0 };
    let is_old = now >= made_at + CHECKPOINT_AFTER;
    size > covered && (has_released || is_old || size - covered >= CHECKPOINT_ENTRIES)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_waits_for_entries_time_or_a_release() {
        let at = |seconds: i64| Timestamp::from_ms(seconds * 1_000);
        let last = Some((100, at(50)));
        assert!(is_checkpoint_due(1, None, false, at(0)), "the first entry of a log");
        assert!(!is_checkpoint_due(0, None, true, at(0)), "there is nothing to cover");
        assert!(!is_checkpoint_due(100, last, true, at(999)), "all is covered");
        assert!(!is_checkpoint_due(163, last, false, at(59)));
        assert!(is_checkpoint_due(164, last, false, at(59)), "entries");
        assert!(is_checkpoint_due(101, last, false, at(60)), "time");
        assert!(is_checkpoint_due(101, last, true, at(50)), "a release");
    }
}
