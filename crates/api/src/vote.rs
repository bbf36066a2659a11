//! Files by which people vote on a machine of their own: what they are asked, and what they say.

use serde::{Deserialize, Serialize};

/// The form of both files.
pub const VOTE_FILE_VERSION: u32 = 1;

/// What is voted on: a recovery, and the access list that decides. Both documents are the very texts that are
/// hashed; whoever votes reads them and believes nothing beside them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteRequest {
    /// [`VOTE_FILE_VERSION`].
    pub version: u32,
    /// The recovery's intent, canonical (RFC 8785).
    pub intent: String,
    /// The list's document that it names, canonical.
    pub acl: String,
}

/// What is voted on: another version of an access list, which the list decides on as it stands. Both documents are
/// the very texts that are hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRequest {
    /// [`VOTE_FILE_VERSION`].
    pub version: u32,
    /// The list's document in force, canonical.
    pub acl: String,
    /// The one that it would be, canonical.
    pub next: String,
}

/// One person's vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BallotFile {
    /// [`VOTE_FILE_VERSION`].
    pub version: u32,
    /// Who.
    pub person_id: String,
    /// Yes, or no.
    pub approve: bool,
    /// The hash of the recovery's intent, or of the list's next document, lower-case hexadecimal.
    pub hash: String,
    /// The same as people compare it: `ABCD-EFGH`.
    pub short_code: String,
    /// What signed: `ed25519` or `openpgp`.
    pub kind: String,
    /// Base64: the 64 bytes, or a binary detached OpenPGP signature.
    pub signature: String,
}
