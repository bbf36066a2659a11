//! What may be said about one call.

use std::time::Duration;

use reqwest::header::HeaderValue;

use crate::chance;
use crate::client::Client;
use crate::error::SetupFault;
use crate::hex;

/// Bytes of chance in an idempotency key that nobody gave.
const NAME_BYTES: usize = 16;
/// The longest idempotency key that the service reads, characters.
const NAME_CHARS_MAX: usize = 255;

/// What may be said about one call; what is left out is as usual. Whoever drops the call's future ends the call, its
/// retries and its waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// How long one exchange may take.
    pub timeout: Option<Duration>,
    /// Names a POST so that a repeat does nothing twice; made by chance when left out. 1 to 255 characters. A whole deed
    /// is several calls, and each of its calls keeps a name of its own.
    pub idempotency_key: Option<String>,
    /// 1 to 128 letters, digits, `.`, `_`, `-`: found again in the service's log.
    pub request_id: Option<String>,
}

impl CallOptions {
    /// The name of an act; nothing where none was given and chance gave none.
    pub(crate) fn name_of_act(&self) -> Result<Option<HeaderValue>, SetupFault> {
        let Some(given) = &self.idempotency_key else {
            let made = chance::bytes::<NAME_BYTES>().map(|bytes| hex::encode(&bytes));
            return Ok(made.and_then(|name| HeaderValue::try_from(name).ok()));
        };
        let is_long_enough = (1..=NAME_CHARS_MAX).contains(&given.len());
        let name = HeaderValue::from_str(given).ok().filter(|_| is_long_enough);
        name.map(Some).ok_or(SetupFault::Option("idempotency_key"))
    }

    pub(crate) fn request_id(&self) -> Result<Option<HeaderValue>, SetupFault> {
        let given = self.request_id.as_ref().map(|id| HeaderValue::from_str(id));
        given.transpose().map_err(|_| SetupFault::Option("request_id"))
    }
}

impl Client {
    /// The same client, whose calls are made so: `client.with(options).partner().assign_key(&request)`.
    #[must_use]
    pub fn with(&self, options: CallOptions) -> Self {
        Self { options, ..self.clone() }
    }

    /// The same for the calls of one deed: each gets an idempotency key of its own.
    pub(crate) fn for_deed(&self) -> Self {
        self.with(CallOptions { idempotency_key: None, ..self.options.clone() })
    }
}
