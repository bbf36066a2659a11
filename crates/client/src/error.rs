//! What may go wrong, and what to do about it.

use std::time::Duration;

use api::error::ErrorBody;

use crate::attest::AttestationFault;
use crate::encrypt::{EncryptFault, FILE_BYTES_MAX};
use crate::hints::{KEY_FORM, WRONG_PATH, hint_of};
use crate::openpgp::OpenPgpFault;

/// Why a call or a whole deed did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client cannot be made, or a request cannot be built, from what was given.
    #[error(transparent)]
    Setup(#[from] SetupFault),
    /// The service refused the call, or failed, and said so in its own words.
    #[error("{}", describe(*status, body, *retry_after))]
    Api {
        /// The HTTP status.
        status: u16,
        /// What the service said.
        body: Box<ErrorBody>,
        /// How long the service asks to wait.
        retry_after: Option<Duration>,
    },
    /// No answer came, or not a whole one.
    #[error("{method} {path}: {}", describe_transport(source))]
    Transport {
        /// The call.
        method: &'static str,
        /// The call.
        path: String,
        /// The cause.
        source: reqwest::Error,
    },
    /// An answer came, but not one that this API gives.
    #[error(
        "{method} {path} was answered with {status} and {what}; check that the base URL is this service's \
         and that no proxy in between answers instead"
    )]
    Unreadable {
        /// The call.
        method: &'static str,
        /// The call.
        path: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong with the answer.
        what: String,
        /// How long the answer asks to wait.
        retry_after: Option<Duration>,
    },
    /// The key is not one that the enclave vouches for. Nothing was encrypted.
    #[error("the key is not attested, nothing was encrypted to it: {0}")]
    Attestation(#[from] AttestationFault),
    /// The secret cannot be encrypted.
    #[error("the secret cannot be encrypted: {0}")]
    Encrypt(#[from] EncryptFault),
    /// The recovery package cannot be opened, or the device's key cannot be made.
    #[error("{0}")]
    OpenPgp(#[from] OpenPgpFault),
    /// The service says that it stored something else than was sent.
    #[error(
        "the service says that it stored something else; do not rely on this backup: make it again, and report it \
         to whoever runs the service"
    )]
    NotAsSent,
}

/// Why a client or a request cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupFault {
    /// Not an http or https address.
    #[error("the base URL {0:?} is not one; give it as https://host, with a path if the service has one")]
    BaseUrl(String),
    /// The credential would travel readable by everybody on the way.
    #[error(
        "the base URL {0:?} is plain http to another machine, which shows the credential to everybody on the \
         way; use https, or allow_plain_http() on a network that you trust"
    )]
    PlainHttp(String),
    /// The base URL ends in `/v1`, which each path has.
    #[error("the base URL {0:?} ends in /v1; leave /v1 out: each path has it")]
    VersionInBaseUrl(String),
    /// The credential is of another environment than the client is for.
    #[error(
        "the credential is of {named}, and the client is for {wanted}; change base URL and credential together"
    )]
    WrongEnvironment {
        /// By the credential.
        named: String,
        /// By the client.
        wanted: String,
    },
    /// The credential is empty or holds characters that none has.
    #[error(
        "the credential is empty or holds characters that no credential has; copy it again, without spaces or line \
         breaks"
    )]
    Credential,
    /// An id that would lead to another path.
    #[error("{0:?} is no id; give the id that the service answered")]
    Id(String),
    /// Something said about a call that no header can hold.
    #[error("{0} is empty, too long or holds characters that it may not; nothing was sent")]
    Option(&'static str),
    /// The public key is not written as the service writes it.
    #[error("public_key is {0}, nothing was sent; {KEY_FORM}")]
    PublicKeyForm(&'static str),
    /// The ciphertext is not standard base64.
    #[error(
        "the ciphertext is not standard base64, nothing was sent; give it with padding: not hexadecimal, not \
         base64url, no line breaks"
    )]
    CiphertextForm,
    /// The checksum is that of the ciphertext.
    #[error(
        "the checksum is the ciphertext's, nothing was sent; give SHA-256 of the plaintext, taken before it is encrypted"
    )]
    ChecksumOverCiphertext,
    /// A file is empty, or larger than the service takes.
    #[error("the file has {bytes} bytes, nothing was sent; 1 to {FILE_BYTES_MAX} fit")]
    FileSize {
        /// As given.
        bytes: usize,
    },
    /// The pinned key is not a P-256 public key in PEM.
    #[error(
        "the pinned signing key is not a P-256 public key in PEM; take it from /.well-known/verification-key.pem"
    )]
    Pin,
    /// The HTTP library could not be set up.
    #[error("the HTTPS library did not start ({0}); check the system's certificate store")]
    Http(String),
    /// A store names no item, or one item twice.
    #[error("{0}")]
    Items(String),
}

impl SetupFault {
    /// This library's word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BaseUrl(_) | Self::VersionInBaseUrl(_) => "base-url",
            Self::PlainHttp(_) => "plain-http",
            Self::Credential => "credential",
            Self::WrongEnvironment { .. } => "wrong-environment",
            Self::Pin => "pin",
            Self::Http(_) => "http",
            Self::Id(_) => "path",
            Self::Items(_) => "items",
            Self::PublicKeyForm(_) => "public-key-form",
            Self::CiphertextForm => "ciphertext-form",
            Self::ChecksumOverCiphertext => "checksum-over-ciphertext",
            Self::FileSize { bytes: 0 } => "file-empty",
            Self::FileSize { .. } => "file-too-large",
            Self::Option(_) => "call-option",
        }
    }
}

impl Error {
    /// The HTTP status, when there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } | Self::Unreadable { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The service's stable code of a refusal; this library's own word for what it found itself.
    pub fn code(&self) -> &str {
        match self {
            Self::Api { body, .. } => &body.code,
            Self::Setup(fault) => fault.code(),
            Self::Transport { .. } => "transport",
            Self::Unreadable { what, .. } if what.starts_with("a redirect") => "redirect",
            Self::Unreadable { .. } => "unreadable-answer",
            Self::Attestation(fault) => fault.code(),
            Self::Encrypt(fault) => fault.code(),
            Self::OpenPgp(fault) => fault.code(),
            Self::NotAsSent => "not-as-sent",
        }
    }

    /// What to do about a refusal, where it is known and the error's own text does not say it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Api { body, .. } => hint_of(body),
            Self::Unreadable { status: 404, .. } => Some(WRONG_PATH),
            _ => None,
        }
    }

    /// How long the service asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api { retry_after, .. } | Self::Unreadable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn describe(status: u16, body: &ErrorBody, retry_after: Option<Duration>) -> String {
    let mut out = format!("{status} {}: {}", body.code, body.message);
    for (field, faults) in body.errors.iter().flatten() {
        out = format!("{out}; {field}: {}", faults.join(", "));
    }
    if let Some(wait) = retry_after {
        out = format!("{out}; try again in {} s", wait.as_secs());
    }
    format!("{out} (request {})", body.request_id)
}

fn describe_transport(error: &reqwest::Error) -> &'static str {
    if error.is_connect() {
        "no connection; check that the service runs, its address and its certificate"
    } else if error.is_timeout() {
        "no answer in time; the call may have taken effect, so look before repeating it"
    } else {
        "the answer broke off; the call may have taken effect, so look before repeating it"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_everything_that_the_service_said() {
        let body = ErrorBody {
            message: "two fields are wrong".into(),
            error: "Bad Request".into(),
            code: "validation-failed".into(),
            request_id: "r1".into(),
            errors: Some([("a".to_owned(), vec!["is missing".to_owned()])].into()),
        };
        let error =
            Error::Api { status: 400, body: Box::new(body), retry_after: Some(Duration::from_secs(7)) };
        assert_eq!(
            error.to_string(),
            "400 validation-failed: two fields are wrong; a: is missing; try again in 7 s (request r1)"
        );
        assert_eq!((error.status(), error.code()), (Some(400), "validation-failed"));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
}
