//! How the root key comes to the holders of its shares, and from them back into the enclave.
//!
//! Whoever carries these messages is not believed by either side: a share travels only under a key of whom it is for,
//! and the enclave's side of an attempt is signed with the identity that each share names.

use crate::Env;
use crate::wire::{Wire, wire_enum, wire_struct};

/// The most shares that a root key is split into.
pub const HOLDERS_MAX: usize = 16;

/// The fewest shares that may put a root key together: nobody has it alone.
pub const THRESHOLD_MIN: u32 = 2;

/// How long shares are waited for, milliseconds: what was given by then is forgotten, and all begin anew.
pub const ATTEMPT_MS: i64 = 15 * 60 * 1_000;

/// The most items that are sealed anew at once.
pub const RESEAL_ITEMS_MAX: usize = 256;

/// What stands in front of a share that was an OpenPGP message, in its plaintext; hexadecimal follows.
pub const SHARE_PREFIX: &str = "holdfast-share:";

wire_enum! {
    /// Whom a share is encrypted to.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Holder {
        /// An OpenPGP certificate, armoured. Its message holds [`SHARE_PREFIX`], the [`Share`] in hexadecimal, a newline.
        1 = OpenPgp(Vec<u8>),
        /// An RSA-4096 key, as DER `SubjectPublicKeyInfo`: of a tool that prints the share, or puts it into a token.
        2 = Rsa(Vec<u8>),
    }
}

wire_enum! {
    /// What shares are asked for.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Purpose {
        /// To open the enclave.
        1 = Unseal,
        /// To make other shares.
        2 = Rekey(Plan),
        /// To show that they are there: those of a rekey, which so takes effect, else those in force.
        3 = Verify,
        /// To make another root key, of the next epoch, and its shares.
        4 = Renew(Plan),
        /// To forget the root key of the epoch before the one in force, whose number this is.
        5 = Retire(u32),
        /// To open the offline enclave for one bundle, by SHA-256 of the encoding of its [`crate::cold::Bundle`].
        6 = Sit([u8; 32]),
    }
}

wire_struct! {
    each #[derive(Clone, Debug, PartialEq, Eq)];

    /// How a root key is to be split.
    pub struct Plan {
        /// How many shares put it together: [`THRESHOLD_MIN`] to as many as there are.
        pub threshold: u32,
        /// One share each.
        pub holders: Vec<Holder>,
    }

    /// The shares, each encrypted to its holder, in the order of the plan.
    pub struct Dealt {
        /// An OpenPGP message in armour, or an RSA-OAEP-SHA-256 ciphertext of a [`Share`].
        pub shares: Vec<Vec<u8>>,
        /// Of what they are shares.
        pub ceremony_id: [u8; 8],
        /// The enclave's identity: an Ed25519 public key.
        pub identity: [u8; 32],
    }

    /// A time in which shares are taken.
    pub struct Attempt {
        /// Of which installation.
        pub env: Env,
        /// Of which splitting.
        pub ceremony_id: [u8; 8],
        /// What for: said in the same breath as the key, so that a share that was given for one thing serves no other.
        pub purpose: Purpose,
        /// An RSA-4096 key of this attempt alone, as DER `SubjectPublicKeyInfo`: shares travel under it.
        pub public_key: Vec<u8>,
        /// Milliseconds since the epoch.
        pub expires_at_ms: i64,
    }

    /// An attempt, in the enclave's own words.
    pub struct Begun {
        /// The encoding of an [`Attempt`].
        pub attempt: Vec<u8>,
        /// The enclave's identity: an Ed25519 public key.
        pub identity: [u8; 32],
        /// Its signature over [`attempt_preimage`].
        pub signature: Vec<u8>,
    }

    /// A share, given to the attempt that runs.
    pub struct Give {
        /// RSA-OAEP-SHA-256 of a [`Share`], under the attempt's key.
        pub ciphertext: Vec<u8>,
    }

    /// It is taken.
    pub struct Given {
        /// How many different ones have been given.
        pub given: u32,
        /// How many are needed.
        pub threshold: u32,
        /// Whether they were enough, and what they were asked for is done.
        pub done: bool,
    }

    /// One splitting of a root key, as the enclave keeps it. Nothing in it is secret.
    pub struct Ceremony {
        /// Its name.
        pub ceremony_id: [u8; 8],
        /// How many shares put the key together.
        pub threshold: u32,
        /// Each holder's OpenPGP fingerprint in upper-case hexadecimal, or `rsa`.
        pub holders: Vec<String>,
        /// Milliseconds since the epoch.
        pub made_at_ms: i64,
        /// SHA-256 of [`share_preimage`] of each share.
        pub digests: Vec<[u8; 32]>,
    }

    /// An attempt that runs.
    pub struct Running {
        /// What for.
        pub purpose: Purpose,
        /// How many shares have been given.
        pub given: u32,
        /// Milliseconds since the epoch.
        pub expires_at_ms: i64,
    }

    /// Whose seals open. Each root key begins an epoch, numbered from 1.
    pub struct Epochs {
        /// The one that seals.
        pub current: u32,
        /// The one before, as long as it is not retired.
        pub former: Option<u32>,
    }

    /// Seal anew: keys, tickets, admissions, records, as the enclave gave them.
    pub struct Reseal {
        /// Up to [`RESEAL_ITEMS_MAX`]; none only asks for the epochs.
        pub items: Vec<Vec<u8>>,
    }

    /// They are sealed in the epoch in force.
    pub struct Resealed {
        /// Which that is.
        pub epochs: Epochs,
        /// One for each item, in order; the same where it was sealed so already, none where no seal of it holds.
        pub items: Vec<Option<Vec<u8>>>,
    }

    /// How things stand with the root key.
    pub struct Standing {
        /// The enclave is open, in these epochs; none: it is sealed.
        pub open: Option<Epochs>,
        /// The shares in force; none: there is no root key yet, or it lies on the disk.
        pub current: Option<Ceremony>,
        /// Shares that were made and not yet shown.
        pub pending: Option<Ceremony>,
        /// The attempt that runs.
        pub attempt: Option<Running>,
    }
}

wire_struct! {
    /// One holder's part of a root key: a secret, and so neither printable nor cloneable.
    pub struct Share {
        /// Which splitting it is of.
        pub ceremony_id: [u8; 8],
        /// The first half of SHA-256 of the enclave's identity: to no other is it given.
        pub enclave: [u8; 16],
        /// Its number, from 1.
        pub index: [u8; 1],
        /// The polynomials' values at that number.
        pub value: [u8; 32],
    }
}

/// What the enclave's identity signs of an attempt.
pub fn attempt_preimage(attempt: &[u8]) -> Vec<u8> {
    [b"holdfast/ceremony/attempt/v1\0", attempt].concat()
}

/// What a share is known by without being known. Its caller wipes it; no other copy of the share is made here.
pub fn share_preimage(share: &Share) -> Vec<u8> {
    let mut preimage = b"holdfast/ceremony/share/v1\0".to_vec();
    share.put(&mut preimage);
    preimage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_and_what_is_hashed_are_never_the_same() {
        let share = Share { ceremony_id: [1; 8], enclave: [2; 16], index: [3], value: [4; 32] };
        let preimage = share_preimage(&share);
        assert!(preimage.starts_with(b"holdfast/ceremony/share/v1\0\x01\x01"));
        assert_eq!(preimage.len(), 27 + 8 + 16 + 1 + 32);
        assert_eq!(attempt_preimage(b"x"), b"holdfast/ceremony/attempt/v1\0x");
    }
}
