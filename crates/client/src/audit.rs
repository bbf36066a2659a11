//! The audit log.

use api::audit::{AuditCheckpoint, AuditEntry, AuditPage};

use crate::call::{Call, other_shape};
use crate::client::Client;
use crate::error::Error;
use crate::webhooks::Paging;

const EXPORT: &str = "v1/audit/export";
/// The largest page that there is.
const PAGE_ENTRIES_MAX: u32 = 200;

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
    /// From this time on, RFC 3339.
    pub from: Option<String>,
    /// Before this time, RFC 3339.
    pub to: Option<String>,
}

impl AuditFilter {
    fn of(&self, call: Call) -> Call {
        let filters = [
            ("customer_id", &self.customer_id),
            ("package_id", &self.package_id),
            ("key_id", &self.key_id),
            ("backup_id", &self.backup_id),
            ("action", &self.action),
            ("from", &self.from),
            ("to", &self.to),
        ];
        filters.into_iter().fold(call, |call, (name, value)| call.query(name, value.as_ref()))
    }
}

/// The calls of scope `audit`.
#[derive(Clone, Copy, Debug)]
pub struct Audit<'a> {
    client: &'a Client,
}

impl Client {
    /// The calls of scope `audit`.
    pub fn audit(&self) -> Audit<'_> {
        Audit { client: self }
    }
}

impl Audit<'_> {
    /// One page, oldest first.
    pub async fn page(self, filter: &AuditFilter, paging: &Paging) -> Result<AuditPage, Error> {
        self.client.call(paging.of(filter.of(Call::get("v1/audit")))).await
    }

    /// The newest signed checkpoint, which covers every act that was answered before. Keep its `note`: with an export
    /// it is what `holdfast audit verify` checks, and a rewritten log contradicts it.
    pub async fn checkpoint(self) -> Result<AuditCheckpoint, Error> {
        let call = Call::get("v1/audit/checkpoint");
        self.client.call(call.header("accept", "application/json")).await
    }

    /// All entries, page by page.
    pub async fn all(self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, Error> {
        let mut entries = Vec::new();
        let mut paging = Paging { limit: Some(PAGE_ENTRIES_MAX), cursor: None };
        loop {
            let page = self.page(filter, &paging).await?;
            entries.extend(page.data);
            if page.next_cursor.is_none() {
                return Ok(entries);
            }
            paging.cursor = page.next_cursor;
        }
    }

    /// All entries in one call, of a log of up to 16 MiB; a longer one comes page by page. A log that was cut on its way
    /// is an error.
    pub async fn export(self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, Error> {
        let text = self.client.call_for_text(filter.of(Call::get(EXPORT))).await?;
        let broken = |why: &str| other_shape("GET", EXPORT.to_owned(), why);
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(broken("half a line"));
        }
        let entries = text.lines().map(serde_json::from_str);
        entries.collect::<Result<_, _>>().map_err(|error| broken(&error.to_string()))
    }
}
