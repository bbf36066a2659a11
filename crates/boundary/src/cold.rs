//! What the online enclave and the offline one say to each other, in files that anybody may carry: bundles of requests,
//! which leave under the online enclave's signature, and their answers, under the offline one's.

use crate::Env;
use crate::batch::SignedBinding;
use crate::message::{KeyType, Package, Request};
use crate::token::{Admission, Ticket};
use crate::wire::{wire_enum, wire_struct};

/// A bundle's name in the folder that is carried.
pub const REQUEST_FILE: &str = "request.cold";
/// The name of its answers.
pub const ANSWER_FILE: &str = "answer.cold";

wire_struct! {
    each #[derive(Clone, Debug, PartialEq, Eq)];

    /// Something and its signature, by one of the enclaves.
    pub struct Signed {
        /// The encoding of a [`Bundle`], [`Voucher`] or [`Answers`].
        pub body: Vec<u8>,
        /// Of the online enclave: by its receipt key (ECDSA P-256 SHA-256, DER). Of the offline one: Ed25519.
        pub signature: Vec<u8>,
    }

    /// A file: what is signed, and what it names by hashes.
    pub struct File {
        /// A [`Bundle`] or [`Answers`].
        pub head: Signed,
        /// The encodings of its entries, or of the replies.
        pub parts: Vec<Vec<u8>>,
    }

    /// A bundle is to leave.
    pub struct Dispatch {
        /// The offline enclave that it is for, by its public key.
        pub offline: Vec<u8>,
        /// Its number, from one.
        pub sequence: u64,
        /// SHA-256 of the encoding of the last [`Bundle`] that was answered; zeros if none was.
        pub previous: [u8; 32],
        /// SHA-256 of the encoding of each [`Entry`], in order.
        pub parts: Vec<[u8; 32]>,
    }

    /// What leaves.
    pub struct Bundle {
        /// The online enclave's environment.
        pub env: Env,
        /// Its receipt key, an uncompressed point: the offline enclave believes no other from its first bundle on.
        pub online: Vec<u8>,
        /// Milliseconds since the epoch, by its clock.
        pub made_at_ms: i64,
        /// The last record of its log.
        pub log_sequence: u64,
        /// For whom, and after which.
        pub dispatch: Dispatch,
    }

    /// What the online enclave knows of a recovery and the offline one cannot: the sessions and checks are its own, and
    /// by its log too the list has approved this.
    pub struct Voucher {
        /// SHA-256 of the preimage of the recovery's intent.
        pub intent_hash: [u8; 32],
        /// The requester's session.
        pub ticket: Ticket,
        /// The checks, the requester's first.
        pub admissions: Vec<Admission>,
    }

    /// A recovery that a list has approved.
    pub struct Vouched {
        /// As for the online enclave; ticket and admissions are those of the voucher.
        pub package: Package,
        /// A [`Voucher`].
        pub voucher: Signed,
    }

    /// What came of a bundle.
    pub struct Answers {
        /// The offline enclave's environment.
        pub env: Env,
        /// The bundle's number.
        pub sequence: u64,
        /// SHA-256 of the encoding of the [`Bundle`].
        pub bundle: [u8; 32],
        /// The last record of the offline enclave's log.
        pub log_sequence: u64,
        /// SHA-256 of the encoding of each [`crate::message::Reply`], in the order of the entries.
        pub parts: Vec<[u8; 32]>,
    }
}

wire_enum! {
    /// One thing that the offline enclave is asked for.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Entry {
        /// Keys of these kinds, as a batch.
        1 = Make(Vec<KeyType>),
        /// To whom a key was given.
        2 = Tie(SignedBinding),
        /// A request as the online enclave would be asked: `Check`, `Try`, `Rewrap`, `Amend`, `Attach`, `Reset`,
        /// `Reseal`. A key that stands in it as the online enclave sealed it is meant by its id; what is to be sealed anew
        /// is a record of a check made offline.
        3 = Ask(Request),
        /// A recovery.
        4 = Release(Vouched),
    }
}

/// What an enclave signs of a [`Signed::body`]: of a `bundle`, a `voucher` or `answers`, as `what` says.
pub fn preimage(what: &str, body: &[u8]) -> Vec<u8> {
    [format!("cold-{what}/v1\0").as_bytes(), body].concat()
}
