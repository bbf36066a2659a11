//! What people are told, in the page's bell and by mail.

use std::time::Duration;

use crate::entropy::Entropy;
use crate::limits::MAIL_STEPS;
use crate::words::words;

words! {
    /// What a notice is about.
    NoticeKind {
        /// Somebody is invited.
        Invitation = "invitation",
        /// A vote is wanted.
        VoteWanted = "vote-wanted",
        /// A recovery was asked for.
        RecoveryRequested = "recovery-requested",
        /// It was approved, and waits out its delay.
        RecoveryApproved = "recovery-approved",
        /// It was declined, or stopped by a veto.
        RecoveryDeclined = "recovery-declined",
        /// Nobody decided, or proved who he is, in time.
        RecoveryExpired = "recovery-expired",
        /// It can be downloaded by whoever asked; the others are told that it goes out.
        RecoveryReady = "recovery-ready",
        /// A list changes, or somebody wants it to.
        ListChanged = "list-changed",
        /// The account's own policy for recoveries changes.
        PolicyChanged = "policy-changed",
        /// Nothing leaves of the account for a time, or it goes on.
        AccountFrozen = "account-frozen",
        /// A key will be destroyed, was, or will not be after all.
        KeyDestruction = "key-destruction",
        /// Somebody became an owner, or is one no longer.
        OwnersChanged = "owners-changed",
        /// A credential was made.
        CredentialMade = "credential-made",
        /// An identity check waits for an officer.
        ReviewWanted = "review-wanted",
    }

    /// Where a notice's mail stands.
    MailState {
        /// There is none: no mail server is set.
        None = "none",
        /// Still to be tried.
        Waiting = "waiting",
        /// The mail server took it.
        Sent = "sent",
        /// Given up.
        Parked = "parked",
    }
}

/// How long to wait after the failure of this try (the first is 1); none when it was the last.
///
/// 20 % of chance to either side, so that what failed together does not come back together.
pub fn next_mail(failed: i64, chance: &mut dyn Entropy) -> Option<Duration> {
    let step = *MAIL_STEPS.get(usize::try_from(failed.checked_sub(1)?).ok()?)?;
    let mut drawn = [0; 2];
    chance.fill(&mut drawn);
    // From 800 to 1,200 thousandths.
    let thousandths = 800 + 400 * u32::from(u16::from_be_bytes(drawn)) / u32::from(u16::MAX);
    Some(step * thousandths / 1_000)
}

/// A text as one line of at most so many characters: what would end a line or a header becomes a space.
pub fn one_line(text: &str, chars_max: usize) -> String {
    let plain = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    plain.take(chars_max).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(u8);
    impl Entropy for Always {
        fn fill(&mut self, target: &mut [u8]) {
            target.fill(self.0);
        }
    }

    #[test]
    fn each_step_has_a_fifth_of_chance_and_the_last_failure_parks() {
        for (failed, step) in (1..).zip(MAIL_STEPS) {
            assert_eq!(next_mail(failed, &mut Always(0)), Some(step * 8 / 10));
            assert_eq!(next_mail(failed, &mut Always(0xff)), Some(step * 12 / 10));
        }
        let last = i64::try_from(MAIL_STEPS.len()).unwrap() + 1;
        assert_eq!(next_mail(last, &mut Always(0)), None);
        assert_eq!(next_mail(0, &mut Always(0)), None);
    }

    #[test]
    fn one_line_holds_no_line_break() {
        assert_eq!(one_line("a\r\nBcc: x@y.example\0\u{85}b", 80), "a  Bcc: x@y.example  b");
        assert_eq!(one_line("  äöü  ", 4), "äö");
    }
}
