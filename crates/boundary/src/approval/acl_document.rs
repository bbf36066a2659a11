//! An access list: who decides about the keys that are attached to it, and by which rule.

use super::{Document, SPAN_MAX_S, SigningKey, are_people, is_chained, is_name};
use crate::Env;
use crate::acl::{Rule, Seat, can_pass, threshold};
use crate::json::{Json, Value, json_struct, member};

json_struct! {
    /// One version of an access list.
    pub struct AclDocument {
        /// The installation.
        pub env: Env,
        /// The tenant.
        pub tenant_id: String,
        /// The list.
        pub acl_id: String,
        /// Counted from one.
        pub version: i64,
        /// Lower-case hexadecimal of the hash of the version before; none for the first.
        pub prev_hash: Option<String>,
        /// What people call it.
        pub name: String,
        /// How many have to approve.
        pub rule: Rule,
        /// Who decides: two or more, sorted by `person_id`.
        pub members: Vec<Member>,
        /// How long a vote is open, in seconds.
        pub vote_window_s: i64,
        /// How long an approved release of HOT keys still waits, in seconds.
        pub delay_hot_s: i64,
        /// How long one of COLD keys does.
        pub delay_cold_s: i64,
        /// Whoever asks proves who he is by an identity check.
        pub check_requester: bool,
        /// Whoever approves does.
        pub check_voters: bool,
        /// Whoever is a member of the tenant may ask, not the list's members only.
        pub any_member_may_ask: bool,
    }

    /// A member of a list.
    pub struct Member {
        /// The person.
        pub person_id: String,
        /// What people call him.
        pub name: String,
        /// His rejection alone declines.
        pub veto: bool,
        /// Without his approval nothing is approved.
        pub must: bool,
        /// What he signs with.
        pub keys: Vec<SigningKey>,
    }
}

impl AclDocument {
    /// The members' seats, in order.
    pub fn seats(&self) -> Vec<Seat> {
        self.members.iter().map(|member| Seat { veto: member.veto, must: member.must }).collect()
    }

    /// The place of a member.
    pub fn place(&self, person_id: &str) -> Option<usize> {
        self.members.iter().position(|member| member.person_id == person_id)
    }
}

impl Json for Rule {
    fn write(&self) -> Value {
        let (kind, value) = match *self {
            Self::Majority => ("majority", Value::Null),
            Self::Percentage(percent) => ("percentage", Value::Integer(percent.into())),
            Self::Exact(count) => ("exact", Value::Integer(count.into())),
        };
        Value::object([("kind", Value::text(kind)), ("value", value)])
    }
    fn read(rule: &Value) -> Option<Self> {
        let value = || u32::try_from(member::<i64>(rule, "value")?).ok().filter(|value| *value > 0);
        match rule.get("kind")?.as_text()? {
            "majority" => Some(Self::Majority),
            "percentage" => value().filter(|percent| *percent <= 100).map(Self::Percentage),
            "exact" => value().map(Self::Exact),
            _ => None,
        }
    }
}

impl Document for AclDocument {
    const KIND: &'static str = "acl";

    fn is_sound(&self) -> bool {
        let people = self.members.iter().map(|member| (&*member.person_id, &*member.name, &*member.keys));
        is_chained(self.version, self.prev_hash.as_deref())
            && [&self.tenant_id, &self.acl_id, &self.name].into_iter().all(|name| is_name(name))
            && are_people(people)
            && can_pass(self.rule, &self.seats(), None)
            && (1..=SPAN_MAX_S).contains(&self.vote_window_s)
            && [self.delay_hot_s, self.delay_cold_s].iter().all(|delay| (0..=SPAN_MAX_S).contains(delay))
    }
}

/// Whether anything becomes easier by a change: another member or key, a Veto or Must member less, fewer approvals,
/// a shorter delay, a longer vote, a check less, or more people who may ask.
pub fn weakens(old: &AclDocument, new: &AclDocument) -> bool {
    let kept = |member: &Member| old.place(&member.person_id).map(|at| &old.members[at]);
    let adds = new.members.iter().any(|member| {
        kept(member).is_none_or(|before| member.keys.iter().any(|key| !before.keys.contains(key)))
    });
    let unseats = old.members.iter().any(|before| {
        let after = new.place(&before.person_id).map(|at| &new.members[at]);
        before.veto && !after.is_some_and(|after| after.veto)
            || before.must && !after.is_some_and(|after| after.must)
    });
    adds || unseats
        || threshold(new.rule, new.members.len()) < threshold(old.rule, old.members.len())
        || new.delay_hot_s < old.delay_hot_s
        || new.delay_cold_s < old.delay_cold_s
        || new.vote_window_s > old.vote_window_s
        || old.check_requester && !new.check_requester
        || old.check_voters && !new.check_voters
        || new.any_member_may_ask && !old.any_member_may_ask
}
