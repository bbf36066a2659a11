//! `Amend`: a tenant's roster and his access lists, version by version. Each is taken only from those whom the
//! version before names; the first roster from one of its own Owners, a list's first version from an Owner.

use boundary::Env;
use boundary::acl::{Outcome, Rule, Seat, outcome};
use boundary::approval::{AclDocument, Document, Roster, weakens};
use boundary::message::{Amend, Amended, Ballot, Refusal};

use crate::ballot::{Voter, votes};
use crate::digest::{hex, sha256};
use crate::service::{Enclave, note};
use crate::state::{Head, Record};

/// Logs why a document or a ballot is not believed; the answer does not say.
pub fn unproven(step: &str) -> Refusal {
    note("approval", step);
    Refusal::ProofFailed
}

/// A document that has versions. The roster is the one whose list has no name.
pub trait Versioned: Document {
    /// Its place: environment, tenant, list.
    fn place(&self) -> (Env, &str, &str);
    /// Its link: its version, and the hash of the one before.
    fn link(&self) -> (i64, Option<&str>);
    /// Who votes by it.
    fn voters(&self) -> Vec<Voter<'_>>;
    /// Their seats, and their rule. Any one Owner speaks for a roster.
    fn rule(&self) -> (Vec<Seat>, Rule);
    /// How long a change to `next` waits, in seconds.
    fn delay_s(&self, next: &Self) -> i64;
}

macro_rules! versioned {
    ($type:ident, $it:ident, $next:ident, $acl_id:expr, $people:ident, $rule:expr, $delay_s:expr) => {
        impl Versioned for $type {
            fn place(&$it) -> (Env, &str, &str) {
                ($it.env, &$it.tenant_id, $acl_id)
            }
            fn link(&$it) -> (i64, Option<&str>) {
                ($it.version, $it.prev_hash.as_deref())
            }
            fn voters(&$it) -> Vec<Voter<'_>> {
                $it.$people.iter().map(|one| (one.person_id.as_str(), one.keys.as_slice())).collect()
            }
            fn rule(&$it) -> (Vec<Seat>, Rule) {
                $rule
            }
            fn delay_s(&$it, $next: &Self) -> i64 {
                $delay_s
            }
        }
    };
}
versioned!(Roster, self, _next, "", owners, (vec![Seat::default(); self.owners.len()], Rule::Exact(1)), 0);
versioned!(AclDocument, self, next, &self.acl_id, members, (self.seats(), self.rule), {
    if weakens(self, next) { self.delay_hot_s.max(self.delay_cold_s) } else { 0 }
});

/// Reads the version that is in force, and nothing else.
pub fn in_force<D: Versioned>(enclave: &Enclave, bytes: &[u8]) -> Result<(D, Head), Refusal> {
    let document = D::from_canonical(bytes).ok_or_else(|| unproven("3 document is not canonical"))?;
    let (env, tenant_id, acl_id) = document.place();
    let head =
        enclave.ledger.decide(|turn| Ok(turn.state().in_force(tenant_id, acl_id, turn.now_ms).cloned()))?;
    let head = head.filter(|head| env == enclave.keyring.env && head.hash == sha256(&document.preimage()));
    let head = head.ok_or_else(|| unproven("3 document is not in force"))?;
    Ok((document, head))
}

/// Whether those who vote by a document say yes to what has that hash.
pub fn approve(
    enclave: &Enclave,
    by: &impl Versioned,
    ballots: &[Ballot],
    hash: &[u8; 32],
) -> Result<(), Refusal> {
    let now_ms = enclave.ledger.now_ms();
    let votes = votes(enclave.keyring.env, now_ms, &by.voters(), ballots, hash).map_err(unproven)?;
    let (seats, rule) = by.rule();
    let approved = outcome(rule, &seats, &votes, None, false) == Outcome::Approved;
    if approved { Ok(()) } else { Err(unproven("6 not approved")) }
}

/// Takes a new version.
pub fn amend(enclave: &Enclave, request: &Amend) -> Result<Amended, Refusal> {
    if let Some(roster) = Roster::from_canonical(&request.document) {
        return take(enclave, request, &roster, |hash| approve(enclave, &roster, &request.ballots, hash));
    }
    let list = AclDocument::from_canonical(&request.document).ok_or(Refusal::Malformed)?;
    take(enclave, request, &list, |hash| {
        let (roster, _) = in_force::<Roster>(enclave, request.roster.as_deref().unwrap_or_default())?;
        let its_own = roster.tenant_id == list.tenant_id;
        approve(enclave, &roster, if its_own { &request.ballots } else { &[] }, hash)
    })
}

/// Takes a version: the first on the word of `found`, each other on that of those who vote by the one in force.
fn take<D: Versioned>(
    enclave: &Enclave,
    request: &Amend,
    document: &D,
    found: impl FnOnce(&[u8; 32]) -> Result<(), Refusal>,
) -> Result<Amended, Refusal> {
    let ((env, tenant_id, acl_id), (version, prev_hash)) = (document.place(), document.link());
    let hash = sha256(&document.preimage());
    let _held = enclave.ledger.hold([b"amend ", tenant_id.as_bytes()].concat(), |_, others| others == 0);
    let known = enclave.ledger.decide(|turn| {
        let known = turn.state().heads(tenant_id, acl_id).iter().find(|head| head.hash == hash);
        Ok(known.map(|head| head.effective_at_ms))
    })?;
    if let Some(effective_at_ms) = known {
        return Ok(Amended { hash, version, effective_at_ms });
    }
    let before = request.current.as_deref().map(|bytes| in_force::<D>(enclave, bytes)).transpose()?;
    let delay_s = match &before {
        Some((current, _)) => {
            approve(enclave, current, &request.ballots, &hash)?;
            current.delay_s(document)
        }
        None => found(&hash).map(|()| 0)?,
    };
    let before = before.map(|(_, head)| head);
    enclave.ledger.decide(|turn| {
        let latest = turn.state().heads(tenant_id, acl_id).last();
        let follows = latest.map(|head| head.hash) == before.as_ref().map(|head| head.hash)
            && version == before.as_ref().map_or(1, |head| head.version + 1)
            && prev_hash == before.as_ref().map(|head| hex(&head.hash)).as_deref();
        if !follows || env != enclave.keyring.env {
            return Err(unproven("3 version does not follow the latest one"));
        }
        let effective_at_ms = turn.now_ms + delay_s * 1_000;
        let genesis = before.map_or(hash, |head| head.genesis);
        let (tenant_id, acl_id) = (tenant_id.to_owned(), acl_id.to_owned());
        turn.record(Record::Head(Head { tenant_id, acl_id, version, hash, genesis, effective_at_ms }))?;
        Ok(Amended { hash, version, effective_at_ms })
    })
}
