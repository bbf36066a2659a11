//! What both sides of the enclave socket must agree on to the byte.
//!
//! The server (untrusted for release) and the enclave (trusted) meet here and nowhere else. The crate has no
//! dependency and does nothing but turn values into bytes and back: no I/O, no clock, no chance, no hash.
//! Whoever needs a digest of what is encoded here computes it over the bytes this crate returns.
//!
//! - [`wire`]: the encoding of messages, and the frame around one.
//! - [`message`]: every request the enclave answers, and every reply.
//! - [`json`]: strict JSON in, RFC 8785 canonical JSON out.
//! - [`statement`]: what the enclave signs about a public key.
//! - [`intent`]: the one object that names a release.
//! - [`token`]: what the enclave hands out under its own seal and believes when it comes back.
//! - [`policy`]: under which rule a session was opened.
//! - [`acl`]: the rule by which a list of people decides.
//! - [`approval`]: the documents that people sign, and what their signatures are made over.
//! - [`batch`]: keys made offline, and what ties one to its user.

pub mod acl;
pub mod approval;
pub mod batch;
pub mod intent;
pub mod json;
pub mod message;
pub mod policy;
pub mod statement;
pub mod token;
pub mod wire;

/// Which installation a key, ticket or intent belongs to. An enclave holds exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Env {
    /// Real customers.
    Production,
    /// Rehearsal: simulated identity checks, played ceremonies.
    Sandbox,
}

impl Env {
    /// The word used in signed objects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Sandbox => "sandbox",
        }
    }

    /// The environment of that name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "production" => Some(Self::Production),
            "sandbox" => Some(Self::Sandbox),
            _ => None,
        }
    }
}

/// The largest plaintext that fits one RSA-4096 OAEP-SHA-256 ciphertext (RFC 8017 §7.1.1: k - 2 hLen - 2).
pub const OAEP_PLAINTEXT_BYTES_MAX: usize = 446;

/// The size of one RSA-4096 ciphertext.
pub const RSA_CIPHERTEXT_BYTES: usize = 512;
