//! Whether those who decide in an account are who they were. What takes two of its owners is not done by one who made himself the
//! second, or by one who took away whoever would have stopped it: an owner alone invites owners, and takes them out.

use std::time::Duration;

use boundary::Env;
use boundary::approval::AclDocument;

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

/// What stands before the role of somebody who never took up his invitation: it is none yet.
pub const INVITED: &str = "invited-";

/// What the log keeps of a person: his id, and the roles that he had or has.
pub fn logged_roles(person: &PersonId, has_come: bool, roles: &[Role]) -> String {
    let prefix = if has_come { "" } else { INVITED };
    roles.iter().fold(person.to_string(), |said, role| format!("{said} {prefix}{role}"))
}

/// Whether this changed by what this person signs in.
fn is_own(act: &Act, person: &PersonId) -> bool {
    [FACTOR_ADDED, PASSWORD_CHANGED, CODES_MADE].contains(&act.action.as_str())
        && act.actor == person.as_str()
}

/// By what it is judged whether the words of owners count.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// How long the owners had to be who they were, and those on the list.
    pub settle: Duration,
    /// The list that guards what is to go: who is on it can stop that, too.
    pub list: Option<&'a AclDocument>,
}

impl Standing<'_> {
    /// Whether this made or ended an owner, took somebody on the list from among those who can act, or had one of them
    /// begin anew. Where an entry names no role, it may have.
    fn is_of_deciders(self, act: &Act) -> bool {
        if ![JOINED, ROLE_CHANGED, REMOVED, REONBOARDED].contains(&act.action.as_str()) {
            return false;
        }
        let mut words = act.reason.as_deref().unwrap_or_default().split(' ');
        let who = words.next().unwrap_or_default();
        let mut roles = words.peekable();
        roles.peek().is_none()
            || roles.any(|role| role == Role::Owner.as_str())
            || self.list.is_some_and(|list| list.place(who).is_some())
    }

    /// Refuses a person whose word does not count yet, by what the log says of the days before.
    pub fn have_settled(self, acts: &[Act], person: &PersonId, now: Timestamp) -> Result<(), Refusal> {
        let until = |is: &dyn Fn(&Act) -> bool| {
            let last = acts.iter().filter(|act| is(act)).map(|act| act.time + self.settle).max();
            last.filter(|until| now < *until)
        };
        let (code, text, until) = if let Some(until) = until(&|act| self.is_of_deciders(act)) {
            let text =
                "an owner of this account, or somebody on the list of the key, came, went or began anew";
            ("owners-changed", text, until)
        } else if let Some(until) = until(&|act| is_own(act, person)) {
            ("sign-in-changed", "you changed what you sign in with", until)
        } else {
            return Ok(());
        };
        let text =
            format!("{text}: this waits until {}, so that whoever should know of it does", until.rfc3339());
        Err(Refusal::new(Kind::Conflict, code, text))
    }

    /// Whether two people's words count at the end, each given when he gave it: those who decide are from some days
    /// before the first word on who they were, and neither of the two had just changed what he signs in with.
    pub fn have_stood(self, acts: &[Act], words: [(&PersonId, Timestamp); 2]) -> bool {
        let [(_, first_at), _] = words;
        acts.iter().all(|act| {
            let counts_at = |at: Timestamp| act.time + self.settle <= at;
            let is_settled =
                |(person, at): (&PersonId, Timestamp)| !is_own(act, person) || at < act.time || counts_at(at);
            (!self.is_of_deciders(act) || counts_at(first_at)) && words.into_iter().all(is_settled)
        })
    }
}

#[cfg(test)]
mod tests {
    use boundary::acl::Rule;
    use boundary::approval::Member;

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
            Standing { settle, list: None }
                .have_settled(std::slice::from_ref(act), &person(1), now)
                .map_err(|refusal| refusal.code)
                .err()
        };
        let just_before = Timestamp::from_ms(8 * DAY_MS - 1);
        for act in of_owners(1) {
            assert_eq!(code(&act, just_before), Some("owners-changed"), "{act:?}");
            assert_eq!(code(&act, day(8)), None, "{act:?}");
            let rehearsal = Standing { settle: owners_settle(Env::Sandbox), list: None };
            assert!(rehearsal.have_settled(&[act], &person(1), day(1)).is_ok());
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
            Standing { settle: owners_settle(env), list: None }.have_stood(std::slice::from_ref(act), words)
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

    fn list_of(who: &PersonId) -> AclDocument {
        let member = Member {
            person_id: who.to_string(),
            name: "Mia".to_owned(),
            veto: false,
            must: false,
            keys: Vec::new(),
        };
        AclDocument {
            env: Env::Production,
            acl_id: "acl".to_owned(),
            tenant_id: "tenant".to_owned(),
            version: 1,
            prev_hash: None,
            name: "Treasury".to_owned(),
            rule: Rule::Majority,
            members: vec![member],
            vote_window_s: 1,
            delay_hot_s: 0,
            delay_cold_s: 0,
            check_requester: false,
            check_voters: false,
            any_member_may_ask: false,
        }
    }

    #[test]
    fn who_is_on_the_list_of_the_key_stays_there_as_an_owner_does() {
        let (mia, other) = (person(4), person(5));
        let list = list_of(&mia);
        let stood = |action, of: &PersonId, has_come| {
            let act = act(action, 1, 11, &logged_roles(of, has_come, &[Role::Member]));
            let standing = |list| Standing { settle: Duration::ZERO, list };
            let words = [(&person(1), day(10)), (&person(2), day(12))];
            [Some(&list), None].map(|list| standing(list).have_stood(std::slice::from_ref(&act), words))
        };
        for action in [REMOVED, REONBOARDED, ROLE_CHANGED] {
            assert_eq!(stood(action, &mia, true), [false, true], "{action}");
            assert_eq!(stood(action, &other, true), [true, true], "{action}");
        }
    }

    #[test]
    fn an_invitation_that_nobody_took_up_changes_nobody() {
        let standing = Standing { settle: Duration::ZERO, list: None };
        let stood = |has_come| {
            let reason = logged_roles(&person(3), has_come, &[Role::Member, Role::Owner]);
            let words = [(&person(1), day(10)), (&person(2), day(12))];
            standing.have_stood(&[act(ROLE_CHANGED, 1, 11, &reason)], words)
        };
        assert_eq!([true, false].map(stood), [false, true]);
    }
}
