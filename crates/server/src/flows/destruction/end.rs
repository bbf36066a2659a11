//! Ends destructions: lapses what nobody confirmed, and destroys what nobody stopped. This is the one deed that nothing
//! takes back, so all that it rests on is asked again in the transaction that does it, and what is in doubt is left.

use domain::audit::{ActorType, Outcome};
use domain::destruction::{DESTROYED, DestructionState, Doubt, Loss, Step};
use domain::ids::TenantId;
use domain::time::Timestamp;
use store::audit::AuditEntry;
use store::destructions::{self, Destruction, Due};
use store::{StoreError, keys, listings};

use super::super::freeze_tenant::stands;
use super::super::{Error, delete_backup, entry, event, tell};
use super::erase::erase_rest;
use super::facts::read_facts;
use super::judge::Judge;
use super::logged::is_log_whole;
use super::stop::keep_key;
use super::{Found, about, data, find_of, news};
use crate::app::App;

/// How many destructions are looked at in one round.
const ROUND_MAX: i64 = 1_000;
/// Who does what nobody does.
const SERVICE: &str = "service";

/// Comes back to every destruction whose days are over; says how many moved on. What fails of one keeps no other.
pub async fn end_destructions(app: &App, now: Timestamp) -> Result<usize, Error> {
    let due = app.db.read("list_due_destructions", move |rx| destructions::list_due(rx, now, ROUND_MAX));
    let due: Vec<Due> = due.await.map_err(|error: StoreError| Error::from(error))?;
    let (mut moved, mut refused, mut broken) = (0, None, None);
    for due in &due {
        match move_on(app, due, now).await {
            Ok(has_moved) => moved += usize::from(has_moved),
            Err(Error::Refused(refusal)) => {
                let Due { tenant_id, key_id } = due;
                tracing::warn!(tenant_id, key_id, %refusal, "the destruction of a key waits");
                refused = refused.or(Some(Error::Refused(refusal)));
            }
            Err(Error::Fault(fault)) => {
                let Due { tenant_id, key_id } = due;
                tracing::error!(
                    tenant_id,
                    key_id,
                    cause = fault.chain(),
                    "the destruction of a key does not go on"
                );
                broken = broken.or(Some(Error::Fault(fault)));
            }
        }
    }
    broken.or(refused).map_or(Ok(moved), Err)
}

async fn move_on(app: &App, Due { tenant_id, key_id }: &Due, now: Timestamp) -> Result<bool, Error> {
    let (Ok(tenant), Ok(key)) = (tenant_id.parse(), key_id.parse()) else {
        return Err(Error::fault("reading of what key a destruction is"));
    };
    let Some(found) = find_of(app, &tenant, &key).await? else { return Ok(false) };
    match found.destruction.as_ref().map(|due| due.state) {
        Some(DestructionState::Asked) => lapse(app, &tenant, &found, now).await,
        Some(DestructionState::Pending) => end(app, &tenant, &found, now).await,
        Some(DestructionState::Erasing) => erase_rest(app, &tenant, &key, now).await,
        _ => Ok(false),
    }
}

/// Ends a request that nobody confirmed.
async fn lapse(app: &App, tenant: &TenantId, found: &Found, now: Timestamp) -> Result<bool, Error> {
    let text = "Nobody confirmed it within seven days, so nothing happens to the key.";
    let notices = news(app, now, tenant, found, ("Nobody confirmed a destruction", text)).await?;
    let entry = about(&found.key, of_service(app, now, "key.destruction-lapsed"));
    let (tenant, id) = (tenant.clone(), found.key.id.clone());
    let written = app.db.write("lapse_destruction", move |tx| {
        let states = (DestructionState::Asked, DestructionState::Lapsed);
        let found = destructions::of(&tenant).find_locked(tx, &id)?;
        if found.is_none_or(|found| now < found.due_at)
            || !destructions::of(&tenant).set_state(tx, &id, states, Some(now))?
        {
            return Ok(false);
        }
        store::audit::of(&tenant).append(tx, &entry)?;
        notices.iter().try_for_each(|notice| store::notices::of(&tenant).append(tx, notice))?;
        Ok(true)
    });
    written.await.map_err(|error: StoreError| error.into())
}

/// Does what is to be done now that the days are over.
async fn end(app: &App, tenant: &TenantId, found: &Found, now: Timestamp) -> Result<bool, Error> {
    let is_frozen = stands(app, tenant).await?.left_ms > 0;
    let (owner, id, judge) = (tenant.clone(), found.key.id.clone(), Judge::of(app, is_frozen, now));
    let asked = judge.clone();
    let judged = app.db.read("judge_destruction", move |rx| {
        let (key, due) = (keys::of(&owner).find(rx, &id)?, destructions::of(&owner).find(rx, &id)?);
        let (Some(key), Some(due)) = (key, due) else { return Ok(None) };
        read_facts(rx, &asked, (&owner, &key, &due)).map(|facts| Some((facts.next(), due)))
    });
    let judged: Option<(Step, Destruction)> = judged.await.map_err(|error: StoreError| Error::from(error))?;
    match judged {
        None | Some((Step::Wait(_), _)) => Ok(false),
        Some((Step::Halt(doubt), _)) => halt(app, tenant, found, (doubt, judge)).await,
        Some((Step::Destroy, _)) if !is_log_whole(app, (tenant, &found.key.id), now).await? => {
            halt(app, tenant, found, (Doubt::Log, Judge { is_log_broken: true, ..judge })).await
        }
        Some((Step::Stop(loss), _)) => stop(app, tenant, found, (loss, judge)).await,
        Some((Step::Destroy, due)) => {
            let is_done = destroy(app, tenant, found, (&due, judge)).await?;
            if is_done {
                erase_rest(app, tenant, &found.key.id, now).await?;
            }
            Ok(is_done)
        }
    }
}

/// Destroys the key, as far as this database has it. What is left elsewhere is named by the state that it leaves.
async fn destroy(
    app: &App,
    tenant: &TenantId,
    found: &Found,
    (due, judge): (&Destruction, Judge),
) -> Result<bool, Error> {
    let now = judge.now;
    let text = "Its private half is gone for good, and so is all that it guarded.";
    let notices = news(app, now, tenant, found, ("A key was destroyed", text)).await?;
    let told = event(&app.minter, now, DESTROYED, data(found, None));
    let entry = about(&found.key, of_service(app, now, DESTROYED));
    let entry = AuditEntry { reason: Some(tombstone(app, found, due)), ..entry };
    let deleted = of_service(app, now, "backup.deleted");
    let (env, minter, tenant, id) = (app.env, app.minter.clone(), tenant.clone(), found.key.id.clone());
    let written = app.db.write("destroy_key", move |tx| {
        if judge.find_due(tx, (&tenant, &id), Step::Destroy)?.is_none()
            || !destructions::of(&tenant).set_key_destroyed(tx, &id, now)?
        {
            return Ok(false);
        }
        for gone in destructions::of(&tenant).set_backups_deleted(tx, &id, now)? {
            let Some(backup) = listings::of(&tenant).find_backup(tx, &gone.id)? else { continue };
            let entry =
                AuditEntry { id: minter.entry_id(now), ..delete_backup::about(&backup, deleted.clone()) };
            store::audit::of(&tenant).append(tx, &entry)?;
            tell(tx, &tenant, env, &event(&minter, now, "backup.deleted", delete_backup::data(&backup)))?;
        }
        let states = (DestructionState::Pending, DestructionState::Erasing);
        destructions::of(&tenant).set_state(tx, &id, states, Some(now))?;
        store::audit::of(&tenant).append(tx, &entry)?;
        notices.iter().try_for_each(|notice| store::notices::of(&tenant).append(tx, notice))?;
        tell(tx, &tenant, env, &told)?;
        Ok(true)
    });
    written.await.map_err(|error: StoreError| error.into())
}

/// What the log keeps of a key that is destroyed.
fn tombstone(app: &App, found: &Found, due: &Destruction) -> String {
    let second = due.confirmed_by.as_ref().map_or("nobody", |person| person.as_str());
    let when = |at: Option<Timestamp>| at.map(Timestamp::rfc3339).unwrap_or_default();
    format!(
        "asked by {} at {}, confirmed by {second} at {}, public key of SHA-256 {}",
        due.asked_by,
        when(Some(due.asked_at)),
        when(due.confirmed_at),
        domain::audit::hex(&app.sha256(&found.key.public_key)),
    )
}

/// Leaves it as it is, and says so: something that it rests on is not what the service wrote.
async fn halt(
    app: &App,
    tenant: &TenantId,
    found: &Found,
    (doubt, judge): (Doubt, Judge),
) -> Result<bool, Error> {
    let now = judge.now;
    tracing::error!(key_id = %found.key.id, doubt = doubt.as_str(), "a key is not destroyed: what is known of it is in doubt");
    let text = "What the service knows of it is not as the service wrote it, or is not what the log says. The key is not \
                destroyed. Tell the operator, who finds out more, and stop the destruction.";
    let notices = news(app, now, tenant, found, ("A key is not destroyed", text)).await?;
    let entry = AuditEntry {
        result: Outcome::Refused.to_string(),
        reason: Some(doubt.as_str().to_owned()),
        ..about(&found.key, of_service(app, now, "key.destruction-halted"))
    };
    let (tenant, id) = (tenant.clone(), found.key.id.clone());
    let written = app.db.write("halt_destruction", move |tx| {
        if judge.find_due(tx, (&tenant, &id), Step::Halt(doubt))?.is_none() {
            return Ok(false);
        }
        let states = (DestructionState::Pending, DestructionState::Halted);
        destructions::of(&tenant).set_state(tx, &id, states, None)?;
        store::audit::of(&tenant).append(tx, &entry)?;
        notices.iter().try_for_each(|notice| store::notices::of(&tenant).append(tx, notice))?;
        Ok(true)
    });
    written.await.map_err(|error: StoreError| error.into())
}

/// Stops it: the word of the two who asked and confirmed counts no longer.
async fn stop(
    app: &App,
    tenant: &TenantId,
    found: &Found,
    (loss, judge): (Loss, Judge),
) -> Result<bool, Error> {
    let now = judge.now;
    let text = match loss {
        Loss::Owner => {
            "Whoever asked for it or confirmed it is no owner any more, so it was stopped. An owner asks anew."
        }
        Loss::Owners => {
            "An owner came, went or began anew since a week before it was asked for, so it was stopped. Two owners who \
             both want it ask anew."
        }
    };
    let notices = news(app, now, tenant, found, ("The destruction of a key was stopped", text)).await?;
    let told = event(&app.minter, now, "key.kept", data(found, None));
    let entry = about(&found.key, of_service(app, now, "key.destruction-stopped"));
    let entry = AuditEntry { reason: Some(loss.as_str().to_owned()), ..entry };
    let (tenant, id, env) = (tenant.clone(), found.key.id.clone(), app.env);
    let written = app.db.write("stop_destruction", move |tx| {
        let Some(due) = judge.find_due(tx, (&tenant, &id), Step::Stop(loss))? else { return Ok(false) };
        keep_key(tx, &tenant, &due, now)?;
        store::audit::of(&tenant).append(tx, &entry)?;
        notices.iter().try_for_each(|notice| store::notices::of(&tenant).append(tx, notice))?;
        tell(tx, &tenant, env, &told)?;
        Ok(true)
    });
    written.await.map_err(|error: StoreError| error.into())
}

pub(super) fn of_service(app: &App, now: Timestamp, action: &str) -> AuditEntry {
    entry(&app.minter, now, (ActorType::Service, SERVICE), action, SERVICE)
}
