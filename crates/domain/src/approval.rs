//! What people decide together in Control: a recovery, or a change of the list that decides on recoveries. Where
//! each stands, and when it goes on by itself.

use std::time::Duration;

use boundary::acl::Outcome;

use crate::time::Timestamp;
use crate::words::words;

words! {
    /// Where a recovery of Control stands.
    ControlState {
        /// It waits for votes, or for the check of whoever asked.
        Requested = "requested",
        /// It has passed and waits out its delay; a member with a veto may still stop it.
        Approved = "approved",
        /// The enclave is to pack it.
        Preparing = "preparing",
        /// The package is there.
        Ready = "ready",
        /// It was downloaded at least once.
        Downloaded = "downloaded",
        /// People said no.
        Declined = "declined",
        /// Something did not come in time.
        Expired = "expired",
    }

    /// Where a change of a list stands.
    ChangeState {
        /// It is voted on.
        Open = "open",
        /// It has passed and takes effect later, since it weakens the list.
        Waiting = "waiting",
        /// It is the list.
        Applied = "applied",
        /// People said no.
        Declined = "declined",
        /// Not enough said yes in time.
        Expired = "expired",
    }

    /// Why a recovery ended without a package.
    Ending {
        /// Enough members said no, or too few are left who could say yes.
        VotedDown = "voted-down",
        /// A member with a veto stopped it.
        Vetoed = "vetoed",
        /// The window closed before enough members said yes.
        WindowClosed = "window-closed",
        /// Whoever asked did not pass his identity check.
        CheckFailed = "check-failed",
        /// His check did not end in time.
        CheckExpired = "check-expired",
        /// It was not packed before its intent ended.
        NotPacked = "not-packed",
        /// The enclave does not accept what was to prove it.
        ReleaseRefused = "release-refused",
        /// The package was there for its days and nobody took it.
        NotFetched = "not-fetched",
    }
}

impl ControlState {
    /// Whether its keys are held by it: no other recovery, no rotation, no change of their list.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Requested | Self::Approved | Self::Preparing)
    }

    /// Whether members may vote.
    pub fn takes_votes(self) -> bool {
        self == Self::Requested
    }

    /// Whether a member with a veto may stop it.
    pub fn takes_veto(self) -> bool {
        matches!(self, Self::Requested | Self::Approved)
    }

    /// Whether there is a package.
    pub fn has_package(self) -> bool {
        matches!(self, Self::Ready | Self::Downloaded)
    }
}

impl ChangeState {
    /// Whether it holds the list: no other change, no recovery on one of its keys.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Waiting)
    }
}

/// Where the identity check of a person stands, for the recovery or the vote that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonCheck {
    /// The list demands none.
    NotDemanded,
    /// The person is who he says.
    Passed,
    /// It is not decided; from this instant on it is too late.
    Waiting(Timestamp),
    /// The answer was no.
    Failed,
}

impl PersonCheck {
    /// Whether what it is about counts.
    pub fn holds(self) -> bool {
        matches!(self, Self::NotDemanded | Self::Passed)
    }

    /// Whether it will never hold.
    pub fn has_lapsed(self, now: Timestamp) -> bool {
        match self {
            Self::Failed => true,
            Self::Waiting(until) => now >= until,
            Self::NotDemanded | Self::Passed => false,
        }
    }
}

/// What becomes of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has passed: its delay begins.
    Approve,
    /// People said no.
    Decline(Ending),
    /// Something did not come in time.
    Expire(Ending),
    /// The delay is over: the enclave is to pack.
    Prepare,
}

/// All that a recovery's next step hangs on.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Where it stands.
    pub state: ControlState,
    /// What the votes that count say by the list's rule, the window's end included.
    pub votes: Outcome,
    /// Whether a member with a veto said no.
    pub vetoed: bool,
    /// The check of whoever asked.
    pub check: PersonCheck,
    /// When its delay ends.
    pub release_at: Option<Timestamp>,
    /// From then on the enclave packs it no more.
    pub intent_ends_at: Timestamp,
    /// When the package goes.
    pub keep_until: Option<Timestamp>,
}

impl Facts {
    /// What happens now by itself; none: it stays as it is.
    pub fn next(&self, now: Timestamp) -> Option<Step> {
        match self.state {
            ControlState::Requested => self.while_requested(now),
            ControlState::Approved if self.vetoed => Some(Step::Decline(Ending::Vetoed)),
            ControlState::Approved | ControlState::Preparing if now >= self.intent_ends_at => {
                Some(Step::Expire(Ending::NotPacked))
            }
            ControlState::Approved if self.release_at.is_some_and(|at| now >= at) => Some(Step::Prepare),
            ControlState::Ready if self.keep_until.is_some_and(|until| now >= until) => {
                Some(Step::Expire(Ending::NotFetched))
            }
            _ => None,
        }
    }

    fn while_requested(&self, now: Timestamp) -> Option<Step> {
        match (self.check, self.votes) {
            (PersonCheck::Failed, _) => Some(Step::Expire(Ending::CheckFailed)),
            (check, _) if check.has_lapsed(now) => Some(Step::Expire(Ending::CheckExpired)),
            (_, Outcome::Declined) if self.vetoed => Some(Step::Decline(Ending::Vetoed)),
            (_, Outcome::Declined) => Some(Step::Decline(Ending::VotedDown)),
            (_, Outcome::Expired) => Some(Step::Expire(Ending::WindowClosed)),
            (check, Outcome::Approved) if check.holds() => Some(Step::Approve),
            (_, Outcome::Approved | Outcome::Open) => None,
        }
    }
}

/// How long an intent must live, so that a recovery that takes all its time can still be packed.
pub fn intent_life(vote_window: Duration, delay: Duration, packing: Duration) -> Duration {
    vote_window + delay + packing
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_000);
    const LATER: Timestamp = Timestamp::from_ms(2_000);
    const EARLIER: Timestamp = Timestamp::from_ms(500);

    fn facts(state: ControlState, votes: Outcome, check: PersonCheck) -> Facts {
        let (vetoed, release_at, keep_until) = (false, None, None);
        Facts { state, votes, vetoed, check, release_at, intent_ends_at: LATER, keep_until }
    }

    #[test]
    fn votes_take_effect_when_the_check_has_passed() {
        let asked = |votes, check| facts(ControlState::Requested, votes, check).next(NOW);
        for passed in [PersonCheck::NotDemanded, PersonCheck::Passed] {
            assert_eq!(asked(Outcome::Approved, passed), Some(Step::Approve));
            assert_eq!(asked(Outcome::Open, passed), None);
        }
        assert_eq!(asked(Outcome::Approved, PersonCheck::Waiting(LATER)), None);
        assert_eq!(asked(Outcome::Open, PersonCheck::Waiting(LATER)), None);
        for votes in [Outcome::Approved, Outcome::Open, Outcome::Declined] {
            let late = Some(Step::Expire(Ending::CheckExpired));
            assert_eq!(asked(votes, PersonCheck::Waiting(NOW)), late, "to the millisecond");
            assert_eq!(asked(votes, PersonCheck::Failed), Some(Step::Expire(Ending::CheckFailed)));
        }
    }

    #[test]
    fn a_no_and_a_closed_window_end_it() {
        let asked = |votes| facts(ControlState::Requested, votes, PersonCheck::Passed);
        assert_eq!(asked(Outcome::Declined).next(NOW), Some(Step::Decline(Ending::VotedDown)));
        let vetoed = Facts { vetoed: true, ..asked(Outcome::Declined) };
        assert_eq!(vetoed.next(NOW), Some(Step::Decline(Ending::Vetoed)));
        assert_eq!(asked(Outcome::Expired).next(NOW), Some(Step::Expire(Ending::WindowClosed)));
    }

    #[test]
    fn what_has_passed_waits_out_its_delay_and_may_be_stopped_until_then() {
        let approved = facts(ControlState::Approved, Outcome::Approved, PersonCheck::Passed);
        assert_eq!(approved.next(NOW), None, "the enclave has not said when");
        assert_eq!(Facts { release_at: Some(LATER), ..approved }.next(NOW), None);
        let due = Facts { release_at: Some(NOW), ..approved };
        assert_eq!(due.next(NOW), Some(Step::Prepare), "to the millisecond");
        assert_eq!(Facts { vetoed: true, ..due }.next(NOW), Some(Step::Decline(Ending::Vetoed)));
        let preparing = Facts { state: ControlState::Preparing, vetoed: true, ..due };
        assert_eq!(preparing.next(NOW), None, "too late for a veto");
        for state in [ControlState::Approved, ControlState::Preparing] {
            let old = Facts { state, intent_ends_at: NOW, ..due };
            assert_eq!(old.next(NOW), Some(Step::Expire(Ending::NotPacked)));
        }
    }

    #[test]
    fn a_package_that_nobody_takes_expires_and_one_that_was_taken_stays_taken() {
        let ready = facts(ControlState::Ready, Outcome::Approved, PersonCheck::Passed);
        assert_eq!(Facts { keep_until: Some(LATER), ..ready }.next(NOW), None);
        let old = Facts { keep_until: Some(EARLIER), ..ready };
        assert_eq!(old.next(NOW), Some(Step::Expire(Ending::NotFetched)));
        assert_eq!(Facts { state: ControlState::Downloaded, ..old }.next(NOW), None);
        for state in [ControlState::Declined, ControlState::Expired] {
            assert_eq!(Facts { state, vetoed: true, ..old }.next(NOW), None, "{state} is an end");
        }
    }
}
