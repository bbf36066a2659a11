//! Shows one identity check that came to people: why, what is signed, what waits for it.

use boundary::approval::{Decision, Document as _, Review as Document, Roster};
use boundary::message::Judge;
use domain::control::Act;
use domain::ids::{PersonId, TenantId, VerificationId};
use domain::refusal::Refusal;
use domain::review::ReviewState;
use store::people::{self, Person};
use store::reviews::{self, Review};
use store::{Rx, StoreError, users, verifications};

use super::super::read_verification::Inquiry;
use super::super::{Ctx, Error};
use super::found_roster::newest_roster;
use super::{ToSign, ask_to_sign, control, hash_of, passkeys_of, permitted};
use crate::app::App;
use crate::edge::enclave::CallError;

/// What a question to the enclave gives as its reason: nobody signs it.
const ASKED: &str = "asked";

/// Whose check the enclave holds it for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// The person of the checks before, or the first whom this user's check names.
    TheUser,
    /// Another person than before, or nobody.
    SomebodyElse,
    /// The enclave is not asked, since it is over, or does not answer.
    Unknown,
}

/// A review with all that a page says about it.
#[derive(Clone)]
pub struct ShownReview {
    /// The inquiry, and whom it is about.
    pub inquiry: Inquiry,
    /// Whom it is about, where that is somebody of Control.
    pub person: Option<Person>,
    /// The review.
    pub review: Review,
    /// What is signed.
    pub document: Option<Document>,
    /// Its hash.
    pub hash: Option<[u8; 32]>,
    /// Who signed it: the officer, then who signed beside him.
    pub signed_by: Vec<String>,
    /// How many backups wait for how it ends.
    pub waiting: i64,
    /// Whom the check shows.
    pub shows: Shows,
    /// Whether anybody has signed for who the officers are.
    pub has_roster: bool,
}

impl ShownReview {
    /// Whether somebody's own check is decided: he has no part in it.
    pub fn is_of(&self, person: &PersonId) -> bool {
        self.person.as_ref().is_some_and(|one| one.id == *person)
    }

    /// Whether an approval still waits for another's signature.
    pub fn wants_second(&self) -> bool {
        let approves =
            |document: &Document| document.decision == Decision::Approve && document.identity_mismatch;
        self.review.state == ReviewState::Signed
            && self.review.second_by.is_none()
            && self.document.as_ref().is_some_and(approves)
    }
}

/// The review, and what the reader would sign beside the officer, if he may.
pub async fn read_review(app: &App, ctx: &Ctx, id: &str) -> Result<(ShownReview, Option<ToSign>), Error> {
    let person = permitted(ctx, Act::SeeReviews)?;
    let mut shown = find_review(app, &ctx.principal.tenant, id).await?;
    let roster = newest_roster(app, ctx).await?;
    shown.has_roster = roster.is_some();
    if let Some(roster) = roster.filter(|_| shown.review.state.is_open()) {
        shown.shows = match ask_identity(app, &shown, &roster).await {
            Ok(false) => Shows::TheUser,
            Ok(true) => Shows::SomebodyElse,
            Err(CallError::Away(_) | CallError::Refused(_)) => Shows::Unknown,
            Err(error) => return Err(error.into()),
        };
    }
    let may_sign = shown.wants_second()
        && shown.review.first_by.as_ref() != Some(&person)
        && !shown.is_of(&person)
        && ctx.principal.permit_act(Act::SecondReview).is_ok();
    let to_sign = match shown.document.as_ref().filter(|_| may_sign) {
        Some(document) => Some(to_sign(app, &person, document).await?),
        None => None,
    };
    Ok((shown, to_sign))
}

/// What a person is asked to sign for that document.
pub(super) async fn to_sign(app: &App, person: &PersonId, document: &Document) -> Result<ToSign, Error> {
    let (hash, mine) = (hash_of(app, document), passkeys_of(app, person).await?);
    let options = ask_to_sign(control(app)?, &mine, &hash);
    Ok(ToSign { document: document.to_canonical(), hash, options })
}

/// A decision on this check.
pub(super) fn document_for(
    app: &App,
    shown: &ShownReview,
    tenant: &TenantId,
    (decision, reason, identity_mismatch): (Decision, &str, bool),
) -> Document {
    let verification = &shown.inquiry.verification;
    Document {
        env: app.env,
        tenant_id: tenant.to_string(),
        session_id: verification.session_id.clone(),
        verification_id: verification.id.to_string(),
        decision,
        reason: reason.to_owned(),
        identity_mismatch,
    }
}

/// Whether the check shows somebody else, by the enclave's word.
pub(super) async fn ask_identity(app: &App, shown: &ShownReview, roster: &Roster) -> Result<bool, CallError> {
    let verification = &shown.inquiry.verification;
    let question = Document {
        env: app.env,
        tenant_id: roster.tenant_id.clone(),
        session_id: verification.session_id.clone(),
        verification_id: verification.id.to_string(),
        decision: Decision::Decline,
        reason: ASKED.to_owned(),
        identity_mismatch: false,
    };
    let asked = Judge {
        ticket: verification.ticket.clone(),
        roster: roster.to_canonical().into_bytes(),
        review: question.to_canonical().into_bytes(),
        ballots: Vec::new(),
    };
    app.enclave.judge(asked).await.map(|judged| judged.identity_mismatch)
}

/// The tenant's review of the inquiry of this id; unknown, foreign and malformed are one.
pub(super) async fn find_review(app: &App, tenant: &TenantId, id: &str) -> Result<ShownReview, Error> {
    let id: VerificationId = id.parse().map_err(|_| Refusal::not_found())?;
    let tenant = tenant.clone();
    let found = app.db.read("find_review", move |rx| find(rx, &tenant, &id));
    let found: Option<ShownReview> = found.await.map_err(|error: StoreError| Error::from(error))?;
    let mut shown = found.ok_or_else(Refusal::not_found)?;
    let document = shown.review.document.as_ref().map(|text| Document::from_canonical(text.as_bytes()));
    shown.document = document.map(|read| read.ok_or_else(|| Error::fault("reading a review"))).transpose()?;
    shown.hash = shown.document.as_ref().map(|document| hash_of(app, document));
    Ok(shown)
}

fn find(rx: &mut Rx<'_>, tenant: &TenantId, id: &VerificationId) -> Result<Option<ShownReview>, StoreError> {
    let Some(review) = reviews::of(tenant).find(rx, id)? else { return Ok(None) };
    let Some(row) = verifications::of(tenant).find(rx, id)? else { return Ok(None) };
    let inquiry = Inquiry::of(rx, tenant, row)?;
    let person = match users::of(tenant).find_person(rx, &inquiry.user.id)? {
        Some(person) => people::of(tenant).find(rx, &person)?,
        None => None,
    };
    let mut signed_by = Vec::new();
    for one in review.first_by.iter().chain(&review.second_by) {
        signed_by.extend(people::of(tenant).find(rx, one)?.map(|person| person.name));
    }
    let waiting = reviews::of(tenant).count_waiting(rx, id)?;
    let (document, hash, shows, has_roster) = (None, None, Shows::Unknown, false);
    Ok(Some(ShownReview { inquiry, person, review, document, hash, signed_by, waiting, shows, has_roster }))
}
