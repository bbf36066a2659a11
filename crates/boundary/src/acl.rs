//! The rule by which a list of people decides: who has to say yes, and when it is settled.
//!
//! Pure and total: the server shows by it, the enclave decides by it, and the offline tool explains by it.

/// How many approvals a list asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// More than half of the members.
    Majority,
    /// That many in a hundred of the members, 1 to 100, rounded up.
    Percentage(u32),
    /// That many members, at least one.
    Exact(u32),
}

/// What a member is beside a voter; both may join, and neither is a normal member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seat {
    /// His rejection alone declines.
    pub veto: bool,
    /// Without his approval nothing is approved.
    pub must: bool,
}

/// Where a vote stands. All but [`Outcome::Open`] are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It can still be settled.
    Open,
    /// Yes.
    Approved,
    /// No.
    Declined,
    /// The window closed before it was settled.
    Expired,
}

/// How many approvals a rule asks of so many members; at least one. Rejections settle at the same number.
pub fn threshold(rule: Rule, members: usize) -> usize {
    let of = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let needed = match rule {
        Rule::Majority => members / 2 + 1,
        Rule::Percentage(percent) => members.saturating_mul(of(percent)).div_ceil(100),
        Rule::Exact(count) => of(count),
    };
    needed.max(1)
}

/// Where a vote stands, by the first of these that holds: the window is closed: expired; a Veto member has
/// rejected: declined; the approvals reach the threshold: approved if every Must member has approved and one
/// approval is not the requester's, else open; the rejections reach the threshold: declined; all have voted:
/// declined.
///
/// `votes` has one place for each seat: nothing, yes, no. `requester` is the place of whoever asked, if he has one.
pub fn outcome(
    rule: Rule,
    seats: &[Seat],
    votes: &[Option<bool>],
    requester: Option<usize>,
    window_closed: bool,
) -> Outcome {
    if window_closed {
        return Outcome::Expired;
    }
    let (mut approvals, mut rejections, mut vetoed, mut must_missing, mut anothers) =
        (0, 0, false, false, false);
    for (at, seat) in seats.iter().enumerate() {
        let vote = votes.get(at).copied().flatten();
        approvals += usize::from(vote == Some(true));
        rejections += usize::from(vote == Some(false));
        vetoed |= seat.veto && vote == Some(false);
        must_missing |= seat.must && vote != Some(true);
        anothers |= vote == Some(true) && requester != Some(at);
    }
    let needed = threshold(rule, seats.len());
    if vetoed {
        Outcome::Declined
    } else if approvals >= needed {
        if must_missing || !anothers { Outcome::Open } else { Outcome::Approved }
    } else if rejections >= needed || approvals + rejections == seats.len() {
        Outcome::Declined
    } else {
        Outcome::Open
    }
}

/// Whether a list can approve anything at all, asked by that member or by none: it has two people or more, for
/// nobody releases to himself alone, and as many as its rule asks for.
pub fn can_pass(rule: Rule, seats: &[Seat], requester: Option<usize>) -> bool {
    let all = vec![Some(true); seats.len()];
    seats.len() >= 2 && outcome(rule, seats, &all, requester, false) == Outcome::Approved
}

#[cfg(test)]
mod tests;
