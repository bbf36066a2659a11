//! Stores one encrypted file under an assigned key. The service never opens it.

use domain::access::Deed;
use domain::backup::{BackupKind, BackupState, CheckState};
use domain::ids::BackupId;
use domain::refusal::Kind;
use domain::time::Timestamp;
use serde_json::{Map, Value};
use store::StoreError;
use store::audit::AuditEntry;
use store::backups::{self, Backup};
use store::keys::CustomerKey;

use super::check_items::{find_active_locked, find_key, may_hold, takes_backups};
use super::store_backup::{stored_data, stored_entry};
use super::sweep_files::remove_or_leave;
use super::{Ctx, Error, event, tell};
use crate::app::App;
use crate::edge::spool::Spooled;

/// What is stored.
pub struct StoreFile {
    /// Under which key.
    pub public_key: Vec<u8>,
    /// The file, which came whole.
    pub file: Spooled,
    /// The request's members.
    pub metadata: Map<String, Value>,
}

/// A stored file: a new one, or the one that an earlier call stored.
pub struct StoredFile {
    /// Its id.
    pub backup_id: String,
    /// Bytes.
    pub data_size: i64,
    /// Their digest.
    pub sha256: [u8; 32],
    /// When it was first stored.
    pub stored_at: Timestamp,
}

/// Stores the file, and then the row that points at it. The same bytes under the same key and
/// `original_filename` are stored once.
pub async fn store_file(app: &App, ctx: &Ctx, command: StoreFile) -> Result<StoredFile, Error> {
    ctx.permit_one_of(&[Deed::StoreFile, Deed::StoreOwnFile])?;
    let (key, user) = find_key(app, ctx, &command.public_key).await?;
    takes_backups(app, ctx, &key).await?;
    let _turn = app.stores.share(&[key.id.as_str()]).await;
    let backup = row(app, ctx, &key, &command);
    let (tenant, tag, user_id) = (ctx.principal.tenant.clone(), backup.repeat_tag, user.id.clone());
    let known = app.db.read("find_repeats", move |rx| {
        let known = tag.map(|tag| backups::of(&tenant).find_by_repeat_tag(rx, &tag)).transpose()?.flatten();
        Ok::<_, StoreError>((known, backups::of(&tenant).count_of_user(rx, &user_id)?))
    });
    let (known, held) = known.await?;
    if let Some(first) = known {
        return stored(&first);
    }
    may_hold(held, 1)?;
    let tenant = ctx.principal.tenant.clone();
    let kept = app.files.blobs.put(&tenant, &backup.id, &command.file.file, command.file.size).await;
    kept.map_err(Error::files_away)?;
    let (env, now, minter) = (app.env, ctx.now, app.minter.clone());
    let (id, owner) = (backup.id.clone(), tenant.clone());
    let template = AuditEntry {
        customer_id: key.customer_id.clone(),
        package_id: key.package_id.clone(),
        ..ctx.entry(app, "backup.stored")
    };
    let written = app.db.write("store_file", move |tx| {
        find_active_locked(tx, &tenant, &key.id)?;
        if !backups::of(&tenant).insert(tx, &backup)? {
            // The same call came in twice and the other one was first.
            let first = backup.repeat_tag.map(|tag| backups::of(&tenant).find_by_repeat_tag(tx, &tag));
            let first = first.transpose()?.flatten();
            return Ok(first.ok_or(StoreError::NotOne { statement: "a repeated store", rows: 0 })?);
        }
        store::audit::of(&tenant).append(tx, &stored_entry(&template, &backup, &minter))?;
        let data = stored_data(&backup, &user.user_identifier, (&key.customer_id, &key.package_id));
        tell(tx, &tenant, env, &event(&minter, now, "backup.stored", data))?;
        Ok::<_, Error>(backup.clone())
    });
    let written = written.await;
    // Where it is not known whether the row was written, the file stays: a row must never point at nothing.
    let is_orphan = match &written {
        Ok(row) => row.id != id,
        Err(Error::Refused(refusal)) => refusal.kind != Kind::Unavailable,
        Err(Error::Fault(_)) => false,
    };
    if is_orphan {
        remove_or_leave(app, &owner, &id).await;
    }
    stored(&written?)
}

fn row(app: &App, ctx: &Ctx, key: &CustomerKey, command: &StoreFile) -> Backup {
    let filename = command.metadata.get("original_filename").and_then(Value::as_str).unwrap_or_default();
    let tag = app.keys.repeat_tag(&[
        b"file",
        key.id.as_str().as_bytes(),
        filename.as_bytes(),
        &command.file.sha256,
    ]);
    Backup {
        id: BackupId::new(ctx.now, &mut app.chance()),
        user_id: key.user_id.clone(),
        key_id: key.id.clone(),
        kind: BackupKind::File,
        state: BackupState::Confirmed,
        check_state: CheckState::NotChecked,
        verification_id: None,
        session_id: None,
        item_key: None,
        ciphertext: None,
        checksum_sealed: None,
        record: None,
        metadata: Value::Object(command.metadata.clone()).to_string(),
        data_size: i64::try_from(command.file.size).unwrap_or(i64::MAX),
        stored_sha256: Some(command.file.sha256),
        repeat_tag: Some(tag),
        stored_at: ctx.now,
        updated_at: ctx.now,
    }
}

fn stored(backup: &Backup) -> Result<StoredFile, Error> {
    Ok(StoredFile {
        backup_id: backup.id.to_string(),
        data_size: backup.data_size,
        sha256: backup.stored_sha256.ok_or_else(|| Error::fault("reading a file's digest"))?,
        stored_at: backup.stored_at,
    })
}
