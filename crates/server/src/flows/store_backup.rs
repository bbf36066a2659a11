//! Stores a retail customer's items under an identity check.

use boundary::json::Value as Json;
use domain::access::Deed;
use domain::backup::BackupState;
use domain::ids::VerificationId;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use domain::verification::Keeping;
use serde_json::{Map, Value};
use store::audit::AuditEntry;
use store::backups::Backup;
use store::verifications;

use super::check_items::{Item, Session, check_items, find_active_locked, find_key, takes_data};
use super::read_verification::{find_of_user, standing};
use super::{Ctx, Error, EventData, event, tell};
use crate::app::App;
use crate::edge::minter::Minter;

/// What a retail tenant stores.
pub struct StoreBackup {
    /// Whose.
    pub user_identifier: String,
    /// Under which check.
    pub verification_id: String,
    /// Under which key.
    pub public_key: Vec<u8>,
    /// 1 to 3; each name once.
    pub items: Vec<ItemToStore>,
    /// The request's members.
    pub metadata: Map<String, Value>,
}

/// One item, as it came.
pub struct ItemToStore {
    /// Its name.
    pub item_key: String,
    /// The RSA-OAEP ciphertext.
    pub ciphertext: Vec<u8>,
    /// SHA-256 of the plaintext.
    pub checksum: [u8; 32],
}

/// One stored item: a new one, or the one that an earlier call stored.
pub struct StoredBackup {
    /// Its id.
    pub backup_id: String,
    /// Bytes of the ciphertext.
    pub data_size: i64,
    /// When it was first stored.
    pub stored_at: Timestamp,
}

/// Stores the items, in the order they came: confirmed under an approval, unconfirmed until there is one.
pub async fn store_backup(app: &App, ctx: &Ctx, command: StoreBackup) -> Result<Vec<StoredBackup>, Error> {
    ctx.principal.permit(Deed::StoreBackup)?;
    let inquiry = find_of_user(app, ctx, &command.verification_id, &command.user_identifier).await?;
    inquiry.standing().may_store(app.windows.store, ctx.now)?;
    let (key, user) = find_key(app, ctx, &command.public_key).await?;
    // A COLD key opens nothing here, so an item under it could be neither checked nor recovered by its owner.
    if user.id != inquiry.user.id || key.key_environment != domain::key::KeyEnvironment::Hot {
        return Err(Refusal::not_found().into());
    }
    takes_data(app, ctx, &key).await?;
    let _turn = app.stores.share(&[key.id.as_str()]).await;
    let session = Session {
        verification_id: &inquiry.verification.id,
        id: &inquiry.verification.session_id,
        ticket: &inquiry.verification.ticket,
    };
    let items = command.items.into_iter().map(|item| Item {
        name: Some(item.item_key),
        ciphertext: item.ciphertext,
        checksum: Some(item.checksum),
    });
    let metadata = Value::Object(command.metadata).to_string();
    let checked = check_items(app, ctx, (&key, &user), Some(session), items.collect(), &metadata).await?;
    let (tenant, env, id, now, minter) =
        (ctx.principal.tenant.clone(), app.env, inquiry.verification.id, ctx.now, app.minter.clone());
    let (window, template) = (app.windows.store, ctx.entry(app, "backup.stored"));
    let stored = app.db.write("store_backup", move |tx| {
        // Held until the end, so that an approval or a decline at this moment comes before or after, never
        // between.
        let verification = verifications::of(&tenant).find_locked(tx, &id)?.ok_or_else(Refusal::not_found)?;
        let state = match standing(&verification).may_store(window, now)? {
            Keeping::Confirmed => BackupState::Confirmed,
            Keeping::Unconfirmed => BackupState::Unconfirmed,
        };
        find_active_locked(tx, &tenant, &key.id)?;
        let stored = checked.insert(tx, &tenant, state)?;
        for (backup, _) in stored.iter().filter(|(_, is_new)| *is_new) {
            store::audit::of(&tenant).append(tx, &stored_entry(&template, backup, &minter))?;
            let data = stored_data(backup, &user.user_identifier, (&key.customer_id, &key.package_id));
            tell(tx, &tenant, env, &event(&minter, now, "backup.stored", data))?;
        }
        Ok::<_, Error>(stored)
    });
    Ok(stored.await?.into_iter().map(|(backup, _)| StoredBackup::of(&backup)).collect())
}

impl StoredBackup {
    pub(super) fn of(backup: &Backup) -> Self {
        Self { backup_id: backup.id.to_string(), data_size: backup.data_size, stored_at: backup.stored_at }
    }
}

/// The audit entry of one stored backup.
pub(super) fn stored_entry(template: &AuditEntry, backup: &Backup, minter: &Minter) -> AuditEntry {
    AuditEntry {
        id: minter.entry_id(template.time),
        key_id: Some(backup.key_id.clone()),
        backup_id: Some(backup.id.clone()),
        verification_id: backup.verification_id.clone(),
        ..template.clone()
    }
}

/// The data of a stored backup's event.
pub(super) fn stored_data(
    backup: &Backup,
    user_identifier: &str,
    (customer_id, package_id): (&Option<String>, &Option<String>),
) -> EventData {
    vec![
        ("backup_id", Json::text(backup.id.to_string())),
        ("key_id", Json::text(backup.key_id.to_string())),
        ("backup_type", Json::text(backup.kind.to_string())),
        ("item_key", Json::text_or_null(backup.item_key.as_deref())),
        ("verification_id", Json::text_or_null(backup.verification_id.as_ref().map(VerificationId::as_str))),
        ("user_identifier", Json::text(user_identifier.to_owned())),
        ("customer_id", Json::text_or_null(customer_id.as_deref())),
        ("package_id", Json::text_or_null(package_id.as_deref())),
    ]
}
