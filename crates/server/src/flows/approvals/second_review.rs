//! A second person, an officer or an owner, signs beside the officer who would approve against a difference of
//! identity.

use boundary::wire::Wire as _;
use domain::control::Act;
use domain::refusal::{Kind, Refusal};
use domain::review::ReviewState;
use store::audit::AuditEntry;
use store::reviews::{self, Signed};

use super::super::{Ctx, Error};
use super::read_review::{ShownReview, find_review};
use super::settle_review::settle_signed;
use super::sign_review::{roster, takes_part};
use super::{ballot_of, hash_of, permitted, recorded};
use crate::app::App;

/// Keeps the second signature, and has the enclave decide. Every refusal is recorded.
pub async fn second_review(app: &App, ctx: &Ctx, id: &str, credential: &str) -> Result<ReviewState, Error> {
    let shown = find_review(app, &ctx.principal.tenant, id).await?;
    let about = |action: &str| AuditEntry {
        verification_id: Some(shown.inquiry.verification.id.clone()),
        ..ctx.entry(app, action)
    };
    let kept = keep(app, ctx, &shown, credential, about("review.seconded")).await;
    recorded(app, ctx, about("review.refused"), kept).await?;
    settle_signed(app, ctx, &shown).await
}

async fn keep(
    app: &App,
    ctx: &Ctx,
    shown: &ShownReview,
    credential: &str,
    entry: AuditEntry,
) -> Result<(), Error> {
    let person = permitted(ctx, Act::SecondReview)?;
    takes_part(shown, &person)?;
    if shown.review.first_by.as_ref() == Some(&person) {
        return Err(not_second().into());
    }
    let document = shown.document.as_ref().filter(|_| shown.wants_second()).ok_or_else(not_wanted)?;
    let roster = roster(app, ctx).await?;
    let keys = roster.officers.iter().chain(&roster.owners).find(|one| one.person_id == person.as_str());
    let keys = keys.map(|one| one.keys.clone()).ok_or_else(not_on_record)?;
    let ballot = ballot_of(app, &person, &keys, (&hash_of(app, document), true), credential).await?;
    let document = shown.review.document.clone().unwrap_or_default();
    let signed = Signed { document, by: person, ballot: ballot.to_bytes(), at: ctx.now };
    let (tenant, id) = (ctx.principal.tenant.clone(), shown.inquiry.verification.id.clone());
    app.db
        .write("second_review", move |tx| {
            if !reviews::of(&tenant).set_seconded(tx, &id, &signed)? {
                return Err(Error::from(not_wanted()));
            }
            Ok(store::audit::of(&tenant).append(tx, &entry)?)
        })
        .await
}

fn not_second() -> Refusal {
    let text = "you have signed this: the second signature is another person's";
    Refusal::new(Kind::Conflict, "already-signed", text)
}

fn not_wanted() -> Refusal {
    let text = "no second signature is wanted here, or another person was first; look again";
    Refusal::new(Kind::Conflict, "no-second-wanted", text)
}

fn not_on_record() -> Refusal {
    let text =
        "you are not among the officers and owners who are on record: an Owner signs for who they are first";
    Refusal::new(Kind::Forbidden, "not-on-roster", text)
}
