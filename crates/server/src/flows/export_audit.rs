//! Gives out a tenant's whole audit log, page after page: every act that was answered before it began is in it. The same
//! for whoever administers the installation, of the root log.

use domain::access::Deed;
use domain::ids::TenantId;
use domain::limits::AUDIT_EXPORT_PAGE_ENTRIES;
use domain::time::Timestamp;
use store::StoreError;
use store::audit::{self, Filter, Head, Sequenced};

use super::sequence_audit::sequence_audit;
use super::{Ctx, Error};
use crate::app::App;

/// An export that has begun. It ends where the log ended then, whatever is written meanwhile.
pub struct AuditExport {
    tenant: TenantId,
    filter: Filter,
    head: Head,
    /// What was given out already.
    after_seq: i64,
}

/// Begins an export of the entries that match.
pub async fn export_audit(app: &App, ctx: &Ctx, filter: Filter) -> Result<AuditExport, Error> {
    ctx.principal.permit(Deed::ExportAudit)?;
    begin_export(app, ctx.principal.tenant.clone(), filter, ctx.now).await
}

/// The same of any log.
pub(crate) async fn begin_export(
    app: &App,
    tenant: TenantId,
    filter: Filter,
    now: Timestamp,
) -> Result<AuditExport, Error> {
    let head = sequence_audit(app, &tenant, now).await?;
    Ok(AuditExport { tenant, filter, head, after_seq: 0 })
}

impl AuditExport {
    /// How many entries the log had when the export began, those that do not match among them.
    pub fn size(&self) -> i64 {
        self.head.seq
    }

    /// The next entries, ascending; none at the end. A log that has begun anew meanwhile (a sandbox was reset) is a
    /// fault: what was given out so far would not be followed by the rest of it.
    pub async fn next_page(&mut self, app: &App) -> Result<Option<Vec<Sequenced>>, Error> {
        if self.after_seq >= self.head.seq {
            return Ok(None);
        }
        let (tenant, filter) = (self.tenant.clone(), self.filter.clone());
        let (after_seq, last_seq) = (self.after_seq, self.head.seq);
        let read = app.db.read("export_audit", move |rx| {
            let log = audit::of(&tenant);
            let last = log.list(rx, &Filter::default(), (last_seq - 1, last_seq), 1)?.pop();
            Ok((last, log.list(rx, &filter, (after_seq, last_seq), AUDIT_EXPORT_PAGE_ENTRIES)?))
        });
        let (last, page): (Option<Sequenced>, Vec<Sequenced>) =
            read.await.map_err(|error: StoreError| Error::from(error))?;
        if last.map(|last| last.entry_hash) != self.head.entry_hash {
            return Err(Error::fault("exporting a log that began anew meanwhile"));
        }
        let is_full = i64::try_from(page.len()).is_ok_and(|entries| entries == AUDIT_EXPORT_PAGE_ENTRIES);
        // The next page begins after this one, or there is none.
        self.after_seq = page.last().filter(|_| is_full).map_or(last_seq, |entry| entry.seq);
        Ok(Some(page))
    }
}
