//! A tenant of a sandbox begins anew.

use std::collections::BTreeSet;

use domain::ids::{BackupId, RecoveryId, TenantId};

use crate::sql::Sql;
use crate::{StoreError, Tx};

row! {
    struct File {
        id: BackupId,
    }
}

row! {
    struct Recovery {
        id: RecoveryId,
    }
}

// What refers to another goes before it. A named call that runs is the reset itself, or ends by itself.
static FORGET: [Sql; 30] = [
    sql!("reset.offline_requests", "DELETE FROM offline_requests WHERE tenant_id = $1"),
    sql!("reset.notices", "DELETE FROM notices WHERE tenant_id = $1"),
    sql!("reset.signed_records", "DELETE FROM signed_records WHERE tenant_id = $1"),
    sql!("reset.webhook_deliveries", "DELETE FROM webhook_deliveries WHERE tenant_id = $1"),
    sql!("reset.events", "DELETE FROM events WHERE tenant_id = $1"),
    sql!("reset.idempotency", "DELETE FROM idempotency_keys WHERE tenant_id = $1 AND state <> 'running'"),
    sql!("reset.recoveries", "DELETE FROM recoveries WHERE tenant_id = $1"),
    sql!("reset.recovery_links", "DELETE FROM recovery_links WHERE tenant_id = $1"),
    sql!("reset.control_votes", "DELETE FROM control_votes WHERE tenant_id = $1"),
    sql!("reset.control_recovery_keys", "DELETE FROM control_recovery_keys WHERE tenant_id = $1"),
    sql!("reset.control_recoveries", "DELETE FROM control_recoveries WHERE tenant_id = $1"),
    sql!("reset.backups", "DELETE FROM backups WHERE tenant_id = $1"),
    sql!("reset.key_destructions", "DELETE FROM key_destructions WHERE tenant_id = $1"),
    sql!("reset.customer_keys", "DELETE FROM customer_keys WHERE tenant_id = $1"),
    sql!("reset.acl_stops", "DELETE FROM acl_stops WHERE tenant_id = $1"),
    sql!("reset.acl_votes", "DELETE FROM acl_votes WHERE tenant_id = $1"),
    sql!("reset.acl_changes", "DELETE FROM acl_changes WHERE tenant_id = $1"),
    sql!("reset.acl_versions", "DELETE FROM acl_versions WHERE tenant_id = $1"),
    sql!("reset.acls", "DELETE FROM acls WHERE tenant_id = $1"),
    sql!("reset.policies", "DELETE FROM tenant_policies WHERE tenant_id = $1"),
    sql!("reset.rosters", "DELETE FROM rosters WHERE tenant_id = $1"),
    sql!("reset.provider_events", "DELETE FROM provider_events WHERE tenant_id = $1"),
    sql!("reset.reviews", "DELETE FROM reviews WHERE tenant_id = $1"),
    sql!("reset.verifications", "DELETE FROM verifications WHERE tenant_id = $1"),
    sql!("reset.users", "DELETE FROM users WHERE tenant_id = $1"),
    sql!("reset.audit_entries", "DELETE FROM audit_entries WHERE tenant_id = $1"),
    sql!("reset.audit_subjects", "DELETE FROM audit_subjects WHERE tenant_id = $1"),
    sql!("reset.audit_witnesses", "DELETE FROM audit_witnesses WHERE tenant_id = $1"),
    sql!("reset.audit_checkpoints", "DELETE FROM audit_checkpoints WHERE tenant_id = $1"),
    sql!(
        "reset.audit_head",
        "UPDATE audit_heads SET seq = 0, entry_hash = NULL, log = log + 1, peaks = NULL, checkpoint_size = NULL, ",
        "checkpoint_at = NULL, cosigned_size = NULL, cosign_after = NULL, forked_at = NULL, tag = NULL, refused = FALSE ",
        "WHERE tenant_id = $1"
    ),
];

static LIST_FILES: Sql = sql!(
    "reset.list_files",
    "SELECT id FROM backups WHERE tenant_id = $1 AND kind = 'file' AND state <> 'deleted' ORDER BY id"
);

static LIST_PACKAGES: Sql =
    sql!("reset.list_packages", "SELECT id FROM control_recoveries WHERE tenant_id = $1 ORDER BY id");

/// The recoveries that may have a package; to be asked before [`forget`].
pub fn list_packages(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<BTreeSet<RecoveryId>, StoreError> {
    let found: Vec<Recovery> = tx.list(&LIST_PACKAGES, &[tenant])?;
    Ok(found.into_iter().map(|found| found.id).collect())
}

/// Deletes what the tenant's users and calls have left, and his log. Credentials, webhooks and settings stay. Returned are the
/// files that nothing points at any more.
pub fn forget(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<BackupId>, StoreError> {
    let files: Vec<File> = tx.list(&LIST_FILES, &[tenant])?;
    FORGET.iter().try_for_each(|statement| tx.exec(statement, &[tenant]).map(drop))?;
    Ok(files.into_iter().map(|file| file.id).collect())
}
