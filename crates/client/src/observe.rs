//! Watching the exchanges.

use std::sync::Arc;

/// One request and its answer, as they travelled. The credential is not part of it.
#[derive(Clone, Debug)]
pub struct Exchange<'a> {
    /// `GET`, `POST`, `PATCH` or `DELETE`.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// The headers that change what the call means, such as `x-override-status`.
    pub headers: &'a [(&'static str, String)],
    /// The request's body; empty when there was none, or when it was a file.
    pub request_body: &'a str,
    /// The answer's status.
    pub status: u16,
    /// The answer's body.
    pub response_body: &'a str,
}

/// Called after each exchange, retries included.
pub(crate) type Observer = Arc<dyn Fn(&Exchange<'_>) + Send + Sync>;
/// Called with the bytes sent and those in all, as a file travels.
pub(crate) type UploadObserver = Arc<dyn Fn(u64, u64) + Send + Sync>;
