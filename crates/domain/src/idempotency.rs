//! Repeats of a call that its caller named.

use crate::access::Deed;
use crate::words::words;

words! {
    /// Where a named call stands.
    CallState {
        /// A run of it has begun and not ended.
        Running = "running",
        /// It was answered, and the answer is kept.
        Answered = "answered",
        /// It was answered with a secret, of which only the id is kept.
        SecretShown = "secret-shown",
    }
}

/// What is kept of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// The whole of it.
    Answer,
    /// The id of what was made, or given a new secret: a secret is shown once.
    Id,
    /// Nothing, and the name is not looked at: the deed has its own rule for repeats.
    Nothing,
}

impl Deed {
    /// What is kept of this deed's answer.
    pub const fn keeping(self) -> Keeping {
        match self {
            Self::RecoverBackups | Self::ExchangeToken => Keeping::Nothing,
            Self::CreateCredential | Self::CreateWebhook | Self::RotateWebhookSecret => Keeping::Id,
            _ => Keeping::Answer,
        }
    }
}

/// The characters that a name may have: all that a header may show.
pub fn is_name(text: &[u8]) -> bool {
    (1..=crate::limits::IDEMPOTENCY_KEY_CHARS_MAX).contains(&text.len())
        && text.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Whether an answer of this status is final, so that a repeat gets it again.
pub const fn is_kept(status: u16) -> bool {
    status < 500 && !matches!(status, 401 | 403 | 429)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_not_kept() {
        for status in [200, 204, 400, 404, 409, 413, 415, 422] {
            assert!(is_kept(status), "{status}");
        }
        for status in [401, 403, 429, 500, 503] {
            assert!(!is_kept(status), "{status}");
        }
    }

    #[test]
    fn names_have_1_to_255_characters() {
        assert!(is_name(b"a") && is_name(&[b'~'; 255]));
        for name in [&b""[..], &[b'a'; 256], b"a\nb", "é".as_bytes()] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
