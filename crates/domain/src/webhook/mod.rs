//! Webhooks out: what an answer means, when it is tried again, how a delivery is signed, and where it may go.

mod schedule;
mod signature;
mod target;

pub use schedule::{attempts_max, next_try, read_retry_after};
pub use signature::{WebhookSecret, signed_headers};
pub use target::{Host, Range, Target, Targets};

use crate::words::words;

words! {
    /// Whether an endpoint gets events.
    EndpointState {
        /// It does.
        Enabled = "enabled",
        /// It was switched off.
        Disabled = "disabled",
    }

    /// Why an endpoint was switched off.
    DisabledReason {
        /// Its owner said so.
        Asked = "asked",
        /// It answered 410.
        Gone = "gone",
        /// It failed for five days.
        Failing = "failing",
    }

    /// Where a delivery stands.
    DeliveryState {
        /// Still to be tried.
        Pending = "pending",
        /// Acknowledged.
        Delivered = "delivered",
        /// Given up, until somebody asks for it again.
        Parked = "parked",
    }

    /// How one try ended.
    AttemptOutcome {
        /// A 2xx in time.
        Acknowledged = "acknowledged",
        /// Another answer.
        Refused = "refused",
        /// A 3xx, which is not followed.
        Redirected = "redirected",
        /// A 410.
        Gone = "gone",
        /// No answer in time.
        TimedOut = "timed-out",
        /// The name has no address.
        NotResolved = "not-resolved",
        /// The URL, or an address of its name, is one that is not called.
        TargetRefused = "target-refused",
        /// No connection.
        NotConnected = "not-connected",
        /// The TLS handshake failed, or its certificate is not trusted for this name.
        TlsFailed = "tls-failed",
        /// The connection broke, or what came was no HTTP.
        Broken = "broken",
    }
}

impl AttemptOutcome {
    /// What an answer with this status means.
    pub const fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Acknowledged,
            300..=399 => Self::Redirected,
            410 => Self::Gone,
            _ => Self::Refused,
        }
    }
}

/// What an endpoint is sent to see whether it works.
pub const TEST_EVENT: &str = "webhook.test";

/// What the other endpoints of a tenant are sent when one was switched off.
pub const DISABLED_EVENT: &str = "webhook.disabled";

/// Which events an endpoint gets: those of the types named, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter(String);

impl EventFilter {
    /// A filter of these types, each of which must be one of [`crate::event::TYPES`]; the error is one that is
    /// not. No types at all let everything through.
    pub fn of(types: &[String]) -> Result<Self, String> {
        let known = |word: &String| crate::event::TYPES.contains(&word.as_str());
        if let Some(unknown) = types.iter().find(|word| !known(word)) {
            return Err(unknown.clone());
        }
        let mut words: Vec<&str> = types.iter().map(String::as_str).collect();
        words.sort_unstable();
        words.dedup();
        Ok(Self(words.join(" ")))
    }

    /// As it is stored: words joined by single spaces.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads what was stored. A type that this program no longer knows lets nothing through and harms nothing.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }

    /// The types; empty for all.
    pub fn types(&self) -> Vec<String> {
        self.0.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_2xx_acknowledges_and_only_410_switches_off() {
        for status in 100..=999 {
            let expected = match status {
                200..=299 => AttemptOutcome::Acknowledged,
                300..=399 => AttemptOutcome::Redirected,
                410 => AttemptOutcome::Gone,
                _ => AttemptOutcome::Refused,
            };
            assert_eq!(AttemptOutcome::of_status(status), expected, "{status}");
        }
    }

    #[test]
    fn a_filter_names_known_types_once_each() {
        let types = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let filter = EventFilter::of(&types(&["key.assigned", "backup.stored", "key.assigned"])).unwrap();
        assert_eq!(filter.as_str(), "backup.stored key.assigned");
        assert_eq!(filter.types(), ["backup.stored", "key.assigned"]);
        assert_eq!(EventFilter::of(&[]), Ok(EventFilter::default()));
        for unknown in ["key", "key.*", "", "Key.assigned", "key.assigned ", "%", "webhook.test"] {
            assert_eq!(EventFilter::of(&types(&["key.rotated", unknown])), Err(unknown.to_owned()));
        }
    }
}
