//! What the enclave hands out under its own seal and believes when it comes back.
//!
//! A token travels as its encoding followed by the enclave's MAC. The server stores and returns it, and may
//! read it; it cannot make one.

use crate::Env;
use crate::wire::{put_parts, wire_enum, wire_struct};

wire_struct! {
    each #[derive(Clone, Debug, PartialEq, Eq)];

    /// An identity session, opened by the enclave for one user.
    pub struct Ticket {
        /// The enclave's environment.
        pub env: Env,
        /// The enclave's generation; a reset ends all sessions.
        pub generation: u32,
        /// The provider's reference.
        pub session_id: [u8; 16],
        /// Makes the intent of this session unrepeatable.
        pub nonce: [u8; 32],
        /// The tenant.
        pub tenant_id: String,
        /// SHA-256 of [`user_tag_preimage`].
        pub user_tag: [u8; 32],
        /// The policy in force at opening: the hash of the tenant's own, or SHA-256 of [`crate::policy::preimage`].
        pub policy_hash: [u8; 32],
        /// Milliseconds since the epoch.
        pub opened_at_ms: i64,
        /// The only OpenPGP key that may receive, when named at the start.
        pub openpgp_fingerprint: Option<String>,
    }

    /// A provider's verdict on a session, verified inside.
    pub struct Admission {
        /// The enclave's environment.
        pub env: Env,
        /// The enclave's generation.
        pub generation: u32,
        /// Whose session.
        pub session_id: [u8; 16],
        /// The tenant.
        pub tenant_id: String,
        /// Whose identity.
        pub user_tag: [u8; 32],
        /// Which provider said so.
        pub provider: String,
        /// The provider's id of the inquiry.
        pub verification_id: String,
        /// What it said.
        pub outcome: Outcome,
        /// When the provider says it happened; the window counts from here.
        pub event_at_ms: i64,
        /// Keyed hash of the pivotal identity; none when the event named no person.
        pub identity_tag: Option<[u8; 32]>,
    }

    /// One checked item, and the session it was stored under.
    pub struct Record {
        /// The enclave's environment.
        pub env: Env,
        /// The enclave's generation.
        pub generation: u32,
        /// The tenant.
        pub tenant_id: String,
        /// Whose item.
        pub user_tag: [u8; 32],
        /// The session, on the retail path.
        pub session_id: Option<[u8; 16]>,
        /// The id it is stored under.
        pub backup_id: String,
        /// The key it is encrypted to.
        pub key_id: String,
        /// SHA-256 of [`digest_preimage`].
        pub record_digest: [u8; 32],
        /// When it was checked, milliseconds since the epoch.
        pub checked_at_ms: i64,
    }

    /// How far the enclave's own log has come: whoever keeps it can tell an old copy of that log from the log.
    pub struct LogMark {
        /// The enclave's environment.
        pub env: Env,
        /// The life of the process in which the record was written.
        pub life: [u8; 16],
        /// The number of the record.
        pub sequence: u64,
    }
}

wire_enum! {
    /// A provider's verdict.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Outcome {
        /// The person is who he says he is.
        1 = Approved,
        /// Approved, but not the person of the baseline: releases nothing.
        2 = IdentityDiffers,
        /// People decide: the next approval is their word.
        3 = ToReview,
        /// The person is not who he says he is.
        4 = Declined,
    }
}

/// What is hashed into a user's tag: who the user is, without naming him.
pub fn user_tag_preimage(tenant_id: &str, user_identifier: &str) -> Vec<u8> {
    [b"user-tag/v1\0", tenant_id.as_bytes(), b"\0", user_identifier.as_bytes()].concat()
}

/// What is hashed into the tag of a person of Control: never a user's.
pub fn person_tag_preimage(tenant_id: &str, person_id: &str) -> Vec<u8> {
    [b"person-tag/v1\0", tenant_id.as_bytes(), b"\0", person_id.as_bytes()].concat()
}

/// Stands in a record, and in what is released by it, where the device gave no checksum: no plaintext has it.
pub const NO_CHECKSUM: [u8; 32] = [0; 32];

/// What is hashed into a record's digest: everything that makes one stored item that item.
pub fn digest_preimage(
    tenant_id: &str,
    user_tag: &[u8; 32],
    key_id: &str,
    item_key: &str,
    ciphertext: &[u8],
    checksum: &[u8; 32],
) -> Vec<u8> {
    let mut out = b"backup-record/v1\0".to_vec();
    let (tenant_id, key_id, item_key) = (tenant_id.as_bytes(), key_id.as_bytes(), item_key.as_bytes());
    put_parts([tenant_id, user_tag, key_id, item_key, ciphertext, checksum], &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records that are stored stand on it: not a byte of it may change.
    #[test]
    fn the_preimage_of_a_record_says_where_each_of_its_parts_ends() {
        let part = |bytes: &[u8]| [&(bytes.len() as u64).to_be_bytes(), bytes].concat();
        let parts: [&[u8]; 6] = [b"tenant", &[3; 32], b"key", b"item", b"sealed", &[4; 32]];
        let said = [b"backup-record/v1\0".to_vec(), parts.map(part).concat()].concat();
        assert_eq!(digest_preimage("tenant", &[3; 32], "key", "item", b"sealed", &[4; 32]), said);
        assert_eq!(said[17..31], *b"\0\0\0\0\0\0\0\x06tenant");
    }
}
