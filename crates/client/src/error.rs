//! What may go wrong, and what to do about it.

use std::time::Duration;

use api::error::ErrorBody;

use crate::attest::AttestationFault;
use crate::encrypt::EncryptFault;
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
    /// The credential holds characters that no header may hold.
    #[error("the credential holds characters that no credential has; copy it again without line breaks")]
    Credential,
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

impl Error {
    /// The HTTP status, when there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } | Self::Unreadable { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The stable code of a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Api { body, .. } => Some(&body.code),
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
        assert_eq!((error.status(), error.code()), (Some(400), Some("validation-failed")));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
}
