//! Replaces a customer key by a new one of the same user and kind. What the old key guards answers to the new one
//! from then on: data is encrypted anew inside the enclave, files stay as they are and the new key's seal names
//! the old one.
//!
//! Everything is prepared outside any transaction and written in one. That write finds out whether a backup was
//! stored, changed or deleted since it was read; then the round is run again with what is new.

use std::collections::{BTreeMap, HashMap};

use boundary::json::Value as Json;
use boundary::message::{CheckItem, ProveItem, REWRAP_ITEMS_MAX, Rewrap};
use boundary::statement::Field;
use domain::access::Deed;
use domain::event::Event;
use domain::ids::{BackupId, KeyId, TenantId};
use domain::key::{KeyEnvironment, KeyState, KeyType};
use domain::limits::UNAVAILABLE_RETRY_AFTER_S;
use domain::refusal::{Kind, Refusal};
use store::audit::AuditEntry;
use store::keys::{self, CustomerKey};
use store::offline::OfflineRequest;
use store::rotations::{self, Guarded, Wrapped};
use store::users::{self, User};
use store::{Rx, StoreError, Tx, backups, control_recoveries, recoveries};

use super::assign_key::{Asked, Filing, bind_key, key_data, tie};
use super::check_items::{checksum_place, find_active_locked, must_be_active};
use super::key_shares::open_sealed;
use super::take_pool_key::drop_burnt_key;
use super::{Ctx, Error, event, tell};
use crate::app::App;
use crate::edge::enclave::CallError;

/// How often the round is run before the caller is asked to come back: each further one only has to move what
/// was stored during the one before.
const ROUNDS_MAX: usize = 8;
/// How many backups a refusal names.
const NAMED_MAX: usize = 20;

/// What a tenant asks for.
pub struct RotateKey {
    /// Which key.
    pub key_id: String,
    /// Fields to sign beside the new public key.
    pub sign_with: Vec<Field>,
}

/// Replaces the key; returns the new one.
pub async fn rotate_key(app: &App, ctx: &Ctx, command: RotateKey) -> Result<CustomerKey, Error> {
    ctx.permit_one_of(&[Deed::RotateKey, Deed::RotateOwnKey])?;
    let id: KeyId = command.key_id.parse().map_err(|_| Refusal::not_found())?;
    // Rivals in this process wait here, so that the losers burn no pool key; others lose at the write.
    let _turn = app.rotations.take(&[id.as_str()]).await;
    let found = look(app, ctx, &id).await?;
    has_fields(&found.key, &command.sign_with)?;
    let new = bind_successor(app, ctx, &found, command.sign_with).await?;
    let (new_id, done) = (new.id.clone(), move_all(app, ctx, found, new).await);
    if done.is_err() {
        // Bound and not assigned, it is of no use to anybody. Left in the pool it would be found out later.
        if drop_burnt_key(app, new_id.clone()).await.is_err() {
            tracing::warn!(key_id = %new_id, "a pool key was bound for a rotation and stays in the pool");
        }
    }
    done
}

/// A key that may be replaced, and the data under it.
struct Found {
    key: CustomerKey,
    user: User,
    guarded: Vec<Guarded>,
}

async fn look(app: &App, ctx: &Ctx, id: &KeyId) -> Result<Found, Error> {
    let (tenant, id) = (ctx.principal.tenant.clone(), id.clone());
    let found = app.db.read("find_rotation", move |rx| {
        let key = keys::of(&tenant).find(rx, &id)?.ok_or_else(Refusal::not_found)?;
        must_be_active(rx, &tenant, &key)?;
        must_be_at_rest(rx, &tenant, &key)?;
        let user = users::of(&tenant).find(rx, &key.user_id)?;
        let user = user.ok_or_else(|| Error::fault("finding the user of a key"))?;
        // Nothing here opens what a COLD key guards: it stays where it is until a ceremony moves it.
        let guarded = match key.key_environment {
            KeyEnvironment::Hot => rotations::of(&tenant).list_guarded(rx, &key.id)?,
            KeyEnvironment::Cold => Vec::new(),
        };
        Ok::<_, Error>(Found { key, user, guarded })
    });
    let found = found.await?;
    // Told before a pool key is spent; whether each of them opens, only the enclave can say.
    let bare = |item: &&Guarded| item.record.is_none() || item.ciphertext.is_none();
    refuse_damaged(found.guarded.iter().filter(bare).map(|item| &item.id))?;
    Ok(found)
}

fn must_be_at_rest(rx: &mut Rx<'_>, tenant: &TenantId, key: &CustomerKey) -> Result<(), Error> {
    if is_at_rest(rx, tenant, key)? { Ok(()) } else { Err(recovery_running().into()) }
}

/// Whether no recovery of one of the key's backups is under way.
pub(super) fn is_at_rest(rx: &mut Rx<'_>, tenant: &TenantId, key: &CustomerKey) -> Result<bool, StoreError> {
    if control_recoveries::of(tenant).find_running_of_key(rx, &key.id)?.is_some() {
        return Ok(false);
    }
    for recovery in recoveries::of(tenant).list_running_of_user(rx, &key.user_id)? {
        let ids: Vec<String> = serde_json::from_str(&recovery.items).unwrap_or_default();
        for id in ids.iter().filter_map(|id| id.parse().ok()) {
            if backups::of(tenant).find(rx, &id)?.is_some_and(|backup| backup.key_id == key.id) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// A key that a recovery needs stays as it is, and so does what it guards.
pub(super) fn recovery_running() -> Refusal {
    let text = "a recovery of a backup under this key is running; repeat the call when it has ended";
    Refusal::new(Kind::Conflict, "recovery-running", text)
}

fn has_fields(key: &CustomerKey, fields: &[Field]) -> Result<(), Refusal> {
    let lacks = |field: &&Field| match field {
        Field::ExternalCustomerId => key.customer_id.is_none(),
        Field::ExternalPackageId => key.package_id.is_none(),
        _ => false,
    };
    match fields.iter().find(lacks) {
        None => Ok(()),
        Some(field) => {
            let text = format!("names {}, which this key does not have", field.as_str());
            Err(Refusal::field("sign_with", text))
        }
    }
}

/// A new key, filed as the old one is.
async fn bind_successor(
    app: &App,
    ctx: &Ctx,
    Found { key, user, .. }: &Found,
    sign_with: Vec<Field>,
) -> Result<CustomerKey, Error> {
    let asked = Asked { environment: key.key_environment, key_type: key.key_type, sign_with };
    let named = |id: &Option<String>, name: &Option<String>| id.clone().map(|id| (id, name.clone()));
    let filing = Filing {
        assignment_slot: key.assignment_slot.clone(),
        customer: named(&key.customer_id, &key.customer_name),
        package: named(&key.package_id, &key.package_name),
        verification_id: key.verification_id.clone(),
    };
    bind_key(app, ctx, user, asked, filing, Some(key)).await
}

/// Moves everything, in one write.
async fn move_all(app: &App, ctx: &Ctx, mut found: Found, new: CustomerKey) -> Result<CustomerKey, Error> {
    let id = found.key.id.clone();
    let mut moved = rewrap(app, ctx, &found, &new, HashMap::new()).await?;
    if write(app, ctx, &found, &new, &moved).await? {
        return Ok(new);
    }
    // Whoever stores without a pause would win every round: in this process they wait from now on.
    let _turn = app.stores.take(&[id.as_str()]).await;
    for _ in 1..ROUNDS_MAX {
        found = look(app, ctx, &id).await?;
        moved = rewrap(app, ctx, &found, &new, moved).await?;
        if write(app, ctx, &found, &new, &moved).await? {
            return Ok(new);
        }
    }
    let text = "backups of this key are stored or changed faster than they can be moved; nothing was changed";
    Err(Refusal::new(Kind::Unavailable, "key-busy", text).retry_after(UNAVAILABLE_RETRY_AFTER_S).into())
}

/// What each backup was, and what it becomes.
type Moved = HashMap<BackupId, (Wrapped, Wrapped)>;

/// Has the enclave encrypt to the new key whatever is not in `done`, or has changed since.
async fn rewrap(
    app: &App,
    ctx: &Ctx,
    found: &Found,
    new: &CustomerKey,
    mut done: Moved,
) -> Result<Moved, Error> {
    if found.key.key_type != KeyType::Rsa4096 {
        return Ok(done);
    }
    let mut moved = Moved::new();
    let mut waiting = Vec::new();
    for item in &found.guarded {
        let was = wrapped(item);
        match done.remove(&item.id) {
            Some((known, becomes)) if known == was => drop(moved.insert(item.id.clone(), (known, becomes))),
            _ => waiting.push((item, was)),
        }
    }
    let tenant = &ctx.principal.tenant;
    let from = open_sealed(app, (tenant, &found.key.id), &found.key.held()).await?;
    let to = open_sealed(app, (tenant, &new.id), &new.held()).await?;
    let mut damaged = Vec::new();
    for batch in waiting.chunks(REWRAP_ITEMS_MAX) {
        let items = batch.iter().map(|(item, was)| asked(app, item, was));
        let request =
            Rewrap { from: from.clone(), to: to.clone(), items: items.collect::<Result<_, Error>>()? };
        let answer = app.enclave.rewrap(request).await?.items;
        if answer.len() != batch.len() {
            return Err(CallError::OutOfProtocol.into());
        }
        for ((item, was), out) in batch.iter().zip(answer) {
            match out {
                None => damaged.push(&item.id),
                Some(out) => {
                    let becomes = Wrapped { ciphertext: out.ciphertext, record: out.record };
                    moved.insert(item.id.clone(), (was.clone(), becomes));
                }
            }
        }
    }
    refuse_damaged(damaged.into_iter())?;
    Ok(moved)
}

/// What an item is now.
pub(super) fn wrapped(item: &Guarded) -> Wrapped {
    let bytes = |bytes: &Option<Vec<u8>>| bytes.clone().unwrap_or_default();
    Wrapped { ciphertext: bytes(&item.ciphertext), record: bytes(&item.record) }
}

/// An item as the enclave is asked to encrypt it anew.
pub(super) fn asked(app: &App, item: &Guarded, was: &Wrapped) -> Result<ProveItem, Error> {
    let sealed = item.checksum_sealed.as_deref().unwrap_or_default();
    let checksum = app.keys.open(checksum_place(&item.id), sealed)?;
    let item = CheckItem {
        backup_id: item.id.to_string(),
        item_key: item.item_key.clone().unwrap_or_default(),
        ciphertext: was.ciphertext.clone(),
        checksum: checksum.try_into().map_err(|_| Error::fault("reading a sealed checksum"))?,
    };
    Ok(ProveItem { item, record: was.record.clone() })
}

/// Refuses if there is any: a key is replaced with all that it guards, or not at all.
fn refuse_damaged<'a>(ids: impl Iterator<Item = &'a BackupId>) -> Result<(), Refusal> {
    let ids: Vec<_> = ids.map(ToString::to_string).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{} of this key's backups do not open any more, {} among them: nothing was changed. Delete what cannot be saved, \
         wait until it is gone or ask the operator, and repeat the call",
        ids.len(),
        ids[0],
    );
    let fields = BTreeMap::from([("backup_ids".to_owned(), ids.into_iter().take(NAMED_MAX).collect())]);
    Err(Refusal { fields, ..Refusal::new(Kind::Conflict, "backup-damaged", text) })
}

/// Writes the rotation whole. False, with nothing written, when what the key guards is not what was moved.
async fn write(app: &App, ctx: &Ctx, found: &Found, new: &CustomerKey, moved: &Moved) -> Result<bool, Error> {
    let rotation = Rotation {
        tenant: ctx.principal.tenant.clone(),
        owner: app.instance.clone(),
        old: found.key.clone(),
        new: new.clone(),
        moved: moved.clone(),
        entries: entries(app, ctx, &found.key, new),
        told: tie(app, ctx, new)?,
        event: rotated(app, ctx, found, new),
    };
    let env = app.env;
    let written = app.db.write("rotate_key", move |tx| {
        rotation.write(tx)?;
        Ok(tell(tx, &rotation.tenant, env, &rotation.event)?)
    });
    match written.await {
        Ok(()) => Ok(true),
        Err(Ending::Changed) => Ok(false),
        Err(Ending::Error(error)) => Err(error),
    }
}

/// One entry of each key, so that each one's history says what became of it, or where it came from.
fn entries(app: &App, ctx: &Ctx, old: &CustomerKey, new: &CustomerKey) -> [AuditEntry; 2] {
    let about = |key: &CustomerKey, action: &str, reason: String| AuditEntry {
        key_id: Some(key.id.clone()),
        customer_id: key.customer_id.clone(),
        package_id: key.package_id.clone(),
        verification_id: key.verification_id.clone(),
        reason: Some(reason),
        ..ctx.entry(app, action)
    };
    [
        about(old, "key.superseded", format!("superseded by {}", new.id)),
        about(new, "key.rotated", format!("supersedes {}", old.id)),
    ]
}

fn rotated(app: &App, ctx: &Ctx, found: &Found, new: &CustomerKey) -> Event {
    let mut data = key_data(new, &found.user);
    data.push(("supersedes", Json::text(found.key.id.to_string())));
    event(&app.minter, ctx.now, "key.rotated", data)
}

/// All that is written.
struct Rotation {
    tenant: TenantId,
    owner: String,
    old: CustomerKey,
    new: CustomerKey,
    moved: Moved,
    entries: [AuditEntry; 2],
    told: Option<OfflineRequest>,
    event: Event,
}

/// Why a rotation was not written.
enum Ending {
    /// A backup was stored, changed or deleted meanwhile.
    Changed,
    /// Anything else.
    Error(Error),
}

impl From<StoreError> for Ending {
    fn from(error: StoreError) -> Self {
        Self::Error(error.into())
    }
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Rotation {
    fn write(&self, tx: &mut Tx<'_>) -> Result<(), Ending> {
        let (tenant, old, new, now) = (&self.tenant, &self.old.id, &self.new.id, self.new.assigned_at);
        // Whoever stores under the old key now has done so before, or waits, and finds it superseded.
        let key = find_active_locked(tx, tenant, old)?;
        must_be_at_rest(tx, tenant, &key)?;
        let is_hot = key.key_environment == KeyEnvironment::Hot;
        let becomes = if is_hot { KeyState::Superseded } else { KeyState::Superseding };
        keys::of(tenant).set_state(tx, old, KeyState::Active, becomes)?;
        // The list that guards the old key guards the new one, also if an Owner put it there meanwhile.
        let filed = CustomerKey { acl_id: key.acl_id, ..self.new.clone() };
        if !keys::of(tenant).insert(tx, &filed)? {
            return Err(Error::fault("taking the slot of a superseded key").into());
        }
        store::pool::take(tx, new, &self.owner)?;
        self.told.iter().try_for_each(|told| store::offline::of(tenant).append(tx, told))?;
        if is_hot {
            // In one order, so that two writers of the same rows do not wait for one another.
            let mut ids: Vec<_> = self.moved.keys().collect();
            ids.sort();
            for id in ids {
                let (was, becomes) = &self.moved[id];
                // What has changed does not move and is found left below; what was deleted may stay behind.
                rotations::of(tenant).set_moved(tx, id, (old, new), (was, becomes), now)?;
            }
            rotations::of(tenant).set_files_moved(tx, (old, new), now)?;
            if rotations::of(tenant).count_left(tx, old)? > 0 {
                return Err(Ending::Changed);
            }
        }
        for entry in &self.entries {
            store::audit::of(tenant).append(tx, entry)?;
        }
        Ok(())
    }
}
