//! Erases somebody for whom a tenant's own issuer spoke from the audit log: his salt goes, and what the log calls him
//! leads back to nobody. The entries stay, and the chain with them.

use boundary::json::{Value, canonical};
use domain::ids::TenantId;
use store::audit::AuditEntry;
use store::{StoreError, audit, audit_subjects, keys};

use super::Error;
use super::name_subject::{find_subject, finder};
use crate::app::App;

/// What was erased, and what was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// What the log calls him.
    pub pseudonym: String,
    /// Keys whose signed statements name him, because whoever took them asked for that: a signature has no other text.
    pub named_in_keys: i64,
}

/// Erases him; none when there is nothing of him. `entry` says so in the log, by what it called him.
pub async fn erase_subject(
    app: &App,
    tenant: &TenantId,
    name: &str,
    entry: AuditEntry,
) -> Result<Option<Erased>, Error> {
    let Some(pseudonym) = find_subject(app, tenant, name).await? else { return Ok(None) };
    let (of, finder) = (tenant.clone(), finder(app, tenant, name));
    let entry = AuditEntry { reason: Some(pseudonym.clone()), ..entry };
    let member = Value::object([("pulled_by_id", Value::text(name))]);
    // A statement's members stand in it as they stand in this object of one.
    let member = canonical(&member).map_err(|_| Error::fault("writing a name as JSON"))?;
    let member = member.trim_matches(['{', '}']).to_owned();
    let erased = app.db.write("erase_subject", move |tx| {
        if !audit_subjects::of(&of).delete(tx, &finder)? {
            return Ok(None);
        }
        audit::of(&of).append(tx, &entry)?;
        keys::of(&of).count_signed_with(tx, &member).map(Some)
    });
    let named_in_keys: Option<i64> = erased.await.map_err(|error: StoreError| Error::from(error))?;
    Ok(named_in_keys.map(|named_in_keys| Erased { pseudonym, named_in_keys }))
}
