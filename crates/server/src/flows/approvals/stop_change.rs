//! Stops a change of a list that has passed and waits to take effect: one member with a veto signs its rejection. The
//! enclave takes that version never again; what still wants the list changed is another version.

use boundary::message::{Ballot, Weigh};
use boundary::wire::Wire as _;
use domain::approval::ChangeState;
use domain::control::Act;
use domain::refusal::{Kind, Refusal};
use store::acl_changes::{self, Change, Veto};
use store::acls::Acl;
use store::audit::AuditEntry;

use super::super::{Ctx, Error};
use super::read_acls::{find_acl, find_change};
use super::settle_change::settle_change;
use super::vote::{CastVote, read_ballot};
use super::vote_on_change::voted;
use super::{NOT_BELIEVED, document_of, not_believed, permitted, recorded};
use crate::app::App;

/// Keeps the veto, and has the enclave stop the change. Every refusal is recorded.
pub async fn stop_change(
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
    let kept = keep(app, ctx, (&acl, &change), cast, about("acl.change-vetoed")).await;
    recorded(app, ctx, about("acl.veto-refused"), kept).await?;
    settle_change(app, &ctx.principal.tenant, &change.id, ctx.now, &ctx.request_id).await
}

async fn keep(
    app: &App,
    ctx: &Ctx,
    (acl, change): (&Acl, &Change),
    cast: &CastVote,
    entry: AuditEntry,
) -> Result<(), Error> {
    let person = permitted(ctx, Act::Vote)?;
    let document = document_of(acl)?;
    if !document.place(person.as_str()).is_some_and(|at| document.members[at].veto) {
        let text = "only a member with a veto stops a change that has passed";
        return Err(Refusal::new(Kind::Forbidden, "no-veto", text).into());
    }
    may_be_stopped(change, ctx)?;
    let ballot = read_ballot(app, &person, &document, &change.hash, cast).await?;
    if ballot.approve {
        return Err(Refusal::field("ballot", "is a yes, which stops nothing").into());
    }
    let veto = Veto {
        change_id: change.id.clone(),
        person_id: person,
        ballot: ballot.to_bytes(),
        stopped_at: ctx.now,
    };
    let (tenant, now) = (ctx.principal.tenant.clone(), ctx.clone());
    app.db
        .write("stop_change", move |tx| {
            let change = acl_changes::of(&tenant).find_locked(tx, &veto.change_id)?;
            may_be_stopped(&change.ok_or_else(Refusal::not_found)?, &now)?;
            if !acl_changes::of(&tenant).insert_veto(tx, &veto)? {
                return Err(Error::from(voted()));
            }
            Ok(store::audit::of(&tenant).append(tx, &entry)?)
        })
        .await
}

fn may_be_stopped(change: &Change, ctx: &Ctx) -> Result<(), Refusal> {
    if change.state == ChangeState::Waiting && change.effective_at.is_some_and(|at| ctx.now < at) {
        return Ok(());
    }
    let text = "a veto stops a change that has passed and still waits; this one does not wait";
    Err(Refusal::new(Kind::Conflict, "change-state", text))
}

/// Whether the enclave stops the change on one of these vetoes; asked again, it says the same. A veto that came too late
/// by its clock stops nothing.
pub(super) async fn stops(app: &App, acl: &Acl, change: &Change, vetoes: &[Veto]) -> Result<bool, Error> {
    for veto in vetoes {
        let ballot = Ballot::take(&mut veto.ballot.as_slice());
        let ballot = ballot.map_err(|_| Error::fault("reading a veto"))?;
        let acl = acl.document.clone().into_bytes();
        let stopped = app.enclave.stop(Weigh { acl, hash: change.hash, ballot }).await;
        match stopped.map_err(not_believed) {
            Ok(_) => return Ok(true),
            Err(Error::Refused(refusal)) if refusal.code == NOT_BELIEVED => {
                tracing::warn!(change_id = %change.id, "the enclave does not take a veto: it came too late");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
