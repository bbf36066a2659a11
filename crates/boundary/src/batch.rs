//! Keys made offline: the batch that brings their public halves in, the binding that goes back out.

use crate::Env;
use crate::message::KeyType;
use crate::wire::wire_struct;

/// The most keys in one batch.
pub const BATCH_KEYS_MAX: usize = 10_000;

wire_struct! {
    each #[derive(Clone, Debug, PartialEq, Eq)];

    /// The public halves of one ceremony's keys.
    pub struct Batch {
        /// The offline enclave's environment.
        pub env: Env,
        /// Its name; adopted once.
        pub batch_id: [u8; 16],
        /// Milliseconds since the epoch, by the offline machine's clock.
        pub made_at_ms: i64,
        /// 1 to [`BATCH_KEYS_MAX`].
        pub keys: Vec<BatchKey>,
    }

    /// One key made offline.
    pub struct BatchKey {
        /// Its id, minted offline; a UUID.
        pub key_id: String,
        /// Of which kind.
        pub key_type: KeyType,
        /// The public half.
        pub public_key: Vec<u8>,
    }

    /// To whom a COLD key was given, for the offline side's next ceremony.
    pub struct Binding {
        /// The online enclave's environment.
        pub env: Env,
        /// Which key.
        pub key_id: String,
        /// SHA-256 of its public half.
        pub public_key_sha256: [u8; 32],
        /// To which tenant.
        pub tenant_id: String,
        /// To whom.
        pub user_tag: [u8; 32],
        /// Milliseconds since the epoch.
        pub bound_at_ms: i64,
        /// The key that it replaces: that one's material may be encrypted to this one.
        pub predecessor: Option<Predecessor>,
    }

    /// The key that another one replaced. Ids are the enclaves' own and given once; the public half is there so
    /// that nothing rests on that.
    pub struct Predecessor {
        /// Its id.
        pub key_id: String,
        /// SHA-256 of its public half.
        pub public_key_sha256: [u8; 32],
    }

    /// A binding and its signature by the online enclave's receipt key (ECDSA P-256 SHA-256, DER, over
    /// [`binding_preimage`]).
    pub struct SignedBinding {
        /// The encoding of a [`Binding`].
        pub binding: Vec<u8>,
        /// DER.
        pub signature: Vec<u8>,
    }
}

/// The bytes the offline enclave signs for a batch.
pub fn preimage(batch: &[u8]) -> Vec<u8> {
    [b"cold-batch/v1\0", batch].concat()
}

/// The bytes the online enclave signs for a binding.
pub fn binding_preimage(binding: &[u8]) -> Vec<u8> {
    [b"cold-binding/v2\0", binding].concat()
}
