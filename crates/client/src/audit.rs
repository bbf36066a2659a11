//! The audit log.

use api::audit::{AuditEntry, AuditPage};

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;

/// Which entries; all, when nothing is set.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of this organisation.
    pub customer_id: Option<String>,
    /// Of this package.
    pub package_id: Option<String>,
    /// About this key.
    pub key_id: Option<String>,
    /// About this backup.
    pub backup_id: Option<String>,
    /// Of this kind, such as `key.assigned`.
    pub action: Option<String>,
    /// How many to a page, 1 to 200.
    pub limit: Option<u32>,
}

impl Client {
    /// One page, oldest first; `cursor` is the page before's `next_cursor`.
    pub async fn audit_page(&self, filter: &AuditFilter, cursor: Option<&str>) -> Result<AuditPage, Error> {
        let mut call = Call::get("v1/audit");
        let filters = [
            ("customer_id", &filter.customer_id),
            ("package_id", &filter.package_id),
            ("key_id", &filter.key_id),
            ("backup_id", &filter.backup_id),
            ("action", &filter.action),
        ];
        for (name, value) in filters {
            call = call.query(name, value.as_ref());
        }
        self.call(call.query("limit", filter.limit).query("cursor", cursor)).await
    }

    /// All pages, one after the other.
    pub async fn audit_all(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, Error> {
        let mut entries = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.audit_page(filter, cursor.as_deref()).await?;
            entries.extend(page.data);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(entries),
            }
        }
    }
}
