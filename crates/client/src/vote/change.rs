//! What a change of an access list changes, in words: who comes, who goes, what is demanded, and what becomes easier.

use boundary::acl::{Rule, threshold};
use boundary::approval::{AclDocument, Member};

use super::words::plain;

const DAY_S: i64 = 86_400;
const HOUR_S: i64 = 3_600;

/// One thing that is otherwise afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In words; names in it cannot move or hide what stands beside them.
    pub text: String,
    /// Whether something becomes easier by it: then the change waits out the list's delay.
    pub weakens: bool,
}

/// Every difference between a list and its next version.
pub fn differences(old: &AclDocument, new: &AclDocument) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut say = |text: String, weakens: bool| found.push(Difference { text, weakens });
    if old.name != new.name {
        say(format!("It is called {}, no longer {}.", plain(&new.name), plain(&old.name)), false);
    }
    for member in &new.members {
        match old.place(&member.person_id) {
            None => say(format!("Comes: {}, who {}.", called(member), seat(member)), true),
            Some(at) => of_member(&old.members[at], member, &mut say),
        }
    }
    for member in old.members.iter().filter(|member| new.place(&member.person_id).is_none()) {
        say(format!("Goes: {}, who {}.", called(member), seat(member)), member.veto || member.must);
    }
    let needed = |list: &AclDocument| threshold(list.rule, list.members.len());
    if (old.rule, old.members.len()) != (new.rule, new.members.len()) {
        say(
            format!("Who must say yes: {}; before: {}.", demanded(new), demanded(old)),
            needed(new) < needed(old),
        );
    }
    let mut span = |what: &str, before: i64, after: i64, weakens: bool| {
        if before != after {
            say(format!("{what}: {}; before: {}.", lasting(after), lasting(before)), weakens);
        }
    };
    span("A vote is open for", old.vote_window_s, new.vote_window_s, new.vote_window_s > old.vote_window_s);
    span("What is approved waits", old.delay_hot_s, new.delay_hot_s, new.delay_hot_s < old.delay_hot_s);
    span(
        "What is held offline waits",
        old.delay_cold_s,
        new.delay_cold_s,
        new.delay_cold_s < old.delay_cold_s,
    );
    let mut switch = |what: &str, before: bool, after: bool, weakens: bool| {
        if before != after {
            say(format!("{what}: {}; before: {}.", yes(after), yes(before)), weakens);
        }
    };
    switch("Whoever asks proves who he is", old.check_requester, new.check_requester, !new.check_requester);
    switch("Whoever approves proves who he is", old.check_voters, new.check_voters, !new.check_voters);
    let anybody = (old.any_member_may_ask, new.any_member_may_ask);
    switch("Whoever is of the tenant may ask", anybody.0, anybody.1, anybody.1);
    if !is_all_told(old, new) {
        say(
            "Something else that this program does not know: do not vote, and use a newer one.".to_owned(),
            true,
        );
    }
    found
}

/// Whether the versions differ in nothing but what is put in words above.
fn is_all_told(old: &AclDocument, new: &AclDocument) -> bool {
    let told = AclDocument {
        version: new.version,
        prev_hash: new.prev_hash.clone(),
        name: new.name.clone(),
        rule: new.rule,
        members: new.members.clone(),
        vote_window_s: new.vote_window_s,
        delay_hot_s: new.delay_hot_s,
        delay_cold_s: new.delay_cold_s,
        check_requester: new.check_requester,
        check_voters: new.check_voters,
        any_member_may_ask: new.any_member_may_ask,
        ..old.clone()
    };
    told == *new
}

fn of_member(before: &Member, after: &Member, say: &mut impl FnMut(String, bool)) {
    if before.name != after.name {
        say(format!("{} is called {} from now on.", called(before), plain(&after.name)), false);
    }
    if (before.veto, before.must) != (after.veto, after.must) {
        let text = format!("{}, who {}, {} from now on.", called(after), seat(before), seat(after));
        say(text, before.veto && !after.veto || before.must && !after.must);
    }
    let of =
        |member: &Member, other: &Member| member.keys.iter().filter(|key| !other.keys.contains(key)).count();
    let (more, fewer) = (of(after, before), of(before, after));
    if more > 0 {
        say(format!("{} signs with {more} more keys.", called(after)), true);
    }
    if fewer > 0 {
        say(format!("{} no longer signs with {fewer} of his keys.", called(after)), false);
    }
}

fn called(member: &Member) -> String {
    format!("{} ({})", plain(&member.name), plain(&member.person_id))
}

fn seat(member: &Member) -> &'static str {
    match (member.veto, member.must) {
        (false, false) => "votes",
        (true, false) => "votes, and ends it by his no",
        (false, true) => "votes, and without whose yes nothing goes",
        (true, true) => "votes, without whose yes nothing goes, and ends it by his no",
    }
}

fn demanded(list: &AclDocument) -> String {
    let members = list.members.len();
    let rule = match list.rule {
        Rule::Majority => "more than half".to_owned(),
        Rule::Percentage(percent) => format!("{percent} in a hundred"),
        Rule::Exact(count) => format!("exactly {count}"),
    };
    format!("{} of {members} ({rule})", threshold(list.rule, members))
}

fn lasting(seconds: i64) -> String {
    match seconds {
        0 => "not at all".to_owned(),
        seconds if seconds % DAY_S == 0 => format!("{} days", seconds / DAY_S),
        seconds if seconds % HOUR_S == 0 => format!("{} hours", seconds / HOUR_S),
        seconds => format!("{seconds} seconds"),
    }
}

const fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}
