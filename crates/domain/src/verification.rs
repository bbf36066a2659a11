//! Inquiries: one identity check of one user, from creation to one of four ends.

use std::time::Duration;

use crate::refusal::{Kind, Refusal};
use crate::time::Timestamp;
use crate::words::words;

words! {
    /// The eight states of an inquiry, in their order; the last four are final.
    InquiryState {
        /// Made; the person has not begun.
        Created = "CREATED",
        /// The person has begun.
        Pending = "PENDING",
        /// The person has finished; the provider decides.
        Completed = "COMPLETED",
        /// A compliance officer must decide.
        NeedsReview = "NEEDS_REVIEW",
        /// Final: the check failed.
        Failed = "FAILED",
        /// Final: the person is who he says he is.
        Approved = "APPROVED",
        /// Final: the provider or an officer said no.
        Declined = "DECLINED",
        /// Final: it was not finished in time.
        Expired = "EXPIRED",
    }

    /// What a person may play in the sandbox.
    Action {
        /// The person begins.
        Start = "start_inquiry",
        /// The person finishes.
        Complete = "complete_inquiry",
        /// The check fails.
        Fail = "fail_inquiry",
        /// The time is up.
        Expire = "expire_inquiry",
        /// An officer must decide.
        MarkForReview = "mark_for_review_inquiry",
        /// The person is who he says he is.
        Approve = "approve_inquiry",
        /// He is not.
        Decline = "decline_inquiry",
        /// A check on the inquiry passes; its state stays.
        PassCheck = "create_passed_verification",
        /// A check on the inquiry fails; its state stays.
        FailCheck = "create_failed_verification",
        /// An approval's windows end now.
        CloseWindow = "close_window",
    }
}

impl InquiryState {
    /// Its place in the order of the declaration; the four final states share the last.
    const fn rank(self) -> u8 {
        match self {
            Self::Created => 0,
            Self::Pending => 1,
            Self::Completed => 2,
            Self::NeedsReview => 3,
            Self::Failed | Self::Approved | Self::Declined | Self::Expired => 4,
        }
    }

    /// No event moves a final inquiry.
    pub const fn is_final(self) -> bool {
        self.rank() == 4
    }

    /// An inquiry only moves forward; it may skip.
    pub const fn may_become(self, next: Self) -> bool {
        self.rank() < next.rank()
    }

    /// The four-value status of the published contract.
    pub const fn status(self) -> &'static str {
        match self {
            Self::Created | Self::Pending | Self::Completed => "pending",
            Self::Approved => "approved",
            Self::NeedsReview => "review",
            Self::Failed | Self::Declined | Self::Expired => "declined",
        }
    }

    /// The type of the event that reports arrival in this state.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Created => "inquiry.created",
            Self::Pending => "inquiry.started",
            Self::Completed => "inquiry.completed",
            Self::NeedsReview => "inquiry.marked-for-review",
            Self::Failed => "inquiry.failed",
            Self::Approved => "inquiry.approved",
            Self::Declined => "inquiry.declined",
            Self::Expired => "inquiry.expired",
        }
    }

    /// The state that a provider's event of this name reports.
    pub fn of_event(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.event_type() == name)
    }
}

impl Action {
    /// Where the action takes an inquiry; none if it leaves the state alone.
    pub const fn target(self) -> Option<InquiryState> {
        match self {
            Self::Start => Some(InquiryState::Pending),
            Self::Complete => Some(InquiryState::Completed),
            Self::Fail => Some(InquiryState::Failed),
            Self::Expire => Some(InquiryState::Expired),
            Self::MarkForReview => Some(InquiryState::NeedsReview),
            Self::Approve => Some(InquiryState::Approved),
            Self::Decline => Some(InquiryState::Declined),
            Self::PassCheck | Self::FailCheck | Self::CloseWindow => None,
        }
    }

    /// Whether `x-override-status` may name it: the nine published ones.
    pub const fn is_override(self) -> bool {
        !matches!(self, Self::CloseWindow)
    }

    /// May this be played on an inquiry in `state`?
    pub fn permitted(self, state: InquiryState) -> Result<(), Refusal> {
        let fits = match self.target() {
            Some(next) => state.may_become(next),
            None if matches!(self, Self::CloseWindow) => state == InquiryState::Approved,
            None => !state.is_final(),
        };
        if fits {
            return Ok(());
        }
        Err(Refusal::new(
            Kind::Conflict,
            "inquiry-state",
            format!("{self} does not fit an inquiry that is {state}: an inquiry only moves forward"),
        ))
    }
}

/// What decides whether an inquiry opens a door: its state, when it was approved, and whether its windows were
/// ended early.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Where the inquiry stands.
    pub state: InquiryState,
    /// When it was approved, by the provider's clock.
    pub approved_at: Option<Timestamp>,
    /// When its windows were ended early (sandbox).
    pub window_closed_at: Option<Timestamp>,
}

/// An approval that waits out the tenant's delay, for so many seconds more.
pub fn recovery_delayed(seconds: u128) -> Refusal {
    let text = "this verification is approved, and the account's own delay before a recovery is not over; repeat the \
                call then";
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    Refusal::new(Kind::Forbidden, "recovery-delayed", text).retry_after(seconds)
}

/// How an item stored now is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// Recoverable at once.
    Confirmed,
    /// Until the inquiry is approved, or deleted when it ends otherwise.
    Unconfirmed,
}

impl Standing {
    /// May a key be made, or an item stored, and how is it kept? After an approval they may within `window`.
    pub fn may_store(&self, window: Duration, now: Timestamp) -> Result<Keeping, Refusal> {
        match self.state {
            InquiryState::Created
            | InquiryState::Pending
            | InquiryState::Completed
            | InquiryState::NeedsReview => Ok(Keeping::Unconfirmed),
            InquiryState::Approved => self.within(window, now).map(|()| Keeping::Confirmed),
            InquiryState::Failed | InquiryState::Declined | InquiryState::Expired => Err(self.not_approved()),
        }
    }

    /// May the user's backups be released? After an approval they may once the tenant's `delay` is over, and then
    /// within `window`.
    pub fn may_recover(&self, delay: Duration, window: Duration, now: Timestamp) -> Result<(), Refusal> {
        let InquiryState::Approved = self.state else { return Err(self.not_approved()) };
        self.within(delay + window, now)?;
        match self.approved_at.map(|at| at + delay) {
            Some(opens_at) if !delay.is_zero() && now < opens_at => {
                Err(recovery_delayed(opens_at.since(now).as_millis().div_ceil(1_000)))
            }
            _ => Ok(()),
        }
    }

    fn within(&self, window: Duration, now: Timestamp) -> Result<(), Refusal> {
        let open = self.window_closed_at.is_none() && self.approved_at.is_some_and(|at| now <= at + window);
        if open {
            return Ok(());
        }
        Err(Refusal::new(
            Kind::Forbidden,
            "verification-window-closed",
            "the time after this verification's approval is over; start a new verification",
        ))
    }

    fn not_approved(&self) -> Refusal {
        Refusal::new(
            Kind::Forbidden,
            "verification-not-approved",
            format!("this verification is not approved: its status is {}", self.state.status()),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// The whole state table, as it is committed for people to read.
    fn table() -> String {
        let mut out =
            String::from("What each action does to an inquiry in each state (`-` is 409 inquiry-state).\n\n");
        let _ = write!(out, "{:<14}{:<10}", "state", "status");
        for action in Action::ALL {
            let _ = write!(out, "{:<28}", action.as_str());
        }
        for state in InquiryState::ALL {
            let _ = write!(out, "\n{:<14}{:<10}", state.as_str(), state.status());
            for action in Action::ALL {
                let end = match (action.permitted(*state), action.target()) {
                    (Err(_), _) => "-",
                    (Ok(()), Some(next)) => next.as_str(),
                    (Ok(()), None) => "stays",
                };
                let _ = write!(out, "{end:<28}");
            }
        }
        let lines: Vec<_> = out.lines().map(str::trim_end).collect();
        lines.join("\n") + "\n"
    }

    #[test]
    fn the_state_table_is_the_committed_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/inquiry-states.txt");
        if std::env::var_os("HOLDFAST_WRITE_REFERENCE").is_some() {
            std::fs::write(path, table()).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            table(),
            "set HOLDFAST_WRITE_REFERENCE=1 to renew"
        );
    }

    #[test]
    fn no_order_of_events_leaves_a_final_state() {
        for from in InquiryState::ALL.iter().filter(|state| state.is_final()) {
            assert!(InquiryState::ALL.iter().all(|next| !from.may_become(*next)), "{from}");
        }
    }

    #[test]
    fn windows_open_at_approval_and_close_on_time() {
        let approved_at = Timestamp::from_ms(1_000_000);
        let standing = Standing {
            state: InquiryState::Approved,
            approved_at: Some(approved_at),
            window_closed_at: None,
        };
        let closed = Standing { window_closed_at: Some(approved_at), ..standing };
        let tick = Duration::from_millis(1);
        for window in [Duration::from_mins(1), Duration::from_hours(1), Duration::from_hours(720)] {
            let (last, late) = (approved_at + window, approved_at + window + tick);
            assert_eq!(standing.may_recover(Duration::ZERO, window, last), Ok(()));
            assert_eq!(standing.may_store(window, last), Ok(Keeping::Confirmed));
            for refusal in [
                standing.may_recover(Duration::ZERO, window, late).unwrap_err(),
                standing.may_store(window, late).unwrap_err(),
                closed.may_recover(Duration::ZERO, window, approved_at).unwrap_err(),
                closed.may_store(window, approved_at).unwrap_err(),
            ] {
                assert_eq!(refusal.code, "verification-window-closed");
            }
        }
    }

    #[test]
    fn only_an_approval_recovers_and_only_an_end_forbids_storing() {
        for state in InquiryState::ALL {
            let standing =
                Standing { state: *state, approved_at: Some(Timestamp::from_ms(0)), window_closed_at: None };
            let (hour, now) = (Duration::from_hours(1), Timestamp::from_ms(1));
            let may = standing.may_recover(Duration::ZERO, hour, now).is_ok();
            assert_eq!(may, *state == InquiryState::Approved, "{state}");
            let ended =
                matches!(state, InquiryState::Failed | InquiryState::Declined | InquiryState::Expired);
            assert_eq!(standing.may_store(hour, now).is_err(), ended, "{state}");
        }
    }

    #[test]
    fn a_delay_goes_before_the_window() {
        let approved_at = Timestamp::from_ms(1_000_000);
        let standing = Standing {
            state: InquiryState::Approved,
            approved_at: Some(approved_at),
            window_closed_at: None,
        };
        let (delay, window, tick) =
            (Duration::from_hours(2), Duration::from_hours(1), Duration::from_millis(1));
        for (now, wait) in [
            (approved_at, 7_200),
            (approved_at + tick, 7_200),
            (Timestamp::from_ms(1_000_000 + 7_199_999), 1),
        ] {
            let refusal = standing.may_recover(delay, window, now).unwrap_err();
            assert_eq!((refusal.code, refusal.retry_after_s), ("recovery-delayed", Some(wait)));
        }
        let closes_at = approved_at + delay + window;
        for open in [approved_at + delay, closes_at] {
            assert_eq!(standing.may_recover(delay, window, open), Ok(()));
        }
        let late = standing.may_recover(delay, window, closes_at + tick).unwrap_err();
        assert_eq!(late.code, "verification-window-closed");
        let ended = Standing { window_closed_at: Some(approved_at), ..standing };
        let refusal = ended.may_recover(delay, window, approved_at).unwrap_err();
        assert_eq!(refusal.code, "verification-window-closed");
        let before =
            standing.may_recover(Duration::ZERO, window, Timestamp::from_ms(1)).map_err(|no| no.code);
        assert_eq!(before, Ok(()), "a provider's clock that is ahead");
    }
}
