//! An officer decides an identity check, with a reason: a signature over exactly both. An approval against a
//! difference of identity waits for a second person; any other decision ends the check at once.

use boundary::approval::{Decision, Document as _, Review as Document, Roster};
use boundary::wire::Wire as _;
use domain::control::Act;
use domain::ids::PersonId;
use domain::limits::REASON_CHARS_MAX;
use domain::notice::NoticeKind;
use domain::person::Role;
use domain::refusal::{Kind, Refusal};
use domain::review::ReviewState;
use store::audit::AuditEntry;
use store::reviews::{self, Signed};

use super::super::{Ctx, Error};
use super::found_roster::newest_roster;
use super::read_review::{ShownReview, ask_identity, document_for, find_review, to_sign};
use super::settle_review::settle_signed;
use super::tell_officers::{review_path, who_has_a_role};
use super::{ToSign, ballot_of, news, not_believed, permitted, recorded};
use crate::app::App;

/// What an officer signs for this decision, which the review then shows as its document.
pub async fn draft_review(
    app: &App,
    ctx: &Ctx,
    id: &str,
    (decision, reason): (Decision, &str),
) -> Result<(ShownReview, ToSign), Error> {
    let person = permitted(ctx, Act::DecideReview)?;
    let mut shown = find_review(app, &ctx.principal.tenant, id).await?;
    may_decide(&shown, &person, decision)?;
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        return Err(
            Refusal::field("reason", format!("must say in 1 to {REASON_CHARS_MAX} characters why")).into()
        );
    }
    let mismatch = ask_identity(app, &shown, &roster(app, ctx).await?).await.map_err(not_believed)?;
    let document = document_for(app, &shown, &ctx.principal.tenant, (decision, reason, mismatch));
    let to_sign = to_sign(app, &person, &document).await?;
    shown.document = Some(document);
    Ok((shown, to_sign))
}

/// Keeps the signature, and has the enclave decide. Every refusal is recorded.
pub async fn sign_review(
    app: &App,
    ctx: &Ctx,
    id: &str,
    (document, credential): (&str, &str),
) -> Result<ReviewState, Error> {
    let shown = find_review(app, &ctx.principal.tenant, id).await?;
    let about = |action: &str| AuditEntry {
        verification_id: Some(shown.inquiry.verification.id.clone()),
        ..ctx.entry(app, action)
    };
    let kept = keep(app, ctx, &shown, (document, credential), about("review.signed")).await;
    recorded(app, ctx, about("review.refused"), kept).await?;
    settle_signed(app, ctx, &shown).await
}

async fn keep(
    app: &App,
    ctx: &Ctx,
    shown: &ShownReview,
    (document, credential): (&str, &str),
    entry: AuditEntry,
) -> Result<(), Error> {
    let person = permitted(ctx, Act::DecideReview)?;
    let read = Document::from_canonical(document.as_bytes()).ok_or_else(changed)?;
    may_decide(shown, &person, read.decision)?;
    let roster = roster(app, ctx).await?;
    let mismatch = ask_identity(app, shown, &roster).await.map_err(not_believed)?;
    let would_be = document_for(app, shown, &ctx.principal.tenant, (read.decision, &read.reason, mismatch));
    if would_be != read {
        return Err(changed().into());
    }
    let keys = roster.officers.iter().find(|officer| officer.person_id == person.as_str());
    let keys = keys.map(|officer| officer.keys.clone()).ok_or_else(not_an_officer)?;
    let hash = super::hash_of(app, &read);
    let ballot = ballot_of(app, &person, &keys, (&hash, true), credential).await?;
    let approves = read.decision == Decision::Approve;
    let notices =
        if approves && mismatch { ask_for_second(app, ctx, shown, &person).await? } else { Vec::new() };
    let signed = Signed { document: document.to_owned(), by: person, ballot: ballot.to_bytes(), at: ctx.now };
    let entry = AuditEntry { reason: Some(format!("{}: {}", read.decision.as_str(), read.reason)), ..entry };
    let (tenant, id) = (ctx.principal.tenant.clone(), shown.inquiry.verification.id.clone());
    app.db
        .write("sign_review", move |tx| {
            if !reviews::of(&tenant).set_signed(tx, &id, &signed, !approves)? {
                return Err(Error::from(signed_already()));
            }
            notices.iter().try_for_each(|notice| store::notices::of(&tenant).append(tx, notice))?;
            Ok(store::audit::of(&tenant).append(tx, &entry)?)
        })
        .await
}

/// Tells whoever may sign beside this officer.
async fn ask_for_second(
    app: &App,
    ctx: &Ctx,
    shown: &ShownReview,
    first: &PersonId,
) -> Result<Vec<store::notices::Notice>, Error> {
    let mut people = who_has_a_role(app, &ctx.principal.tenant, &[Role::Officer, Role::Owner]).await?;
    people.retain(|person| person != first && !shown.is_of(person));
    let title = "A second signature is wanted on an identity check";
    let text = "An officer would approve somebody who does not match earlier checks. Without a second person he \
                is not approved: look at it, and sign or let it be.";
    let path = review_path(&shown.inquiry.verification.id);
    news(app, ctx.now, &people, (NoticeKind::ReviewWanted, title, text, &path))
}

/// Only while it is open, and never about oneself; what is signed already is displaced by a decline alone.
fn may_decide(shown: &ShownReview, person: &PersonId, decision: Decision) -> Result<(), Refusal> {
    takes_part(shown, person)?;
    match shown.review.state {
        ReviewState::Signed if decision == Decision::Approve => Err(signed_already()),
        _ => Ok(()),
    }
}

/// Whether this person may sign anything about it.
pub(super) fn takes_part(shown: &ShownReview, person: &PersonId) -> Result<(), Refusal> {
    if !shown.review.state.is_open() || shown.inquiry.verification.state.is_final() {
        let text = "this check is decided: nothing is added to it";
        return Err(Refusal::new(Kind::Conflict, "review-over", text));
    }
    if shown.is_of(person) {
        let text = "this is a check of yourself: others decide it";
        return Err(Refusal::new(Kind::Forbidden, "own-check", text));
    }
    Ok(())
}

/// The roster in force, by which the enclave knows who decides.
pub(super) async fn roster(app: &App, ctx: &Ctx) -> Result<Roster, Error> {
    let roster = newest_roster(app, ctx).await?;
    Ok(roster.ok_or_else(|| {
        let text = "nobody has signed yet who decides reviews: an Owner does so first";
        Refusal::new(Kind::Conflict, "roster-missing", text)
    })?)
}

fn not_an_officer() -> Refusal {
    let text = "you are not among the officers who are on record: an Owner signs for who they are first";
    Refusal::new(Kind::Forbidden, "not-on-roster", text)
}

fn changed() -> Refusal {
    let text = "what you would sign is not what the check is by now; look again and sign anew";
    Refusal::new(Kind::Conflict, "review-changed", text)
}

fn signed_already() -> Refusal {
    let text = "an officer has decided this already: sign beside him, or decline";
    Refusal::new(Kind::Conflict, "review-signed", text)
}
