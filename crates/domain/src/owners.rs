//! Whether the owners of an account are who they were. What takes two of them is not done by one who made himself the
//! second, or by one who took away whoever would have stopped it: an owner alone invites owners, and takes them out.

use std::time::Duration;

use boundary::Env;

use crate::destruction::Act;
use crate::ids::PersonId;
use crate::limits::OWNERS_SETTLE;
use crate::person::Role;
use crate::refusal::{Kind, Refusal};
use crate::time::Timestamp;

/// What the log calls it when somebody finished an invitation, his first or one after a lost device.
pub const JOINED: &str = "person.joined";
/// What the log calls another role.
pub const ROLE_CHANGED: &str = "person.role_changed";
/// What the log calls it when somebody is taken out.
pub const REMOVED: &str = "person.removed";
/// What the log calls it when somebody has to begin anew.
pub const REONBOARDED: &str = "person.reonboarded";
/// What the log calls it when somebody adds a passkey or an app.
pub const FACTOR_ADDED: &str = "person.factor_added";
/// What the log calls a new password.
pub const PASSWORD_CHANGED: &str = "person.password_changed";
/// What the log calls new recovery codes.
pub const CODES_MADE: &str = "person.recovery_codes_made";

/// All by which somebody becomes an owner or is one no longer, or by which an owner's account may have come to another.
pub const CHANGES: [&str; 7] =
    [JOINED, ROLE_CHANGED, REMOVED, REONBOARDED, FACTOR_ADDED, PASSWORD_CHANGED, CODES_MADE];

/// How long the owners of an account stay who they are before two of them have a key destroyed. A rehearsal does not
/// wait.
pub const fn owners_settle(env: Env) -> Duration {
    match env {
        Env::Sandbox => Duration::ZERO,
        Env::Production => OWNERS_SETTLE,
    }
}

/// What the log keeps of why, beside the first word that it has anyway: what he was, or is now.
pub fn logged(word: &str, role: Role) -> String {
    format!("{word} {role}")
}

/// Whether this made or ended an owner, or had one begin anew. Where an entry names no role, it may have.
fn is_of_owners(act: &Act) -> bool {
    if ![JOINED, ROLE_CHANGED, REMOVED, REONBOARDED].contains(&act.action.as_str()) {
        return false;
    }
    let mut roles = act.reason.as_deref().unwrap_or_default().split(' ').skip(1).peekable();
    roles.peek().is_none() || roles.any(|role| role == Role::Owner.as_str())
}

/// Whether this changed by what this person signs in.
fn is_own(act: &Act, person: &PersonId) -> bool {
    [FACTOR_ADDED, PASSWORD_CHANGED, CODES_MADE].contains(&act.action.as_str())
        && act.actor == person.as_str()
}

/// Refuses a person whose word does not count yet, by what the log says of the days before.
pub fn have_settled(
    acts: &[Act],
    person: &PersonId,
    settle: Duration,
    now: Timestamp,
) -> Result<(), Refusal> {
    let until = |is: &dyn Fn(&Act) -> bool| {
        let last = acts.iter().filter(|act| is(act)).map(|act| act.time + settle).max();
        last.filter(|until| now < *until)
    };
    let (code, text, until) = if let Some(until) = until(&is_of_owners) {
        ("owners-changed", "somebody became an owner of this account, or is one no longer", until)
    } else if let Some(until) = until(&|act| is_own(act, person)) {
        ("sign-in-changed", "you changed what you sign in with", until)
    } else {
        return Ok(());
    };
    let text =
        format!("{text}: this waits until {}, so that whoever should know of it does", until.rfc3339());
    Err(Refusal::new(Kind::Conflict, code, text))
}

/// Whether two people's words count at the end, each given when he gave it: the owners are from some days before the
/// first word on who they were, and neither had just changed what he signs in with.
pub fn have_stood(acts: &[Act], words: [(&PersonId, Timestamp); 2], settle: Duration) -> bool {
    let [(_, first_at), _] = words;
    acts.iter().all(|act| {
        let counts_at = |at: Timestamp| act.time + settle <= at;
        let is_settled =
            |(person, at): (&PersonId, Timestamp)| !is_own(act, person) || at < act.time || counts_at(at);
        (!is_of_owners(act) || counts_at(first_at)) && words.into_iter().all(is_settled)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn person(number: u8) -> PersonId {
        format!("00000000-0000-7000-8000-00000000000{number}").parse().unwrap()
    }

    fn day(day: i64) -> Timestamp {
        Timestamp::from_ms(day * DAY_MS)
    }

    fn act(action: &str, by: u8, at: i64, reason: &str) -> Act {
        Act {
            time: day(at),
            action: action.to_owned(),
            actor_type: "person".to_owned(),
            actor: person(by).to_string(),
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
        }
    }

    /// All that concerns the owners, as the log has it and had it.
    fn of_owners(at: i64) -> [Act; 9] {
        [
            act(JOINED, 3, at, &logged("passkey", Role::Owner)),
            act(JOINED, 3, at, "passkey"),
            act(ROLE_CHANGED, 1, at, "id member owner"),
            act(ROLE_CHANGED, 1, at, "id owner auditor"),
            act(REMOVED, 1, at, &logged("id", Role::Owner)),
            act(REMOVED, 1, at, "id"),
            act(REONBOARDED, 1, at, &logged("id", Role::Owner)),
            act(REONBOARDED, 1, at, "id"),
            act(REONBOARDED, 1, at, ""),
        ]
    }

    fn of_others(at: i64) -> [Act; 5] {
        [
            act(JOINED, 3, at, &logged("passkey", Role::Member)),
            act(ROLE_CHANGED, 1, at, "id member auditor"),
            act(REMOVED, 1, at, &logged("id", Role::Officer)),
            act(FACTOR_ADDED, 3, at, "passkey"),
            act("person.signed_in", 1, at, "passkey"),
        ]
    }

    #[test]
    fn a_word_counts_once_the_owners_have_been_the_same_for_a_week() {
        let settle = owners_settle(Env::Production);
        let code = |act: &Act, now: Timestamp| {
            have_settled(std::slice::from_ref(act), &person(1), settle, now)
                .map_err(|refusal| refusal.code)
                .err()
        };
        let just_before = Timestamp::from_ms(8 * DAY_MS - 1);
        for act in of_owners(1) {
            assert_eq!(code(&act, just_before), Some("owners-changed"), "{act:?}");
            assert_eq!(code(&act, day(8)), None, "{act:?}");
            assert!(have_settled(&[act], &person(1), owners_settle(Env::Sandbox), day(1)).is_ok());
        }
        for act in of_others(1) {
            assert_eq!(code(&act, day(1)), None, "{act:?}");
        }
        for action in [FACTOR_ADDED, PASSWORD_CHANGED, CODES_MADE] {
            let own = act(action, 1, 1, "passkey");
            assert_eq!(code(&own, just_before), Some("sign-in-changed"));
            assert_eq!(code(&own, day(8)), None);
        }
    }

    #[test]
    fn both_words_count_where_the_owners_stay_from_a_week_before_to_the_end() {
        let (asked, confirmed) = (person(1), person(2));
        let stood = |act: &Act, env| {
            let words = [(&asked, day(10)), (&confirmed, day(12))];
            have_stood(std::slice::from_ref(act), words, owners_settle(env))
        };
        for (at, production, sandbox) in
            [(3, true, true), (4, false, true), (11, false, false), (40, false, false)]
        {
            for act in of_owners(at) {
                assert_eq!(stood(&act, Env::Production), production, "{act:?}");
                assert_eq!(stood(&act, Env::Sandbox), sandbox, "{act:?}");
            }
            for act in of_others(at) {
                assert!(stood(&act, Env::Production), "{act:?}");
            }
        }
        // Each by himself, at the instant of his own word.
        for (by, at, is) in
            [(1, 3, true), (1, 4, false), (1, 11, true), (2, 5, true), (2, 6, false), (2, 13, true)]
        {
            assert_eq!(stood(&act(FACTOR_ADDED, by, at, "passkey"), Env::Production), is, "{by} on day {at}");
        }
    }
}
