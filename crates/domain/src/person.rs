//! The people of a tenant, who sign in to Control.

use std::time::Duration;

use boundary::Env;

use crate::limits::{IDENTIFIER_CHARS_MAX, NEW_PASSKEY_DELAY, SIGN_IN_FAILURES_MAX, SIGN_IN_LOCK};
use crate::time::Timestamp;
use crate::words::words;

words! {
    /// What somebody is in his tenant.
    Role {
        /// Runs the account: people, lists, credentials.
        Owner = "owner",
        /// Asks for recoveries and votes.
        Member = "member",
        /// Decides what was put up for review.
        Officer = "officer",
        /// Reads all, changes nothing.
        Auditor = "auditor",
    }

    /// How far somebody has come.
    PersonState {
        /// Has an invitation, and has not finished it.
        Invited = "invited",
        /// Signs in.
        Active = "active",
        /// Is no longer one of the tenant's.
        Removed = "removed",
    }

    /// How far a session has come.
    Stage {
        /// The password was right; the second factor is still to be shown.
        Password = "password",
        /// An invitation was taken up; its steps are still to be finished.
        Onboarding = "onboarding",
        /// Signed in.
        Whole = "whole",
    }

    /// What a half-done ceremony is for.
    Purpose {
        /// Showing a passkey at sign-in.
        SignIn = "sign-in",
        /// Showing a passkey as a fresh proof.
        Prove = "prove",
        /// Making a passkey.
        Register = "register",
        /// Setting up codes of an app.
        Totp = "totp",
    }

    /// Why somebody was invited.
    InvitationPurpose {
        /// For the first time.
        Join = "join",
        /// After his device was lost: what he makes now counts for votes later.
        Return = "return",
    }
}

impl Role {
    /// Whether it needs a passkey: owners sign lists and attachments, members votes, officers reviews.
    pub const fn needs_passkey(self) -> bool {
        !matches!(self, Self::Auditor)
    }
}

/// When a passkey that is made now counts for votes. One of a first invitation does at once: nobody voted by
/// another before. Any other could be a thief's, and leaves time to notice.
pub fn passkey_counts_from(env: Env, purpose: Option<InvitationPurpose>, now: Timestamp) -> Timestamp {
    let delay = match (env, purpose) {
        (Env::Sandbox, _) | (_, Some(InvitationPurpose::Join)) => Duration::ZERO,
        _ => NEW_PASSKEY_DELAY,
    };
    now + delay
}

/// The failures of an account after one more, and until when it is locked by them.
pub fn after_failure(failures: i64, now: Timestamp) -> (i64, Option<Timestamp>) {
    let failures = failures + 1;
    // The count begins anew with the lock: after it there are as many tries again.
    if failures >= SIGN_IN_FAILURES_MAX { (0, Some(now + SIGN_IN_LOCK)) } else { (failures, None) }
}

/// An address as it is kept and compared: without white space around it, in lower case. None where it is no
/// address that a mail could go to.
pub fn parse_email(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (local, host) = text.rsplit_once('@')?;
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || "<>(),;:\"\\[]".contains(c);
    let fits = (1..=64).contains(&local.chars().count())
        && !local.contains('@')
        && (3..=IDENTIFIER_CHARS_MAX - 65).contains(&host.len())
        && !text.contains(is_odd)
        && host.split('.').count() > 1
        && host.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
    fits.then_some(text)
}

/// A person's name as it is kept: 1 to 100 characters, none of them a control character.
pub fn parse_name(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_people_type_it() {
        assert_eq!(parse_email(" Ada.L@Example.ORG ").as_deref(), Some("ada.l@example.org"));
        assert_eq!(parse_email("ada+x@b.co").as_deref(), Some("ada+x@b.co"));
        for text in [
            "",
            "ada",
            "@b.co",
            "ada@",
            "ada@b",
            "a b@c.de",
            "a@@b.co",
            "a@b..co",
            "a@-b.co",
            "<a@b.co>",
            "a@b.co\n\0",
        ] {
            assert_eq!(parse_email(text), None, "{text:?}");
        }
        assert_eq!(parse_email(&format!("{}@b.co", "a".repeat(65))), None);
    }

    #[test]
    fn the_fifth_failure_locks_and_the_count_begins_anew() {
        let now = Timestamp::from_ms(1_000);
        let mut failures = 0;
        for _ in 0..4 {
            let (next, locked) = after_failure(failures, now);
            assert_eq!(locked, None);
            failures = next;
        }
        assert_eq!(after_failure(failures, now), (0, Some(now + SIGN_IN_LOCK)));
    }

    #[test]
    fn only_a_first_passkey_counts_at_once() {
        let now = Timestamp::from_ms(1_000);
        let from = |env, purpose| passkey_counts_from(env, purpose, now);
        assert_eq!(from(Env::Production, Some(InvitationPurpose::Join)), now);
        assert_eq!(from(Env::Production, Some(InvitationPurpose::Return)), now + NEW_PASSKEY_DELAY);
        assert_eq!(from(Env::Production, None), now + NEW_PASSKEY_DELAY);
        assert_eq!(from(Env::Sandbox, None), now);
    }

    #[test]
    fn a_name_is_one_line() {
        assert_eq!(parse_name("  Ada Lovelace ").as_deref(), Some("Ada Lovelace"));
        for text in ["", "  ", "a\u{7}b", &"x".repeat(101)] {
            assert_eq!(parse_name(text), None, "{text:?}");
        }
    }
}
