//! Does what the votes on a change come to: the enclave takes the version that passed, at once or after the list's
//! delay where it weakens the list, unless a veto stops it meanwhile; what did not pass ends. Also the job that comes back
//! to what waits.

use boundary::acl::{Outcome, outcome};
use boundary::approval::{AclDocument, Document as _, weakens};
use boundary::json::Value as Json;
use boundary::message::{Amend, Ballot, Request};
use boundary::wire::Wire as _;
use domain::approval::ChangeState;
use domain::audit::ActorType;
use domain::ids::{AclChangeId, TenantId};
use domain::notice::NoticeKind;
use domain::person::PersonState;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::acl_changes::{self, Change, Vote};
use store::acls::{self, Acl, Version};
use store::audit::AuditEntry;
use store::offline::OfflineRequest;
use store::{OfTenant, Rx, StoreError, people};

use super::super::offline::told_too;
use super::super::{Error, entry, event, tell};
use super::change_acl::change_path;
use super::make_acl::acl_data;
use super::stop_change::stops;
use super::{NOT_BELIEVED, document_of, news, not_believed, people_of};
use crate::app::App;

/// How many changes are looked at in one round.
const ROUND_MAX: i64 = 200;

/// A vote on a change.
pub struct Cast {
    /// As it was given.
    pub vote: Vote,
    /// Whether it counts: the yes of whoever was taken out of the team since does not. His no stays, so that taking
    /// people out never brings a change nearer.
    pub counts: bool,
}

/// The votes on a change, and which of them count.
pub(super) fn list_cast(
    rx: &mut Rx<'_>,
    tenant: &TenantId,
    change: &AclChangeId,
) -> Result<Vec<Cast>, StoreError> {
    let mut cast = Vec::new();
    for vote in acl_changes::of(tenant).list_votes(rx, change)? {
        let voter = people::of(tenant).find(rx, &vote.person_id)?;
        let is_here = voter.is_some_and(|person| person.state != PersonState::Removed);
        cast.push(Cast { counts: !vote.approve || is_here, vote });
    }
    Ok(cast)
}

/// Comes back to every change that is open or waits; says how many moved.
pub async fn settle_changes(app: &App, now: Timestamp) -> Result<usize, Error> {
    let open = app.db.read("list_changes", move |rx| acl_changes::list_open(rx, ROUND_MAX));
    let open: Vec<OfTenant<Change>> = open.await.map_err(|error: StoreError| Error::from(error))?;
    let mut moved = 0;
    for OfTenant { tenant_id, row } in open {
        match settle_change(app, &tenant_id, &row.id, now, "service").await {
            Ok(becomes) => moved += usize::from(becomes != row.state),
            // One that waits for the enclave keeps no other one waiting.
            Err(Error::Refused(refusal)) => tracing::debug!(change_id = %row.id, %refusal, "a change waits"),
            Err(error) => return Err(error),
        }
    }
    Ok(moved)
}

/// Does what follows from the votes by now, and says where the change stands.
pub(super) async fn settle_change(
    app: &App,
    tenant: &TenantId,
    id: &AclChangeId,
    now: Timestamp,
    request_id: &str,
) -> Result<ChangeState, Error> {
    let (owner, name) = (tenant.clone(), id.clone());
    let found = app.db.read("find_change", move |rx| {
        let Some(change) = acl_changes::of(&owner).find(rx, &name)? else { return Ok(None) };
        let (votes, vetoes) =
            (list_cast(rx, &owner, &name)?, acl_changes::of(&owner).list_vetoes(rx, &name)?);
        let acl = acls::of(&owner).find(rx, &change.acl_id)?;
        Ok::<_, StoreError>(acl.map(|acl| (change, votes, vetoes, acl)))
    });
    let (change, cast, vetoes, acl) = found.await?.ok_or_else(Refusal::not_found)?;
    let all: Vec<&Vote> = cast.iter().map(|cast| &cast.vote).collect();
    let votes: Vec<&Vote> = cast.iter().filter(|cast| cast.counts).map(|cast| &cast.vote).collect();
    let to_tell =
        |votes: &[&Vote]| Ok::<_, Error>(told_too(app, now, Request::Amend(amend(&change, votes, &acl)?)));
    let step = match (change.state, stands(&change, &votes, &acl, now)?) {
        (ChangeState::Open, Outcome::Approved) => match take(app, &change, &votes, &acl).await {
            Ok(at) if waits(&change, &acl)? && at > now => Step::waiting(at),
            Ok(_) => Step { told: Some(to_tell(&votes)?), ..Step::applied(now) },
            // What the enclave does not believe will never be the list; what only waits for it is tried again.
            Err(Error::Refused(refusal)) if refusal.code == NOT_BELIEVED => {
                Step::ended(ChangeState::Declined)
            }
            Err(error) => return Err(error),
        },
        (ChangeState::Open, Outcome::Declined) => Step::ended(ChangeState::Declined),
        (ChangeState::Open, Outcome::Expired) => Step::ended(ChangeState::Expired),
        (ChangeState::Waiting, _) if stops(app, &acl, &change, &vetoes).await? => {
            Step { is_stopped: true, ..Step::ended(ChangeState::Declined) }
        }
        (ChangeState::Waiting, _) => match change.effective_at.filter(|at| *at <= now) {
            // Told when nobody can stop it any more: the offline enclave knows of no vetoes. Whoever has left the team since
            // has voted all the same.
            Some(at) => Step { told: Some(to_tell(&all)?), ..Step::applied(at) },
            None => return Ok(change.state),
        },
        (state, _) => return Ok(state),
    };
    write(app, tenant, (&change, &acl, vetoes.len()), step, (now, request_id)).await
}

/// What becomes of a change.
struct Step {
    becomes: ChangeState,
    effective_at: Option<Timestamp>,
    /// Whether a veto has stopped it.
    is_stopped: bool,
    /// What the offline enclave is told.
    told: Option<OfflineRequest>,
}

impl Step {
    fn ended(becomes: ChangeState) -> Self {
        Self { becomes, effective_at: None, is_stopped: false, told: None }
    }

    fn waiting(until: Timestamp) -> Self {
        Self { effective_at: Some(until), ..Self::ended(ChangeState::Waiting) }
    }

    fn applied(at: Timestamp) -> Self {
        Self { effective_at: Some(at), ..Self::ended(ChangeState::Applied) }
    }

    const fn action(&self) -> &'static str {
        match self.becomes {
            _ if self.is_stopped => "acl.change-stopped",
            ChangeState::Open => "acl.change-proposed",
            ChangeState::Waiting => "acl.change-approved",
            ChangeState::Applied => "acl.changed",
            ChangeState::Declined => "acl.change-declined",
            ChangeState::Expired => "acl.change-expired",
        }
    }

    /// What webhooks are told.
    const fn event(&self) -> Option<&'static str> {
        match self.becomes {
            _ if self.is_stopped => Some("acl.change-stopped"),
            ChangeState::Waiting => Some("acl.change-waiting"),
            ChangeState::Applied => Some("acl.changed"),
            ChangeState::Open | ChangeState::Declined | ChangeState::Expired => None,
        }
    }

    /// What people are told.
    const fn news(&self) -> (&'static str, &'static str) {
        let look = "Look at the list as it is now, and at who voted.";
        match self.becomes {
            _ if self.is_stopped => (
                "a change was stopped by a veto",
                "It had passed, and never takes effect: the list stays as it was.",
            ),
            ChangeState::Open => ("a change is voted on", look),
            ChangeState::Waiting => (
                "a change has passed and takes effect later",
                "It makes the list weaker, and so waits before it takes effect. Until then any member with a veto can stop \
                 it.",
            ),
            ChangeState::Applied => ("the list has changed", look),
            ChangeState::Declined => ("a change was declined", look),
            ChangeState::Expired => ("a change did not pass in time", look),
        }
    }
}

/// Whether the list's delay goes before the change, as the enclave reckons: only where it weakens the list. Its clock
/// and ours are not one, so that an instant alone does not tell.
fn waits(change: &Change, acl: &Acl) -> Result<bool, Error> {
    let current = document_of(acl)?;
    let next = document(change)?;
    Ok(current.delay_hot_s.max(current.delay_cold_s) > 0 && weakens(&current, &next))
}

fn document(change: &Change) -> Result<AclDocument, Error> {
    AclDocument::from_canonical(change.document.as_bytes()).ok_or_else(|| Error::fault("reading a change"))
}

/// Where the votes stand by the rule of the list as it is.
fn stands(change: &Change, votes: &[&Vote], acl: &Acl, now: Timestamp) -> Result<Outcome, Error> {
    let document = document_of(acl)?;
    let cast = document.members.iter().map(|member| {
        votes.iter().find(|vote| vote.person_id.as_str() == member.person_id).map(|vote| vote.approve)
    });
    let cast: Vec<_> = cast.collect();
    let stands = outcome(document.rule, &document.seats(), &cast, None, false);
    let is_late = stands == Outcome::Open && now >= change.window_ends_at;
    Ok(if is_late { Outcome::Expired } else { stands })
}

/// Has the enclave take it; the same again answers the same. From when on it is in force.
async fn take(app: &App, change: &Change, votes: &[&Vote], acl: &Acl) -> Result<Timestamp, Error> {
    let amended = app.enclave.amend(amend(change, votes, acl)?).await.map_err(not_believed)?;
    Ok(Timestamp::from_ms(amended.effective_at_ms))
}

/// What an enclave is asked for.
fn amend(change: &Change, votes: &[&Vote], acl: &Acl) -> Result<Amend, Error> {
    let ballots = votes.iter().map(|vote| Ballot::take(&mut vote.ballot.as_slice()));
    Ok(Amend {
        document: change.document.clone().into_bytes(),
        current: Some(acl.document.clone().into_bytes()),
        roster: None,
        ballots: ballots.collect::<Result<_, _>>().map_err(|_| Error::fault("reading a ballot"))?,
    })
}

async fn write(
    app: &App,
    tenant: &TenantId,
    (change, acl, vetoes): (&Change, &Acl, usize),
    step: Step,
    (now, request_id): (Timestamp, &str),
) -> Result<ChangeState, Error> {
    let about = entry(&app.minter, now, (ActorType::Service, "service"), step.action(), request_id);
    let reason = format!("list {} change {}", acl.id, change.id);
    let about = AuditEntry { reason: Some(reason), ..about };
    let mut data = acl_data(&acl.id, change.version);
    if step.becomes == ChangeState::Waiting {
        data.push(("effective_at", Json::text_or_null(step.effective_at.map(Timestamp::rfc3339).as_deref())));
    }
    let event = step.event().map(|name| event(&app.minter, now, name, data));
    let next = document(change)?;
    let mut people = people_of(&document_of(acl)?);
    people.extend(people_of(&next));
    people.sort();
    people.dedup();
    let (title, text) = step.news();
    let title = format!("{}: {title}", acl.name);
    let notices =
        news(app, now, &people, (NoticeKind::ListChanged, &title, text, &change_path(&acl.id, &change.id)))?;
    let (owner, env, change, name) = (tenant.clone(), app.env, change.clone(), next.name);
    let version = Version {
        acl_id: acl.id.clone(),
        version: change.version,
        document: change.document.clone(),
        hash: change.hash,
        created_at: now,
    };
    let becomes = step.becomes;
    let moved = app.db.write("settle_change", move |tx| {
        // A veto that came meanwhile is shown to the enclave first.
        acl_changes::of(&owner).find_locked(tx, &change.id)?;
        if acl_changes::of(&owner).list_vetoes(tx, &change.id)?.len() != vetoes {
            return Ok(false);
        }
        let states = (change.state, becomes);
        if !acl_changes::of(&owner).set_state(tx, &change.id, states, step.effective_at, now)? {
            return Ok(false);
        }
        step.told.iter().try_for_each(|told| store::offline::of(&owner).append(tx, told))?;
        if becomes == ChangeState::Applied {
            acls::of(&owner).set_version(tx, &name, &version)?;
        }
        event.iter().try_for_each(|event| tell(tx, &owner, env, event))?;
        store::audit::of(&owner).append(tx, &about)?;
        notices.iter().try_for_each(|notice| store::notices::of(&owner).append(tx, notice))?;
        Ok::<_, StoreError>(true)
    });
    // Whoever was first has written it; where it stands now, the next look says.
    moved.await?;
    Ok(becomes)
}
