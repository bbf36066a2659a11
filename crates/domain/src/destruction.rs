//! The destruction of a key: asked for by one person, confirmed by another, waited for, and stopped by anybody who may
//! until it is done. Never on doubt.

use std::time::Duration;

use crate::audit::ActorType;
use crate::ids::PersonId;
use crate::key::KeyState;
use crate::limits::{DESTRUCTION_DAYS_MAX, DESTRUCTION_DAYS_MIN, REASON_CHARS_MAX};
use crate::refusal::{Kind, Refusal};
use crate::time::Timestamp;
use crate::words::words;

/// What the log calls the request.
pub const REQUESTED: &str = "key.destruction-requested";
/// What the log calls the second person's yes.
pub const CONFIRMED: &str = "key.destruction-confirmed";
/// What the log of a sandbox calls it when the rest of the wait is left out.
pub const HASTENED: &str = "key.destruction-hastened";
/// What the log calls the end.
pub const DESTROYED: &str = "key.destroyed";

words! {
    /// Where the destruction of a key stands.
    DestructionState {
        /// One person has asked; another one has to confirm.
        Asked = "asked",
        /// Two have said so, and the days run.
        Pending = "pending",
        /// Something about it is not as the service wrote it: it does not go on by itself.
        Halted = "halted",
        /// The key is destroyed; shares and files of it are being removed.
        Erasing = "erasing",
        /// Nothing is left to remove.
        Done = "done",
        /// Somebody stopped it.
        Stopped = "stopped",
        /// Nobody confirmed it in time.
        Lapsed = "lapsed",
    }
}

impl DestructionState {
    /// Whether somebody may stop it still. While it is asked for that takes the request back.
    pub fn may_be_stopped(self) -> Result<(), Refusal> {
        match self {
            Self::Asked | Self::Pending | Self::Halted => Ok(()),
            Self::Erasing | Self::Done => Err(wrong_state("the key is destroyed: nothing brings it back")),
            Self::Stopped | Self::Lapsed => Err(wrong_state("there is no destruction left to stop")),
        }
    }

    /// Whether the key's own state says that it will be destroyed.
    pub fn holds_key(self) -> bool {
        matches!(self, Self::Pending | Self::Halted)
    }

    /// Whether the destruction of the same key may be asked for anew.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Stopped | Self::Lapsed)
    }
}

/// Whether a key in this state may be destroyed. One whose backups still wait for a ceremony that moves them may not.
pub fn may_be_destroyed(state: KeyState) -> Result<(), Refusal> {
    match state {
        KeyState::Active | KeyState::Superseded | KeyState::Released => Ok(()),
        KeyState::Superseding => Err(wrong_state(
            "its backups wait for the ceremony that moves them to its successor: ask after that",
        )),
        KeyState::DestroyPending => Err(wrong_state("its destruction is asked for already")),
        KeyState::Destroyed => Err(wrong_state("the key is destroyed")),
    }
}

/// What somebody asks for, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Why, in his words.
    pub reason: String,
    /// How many days it can be stopped after it was confirmed.
    pub days: i64,
}

impl Wish {
    /// Reads a form: a reason, and 7 to 30 days.
    pub fn parse(reason: &str, days: &str) -> Result<Self, Refusal> {
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
            let text = format!("must say in 1 to {REASON_CHARS_MAX} characters why");
            return Err(Refusal::field("reason", text));
        }
        let given = days.trim().parse().ok();
        let days = given.filter(|days| (DESTRUCTION_DAYS_MIN..=DESTRUCTION_DAYS_MAX).contains(days));
        let days = days.ok_or_else(|| {
            Refusal::field("days", format!("must be {DESTRUCTION_DAYS_MIN} to {DESTRUCTION_DAYS_MAX} days"))
        })?;
        Ok(Self { reason: reason.to_owned(), days })
    }
}

impl Wish {
    /// What the log keeps of it.
    pub fn logged(&self) -> String {
        format!("{}{DAYS_END}{}", self.days, self.reason)
    }
}

/// What the log has between the days and why.
const DAYS_END: &str = " days: ";

/// So many days.
pub fn days(count: i64) -> Duration {
    Duration::from_hours(24 * count.unsigned_abs())
}

/// The second person is another one.
pub fn is_second(asked_by: &PersonId, person: &PersonId) -> Result<(), Refusal> {
    if asked_by != person {
        return Ok(());
    }
    let text = "you asked for it yourself: another owner confirms it";
    Err(Refusal::new(Kind::Forbidden, "second-person-needed", text))
}

/// Why a destruction waits beyond its days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The account is frozen.
    Frozen,
    /// A recovery runs that needs the key.
    Recovery,
    /// A key that it replaced has backups that wait for the ceremony that moves them to it.
    Moves,
    /// A key that replaced it guards files, which may be encrypted to this one.
    Files,
}

/// Why a destruction does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// A row that it rests on was not written so by the service.
    Rows,
    /// The log does not say that it was asked for and confirmed, and not stopped since.
    Log,
}

impl Doubt {
    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows-changed",
            Self::Log => "log-differs",
        }
    }
}

/// Why the word of the two counts no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// One of the two is no owner any more.
    Owner,
    /// The owners of the account did not stay who they were: who would have stopped it may not be one any more.
    Owners,
}

impl Loss {
    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner-gone",
            Self::Owners => "owners-changed",
        }
    }
}

/// What becomes of a destruction whose days are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The key is destroyed.
    Destroy,
    /// It waits.
    Wait(Hold),
    /// It stands still until somebody has looked.
    Halt(Doubt),
    /// It is stopped: the word of the two counts no longer.
    Stop(Loss),
}

/// All that the end of a destruction hangs on, once its days are over.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// What about it is in doubt.
    pub doubt: Option<Doubt>,
    /// Why the word of the two counts no longer.
    pub loss: Option<Loss>,
    /// What it has to wait for.
    pub hold: Option<Hold>,
}

impl Facts {
    /// What happens now. Doubt comes before all else.
    pub fn next(&self) -> Step {
        match self {
            Self { doubt: Some(doubt), .. } => Step::Halt(*doubt),
            Self { loss: Some(loss), .. } => Step::Stop(*loss),
            Self { hold: Some(hold), .. } => Step::Wait(*hold),
            Self { doubt: None, loss: None, hold: None } => Step::Destroy,
        }
    }
}

/// Something that the log says was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// When.
    pub time: Timestamp,
    /// What, such as [`REQUESTED`].
    pub action: String,
    /// What the actor is.
    pub actor_type: String,
    /// Who.
    pub actor: String,
    /// What is kept of why, such as [`Wish::logged`].
    pub reason: Option<String>,
}

impl Act {
    /// For how many days the request wants it to be stopped; none: it does not say.
    fn days(&self) -> Option<i64> {
        let (days, reason) = self.reason.as_deref()?.split_once(DAYS_END)?;
        Wish::parse(reason, days).ok().map(|wish| wish.days)
    }
}

/// When the one asked and when the other said yes, if these acts, the latest first, end with that, as many days ago as the
/// request says: a row can be put back as it was, with an instant that was right then. A rehearsal may have left days out,
/// in a sandbox.
pub fn logged_words(
    acts: &[Act],
    (asked_by, confirmed_by): (&PersonId, &PersonId),
    now: Timestamp,
    is_sandbox: bool,
) -> Option<[Timestamp; 2]> {
    let is_hastened = is_sandbox && acts.first().is_some_and(|act| act.action == HASTENED);
    let [confirmed, requested] = acts.get(usize::from(is_hastened)..)?.get(..2)? else { return None };
    let is_by = |act: &Act, action: &str, person: &PersonId| {
        act.action == action
            && act.actor_type == ActorType::Person.to_string()
            && act.actor == person.as_str()
    };
    let is_over = requested.days().is_some_and(|count| confirmed.time + days(count) <= now);
    let is_theirs = is_by(confirmed, CONFIRMED, confirmed_by) && is_by(requested, REQUESTED, asked_by);
    (is_theirs && (is_over || is_hastened)).then_some([requested.time, confirmed.time])
}

/// What a caller is told whose deed does not fit where the destruction stands.
pub fn wrong_state(text: &str) -> Refusal {
    Refusal::new(Kind::Conflict, "destruction-state", text)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn person(number: u8) -> PersonId {
        format!("00000000-0000-7000-8000-00000000000{number}").parse().unwrap()
    }

    fn act(action: &str, by: u8, ms: i64) -> Act {
        Act {
            time: Timestamp::from_ms(ms),
            action: action.to_owned(),
            actor_type: "person".to_owned(),
            actor: person(by).to_string(),
            reason: (action == REQUESTED).then(|| Wish::parse("gone", "7").unwrap().logged()),
        }
    }

    #[test]
    fn a_key_is_destroyed_only_where_nothing_is_in_doubt_and_nothing_needs_it() {
        let (log, recovery) = (Some(Doubt::Log), Some(Hold::Recovery));
        let loss = Some(Loss::Owners);
        for (doubt, loss, hold, step) in [
            (None, None, None, Step::Destroy),
            (log, None, None, Step::Halt(Doubt::Log)),
            (None, loss, None, Step::Stop(Loss::Owners)),
            (None, None, recovery, Step::Wait(Hold::Recovery)),
            (log, loss, recovery, Step::Halt(Doubt::Log)),
            (None, loss, recovery, Step::Stop(Loss::Owners)),
        ] {
            let facts = Facts { doubt, loss, hold };
            assert_eq!(facts.next(), step, "{facts:?}");
        }
    }

    #[test]
    fn it_takes_a_reason_and_seven_to_thirty_days() {
        assert_eq!(Wish::parse(" gone ", "7").unwrap(), Wish { reason: "gone".to_owned(), days: 7 });
        assert!(Wish::parse("x", "30").is_ok());
        for days in ["6", "31", "0", "-7", "7.5", "", "seven"] {
            assert!(Wish::parse("x", days).unwrap_err().fields.contains_key("days"), "{days}");
        }
        for reason in ["", "  \n", &"x".repeat(REASON_CHARS_MAX + 1)] {
            assert!(Wish::parse(reason, "7").unwrap_err().fields.contains_key("reason"), "{reason}");
        }
    }

    #[test]
    fn what_waits_for_a_ceremony_or_is_gone_is_not_destroyed() {
        for state in [KeyState::Active, KeyState::Superseded, KeyState::Released] {
            assert!(may_be_destroyed(state).is_ok(), "{state}");
        }
        for state in [KeyState::Superseding, KeyState::DestroyPending, KeyState::Destroyed] {
            assert_eq!(may_be_destroyed(state).unwrap_err().code, "destruction-state", "{state}");
        }
    }

    #[test]
    fn it_is_stopped_until_it_is_done_and_asked_for_anew_only_when_it_is_over() {
        use DestructionState::{Asked, Done, Erasing, Halted, Lapsed, Pending, Stopped};
        for state in [Asked, Pending, Halted] {
            assert!(state.may_be_stopped().is_ok() && !state.is_over(), "{state}");
        }
        for state in [Erasing, Done] {
            assert!(state.may_be_stopped().is_err() && !state.is_over(), "{state}");
        }
        for state in [Stopped, Lapsed] {
            assert!(state.may_be_stopped().is_err() && state.is_over(), "{state}");
        }
        assert!([Pending, Halted].iter().all(|state| state.holds_key()) && !Asked.holds_key());
    }

    #[test]
    fn the_one_who_asked_is_not_the_second() {
        assert_eq!(is_second(&person(1), &person(1)).unwrap_err().code, "second-person-needed");
        assert!(is_second(&person(1), &person(2)).is_ok());
    }

    #[test]
    fn the_log_must_say_the_same() {
        let week = i64::try_from(days(DESTRUCTION_DAYS_MIN).as_millis()).unwrap();
        let now = Timestamp::from_ms(week + 20);
        let words = |acts: &[Act]| logged_words(acts, (&person(1), &person(2)), now, true);
        let says = |acts: &[Act]| words(acts).is_some();
        let (asked, confirmed) = (act(REQUESTED, 1, 10), act(CONFIRMED, 2, 20));
        let said = [10, 20].map(Timestamp::from_ms);
        assert_eq!(words(&[confirmed.clone(), asked.clone()]), Some(said));
        assert!(says(&[confirmed.clone(), asked.clone()]));
        let older = act("key.destruction-stopped", 1, 5);
        assert!(says(&[confirmed.clone(), asked.clone(), older.clone()]));
        assert!(!says(&[older, confirmed.clone(), asked.clone()]), "it was stopped");
        assert!(!says(from_ref(&asked)) && !says(from_ref(&confirmed)) && !says(&[]));
        assert!(!says(&[act(CONFIRMED, 3, 20), asked.clone()]), "another confirmed it");
        assert!(!says(&[confirmed.clone(), act(REQUESTED, 3, 10)]), "another asked for it");
        assert!(!says(&[Act { actor_type: "service".to_owned(), ..confirmed.clone() }, asked.clone()]));
        let late = act(CONFIRMED, 2, 21);
        assert!(!says(&[late.clone(), asked.clone()]), "not so many days ago");
        let hastened = [act(HASTENED, 1, 30), late, asked.clone()];
        assert!(says(&hastened), "but in a rehearsal");
        assert!(
            logged_words(&hastened, (&person(1), &person(2)), now, false).is_none(),
            "there are none in production"
        );
        for reason in [Some("8 days: gone"), Some("6 days: gone"), Some("7"), None] {
            let other = Act { reason: reason.map(str::to_owned), ..asked.clone() };
            assert!(!says(&[confirmed.clone(), other]), "{reason:?}");
        }
    }
}
