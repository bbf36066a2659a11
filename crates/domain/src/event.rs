//! Events for webhooks: what happened, without any secret and any ciphertext.

use boundary::Env;
use boundary::json::{Value, canonical};

use crate::ids::EventId;
use crate::time::Timestamp;

/// Every type that there is or will be, as a filter may name them.
pub const TYPES: [&str; 31] = [
    "inquiry.created",
    "inquiry.started",
    "inquiry.completed",
    "inquiry.failed",
    "inquiry.expired",
    "inquiry.approved",
    "inquiry.declined",
    "inquiry.marked-for-review",
    "verification.passed",
    "verification.failed",
    "key.assigned",
    "key.rotated",
    "key.destroy-pending",
    "key.kept",
    "key.destroyed",
    "backup.stored",
    "backup.confirmed",
    "backup.deleted",
    "backup.check-failed",
    "recovery.requested",
    "recovery.approved",
    "recovery.declined",
    "recovery.released",
    "recovery.expired",
    "acl.changed",
    "acl.change-waiting",
    "acl.change-stopped",
    "policy.changed",
    "tenant.frozen",
    "tenant.thawed",
    crate::webhook::DISABLED_EVENT,
];

/// One event, written in the transaction of what it reports.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its id; the same on every try.
    pub id: EventId,
    /// Such as `backup.stored`.
    pub event_type: &'static str,
    /// When.
    pub created_at: Timestamp,
    /// What; a non-empty object. Members that are null do not apply and are left out.
    pub data: Vec<(&'static str, Value)>,
}

impl Event {
    /// The body that every delivery of the event carries, byte for byte.
    pub fn body(&self, env: Env) -> String {
        let members = self.data.iter().filter(|(_, value)| *value != Value::Null);
        let members = members.map(|(name, value)| ((*name).to_owned(), value.clone()));
        let document = Value::object([
            ("id", Value::text(self.id.as_str())),
            ("type", Value::text(self.event_type)),
            ("created_at", Value::text(self.created_at.rfc3339())),
            ("environment", Value::text(env.as_str())),
            ("data", Value::Object(members.collect())),
        ]);
        // Canonical form refuses only non-integers and repeated names; every member is text or a list of texts, named once.
        canonical(&document).unwrap_or_default()
    }
}
