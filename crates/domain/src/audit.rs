//! Audit entries (contract 9): who did what to which object, with what result.

use aws_lc_rs::digest::{SHA256, digest};
use boundary::json::{Value, canonical};

use crate::ids::EntryId;
use crate::time::Timestamp;
use crate::words::words;

words! {
    /// What kind of actor did something.
    ActorType {
        /// A tenant's credential.
        ApiKey = "api_key",
        /// An identity provider, through its signed event.
        IdentityProvider = "identity_provider",
        /// The service itself: an expiry, a clean-up.
        Service = "service",
    }

    /// How it ended.
    Outcome {
        /// Done.
        Ok = "ok",
        /// Refused by a rule.
        Refused = "refused",
        /// Tried and not achieved.
        Failed = "failed",
    }
}

/// The objects that an entry is about; none where it does not apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// A customer key.
    pub key_id: Option<String>,
    /// A backup.
    pub backup_id: Option<String>,
    /// A recovery.
    pub recovery_id: Option<String>,
    /// An inquiry.
    pub verification_id: Option<String>,
    /// An organisation.
    pub customer_id: Option<String>,
    /// A package.
    pub package_id: Option<String>,
}

/// One act, as it is written in the transaction of the act.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its row's id.
    pub id: EntryId,
    /// When.
    pub time: Timestamp,
    /// Who.
    pub actor: String,
    /// What kind of actor.
    pub actor_type: ActorType,
    /// What, such as `key.assigned`.
    pub action: String,
    /// To what.
    pub objects: Objects,
    /// How it ended.
    pub result: Outcome,
    /// The stable code of a refusal.
    pub reason: Option<String>,
    /// The call that did it.
    pub request_id: String,
}

/// The hash before the first entry of a log.
pub const FIRST_PREV_HASH: [u8; 32] = [0; 32];

impl Entry {
    /// The entry's hash at its place in the log: SHA-256 of a zero byte (RFC 6962 §2.1) and the entry's RFC 8785 form.
    pub fn hash(&self, tenant: &str, seq: i64, prev_hash: &[u8]) -> [u8; 32] {
        let optional = |text: &Option<String>| Value::text_or_null(text.as_deref());
        let document = Value::object([
            ("seq", Value::Integer(seq)),
            ("time", Value::text(self.time.rfc3339())),
            ("tenant", Value::text(tenant)),
            ("actor", Value::text(&self.actor)),
            ("actor_type", Value::text(self.actor_type.as_str())),
            ("action", Value::text(&self.action)),
            ("key_id", optional(&self.objects.key_id)),
            ("backup_id", optional(&self.objects.backup_id)),
            ("recovery_id", optional(&self.objects.recovery_id)),
            ("verification_id", optional(&self.objects.verification_id)),
            ("customer_id", optional(&self.objects.customer_id)),
            ("package_id", optional(&self.objects.package_id)),
            ("result", Value::text(self.result.as_str())),
            ("reason", optional(&self.reason)),
            ("request_id", Value::text(&self.request_id)),
            ("prev_hash", Value::text(hex(prev_hash))),
        ]);
        // The only number is a row count, far below 2^53.
        let text = canonical(&document).unwrap_or_default();
        let leaf = [&[0], text.as_bytes()].concat();
        let mut out = [0; 32];
        out.copy_from_slice(digest(&SHA256, &leaf).as_ref());
        out
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|nibble| char::from_digit(nibble.into(), 16))
        .collect()
}
