//! Stores data items under a key: those that are new are checked by the enclave, those stored before answer
//! with their first id.

use boundary::message::{Check, CheckItem, Refusal as EnclaveRefusal};
use boundary::token::NO_CHECKSUM;
use domain::backup::{BackupKind, BackupState, CheckState};
use domain::ids::{BackupId, KeyId, TenantId, VerificationId};
use domain::key::{KeyEnvironment, KeyState, KeyType};
use domain::limits::BACKUPS_PER_USER_MAX;
use domain::refusal::{Kind, Refusal};
use store::backups::{self, Backup};
use store::keys::{self, CustomerKey};
use store::seal::Place;
use store::users::{self, User};
use store::{Rx, StoreError, Tx};

use super::key_shares::open_sealed;
use super::{Ctx, Error, told};
use crate::app::App;
use crate::edge::enclave::CallError;

/// One item, as it came.
pub(super) struct Item {
    /// Its name; none outside the retail path.
    pub name: Option<String>,
    /// The RSA-OAEP ciphertext.
    pub ciphertext: Vec<u8>,
    /// SHA-256 of the plaintext, where the caller gave it.
    pub checksum: Option<[u8; 32]>,
}

/// The session that items are stored under.
pub(super) struct Session<'a> {
    pub verification_id: &'a VerificationId,
    pub id: &'a str,
    pub ticket: &'a [u8],
}

/// Items that may be written: each one that is not stored yet is checked, or waits for a ceremony.
pub(super) struct Checked {
    rows: Vec<Row>,
}

/// One item's row, and what is only needed until it is written.
#[derive(Clone)]
struct Row {
    backup: Backup,
    checksum: Option<[u8; 32]>,
    is_new: bool,
}

/// The tenant's key of these bytes, and its user.
pub(super) async fn find_key(app: &App, ctx: &Ctx, public_key: &[u8]) -> Result<(CustomerKey, User), Error> {
    let (tenant, digest) = (ctx.principal.tenant.clone(), app.sha256(public_key));
    let found = app.db.read("find_key", move |rx| {
        let Some(key) = keys::of(&tenant).find_by_public_key_sha256(rx, &digest)? else { return Ok(None) };
        let user = users::of(&tenant).find(rx, &key.user_id)?;
        Ok::<_, StoreError>(user.map(|user| (key, user)))
    });
    Ok(found.await?.ok_or_else(Refusal::not_found)?)
}

/// Whether the key's kind and state let it take new data.
pub(super) async fn takes_data(app: &App, ctx: &Ctx, key: &CustomerKey) -> Result<(), Error> {
    if key.key_type != KeyType::Rsa4096 {
        let text = "is not an RSA key: data is stored under RSA keys only";
        return Err(Refusal::field("public_key", text).into());
    }
    takes_backups(app, ctx, key).await
}

/// Whether the key's state lets it take new backups.
pub(super) async fn takes_backups(app: &App, ctx: &Ctx, key: &CustomerKey) -> Result<(), Error> {
    if key.state == KeyState::Active {
        return Ok(());
    }
    let (tenant, key) = (ctx.principal.tenant.clone(), key.clone());
    app.db.read("find_successor", move |rx| must_be_active(rx, &tenant, &key)).await
}

/// Refuses a key that is not active, and names the one that replaced it.
pub(super) fn must_be_active(rx: &mut Rx<'_>, tenant: &TenantId, key: &CustomerKey) -> Result<(), Error> {
    let successor = match key.state {
        KeyState::Active => None,
        _ => keys::of(tenant).find_successor(rx, &key.user_id, &key.id)?,
    };
    Ok(key.state.must_be_active(successor.as_ref().map(|key| &key.id))?)
}

/// The key, if it is still active, and stays so until this transaction ends: what is stored under it and what
/// replaces it come one after the other.
pub(super) fn find_active_locked(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &KeyId,
) -> Result<CustomerKey, Error> {
    let key = keys::of(tenant).find_locked(tx, id)?.ok_or_else(Refusal::not_found)?;
    must_be_active(tx, tenant, &key)?;
    Ok(key)
}

/// Whether a user who holds so many backups may hold so many new ones.
pub(super) fn may_hold(held: i64, new: usize) -> Result<(), Refusal> {
    let all = held.saturating_add(i64::try_from(new).unwrap_or(i64::MAX));
    if new == 0 || all <= i64::from(BACKUPS_PER_USER_MAX) {
        return Ok(());
    }
    let text = format!("a user may hold {BACKUPS_PER_USER_MAX} backups: more could not be recovered at once");
    Err(Refusal::new(Kind::Conflict, "backup-limit", text))
}

/// Gives each item its row, checked. One item that fails refuses them all, and nothing is stored.
pub(super) async fn check_items(
    app: &App,
    ctx: &Ctx,
    (key, user): (&CustomerKey, &User),
    session: Option<Session<'_>>,
    items: Vec<Item>,
    metadata: &str,
) -> Result<Checked, Error> {
    let mut rows = Vec::new();
    for item in items {
        rows.push(row(app, ctx, key, session.as_ref(), item, metadata)?);
    }
    let (tenant, user_id) = (ctx.principal.tenant.clone(), user.id.clone());
    let tags: Vec<_> = rows.iter().filter_map(|row| row.backup.repeat_tag).collect();
    let known = app.db.read("find_repeats", move |rx| {
        let known = tags.iter().map(|tag| backups::of(&tenant).find_by_repeat_tag(rx, tag));
        let known: Vec<_> = known.collect::<Result<_, _>>()?;
        Ok::<_, StoreError>((known, backups::of(&tenant).count_of_user(rx, &user_id)?))
    });
    let (known, held) = known.await?;
    for (row, known) in rows.iter_mut().zip(known) {
        if let Some(first) = known {
            (row.backup, row.is_new) = (first, false);
        }
    }
    let new = rows.iter().filter(|row| row.is_new).count();
    may_hold(held, new)?;
    // The private half of a COLD key is offline: the next ceremony checks what is stored under it.
    if new > 0 && key.key_environment == KeyEnvironment::Hot {
        check(app, ctx, (key, user), session, &mut rows).await?;
    }
    Ok(Checked { rows })
}

/// Has the enclave open each new item and compare its checksum; all or none.
async fn check(
    app: &App,
    ctx: &Ctx,
    (key, user): (&CustomerKey, &User),
    session: Option<Session<'_>>,
    rows: &mut [Row],
) -> Result<(), Error> {
    let new: Vec<_> = rows.iter_mut().filter(|row| row.is_new).collect();
    let items = new.iter().map(|row| CheckItem {
        backup_id: row.backup.id.to_string(),
        item_key: row.backup.item_key.clone().unwrap_or_default(),
        ciphertext: row.backup.ciphertext.clone().unwrap_or_default(),
        checksum: row.checksum.unwrap_or(NO_CHECKSUM),
    });
    let request = Check {
        credential_id: ctx.principal.credential.to_string(),
        tenant_id: ctx.principal.tenant.to_string(),
        user_identifier: user.user_identifier.clone(),
        key: open_sealed(app, (&ctx.principal.tenant, &key.id), &key.held()).await?,
        ticket: session.map(|session| session.ticket.to_vec()),
        items: items.collect(),
    };
    let answer = if new.iter().all(|row| row.checksum.is_none()) {
        app.enclave.try_items(request).await
    } else {
        app.enclave.check(request).await
    };
    let records = match answer {
        Ok(checked) if checked.records.len() == new.len() => checked.records,
        Ok(_) => return Err(CallError::OutOfProtocol.into()),
        Err(CallError::Refused(EnclaveRefusal::CheckFailed)) => return Err(check_failed().into()),
        Err(error) => return Err(told(error)),
    };
    for (row, record) in new.into_iter().zip(records) {
        row.backup.record = Some(record);
        row.backup.check_state = CheckState::Verified;
    }
    Ok(())
}

fn row(
    app: &App,
    ctx: &Ctx,
    key: &CustomerKey,
    session: Option<&Session<'_>>,
    item: Item,
    metadata: &str,
) -> Result<Row, Error> {
    let id = BackupId::new(ctx.now, &mut app.chance());
    let verification = session.map(|session| session.verification_id.clone());
    let tag = app.keys.repeat_tag(&[
        key.id.as_str().as_bytes(),
        item.name.as_deref().unwrap_or_default().as_bytes(),
        verification.as_ref().map_or("", VerificationId::as_str).as_bytes(),
        &item.ciphertext,
        &item.checksum.unwrap_or(NO_CHECKSUM),
    ]);
    let backup = Backup {
        checksum_sealed: Some(app.keys.seal(checksum_place(&id), &item.checksum.unwrap_or(NO_CHECKSUM))?),
        user_id: key.user_id.clone(),
        key_id: key.id.clone(),
        kind: BackupKind::Data,
        state: BackupState::Confirmed,
        check_state: CheckState::UnverifiedCold,
        verification_id: verification,
        session_id: session.map(|session| session.id.to_owned()),
        item_key: item.name,
        data_size: i64::try_from(item.ciphertext.len()).unwrap_or(i64::MAX),
        ciphertext: Some(item.ciphertext),
        record: None,
        stored_sha256: None,
        metadata: metadata.to_owned(),
        repeat_tag: Some(tag),
        stored_at: ctx.now,
        updated_at: ctx.now,
        id,
    };
    Ok(Row { backup, checksum: item.checksum, is_new: true })
}

/// Where a backup's checksum is sealed to.
pub(super) fn checksum_place(id: &BackupId) -> Place<'_> {
    Place { table: "backups", row: id.as_str(), column: "checksum" }
}

impl Checked {
    /// Writes what is new, in this state, and returns each item's row as it is stored with whether it is new.
    pub fn insert(
        &self,
        tx: &mut Tx<'_>,
        tenant: &TenantId,
        state: BackupState,
    ) -> Result<Vec<(Backup, bool)>, StoreError> {
        let stored = self.rows.iter().map(|row| {
            let backup = Backup { state, ..row.backup.clone() };
            if !row.is_new {
                return Ok((row.backup.clone(), false));
            }
            if backups::of(tenant).insert(tx, &backup)? {
                return Ok((backup, true));
            }
            // The same call came in twice and the other one was first.
            let first = backup.repeat_tag.map(|tag| backups::of(tenant).find_by_repeat_tag(tx, &tag));
            let first = first.transpose()?.flatten();
            first
                .map(|first| (first, false))
                .ok_or(StoreError::NotOne { statement: "a repeated store", rows: 0 })
        });
        stored.collect()
    }
}

/// One answer for every cause of a failed check.
fn check_failed() -> Refusal {
    Refusal::new(
        Kind::Invalid,
        "check-failed",
        "an item does not open under this key to a plaintext of this checksum, and nothing was stored. Usual causes: \
         another key, padding other than OAEP with SHA-256 and MGF1-SHA-256, a checksum of the ciphertext or of another \
         item instead of this item's plaintext, a ciphertext that was cut or encoded twice",
    )
}
