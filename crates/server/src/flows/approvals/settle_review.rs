//! Does what was signed about an identity check: the enclave decides by it, the inquiry moves as by a provider's
//! event. Also the job that comes back to what was signed while the enclave was away.

use boundary::approval::{Decision, Document as _, Roster};
use boundary::message::{Ballot, Judge};
use boundary::token::Admission;
use boundary::wire::Wire as _;
use domain::audit::{ActorType, Outcome};
use domain::ids::TenantId;
use domain::refusal::{Kind, Refusal};
use domain::review::ReviewState;
use domain::time::Timestamp;
use domain::verification::InquiryState;
use store::audit::AuditEntry;
use store::reviews::{self, Review};
use store::rosters;
use store::verifications::Approval;
use store::{OfTenant, StoreError};

use super::super::move_inquiry::Step;
use super::super::{Ctx, Error, entry};
use super::advance_of_check;
use super::read_review::{ShownReview, find_review};
use super::{NOT_BELIEVED, not_believed};
use crate::app::App;

/// How many reviews are looked at in one round.
const ROUND_MAX: i64 = 200;
/// How often a step is tried again when a provider's event comes first.
const TRIES: u32 = 5;

/// Comes back to every review that is signed and has not ended; says how many ended.
pub async fn settle_reviews(app: &App, now: Timestamp) -> Result<usize, Error> {
    let signed = app.db.read("list_signed_reviews", move |rx| reviews::list_signed(rx, ROUND_MAX));
    let signed: Vec<OfTenant<Review>> = signed.await.map_err(|error: StoreError| Error::from(error))?;
    let mut ended = 0;
    for OfTenant { tenant_id, row } in signed {
        match settle_review(app, &tenant_id, row.verification_id.as_str(), (now, "service")).await {
            Ok(state) => ended += usize::from(!state.is_open()),
            // One that waits for the enclave keeps no other one waiting.
            Err(Error::Refused(refusal)) => {
                tracing::debug!(verification_id = %row.verification_id, %refusal, "a review waits");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(ended)
}

/// The same for what somebody has just signed. With the enclave away his signature is kept, and takes effect later.
pub(super) async fn settle_signed(app: &App, ctx: &Ctx, shown: &ShownReview) -> Result<ReviewState, Error> {
    let id = shown.inquiry.verification.id.as_str();
    match settle_review(app, &ctx.principal.tenant, id, (ctx.now, &ctx.request_id)).await {
        Err(Error::Refused(refusal)) if refusal.kind == Kind::Unavailable => Ok(ReviewState::Signed),
        settled => settled,
    }
}

/// Does what follows from the signatures by now, and says where the review stands.
async fn settle_review(
    app: &App,
    tenant: &TenantId,
    id: &str,
    (now, request_id): (Timestamp, &str),
) -> Result<ReviewState, Error> {
    for _ in 0..TRIES {
        let shown = find_review(app, tenant, id).await?;
        if shown.review.state != ReviewState::Signed {
            return Ok(shown.review.state);
        }
        let admission = match judge(app, tenant, &shown).await {
            Ok(Some(admission)) => admission,
            Ok(None) => return Ok(ReviewState::Signed),
            Err(Error::Refused(refusal)) if refusal.code == NOT_BELIEVED => {
                return reopen(app, tenant, &shown, (now, request_id), refusal).await;
            }
            Err(error) => return Err(error),
        };
        let step = step(&shown, admission, (now, request_id))?;
        let (owner, env, minter) = (tenant.clone(), app.env, app.minter.clone());
        let moved = app.db.write("settle_review", move |tx| step.write(tx, &owner, env, &minter)).await;
        if moved.map_err(|error: StoreError| Error::from(error))? {
            let id = &shown.inquiry.verification.id;
            advance_of_check(app, tenant, id, now, request_id).await?;
        }
    }
    Err(Error::fault("moving an inquiry that others keep moving"))
}

/// Has the enclave decide; the same again answers the same. None: another signature is missing.
async fn judge(app: &App, tenant: &TenantId, shown: &ShownReview) -> Result<Option<Vec<u8>>, Error> {
    let owner = tenant.clone();
    let roster = app.db.read("find_roster", move |rx| rosters::of(&owner).find_newest(rx)).await;
    let roster: Option<rosters::Roster> = roster.map_err(|error: StoreError| Error::from(error))?;
    let roster = roster.and_then(|row| Roster::from_canonical(row.document.as_bytes()));
    let review = &shown.review;
    let ballots = review.first_ballot.iter().chain(&review.second_ballot);
    let ballots = ballots.map(|bytes| Ballot::take(&mut bytes.as_slice()));
    let judge = Judge {
        ticket: shown.inquiry.verification.ticket.clone(),
        roster: roster.ok_or_else(|| Error::fault("reading a roster"))?.to_canonical().into_bytes(),
        review: review.document.clone().unwrap_or_default().into_bytes(),
        ballots: ballots.collect::<Result<_, _>>().map_err(|_| Error::fault("reading a ballot"))?,
    };
    Ok(app.enclave.judge(judge).await.map_err(not_believed)?.admission)
}

/// The inquiry's move by that verdict.
fn step(
    shown: &ShownReview,
    admission: Vec<u8>,
    (now, request_id): (Timestamp, &str),
) -> Result<Step, Error> {
    let document = shown.document.as_ref().ok_or_else(|| Error::fault("reading a review"))?;
    let by = shown.review.first_by.as_ref().ok_or_else(|| Error::fault("reading a review"))?;
    let decided = Admission::take(&mut admission.as_slice());
    let decided = decided.map_err(|_| Error::fault("reading an admission"))?;
    let approval = (document.decision == Decision::Approve)
        .then(|| Approval { approved_at: Timestamp::from_ms(decided.event_at_ms), admission });
    let beside = shown.review.second_by.as_ref().map(|second| format!(" (signed too by {second})"));
    Ok(Step {
        inquiry: shown.inquiry.clone(),
        next: Some(if approval.is_some() { InquiryState::Approved } else { InquiryState::Declined }),
        approval,
        reported: String::new(),
        review: None,
        reason: Some(format!("{}{}", document.reason, beside.unwrap_or_default())),
        notices: Vec::new(),
        actor: (ActorType::Person, by.to_string()),
        request_id: request_id.to_owned(),
        now,
    })
}

/// Takes back what the enclave does not believe, so that it can be decided anew.
async fn reopen(
    app: &App,
    tenant: &TenantId,
    shown: &ShownReview,
    (now, request_id): (Timestamp, &str),
    refusal: Refusal,
) -> Result<ReviewState, Error> {
    let id = shown.inquiry.verification.id.clone();
    let entry = AuditEntry {
        verification_id: Some(id.clone()),
        result: Outcome::Refused.to_string(),
        reason: Some(refusal.code.to_owned()),
        ..entry(&app.minter, now, (ActorType::Service, "service"), "review.reopened", request_id)
    };
    let (owner, document) = (tenant.clone(), shown.review.document.clone().unwrap_or_default());
    let reopened = app.db.write("reopen_review", move |tx| {
        if reviews::of(&owner).set_reopened(tx, &id, &document)? {
            store::audit::of(&owner).append(tx, &entry)?;
        }
        Ok(())
    });
    reopened.await.map_err(|error: StoreError| Error::from(error))?;
    Err(refusal.into())
}
