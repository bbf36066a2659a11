//! The audit log, read as a tenant reads it, and verified by arithmetic of its own: numbers without gaps, each
//! entry's hash in the next.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::digest::{SHA256, digest};
use client::api::audit::AuditEntry;
use client::{AuditFilter, Client, Error, Paging};
use serde_json::Value;

use crate::rig::book::Act;
use crate::rig::hex::hex;

/// What of the log has been read.
pub struct AuditLog {
    client: Client,
    tenant_id: String,
    /// Where the last full page ended.
    cursor: Option<String>,
    /// The hash of each entry.
    hashes: Vec<String>,
    actions: HashMap<String, usize>,
    closed_late: usize,
    /// How many entries there are of an action about an object.
    acts: HashMap<(String, String), usize>,
}

impl AuditLog {
    pub fn new(client: Client, tenant_id: String) -> Self {
        Self {
            client,
            tenant_id,
            cursor: None,
            hashes: Vec::new(),
            actions: HashMap::new(),
            closed_late: 0,
            acts: HashMap::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// How many entries of that kind there are.
    pub fn count(&self, action: &str) -> usize {
        self.actions.get(action).copied().unwrap_or_default()
    }

    /// How many recoveries the service closed after an interruption.
    pub fn closed_late(&self) -> usize {
        self.closed_late
    }

    /// Reads what has been added. What was read before must still be there unchanged.
    pub async fn read_on(&mut self) -> Result<(), Error> {
        let filter = AuditFilter::default();
        let known = self.hashes.len();
        loop {
            let paging = Paging { limit: Some(200), cursor: self.cursor.clone() };
            let page = self.client.audit().page(&filter, &paging).await?;
            for entry in &page.data {
                self.take(entry);
            }
            match page.next_cursor {
                Some(next) => self.cursor = Some(next),
                None => break,
            }
        }
        assert!(self.hashes.len() >= known, "the log became shorter");
        Ok(())
    }

    /// Reads all of it again.
    pub async fn read_again(&self) -> Result<(), Error> {
        let mut again = Self::new(self.client.clone(), self.tenant_id.clone());
        again.read_on().await?;
        assert!(again.hashes.starts_with(&self.hashes), "an entry was altered after it had been read");
        Ok(())
    }

    /// Every one of these acts has its entry; those that make something, exactly one.
    pub fn check(&self, acts: &[Act]) {
        for (action, object) in acts {
            let entries = self.acts.get(&((*action).to_owned(), object.clone())).copied().unwrap_or_default();
            assert!(entries > 0, "acknowledged and not in the log: {action} {object}");
            assert!(entries == 1 || action.starts_with("recovery."), "{entries} entries: {action} {object}");
        }
    }

    fn take(&mut self, entry: &AuditEntry) {
        let at = usize::try_from(entry.seq - 1).expect("numbers from 1");
        let hash = hash(&self.tenant_id, entry);
        if let Some(known) = self.hashes.get(at) {
            assert_eq!(*known, hash, "entry {} was altered", entry.seq);
            return;
        }
        assert_eq!(at, self.hashes.len(), "a gap before entry {}", entry.seq);
        let before = self.hashes.last().map_or("0".repeat(64), Clone::clone);
        assert_eq!(entry.prev_hash, before, "entry {} does not follow the one before", entry.seq);
        self.hashes.push(hash);
        self.closed_late += usize::from(entry.reason.as_deref() == Some("by-the-enclaves-log"));
        *self.actions.entry(entry.action.clone()).or_default() += 1;
        for object in [&entry.key_id, &entry.backup_id, &entry.verification_id].into_iter().flatten() {
            *self.acts.entry((entry.action.clone(), object.clone())).or_default() += 1;
        }
    }
}

/// SHA-256 of a zero byte and the entry's members in their order (RFC 8785; here every text is plain ASCII).
fn hash(tenant: &str, entry: &AuditEntry) -> String {
    let Value::Object(members) = serde_json::to_value(entry).expect("JSON") else {
        unreachable!("an object")
    };
    let mut members: BTreeMap<String, Value> = members.into_iter().collect();
    members.insert("tenant".to_owned(), tenant.into());
    let text = serde_json::to_string(&members).expect("JSON");
    assert!(text.is_ascii(), "{text}");
    hex(digest(&SHA256, &[b"\0", text.as_bytes()].concat()).as_ref())
}
