//! A member's vote on another version of his list: a signature over that version's hash, or over its rejection. It is
//! final.

use boundary::wire::Wire as _;
use domain::approval::ChangeState;
use domain::control::Act;
use domain::refusal::{Kind, Refusal};
use store::acl_changes::{self, Change, Vote};
use store::audit::AuditEntry;

use super::super::{Ctx, Error};
use super::read_acls::{find_acl, find_change};
use super::settle_change::settle_change;
use super::vote::{CastVote, read_ballot};
use super::{document_of, permitted, recorded};
use crate::app::App;

/// Keeps the vote, and does what follows from it.
pub async fn vote_on_change(
    app: &App,
    ctx: &Ctx,
    (acl, change): (&str, &str),
    cast: &CastVote,
) -> Result<ChangeState, Error> {
    let acl = find_acl(app, ctx, acl).await?;
    let change = find_change(app, ctx, &acl, change).await?;
    let about = |action: &str| AuditEntry {
        reason: Some(format!("list {} change {}", acl.id, change.id)),
        ..ctx.entry(app, action)
    };
    let voted = keep(app, ctx, (&acl, &change), cast, about("acl.change-voted")).await;
    recorded(app, ctx, about("acl.vote-refused"), voted).await?;
    settle_change(app, &ctx.principal.tenant, &change.id, ctx.now, &ctx.request_id).await
}

async fn keep(
    app: &App,
    ctx: &Ctx,
    (acl, change): (&store::acls::Acl, &Change),
    cast: &CastVote,
    entry: AuditEntry,
) -> Result<(), Error> {
    let person = permitted(ctx, Act::Vote)?;
    let document = document_of(acl)?;
    if document.place(person.as_str()).is_none() {
        let text = "you are not on this list, so you have no vote on it";
        return Err(Refusal::new(Kind::Forbidden, "not-on-acl", text).into());
    }
    takes_votes(change, acl.version, ctx)?;
    let ballot = read_ballot(app, &person, &document, &change.hash, cast).await?;
    let reason = entry.reason.map(|what| format!("{what} {}", word(ballot.approve)));
    let entry = AuditEntry { reason, ..entry };
    let vote = Vote {
        change_id: change.id.clone(),
        person_id: person,
        approve: ballot.approve,
        ballot: ballot.to_bytes(),
        voted_at: ctx.now,
    };
    let (tenant, now, version) = (ctx.principal.tenant.clone(), ctx.clone(), acl.version);
    app.db
        .write("vote_on_change", move |tx| {
            let change = acl_changes::of(&tenant).find_locked(tx, &vote.change_id)?;
            takes_votes(&change.ok_or_else(Refusal::not_found)?, version, &now)?;
            if !acl_changes::of(&tenant).insert_vote(tx, &vote)? {
                return Err(Error::from(voted()));
            }
            Ok(store::audit::of(&tenant).append(tx, &entry)?)
        })
        .await
}

fn takes_votes(change: &Change, version: i64, ctx: &Ctx) -> Result<(), Refusal> {
    if change.state == ChangeState::Open && change.version == version + 1 && ctx.now < change.window_ends_at {
        return Ok(());
    }
    let text = "the vote on this change is over: nothing is added to it";
    Err(Refusal::new(Kind::Conflict, "vote-closed", text))
}

/// A vote is final, and a person has one, however many keys he has.
pub(super) fn voted() -> Refusal {
    let text = "you have voted on this; a vote is final, and you have one however many passkeys you have";
    Refusal::new(Kind::Conflict, "already-voted", text)
}

pub(super) const fn word(approve: bool) -> &'static str {
    if approve { "yes" } else { "no" }
}
