//! Voting on a recovery, or on a change of an access list, away from the service: what is asked, in plain words, and a signed answer.
//!
//! Needs no network and no trust in whoever brought the request: all that is shown is read from the two documents
//! whose hash is signed, and a request whose documents do not fit each other is refused.

mod change;
mod key;
mod words;

use api::vote::{BallotFile, ChangeRequest, VOTE_FILE_VERSION, VoteRequest};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use boundary::approval::{Document as _, KeyKind, Member, reject_preimage, short_code, vote_message};
use boundary::intent::{Flow, preimage};
use pgp::composed::{Deserializable as _, DetachedSignature, SignedPublicKey};

pub use boundary::approval::AclDocument;
pub use boundary::intent::Intent;
pub use change::{Difference, differences};
pub use key::VotingKey;
pub use words::{grouped, plain, utc};

/// Why there is no vote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VoteFault {
    /// The file is not a request.
    #[error("this is no vote request ({0}); ask for the file again")]
    Unreadable(String),
    /// The documents do not fit each other.
    #[error("the request does not fit its access list: {0}; do not vote, and tell the service's operator")]
    Unfit(&'static str),
    /// Nobody on the list has this key.
    #[error("no member of the access list {0} signs with this key; take the key that is registered for you")]
    NotAMember(String),
    /// The key file cannot be used.
    #[error("this is no Ed25519 private key in PKCS#8 PEM; make one with: holdfast vote key")]
    Key,
    /// There is no chance on this machine.
    #[error("no key could be made: the system gives no random bytes")]
    NoChance,
}

/// What is voted on.
#[derive(Clone, Debug)]
pub enum What {
    /// A recovery.
    Recovery(Intent),
    /// What the list would be.
    Change(AclDocument),
}

/// A request that has been read, and whose documents fit.
#[derive(Clone, Debug)]
pub struct Ask {
    what: What,
    list: AclDocument,
    hash: [u8; 32],
}

impl Ask {
    /// Reads a request file.
    pub fn read(file: &[u8]) -> Result<Self, VoteFault> {
        let named: serde_json::Value = read(file)?;
        if named.get("next").is_some() { Self::read_change(file) } else { Self::read_recovery(file) }
    }

    fn read_recovery(file: &[u8]) -> Result<Self, VoteFault> {
        let request: VoteRequest = read(file)?;
        known(request.version)?;
        let intent = Intent::from_canonical(request.intent.as_bytes());
        let intent = intent.ok_or_else(|| not_canonical("the intent"))?;
        let list = read_list(&request.acl, "the access list")?;
        fits(intent.flow == Flow::Control, "it is no recovery that people vote on")?;
        fits(intent.env == list.env, "the environments differ")?;
        fits(intent.tenant_id == list.tenant_id, "the tenants differ")?;
        fits(intent.acl_id == list.acl_id, "it is for another list")?;
        fits(intent.policy_version == list.version, "it is for another version of the list")?;
        fits(intent.policy_hash == hex(&sha256(&list.preimage())), "it is for another document")?;
        let hash = sha256(&preimage(request.intent.as_bytes()));
        Ok(Self { what: What::Recovery(intent), list, hash })
    }

    fn read_change(file: &[u8]) -> Result<Self, VoteFault> {
        let request: ChangeRequest = read(file)?;
        known(request.version)?;
        let list = read_list(&request.acl, "the access list")?;
        let next = read_list(&request.next, "its next version")?;
        fits(next.env == list.env, "the environments differ")?;
        fits(next.tenant_id == list.tenant_id, "the tenants differ")?;
        fits(next.acl_id == list.acl_id, "it is of another list")?;
        fits(next.version == list.version + 1, "it is not the version that comes next")?;
        fits(next.prev_hash == Some(hex(&sha256(&list.preimage()))), "it follows another document")?;
        let hash = sha256(&next.preimage());
        Ok(Self { what: What::Change(next), list, hash })
    }

    /// What is voted on.
    pub fn what(&self) -> &What {
        &self.what
    }

    /// What is voted on, if it is a recovery.
    pub fn intent(&self) -> Option<&Intent> {
        match &self.what {
            What::Recovery(intent) => Some(intent),
            What::Change(_) => None,
        }
    }

    /// Who decides: the list as it stands.
    pub fn list(&self) -> &AclDocument {
        &self.list
    }

    /// The code by which people compare what they see.
    pub fn short_code(&self) -> String {
        short_code(&self.hash)
    }

    /// The hash that is signed, lower-case hexadecimal.
    pub fn hash(&self) -> String {
        hex(&self.hash)
    }

    /// What a page asks a passkey to sign for a yes to this and to nothing else: the challenge, base64url.
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.hash)
    }

    /// What a key of the offline tool, or an OpenPGP key, signs for a yes or a no.
    pub fn message(&self, approve: bool) -> Vec<u8> {
        let rejected = sha256(&reject_preimage(&self.hash));
        vote_message(if approve { &self.hash } else { &rejected })
    }

    /// Signs with a key of the offline tool.
    pub fn sign(&self, key: &VotingKey, approve: bool) -> Result<BallotFile, VoteFault> {
        let public_key = key.public_key();
        let owns = |member: &&Member| {
            member.keys.iter().any(|key| key.kind == KeyKind::Ed25519 && key.public_key == public_key)
        };
        let signature = key.sign(&self.message(approve));
        self.ballot(owns, approve, KeyKind::Ed25519, &signature)
    }

    /// Takes a detached OpenPGP signature over [`Ask::message`] of the member whose key made it.
    pub fn signed_by_openpgp(&self, signature: &[u8], approve: bool) -> Result<BallotFile, VoteFault> {
        let message = self.message(approve);
        let owns = |member: &&Member| {
            let mut certificates = member.keys.iter().filter(|key| key.kind == KeyKind::OpenPgp);
            certificates.any(|key| made_by(&key.public_key, signature, &message))
        };
        self.ballot(owns, approve, KeyKind::OpenPgp, signature)
    }

    fn ballot(
        &self,
        owns: impl FnMut(&&Member) -> bool,
        approve: bool,
        kind: KeyKind,
        signature: &[u8],
    ) -> Result<BallotFile, VoteFault> {
        let member = self.list.members.iter().find(owns);
        let member = member.ok_or_else(|| VoteFault::NotAMember(plain(&self.list.name)))?;
        Ok(BallotFile {
            version: VOTE_FILE_VERSION,
            person_id: member.person_id.clone(),
            approve,
            hash: self.hash(),
            short_code: self.short_code(),
            kind: kind.as_str().to_owned(),
            signature: STANDARD.encode(signature),
        })
    }
}

fn read<T: serde::de::DeserializeOwned>(file: &[u8]) -> Result<T, VoteFault> {
    serde_json::from_slice(file).map_err(|error| VoteFault::Unreadable(error.to_string()))
}

fn known(version: u32) -> Result<(), VoteFault> {
    if version == VOTE_FILE_VERSION {
        return Ok(());
    }
    Err(VoteFault::Unreadable(format!("version {version} is not known")))
}

fn read_list(document: &str, what: &str) -> Result<AclDocument, VoteFault> {
    AclDocument::from_canonical(document.as_bytes()).ok_or_else(|| not_canonical(what))
}

fn not_canonical(what: &str) -> VoteFault {
    VoteFault::Unreadable(format!("{what} is not in its one canonical form"))
}

fn fits(holds: bool, what: &'static str) -> Result<(), VoteFault> {
    if holds { Ok(()) } else { Err(VoteFault::Unfit(what)) }
}

/// Whether a certificate's primary key or one of its subkeys made a signature. Whether that key may vote is the
/// enclave's to judge.
fn made_by(certificate: &str, signature: &[u8], message: &[u8]) -> bool {
    let certificate = crate::hex::decode_lower(certificate)
        .and_then(|bytes| SignedPublicKey::from_bytes(bytes.as_slice()).ok());
    let (Some(certificate), Ok(made)) = (certificate, DetachedSignature::from_bytes(signature)) else {
        return false;
    };
    made.signature.verify(&certificate.primary_key, message).is_ok()
        || certificate.public_subkeys.iter().any(|subkey| made.signature.verify(&subkey.key, message).is_ok())
}

fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, data).as_ref());
    out
}

fn hex(bytes: &[u8]) -> String {
    crate::hex::encode(bytes)
}

#[cfg(test)]
mod tests;
