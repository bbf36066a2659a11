//! Stops a recovery that has passed and waits out its delay: a member with a veto signs its rejection. From then on
//! the enclave is not asked for it, and were it asked with all ballots, it would say no.

use boundary::wire::Wire as _;
use domain::approval::ControlState;
use domain::control::Act;
use domain::refusal::{Kind, Refusal};
use store::audit::AuditEntry;
use store::control_recoveries;
use store::control_votes::{self, Vote};

use super::super::{Ctx, Error};
use super::advance_recovery::advance;
use super::read_recoveries::{ShownRecovery, find_recovery};
use super::vote::{CastVote, read_ballot};
use super::{permitted, recorded};
use crate::app::App;

/// Stops it, for good. Every refusal is recorded.
pub async fn stop_recovery(app: &App, ctx: &Ctx, id: &str, credential: &str) -> Result<ControlState, Error> {
    let shown = find_recovery(app, &ctx.principal.tenant, id).await?;
    let about =
        |action: &str| AuditEntry { recovery_id: Some(shown.recovery.id.clone()), ..ctx.entry(app, action) };
    let stopped = stop(app, ctx, &shown, credential, about("recovery.vetoed")).await;
    recorded(app, ctx, about("recovery.veto-refused"), stopped).await?;
    advance(app, &ctx.principal.tenant, &shown.recovery.id, ctx.now, &ctx.request_id).await
}

async fn stop(
    app: &App,
    ctx: &Ctx,
    shown: &ShownRecovery,
    credential: &str,
    entry: AuditEntry,
) -> Result<(), Error> {
    let person = permitted(ctx, Act::Vote)?;
    let place = shown.list.place(person.as_str());
    if !place.is_some_and(|at| shown.list.members[at].veto) {
        let text = "only a member with a veto stops what has passed";
        return Err(Refusal::new(Kind::Forbidden, "no-veto", text).into());
    }
    may_be_stopped(shown.recovery.state)?;
    let cast = CastVote::Passkey { approve: false, credential: credential.to_owned() };
    let ballot = read_ballot(app, &person, &shown.list, &shown.recovery.intent_hash, &cast).await?;
    let vote = Vote {
        recovery_id: shown.recovery.id.clone(),
        person_id: person,
        approve: false,
        ballot: ballot.to_bytes(),
        verification_id: None,
        check_ends_at: None,
        voted_at: ctx.now,
    };
    let (tenant, now) = (ctx.principal.tenant.clone(), ctx.now);
    app.db
        .write("stop_recovery", move |tx| {
            let recovery = control_recoveries::of(&tenant).find_locked(tx, &vote.recovery_id)?;
            may_be_stopped(recovery.ok_or_else(Refusal::not_found)?.state)?;
            if !control_votes::of(&tenant).insert(tx, &vote)? {
                let whose = (&vote.recovery_id, &vote.person_id);
                control_votes::of(&tenant).set_rejected(tx, whose, &vote.ballot, now)?;
            }
            Ok::<_, Error>(store::audit::of(&tenant).append(tx, &entry)?)
        })
        .await
}

fn may_be_stopped(state: ControlState) -> Result<(), Refusal> {
    if state == ControlState::Approved {
        return Ok(());
    }
    let text = "a veto stops a recovery that has passed and still waits; this one does not wait";
    Err(Refusal::new(Kind::Conflict, "recovery-state", text))
}
