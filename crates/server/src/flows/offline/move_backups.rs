//! Backups of COLD keys that were rotated: what leaves to be encrypted to the new key, and what comes of it. Only the
//! offline enclave opens them, so they move one by one, and what does not open stays where it is.

use boundary::cold::Entry;
use boundary::message::{MovedItem, Reply, Request, Rewrap};
use boundary::wire::Wire as _;
use domain::audit::{ActorType, Outcome};
use domain::ids::{BackupId, KeyId, TenantId};
use domain::key::{KeyState, KeyType};
use domain::time::Timestamp;
use store::audit::AuditEntry;
use store::keys::{self, CustomerKey};
use store::rotations::{self, Guarded, Superseding, Wrapped};
use store::{OfTenant, Rx, StoreError, Tx, backups};

use super::Subject;
use crate::app::App;
use crate::flows::key_shares::open_sealed;
use crate::flows::rotate_key::{asked, is_at_rest, wrapped};
use crate::flows::{Error, entry};

/// How many rotated keys are looked at for one ceremony.
const KEYS_MAX: i64 = 2_000;

/// A key, the one that replaced it, and what may leave.
struct Rotated {
    tenant: TenantId,
    from: CustomerKey,
    to: CustomerKey,
    guarded: Vec<Guarded>,
}

/// What is to be encrypted anew, a backup each: those that were checked, of keys of which no recovery runs. Who asked for
/// one has signed what he asked for, and it stays that until he has it.
pub(super) async fn moves_for_ceremony(app: &App, limit: i64) -> Result<Vec<(Subject, Entry)>, Error> {
    let found = app.db.read("list_superseding", |rx| {
        let listed = rotations::list_superseding(rx, KEYS_MAX)?;
        let rotated = listed.into_iter().map(|of| look(rx, of));
        rotated.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
    });
    let found: Vec<Rotated> = found.await.map_err(|error: StoreError| Error::from(error))?;
    let limit = usize::try_from(limit).unwrap_or_default();
    let mut moves = Vec::new();
    for Rotated { tenant, from, to, guarded } in found {
        let [from, to] = [&from, &to].map(|key| (key.id.clone(), key.held()));
        let from = open_sealed(app, (&tenant, &from.0), &from.1).await?;
        let to = open_sealed(app, (&tenant, &to.0), &to.1).await?;
        for item in guarded.iter().take(limit - moves.len()) {
            let was = wrapped(item);
            let items = vec![asked(app, item, &was)?];
            let subject = Subject::Move(tenant.clone(), item.id.clone(), digest(app, &was));
            let (from, to) = (from.clone(), to.clone());
            moves.push((subject, Entry::Ask(Request::Rewrap(Rewrap { from, to, items }))));
        }
    }
    Ok(moves)
}

fn look(rx: &mut Rx<'_>, of: OfTenant<Superseding>) -> Result<Option<Rotated>, StoreError> {
    let OfTenant { tenant_id: tenant, row } = of;
    let Some(from) = keys::of(&tenant).find(rx, &row.id)? else { return Ok(None) };
    let Some(to) = keys::of(&tenant).find_successor(rx, &from.user_id, &from.id)? else { return Ok(None) };
    if from.key_type != KeyType::Rsa4096 || !may_take(&to) || !is_at_rest(rx, &tenant, &from)? {
        return Ok(None);
    }
    let mut guarded = rotations::of(&tenant).list_guarded(rx, &from.id)?;
    // What has no record was not checked yet, or did not open then.
    guarded.retain(|item| item.record.is_some() && item.ciphertext.is_some());
    Ok(Some(Rotated { tenant, from, to, guarded }))
}

/// Whether backups may come to a key: never to one that is destroyed, or will be.
fn may_take(to: &CustomerKey) -> bool {
    !matches!(to.state, KeyState::DestroyPending | KeyState::Destroyed)
}

/// What an answer must find unchanged.
fn digest(app: &App, was: &Wrapped) -> [u8; 32] {
    let Wrapped { ciphertext, record } = was.clone();
    app.sha256(&MovedItem { ciphertext, record }.to_bytes())
}

/// Keeps what the offline enclave made of a backup, if that is still what left; says in words what became of it.
pub(super) async fn take_moved(
    app: &App,
    now: Timestamp,
    (tenant, id, was): (&TenantId, &BackupId, &[u8; 32]),
    reply: Reply,
    ceremony: &str,
) -> Result<String, Error> {
    let becomes = match reply {
        Reply::Rewrapped(mut answer) if answer.items.len() == 1 => answer.items.remove(0),
        Reply::Refused(refusal) => {
            return Ok(format!("not moved ({refusal:?}): it stays, and waits for the next ceremony"));
        }
        _ => return Err(Error::fault("reading the answer to a backup's move")),
    };
    let (owner, backup) = (tenant.clone(), id.clone());
    let found = app.db.read("find_to_move", move |rx| {
        let Some(found) = backups::of(&owner).find_with_key(rx, &backup)? else { return Ok(None) };
        let key = keys::of(&owner).find(rx, &found.backup.key_id)?;
        let Some(key) = key else { return Ok(None) };
        let to = keys::of(&owner).find_successor(rx, &key.user_id, &key.id)?;
        Ok::<_, StoreError>(to.map(|to| (found.backup, to.id)))
    });
    let found = found.await?.and_then(|(backup, to)| {
        let (ciphertext, record) = (backup.ciphertext?, backup.record?);
        Some((Wrapped { ciphertext, record }, (backup.key_id, to)))
    });
    let Some((left, (from, to))) = found.filter(|(left, _)| digest(app, left) == *was) else {
        return Ok("moved before, or changed since".to_owned());
    };
    let (action, result) = match becomes {
        Some(_) => ("backup.moved", Outcome::Ok),
        None => ("backup.move-failed", Outcome::Failed),
    };
    let about = AuditEntry {
        backup_id: Some(id.clone()),
        key_id: Some(from.clone()),
        result: result.to_string(),
        reason: Some(format!("to the key {to}; {ceremony}")),
        ..entry(&app.minter, now, (ActorType::Service, "service"), action, "ceremony")
    };
    let Some(MovedItem { ciphertext, record }) = becomes else {
        tracing::warn!(%tenant, backup_id = %id, "a backup does not open any more and stays under its old key");
        let owner = tenant.clone();
        let written = app.db.write("note_unmoved", move |tx| store::audit::of(&owner).append(tx, &about));
        written.await.map_err(|error: StoreError| Error::from(error))?;
        return Ok(format!("does not open: it stays under the key {from}"));
    };
    let moving = Moving { from, to, left, becomes: Wrapped { ciphertext, record }, about };
    let (owner, backup) = (tenant.clone(), id.clone());
    let written = app.db.write("move_backup", move |tx| moving.write(tx, &owner, &backup, now));
    written.await.map_err(|error: StoreError| Error::from(error))
}

/// A backup that moves.
struct Moving {
    from: KeyId,
    to: KeyId,
    left: Wrapped,
    becomes: Wrapped,
    about: AuditEntry,
}

impl Moving {
    fn write(
        &self,
        tx: &mut Tx<'_>,
        tenant: &TenantId,
        id: &BackupId,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let (from_to, rotations) = ((&self.from, &self.to), rotations::of(tenant));
        // Whoever asks for it back now has done so before, or waits, and finds it moved.
        let Some(key) = find_superseding_locked(tx, tenant, &self.from)? else {
            return Ok("nothing was changed: its key is not being replaced any more".to_owned());
        };
        if !is_at_rest(tx, tenant, &key)? {
            return Ok(
                "a recovery of its key runs: import these answers again when that has ended".to_owned()
            );
        }
        // Locked after the one that it replaced, as whoever destroys a key locks them.
        if !keys::of(tenant).find_locked(tx, &self.to)?.as_ref().is_some_and(may_take) {
            return Ok(format!("stays: the key {} is destroyed, or will be", self.to));
        }
        if !rotations.set_moved(tx, id, from_to, (&self.left, &self.becomes), now)? {
            return Ok("changed since".to_owned());
        }
        store::audit::of(tenant).append(tx, &self.about)?;
        Ok(format!("moved to the key {}", self.to))
    }
}

fn find_superseding_locked(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &KeyId,
) -> Result<Option<CustomerKey>, StoreError> {
    let key = keys::of(tenant).find_locked(tx, id)?;
    Ok(key.filter(|key| key.state == KeyState::Superseding))
}

/// Moves the files of rotated keys as they are, and supersedes each key that guards nothing any more; says in words which.
pub(super) async fn end_rotations(app: &App, now: Timestamp, ceremony: &str) -> Result<Vec<String>, Error> {
    let found = app.db.read("list_superseding", |rx| rotations::list_superseding(rx, KEYS_MAX));
    let found: Vec<OfTenant<Superseding>> = found.await.map_err(|error: StoreError| Error::from(error))?;
    let mut lines = Vec::new();
    for OfTenant { tenant_id: tenant, row } in found {
        let about = AuditEntry {
            key_id: Some(row.id.clone()),
            ..entry(&app.minter, now, (ActorType::Service, "service"), "key.moved", "ceremony")
        };
        let (owner, ceremony, name) = (tenant.clone(), ceremony.to_owned(), row.id.clone());
        let written = app.db.write("end_rotation", move |tx| {
            let came = end_rotation(tx, &owner, &row.id, now)?;
            if let Some(came) = &came {
                let reason = Some(format!("{came}; {ceremony}"));
                store::audit::of(&owner).append(tx, &AuditEntry { reason, ..about.clone() })?;
            }
            Ok::<_, StoreError>(came)
        });
        lines.extend(written.await?.map(|came| format!("key {tenant} {name}: {came}")));
    }
    Ok(lines)
}

/// What came of one of them; none where nothing did.
fn end_rotation(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &KeyId,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let Some(key) = find_superseding_locked(tx, tenant, id)? else { return Ok(None) };
    let to = keys::of(tenant).find_successor(tx, &key.user_id, id)?;
    let Some(to) = to else { return Ok(None) };
    let to = keys::of(tenant).find_locked(tx, &to.id)?;
    let Some(to) = to.filter(may_take) else { return Ok(None) };
    if !is_at_rest(tx, tenant, &key)? {
        return Ok(None);
    }
    let files = rotations::of(tenant).set_files_moved(tx, (id, &to.id), now)?;
    let before = match &key.supersedes {
        Some(before) => keys::of(tenant).find(tx, before)?,
        None => None,
    };
    // What the key before this one still guards comes here first.
    let is_last = before.is_none_or(|before| before.state != KeyState::Superseding);
    if is_last && rotations::of(tenant).count_left(tx, id)? == 0 {
        keys::of(tenant).set_state(tx, id, KeyState::Superseding, KeyState::Superseded)?;
        return Ok(Some(format!("superseded: all that it guarded answers to the key {}", to.id)));
    }
    Ok((files > 0).then(|| format!("{files} files answer to the key {}", to.id)))
}
