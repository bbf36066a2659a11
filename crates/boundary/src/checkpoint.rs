//! What the enclave is asked, and says, about checkpoints of audit logs.

use crate::wire::wire_struct;

wire_struct! {
    each #[derive(Clone, Debug, PartialEq, Eq)];

    /// An audit log, as a checkpoint of it says it is.
    pub struct TreeHead {
        /// Which log: the first line of its checkpoints.
        pub origin: String,
        /// How many entries it has; at least one.
        pub size: u64,
        /// The root of the RFC 9162 tree over them.
        pub root: [u8; 32],
    }

    /// Sign a checkpoint.
    pub struct Cosign {
        /// What it says.
        pub head: TreeHead,
        /// That it goes on from the last that was signed of this origin (RFC 9162 §2.1.4.1); empty where none was.
        pub proof: Vec<[u8; 32]>,
    }

    /// It goes on from the last.
    pub struct Cosigned {
        /// Who signs: an Ed25519 public key, for this and nothing else.
        pub key: [u8; 32],
        /// The `timestamped_signature` of C2SP tlog-cosignature: seconds since the epoch in eight bytes, and 64 of
        /// Ed25519.
        pub signature: Vec<u8>,
    }
}
