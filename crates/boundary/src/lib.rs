//! What both sides of the enclave socket must agree on to the byte.
//!
//! The server (untrusted for release) and the enclave (trusted) meet here and nowhere else. The crate has no
//! dependency and does nothing but turn values into bytes and back: no I/O, no clock, no chance, no hash.
//! Whoever needs a digest of what is encoded here computes it over the bytes this crate returns.
//!
//! - [`wire`]: the encoding of messages, and the frame around one.
//! - [`message`]: every request the enclave answers, and every reply.
//! - [`refusal`]: why it does not.
//! - [`json`]: strict JSON in, RFC 8785 canonical JSON out.
//! - [`statement`]: what the enclave signs about a public key.
//! - [`intent`]: the one object that names a release.
//! - [`token`]: what the enclave hands out under its own seal and believes when it comes back.
//! - [`policy`]: under which rule a session was opened.
//! - [`acl`]: the rule by which a list of people decides.
//! - [`approval`]: the documents that people sign, and what their signatures are made over.
//! - [`checkpoint`]: what the enclave signs of an audit log.
//! - [`freeze`]: how a tenant's releases are stopped for a time, and let go on.
//! - [`ceremony`]: how the root key comes to the holders of its shares, and back.
//! - [`batch`]: keys made offline, and what ties one to its user.
//! - [`cold`]: what the two enclaves of a ceremony say to each other.

pub mod acl;
pub mod approval;
pub mod batch;
pub mod ceremony;
pub mod checkpoint;
pub mod cold;
pub mod freeze;
pub mod intent;
pub mod json;
pub mod message;
pub mod policy;
pub mod record;
pub mod refusal;
pub mod statement;
pub mod token;
pub mod wire;

/// Declares enums each of whose variants has a word, by which it stands in documents.
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$variant),*];

            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The one of that word.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|one| one.as_str() == word)
            }
        }

        impl $crate::json::Json for $name {
            fn write(&self) -> $crate::json::Value {
                $crate::json::Value::text(self.as_str())
            }
            fn read(value: &$crate::json::Value) -> Option<Self> {
                Self::parse(value.as_text()?)
            }
        }
    };
}

words! {
    /// Which installation a key, ticket or intent belongs to. An enclave holds exactly one.
    pub enum Env {
        /// Real customers.
        Production = "production",
        /// Rehearsal: simulated identity checks, played ceremonies.
        Sandbox = "sandbox",
    }
}

/// The largest plaintext that fits one RSA-4096 OAEP-SHA-256 ciphertext (RFC 8017 §7.1.1: k - 2 hLen - 2).
pub const OAEP_PLAINTEXT_BYTES_MAX: usize = 446;

/// The size of one RSA-4096 ciphertext.
pub const RSA_CIPHERTEXT_BYTES: usize = 512;
