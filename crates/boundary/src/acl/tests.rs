//! The rule against a slow one that is written the other way round: a clerk who reads the ballots in the order in
//! which they come in and keeps a tally on paper.

use super::*;

const PERCENTAGES: [u32; 6] = [1, 34, 50, 51, 67, 100];
const ROLES: [&str; 4] = ["normal", "veto", "must", "veto and must"];

/// The clerk.
struct Clerk<'a> {
    roles: &'a [&'a str],
    needed: usize,
    requester: Option<usize>,
}

impl Clerk<'_> {
    /// What he writes down after the last of these ballots: who, and what.
    fn reads(&self, ballots: &[(usize, bool)], late: bool) -> &'static str {
        if late {
            return "expired";
        }
        let said = |word: bool| ballots.iter().filter(move |ballot| ballot.1 == word).map(|ballot| ballot.0);
        if said(false).any(|who| self.roles[who].contains("veto")) {
            return "declined";
        }
        if said(true).count() >= self.needed {
            let musts = (0..self.roles.len()).filter(|&who| self.roles[who].contains("must"));
            let mut waits = musts.filter(|&who| !ballots.contains(&(who, true)));
            let alone = said(true).all(|who| Some(who) == self.requester);
            return if waits.next().is_some() || alone { "open" } else { "approved" };
        }
        if said(false).count() >= self.needed || ballots.len() == self.roles.len() {
            return "declined";
        }
        "open"
    }
}

/// How many approvals the clerk looks for: he counts on his fingers.
fn by_hand(rule: Rule, members: usize) -> usize {
    let enough = |count: &usize| match rule {
        Rule::Majority => count + count > members,
        Rule::Percentage(percent) => count * 100 >= members * percent as usize,
        Rule::Exact(exact) => *count == exact as usize,
    };
    (1..=100).find(enough).unwrap()
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Open => "open",
        Outcome::Approved => "approved",
        Outcome::Declined => "declined",
        Outcome::Expired => "expired",
    }
}

/// One list, one rule, one requester.
struct Case<'a> {
    rule: Rule,
    seats: &'a [Seat],
    clerk: Clerk<'a>,
}

/// How many orders of votes were walked, and how they stood.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    orders: u64,
    approved: u64,
    declined: u64,
    open: u64,
}

impl Tally {
    fn add(&mut self, other: Self, times: u64) {
        self.orders += other.orders * times;
        self.approved += other.approved * times;
        self.declined += other.declined * times;
        self.open += other.open * times;
    }
}

impl Case<'_> {
    /// Walks every order of votes that begins with these. What comes after a final outcome is refused, so the
    /// first final outcome of an order is its outcome, and no order goes on behind it.
    fn walk(&self, ballots: &mut Vec<(usize, bool)>, votes: &mut [Option<bool>], tally: &mut Tally) {
        let requester = self.clerk.requester;
        let found = outcome(self.rule, self.seats, votes, requester, false);
        let expected = self.clerk.reads(ballots, false);
        assert_eq!(word(found), expected, "{:?} {:?} {requester:?} {ballots:?}", self.rule, self.clerk.roles);
        let late = outcome(self.rule, self.seats, votes, requester, true);
        assert_eq!(word(late), self.clerk.reads(ballots, true));
        tally.orders += 1;
        match found {
            Outcome::Approved => tally.approved += 1,
            Outcome::Declined | Outcome::Expired => tally.declined += 1,
            Outcome::Open => {
                tally.open += 1;
                for who in 0..votes.len() {
                    if votes[who].is_none() {
                        for vote in [true, false] {
                            votes[who] = Some(vote);
                            ballots.push((who, vote));
                            self.walk(ballots, votes, tally);
                            ballots.pop();
                        }
                        votes[who] = None;
                    }
                }
            }
        }
    }
}

fn rules(members: usize) -> Vec<Rule> {
    let exact = (1..=u32::try_from(members).unwrap()).map(Rule::Exact);
    std::iter::once(Rule::Majority).chain(PERCENTAGES.map(Rule::Percentage)).chain(exact).collect()
}

/// Walks every rule over one list with one requester.
fn list(kinds: &[usize], requester: Option<usize>) -> Tally {
    let seats: Vec<Seat> =
        kinds.iter().map(|kind| Seat { veto: kind & 1 == 1, must: kind & 2 == 2 }).collect();
    let roles: Vec<&str> = kinds.iter().map(|&kind| ROLES[kind]).collect();
    let mut tally = Tally::default();
    for rule in rules(kinds.len()) {
        let needed = by_hand(rule, kinds.len());
        assert_eq!(threshold(rule, kinds.len()), needed, "{rule:?} of {}", kinds.len());
        let case = Case { rule, seats: &seats, clerk: Clerk { roles: &roles, needed, requester } };
        let before = tally.approved;
        case.walk(&mut Vec::new(), &mut vec![None; seats.len()], &mut tally);
        let passes = tally.approved > before && seats.len() >= 2;
        assert_eq!(can_pass(rule, &seats, requester), passes, "{rule:?} {roles:?} {requester:?}");
    }
    tally
}

/// Every list of so many members, in every order of its members.
fn lists(members: u32) -> impl Iterator<Item = Vec<usize>> {
    (0..4_usize.pow(members)).map(move |code| (0..members).map(|at| code / 4_usize.pow(at) % 4).collect())
}

fn requesters(members: usize) -> impl Iterator<Item = Option<usize>> {
    std::iter::once(None).chain((0..members).map(Some))
}

/// Walks every list with every requester.
fn in_full(members: u32) -> Tally {
    let mut tally = Tally::default();
    for kinds in lists(members) {
        for requester in requesters(kinds.len()) {
            tally.add(list(&kinds, requester), 1);
        }
    }
    tally
}

/// Walks one list for all that differ from it only in the order of their members, and counts it for each of them:
/// members are told apart by their roles and by who of them asks, and by nothing else.
fn by_representatives(members: u32) -> Tally {
    let mut alike = std::collections::BTreeMap::<Vec<(usize, bool)>, u64>::new();
    for kinds in lists(members) {
        for requester in requesters(kinds.len()) {
            let mut sorted: Vec<(usize, bool)> =
                kinds.iter().enumerate().map(|(at, &kind)| (kind, requester == Some(at))).collect();
            sorted.sort_unstable();
            *alike.entry(sorted).or_default() += 1;
        }
    }
    let mut tally = Tally::default();
    for (sorted, times) in alike {
        let kinds: Vec<usize> = sorted.iter().map(|member| member.0).collect();
        tally.add(list(&kinds, sorted.iter().position(|member| member.1)), times);
    }
    tally
}

#[test]
fn every_order_of_votes_ends_as_the_clerk_says() {
    let mut cases = 0;
    for members in 1..=4 {
        let full = in_full(members);
        assert_eq!(full, by_representatives(members), "lists that differ in order only differ, of {members}");
        cases += full.orders;
    }
    cases += by_representatives(5).orders;
    println!("figure: acl-cases {cases}");
    assert!(cases > 100_000_000, "{cases}");
}

#[test]
fn a_list_that_can_never_pass_is_known() {
    let plain = [Seat::default(); 3];
    assert!(can_pass(Rule::Exact(3), &plain, None));
    assert!(!can_pass(Rule::Exact(4), &plain, None));
    assert!(!can_pass(Rule::Percentage(101), &plain, None));
    assert!(!can_pass(Rule::Majority, &plain[..1], None), "nobody releases to himself alone");
    assert!(!can_pass(Rule::Majority, &[], None));
    assert!(can_pass(Rule::Exact(1), &plain[..2], Some(0)));
}
