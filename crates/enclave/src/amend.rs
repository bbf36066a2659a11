//! `Amend`: a tenant's roster, its policy and its access lists, version by version. Each is taken only from those
//! whom the version before names; the first roster from one of its own Owners, a list's first version and each of
//! a policy from an Owner.

use std::slice;

use boundary::Env;
use boundary::acl::{Outcome, Rule, Seat, outcome};
use boundary::approval::{AclDocument, Document, Roster, TenantPolicy, weakens};
use boundary::message::{Amend, Amended, Ballot, Refusal, Verified, Weigh};

use crate::ballot::{Voter, votes};
use crate::counter::settle;
use crate::digest::{hex, sha256};
use crate::release::{failed, must, named};
use crate::service::Enclave;
use crate::state::{Head, Record};

/// Where a policy's versions stand among those of lists: no list has a name like that. The roster's has none.
pub const POLICY: &str = "\0policy";

/// A document that has versions.
pub trait Versioned: Document {
    /// Its place (environment, tenant, list) and its link: its version, and the hash of the one before.
    fn place(&self) -> (Env, &str, &str, i64, Option<&str>);
    /// How long a change to `next` waits, in seconds.
    fn delay_s(&self, next: &Self) -> i64;
}

/// One that names who votes on the next.
pub trait Electorate: Versioned {
    /// Who votes by it.
    fn voters(&self) -> Vec<Voter<'_>>;
    /// Their seats, and their rule. Any one Owner speaks for a roster.
    fn rule(&self) -> (Vec<Seat>, Rule);
}

macro_rules! versioned {
    ($type:ident, $it:ident, $next:ident, $acl_id:expr, $delay_s:expr $(, $people:ident, $rule:expr)?) => {
        impl Versioned for $type {
            fn place(&$it) -> (Env, &str, &str, i64, Option<&str>) {
                ($it.env, &$it.tenant_id, $acl_id, $it.version, $it.prev_hash.as_deref())
            }
            fn delay_s(&$it, $next: &Self) -> i64 {
                $delay_s
            }
        }
        $(impl Electorate for $type {
            fn voters(&$it) -> Vec<Voter<'_>> {
                $it.$people.iter().map(|one| (one.person_id.as_str(), one.keys.as_slice())).collect()
            }
            fn rule(&$it) -> (Vec<Seat>, Rule) {
                $rule
            }
        })?
    };
}
versioned!(Roster, self, _next, "", 0, owners, (vec![Seat::default(); self.owners.len()], Rule::Exact(1)));
versioned!(
    AclDocument,
    self,
    next,
    &self.acl_id,
    if weakens(self, next) { self.delay_hot_s.max(self.delay_cold_s) } else { 0 },
    members,
    (self.seats(), self.rule)
);
versioned!(TenantPolicy, self, next, POLICY, if self.is_weakened_by(next) { self.change_delay_s } else { 0 });

/// Reads the version that is in force, and nothing else.
pub fn in_force<D: Versioned>(enclave: &Enclave, bytes: &[u8]) -> Result<(D, Head), Refusal> {
    let document = D::from_canonical(bytes).ok_or_else(|| failed("3 document is not canonical"))?;
    let (env, tenant_id, acl_id, ..) = document.place();
    let head =
        enclave.ledger.decide(|turn| Ok(turn.state().in_force(tenant_id, acl_id, turn.now_ms).cloned()))?;
    let is_it = |head: &Head| env == enclave.keyring.env && head.hash == sha256(&document.preimage());
    let head = head.filter(|head| named(is_it(head), "3 document is not the one in force").is_ok());
    let head = head.ok_or_else(|| failed("3 document is not in force"))?;
    Ok((document, head))
}

/// Whether those who vote by a document say yes to what has that hash.
pub fn approve(
    enclave: &Enclave,
    by: &impl Electorate,
    ballots: &[Ballot],
    hash: &[u8; 32],
) -> Result<(), Refusal> {
    let votes = votes(enclave, &by.voters(), ballots, hash)?;
    let (seats, rule) = by.rule();
    must(outcome(rule, &seats, &votes, None, false) == Outcome::Approved, "6 not approved")
}

/// Takes a new version.
pub fn amend(enclave: &Enclave, request: &Amend) -> Result<Amended, Refusal> {
    let ballots = &request.ballots;
    let owner_approves = |tenant_id: &str, hash: &[u8; 32]| {
        let (roster, _) = in_force::<Roster>(enclave, request.roster.as_deref().unwrap_or_default())?;
        approve(enclave, &roster, if roster.tenant_id == tenant_id { ballots } else { &[] }, hash)
    };
    if let Some(roster) = Roster::from_canonical(&request.document) {
        return take(enclave, request, &roster, |by, hash| {
            approve(enclave, by.unwrap_or(&roster), ballots, hash)
        });
    }
    if let Some(policy) = TenantPolicy::from_canonical(&request.document) {
        return take(enclave, request, &policy, |_, hash| owner_approves(&policy.tenant_id, hash));
    }
    let list = AclDocument::from_canonical(&request.document).ok_or(Refusal::Malformed)?;
    take(enclave, request, &list, |by, hash| match by {
        Some(current) => approve(enclave, current, ballots, hash),
        None => owner_approves(&list.tenant_id, hash),
    })
}

/// Takes a version that is approved; by whom, is the version's in force to say, if there is one. While one waits, the
/// next may only take back what it would have weakened, and then is in force before it ever was.
fn take<D: Versioned>(
    enclave: &Enclave,
    request: &Amend,
    document: &D,
    approved: impl FnOnce(Option<&D>, &[u8; 32]) -> Result<(), Refusal>,
) -> Result<Amended, Refusal> {
    let (env, tenant_id, acl_id, version, prev_hash) = document.place();
    let hash = sha256(&document.preimage());
    let _held = enclave.ledger.hold([b"amend ", tenant_id.as_bytes()].concat(), |_, others| others == 0);
    let known = enclave.ledger.decide(|turn| {
        let known = turn.state().heads(tenant_id, acl_id).iter().find(|(head, _)| head.hash == hash);
        Ok(known.map(|(head, _)| head.effective_at_ms))
    })?;
    if let Some(effective_at_ms) = known {
        return Ok(Amended { hash, version, effective_at_ms });
    }
    let before = request.current.as_deref().map(|bytes| in_force::<D>(enclave, bytes)).transpose()?;
    let (current, before) = before.unzip();
    approved(current.as_ref(), &hash)?;
    let delay_s = current.map_or(0, |current| current.delay_s(document));
    let amended = enclave.ledger.decide(|turn| {
        let latest = turn.state().heads(tenant_id, acl_id).last().map(|(head, _)| head);
        let in_force = turn.state().in_force(tenant_id, acl_id, turn.now_ms).map(|head| head.hash);
        let waits = latest.map(|head| head.hash) != in_force;
        let follows = in_force == before.as_ref().map(|head| head.hash)
            && version == latest.map_or(1, |head| head.version + 1)
            && prev_hash == latest.map(|head| hex(&head.hash)).as_deref()
            && (!waits || delay_s == 0);
        must(follows && env == enclave.keyring.env, "3 version does not follow the latest one")?;
        must(!turn.state().stopped.contains(&hash), "3 version was stopped")?;
        let effective_at_ms = turn.now_ms + delay_s * 1_000;
        let genesis = before.map_or(hash, |head| head.genesis);
        let (tenant_id, acl_id) = (tenant_id.to_owned(), acl_id.to_owned());
        turn.record(Record::Head(Head { tenant_id, acl_id, version, hash, genesis, effective_at_ms }))?;
        Ok(Amended { hash, version, effective_at_ms })
    });
    // Where the counter is away, the next release counts it.
    let _ = settle(enclave, true);
    amended
}

/// `Stop`: a member with a veto, of the list in force, says no to the version of it that waits. It never takes effect,
/// and is never taken again, whoever votes for it.
pub fn stop(enclave: &Enclave, request: &Weigh) -> Result<Verified, Refusal> {
    let (list, _) = in_force::<AclDocument>(enclave, &request.acl)?;
    let ballot = slice::from_ref(&request.ballot);
    let votes = votes(enclave, &list.voters(), ballot, &request.hash)?;
    let has_veto = list.members.iter().zip(&votes).any(|(member, vote)| member.veto && vote.is_some());
    must(has_veto, "6 who stops it has no veto")?;
    must(!request.ballot.approve, "6 a yes stops nothing")?;
    let stopped = enclave.ledger.decide(|turn| {
        let (state, at_ms) = (turn.state(), turn.now_ms);
        let latest = state.heads(&list.tenant_id, &list.acl_id).last().map(|(head, _)| head.hash);
        let in_force = state.in_force(&list.tenant_id, &list.acl_id, at_ms).map(|head| head.hash);
        if !state.stopped.contains(&request.hash) {
            must(latest == Some(request.hash) && latest != in_force, "3 version does not wait")?;
            turn.record(Record::Stopped(request.hash))?;
        }
        Ok(Verified { at_ms })
    });
    let _ = settle(enclave, true);
    stopped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    #[test]
    fn what_was_stopped_leaves_the_place_that_it_had_and_is_rewritten() {
        let head = |acl_id: &str, version: u8, effective_at_ms| {
            let (tenant_id, acl_id, version, hash) =
                ("t".into(), acl_id.into(), version.into(), [version; 32]);
            Record::Head(Head { tenant_id, acl_id, version, hash, genesis: [1; 32], effective_at_ms })
        };
        let mut state = State::default();
        for record in [head("l", 1, 0), head("l", 2, 90), head("other", 3, 90), Record::Stopped([2; 32])] {
            state.apply(1, record);
        }
        let mut again = State::default();
        for (at, record) in state.to_records(10) {
            again.apply(at, record);
        }
        for state in [&mut state, &mut again] {
            let versions = |state: &State, acl_id| {
                let heads = state.heads("t", acl_id).iter();
                heads.map(|(head, _)| head.version).collect::<Vec<_>>()
            };
            assert_eq!((versions(state, "l"), versions(state, "other")), (vec![1], vec![3]));
            assert_eq!(state.in_force("t", "l", 1_000).map(|head| head.version), Some(1));
            assert!(state.stopped.contains(&[2; 32]) && !state.stopped.contains(&[3; 32]));
            state.apply(20, head("l", 4, 120));
            assert_eq!(versions(state, "l"), [1, 4], "the one in force stays beside the next");
        }
    }
}
