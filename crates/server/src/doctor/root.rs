//! What the root log says of the other logs: which there are, and what each of them was whenever it was signed.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::audit::checkpoint::{Checkpoint, LogKey};
use domain::audit::root::{Heads, NAMED};
use domain::ids::TenantId;
use store::audit::AuditEntry;
use store::inventory::{self, Last};
use store::seal::RowKey;
use store::tenants::Tenant;
use store::{Rx, StoreError};

use super::log::each_since;
use crate::app::App;
use crate::flows::Error;

/// The logs that the root log names.
#[derive(Clone, Default)]
pub(super) struct Named {
    /// By tenant and number.
    logs: BTreeMap<(String, i64), Heads>,
    /// What is no name of a log, or of none that this installation could have.
    strange: Vec<String>,
    /// The last checkpoint of each log.
    lasts: Vec<Last>,
}

impl Named {
    /// Reads it, also what has no place in it yet. The other logs are to be read after it: they only grow meanwhile.
    pub(super) async fn read(app: &App) -> Result<Self, Error> {
        let (key, row_key) = (Arc::clone(&app.log_key), app.keys.row_key().clone());
        let read = app.db.read("read_root_log", move |rx| Self::of(rx, &key, &row_key)).await;
        read.map_err(|error: StoreError| error.into())
    }

    fn of(rx: &mut Rx<'_>, key: &LogKey, row_key: &RowKey) -> Result<Self, StoreError> {
        let mut named = Self { lasts: inventory::list_lasts(rx)?, ..Self::default() };
        each_since(rx, row_key, &TenantId::root_log(), 0, &mut |entry| named.note(key, entry))?;
        Ok(named)
    }

    fn note(&mut self, key: &LogKey, entry: &AuditEntry) {
        let head = entry.reason.as_deref().and_then(Checkpoint::read_line);
        match (key.read_origin(&entry.actor), head) {
            (Some((tenant, log)), Some(head)) if entry.action == NAMED => {
                self.logs.entry((tenant.to_owned(), log)).or_default().add(head);
            }
            _ => self.strange.push(entry.id.to_string()),
        }
    }

    /// What it says of this log of a tenant.
    pub(super) fn heads(&self, tenant: &TenantId, log: i64) -> Heads {
        self.logs.get(&(tenant.to_string(), log)).cloned().unwrap_or_default()
    }

    /// What speaks against a tenant's log having this number: a later one is named, or the one before was not ended by a
    /// reset. `resets` are the ends that the entries of resets in this log name.
    pub(super) fn contradict(
        &self,
        tenant: &TenantId,
        log: i64,
        resets: &[(i64, [u8; 32])],
    ) -> Option<String> {
        let owner = tenant.to_string();
        let later = self.logs.range((owner.clone(), log.saturating_add(1))..=(owner.clone(), i64::MAX));
        if let Some(((_, later), _)) = later.last() {
            return Some(format!("the root log names log {later} of {tenant}, which is not there"));
        }
        let (size, root) = self.logs.get(&(owner, log - 1))?.last()?;
        // Another reset may have come since the root log was read.
        let is_told = resets.iter().any(|end| end.0 > *size || *end == (*size, *root));
        let line = Checkpoint::line(*size, root);
        (!is_told).then(|| format!("the log of {tenant} began anew, and no reset says so after {line}"))
    }

    /// What it says of logs that are not there, and what it lacks.
    pub(super) fn rest(&self, tenants: &[Tenant]) -> Vec<String> {
        let mut wrong: Vec<String> = self
            .strange
            .iter()
            .map(|id| format!("entry {id} of the root log names no log of here"))
            .collect();
        for (tenant, log) in self.logs.keys() {
            if !tenants.iter().any(|known| known.id.as_str() == tenant) {
                wrong.push(format!("the log of {tenant} is gone: the root log names its log {log}"));
            }
        }
        for Last { tenant, log, size, root } in &self.lasts {
            let named = self.logs.get(&(tenant.clone(), *log));
            if !named.is_some_and(|heads| heads.has(&(*size, *root))) {
                let line = Checkpoint::line(*size, root);
                wrong.push(format!(
                    "the log of {tenant}: the root log does not name its last checkpoint, {line}"
                ));
            }
        }
        wrong
    }
}
