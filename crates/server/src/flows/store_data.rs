//! Stores one ciphertext under an assigned key.

use boundary::RSA_CIPHERTEXT_BYTES;
use domain::access::Deed;
use domain::backup::{BackupState, CheckState};
use domain::key::KeyEnvironment;
use domain::refusal::Refusal;
use serde_json::{Map, Value};
use store::audit::AuditEntry;

use super::check_items::{Item, check_items, find_active_locked, find_key, takes_data};
use super::store_backup::{StoredBackup, stored_data, stored_entry};
use super::{Ctx, Error, event, tell};
use crate::app::App;

/// What a partner stores.
pub struct StoreData {
    /// Under which key.
    pub public_key: Vec<u8>,
    /// The RSA-OAEP ciphertext.
    pub ciphertext: Vec<u8>,
    /// SHA-256 of the plaintext; none, and the item only must open.
    pub checksum: Option<[u8; 32]>,
    /// The request's members.
    pub metadata: Map<String, Value>,
}

/// Stores the ciphertext; the second value says whether the enclave has checked it (HOT) or a ceremony will
/// (COLD).
pub async fn store_data(
    app: &App,
    ctx: &Ctx,
    command: StoreData,
) -> Result<(StoredBackup, CheckState), Error> {
    ctx.permit_one_of(&[Deed::StoreData, Deed::StoreOwnData])?;
    let (key, user) = find_key(app, ctx, &command.public_key).await?;
    takes_data(app, ctx, &key).await?;
    let _turn = app.stores.share(&[key.id.as_str()]).await;
    // Nothing can open it before the next ceremony, but what cannot be a ciphertext of this key shows now.
    if key.key_environment == KeyEnvironment::Cold && command.ciphertext.len() != RSA_CIPHERTEXT_BYTES {
        let text = format!("must be one RSA-4096 ciphertext: {RSA_CIPHERTEXT_BYTES} bytes");
        return Err(Refusal::field("data", text).into());
    }
    let item = Item { name: None, ciphertext: command.ciphertext, checksum: command.checksum };
    let metadata = Value::Object(command.metadata).to_string();
    let checked = check_items(app, ctx, (&key, &user), None, vec![item], &metadata).await?;
    let (tenant, env, now, minter) = (ctx.principal.tenant.clone(), app.env, ctx.now, app.minter.clone());
    let template = AuditEntry {
        customer_id: key.customer_id.clone(),
        package_id: key.package_id.clone(),
        ..ctx.entry(app, "backup.stored")
    };
    let stored = app.db.write("store_data", move |tx| {
        find_active_locked(tx, &tenant, &key.id)?;
        let stored = checked.insert(tx, &tenant, BackupState::Confirmed)?;
        for (backup, _) in stored.iter().filter(|(_, is_new)| *is_new) {
            store::audit::of(&tenant).append(tx, &stored_entry(&template, backup, &minter))?;
            let data = stored_data(backup, &user.user_identifier, (&key.customer_id, &key.package_id));
            tell(tx, &tenant, env, &event(&minter, now, "backup.stored", data))?;
        }
        Ok::<_, Error>(stored)
    });
    let stored = stored.await?;
    let (backup, _) = stored.first().ok_or_else(|| Error::fault("storing one item"))?;
    Ok((StoredBackup::of(backup), backup.check_state))
}
