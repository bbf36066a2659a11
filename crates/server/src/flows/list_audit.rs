//! Lists a tenant's audit log: every act that was answered before this call is in it.

use domain::access::Deed;
use domain::audit::{FIRST_PREV_HASH, Leaf};
use domain::ids::{BackupId, KeyId, RecoveryId, TenantId, VerificationId};
use store::audit::{self, AuditEntry, Filter, Hash, Sequenced};
use store::{StoreError, Tx};

use super::{Ctx, Error, page_limit};
use crate::app::App;

/// How many entries are numbered in one transaction.
const SEQUENCE_MAX: i64 = 500;

/// Which entries.
#[derive(Default)]
pub struct AuditQuery {
    /// Only those that match.
    pub filter: Filter,
    /// Only those after this one.
    pub after_seq: i64,
    /// At most so many; the usual number when nobody says.
    pub limit: Option<u32>,
}

/// A page of the log, ascending, and whether there is more.
pub async fn list_audit(app: &App, ctx: &Ctx, query: AuditQuery) -> Result<(Vec<Sequenced>, bool), Error> {
    ctx.principal.permit(Deed::ReadAudit)?;
    let limit = page_limit(query.limit)?;
    sequence_audit(app, &ctx.principal.tenant).await?;
    let tenant = ctx.principal.tenant.clone();
    let page = app.db.read("list_audit", move |rx| {
        audit::of(&tenant).list(rx, &query.filter, query.after_seq, i64::from(limit) + 1)
    });
    let mut page: Vec<Sequenced> = page.await.map_err(|error: StoreError| Error::from(error))?;
    let more = page.len() > limit as usize;
    page.truncate(limit as usize);
    Ok((page, more))
}

/// Gives the tenant's committed entries their numbers and hashes.
pub async fn sequence_audit(app: &App, tenant: &TenantId) -> Result<(), Error> {
    loop {
        let tenant = tenant.clone();
        let numbered = app.db.write("sequence_audit", move |tx| number(tx, &tenant));
        if numbered.await? < SEQUENCE_MAX.unsigned_abs() {
            return Ok(());
        }
    }
}

/// Numbers all there are, in this transaction.
pub(super) fn number_all(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<(), StoreError> {
    while number(tx, tenant)? == SEQUENCE_MAX.unsigned_abs() {}
    Ok(())
}

fn number(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<u64, StoreError> {
    let hash = |entry: &AuditEntry, seq: i64, prev: Option<&Hash>| leaf_hash(tenant, entry, seq, prev);
    audit::of(tenant).sequence_pending(tx, SEQUENCE_MAX, &hash)
}

fn leaf_hash(tenant: &TenantId, entry: &AuditEntry, seq: i64, prev: Option<&Hash>) -> Hash {
    let leaf = Leaf {
        tenant: tenant.as_str(),
        seq,
        time: entry.time,
        actor: &entry.actor,
        actor_type: &entry.actor_type,
        action: &entry.action,
        objects: [
            ("key_id", entry.key_id.as_ref().map(KeyId::as_str)),
            ("backup_id", entry.backup_id.as_ref().map(BackupId::as_str)),
            ("recovery_id", entry.recovery_id.as_ref().map(RecoveryId::as_str)),
            ("verification_id", entry.verification_id.as_ref().map(VerificationId::as_str)),
            ("customer_id", entry.customer_id.as_deref()),
            ("package_id", entry.package_id.as_deref()),
        ],
        result: &entry.result,
        reason: entry.reason.as_deref(),
        request_id: &entry.request_id,
        prev_hash: prev.unwrap_or(&FIRST_PREV_HASH),
    };
    leaf.hash()
}
