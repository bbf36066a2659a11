//! `Judge`: people decide an identity session that is in review, where the provider left it to them, or where we do
//! not believe it.

use boundary::approval::{Decision, Document as _, Review, Roster};
use boundary::message::{Ballot, Judge, Judged, Refusal};
use boundary::token::{Admission, Outcome, Ticket};

use crate::amend::in_force;
use crate::ballot::{Voter, votes};
use crate::digest::{hex, sha256};
use crate::release::{failed, must, named};
use crate::service::Enclave;
use crate::session::{self, Token as _, person_tag, since_reset};
use crate::state::{Event, Identity, Record, SESSION_LIFE_MS};

/// More never have to sign.
const BALLOTS_MAX: usize = 2;

/// Takes people's decision, and seals it as a provider's.
pub fn judge(enclave: &Enclave, request: &Judge) -> Result<Judged, Refusal> {
    let ticket = session::ticket(enclave, &request.ticket)?;
    let review = Review::from_canonical(&request.review).ok_or(Refusal::Malformed)?;
    let (roster, _) = in_force::<Roster>(enclave, &request.roster)?;
    must(roster.tenant_id == ticket.tenant_id, "3 roster is another tenant's")?;
    must(review.env == roster.env && review.tenant_id == roster.tenant_id, "2 review is another tenant's")?;
    must(review.session_id == hex(&ticket.session_id), "2 review is of another session")?;
    must(request.ballots.len() <= BALLOTS_MAX, "6 too many ballots")?;
    let hash = sha256(&review.preimage());
    // Verified before the log is held, since nobody else decides anything meanwhile.
    let signed = check_ballots(enclave, request, (&roster, &ticket), &hash);
    enclave.ledger.decide(|turn| {
        let (state, now_ms) = (turn.state(), turn.now_ms);
        let session = state.sessions.get(&ticket.session_id);
        let sealed = session.and_then(|session| session.admission.clone());
        let sealed = sealed.ok_or_else(|| failed("4 session has no verdict"))?;
        let held = Admission::logged(&enclave.keyring, &sealed)?;
        if state.events.get(&hash) == Some(&ticket.session_id) {
            // It was decided so, and the answer was lost.
            let admission = Some(held.issue(&enclave.keyring));
            return Ok(Judged { identity_mismatch: review.identity_mismatch, admission });
        }
        let in_review = matches!(held.outcome, Outcome::ToReview | Outcome::IdentityDiffers);
        must(in_review && now_ms <= ticket.opened_at_ms + SESSION_LIFE_MS, "4 session is not in review")?;
        let user_tag = since_reset(&ticket.user_tag, ticket.generation);
        let baseline = state.identities.get(&user_tag).copied();
        let identity_mismatch =
            held.identity_tag.is_none() || baseline.is_some_and(|tag| held.identity_tag != Some(tag));
        if request.ballots.is_empty() {
            return Ok(Judged { identity_mismatch, admission: None });
        }
        must(review.verification_id == held.verification_id, "2 review is of another inquiry")?;
        must(review.identity_mismatch == identity_mismatch, "5 review says otherwise of the identity")?;
        signed?;
        let approves = review.decision == Decision::Approve;
        let is_enough = request.ballots.len() >= if approves && identity_mismatch { 2 } else { 1 };
        if named(is_enough, "6 a second has to sign").is_err() {
            return Ok(Judged { identity_mismatch, admission: None });
        }
        // Who was let in against a difference is taken for the person of before, and never becomes him.
        let identity_tag = baseline.or(held.identity_tag);
        must(!approves || identity_tag.is_some(), "5 nobody is named")?;
        let outcome = if approves { Outcome::Approved } else { Outcome::Declined };
        let verdict = Admission { outcome, identity_tag, event_at_ms: now_ms, ..held };
        if let (None, true, Some(identity_tag)) = (baseline, approves, identity_tag) {
            turn.record(Record::Identity(Identity { user_tag, identity_tag }))?;
        }
        let (session_id, opened_at_ms) = (ticket.session_id, ticket.opened_at_ms);
        let admission = Some(verdict.issue(&enclave.keyring));
        let decided = Event { digest: hash, session_id, opened_at_ms, admission: admission.clone() };
        turn.record(Record::Event(decided))?;
        Ok(Judged { identity_mismatch, admission })
    })
}

/// Where anybody signed, an Officer is among those who signed, and nobody whose own check it is. A ballot that is not good spoils them all.
fn check_ballots(
    enclave: &Enclave,
    request: &Judge,
    (roster, ticket): (&Roster, &Ticket),
    hash: &[u8; 32],
) -> Result<(), Refusal> {
    if request.ballots.is_empty() {
        return Ok(());
    }
    let people = roster.officers.iter().chain(&roster.owners);
    let people: Vec<Voter<'_>> = people.map(|one| (&*one.person_id, &*one.keys)).collect();
    let votes = votes(enclave, &people, &request.ballots, hash)?;
    must(!votes.contains(&Some(false)), "6 ballot is a no")?;
    must(votes[..roster.officers.len()].contains(&Some(true)), "6 no officer has signed")?;
    let own = |ballot: &Ballot| person_tag(&roster.tenant_id, &ballot.person_id) == ticket.user_tag;
    must(!request.ballots.iter().any(own), "6 signed by whose check it is")
}
