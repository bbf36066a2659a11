//! The one place where the clock is read.

use std::time::Instant;

use domain::time::Timestamp;

/// Says what time it is. Read once at the edge of a call; from there on `now` is a value.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// Now, for measuring how long something takes and for nothing else: no rule may hang on it.
#[expect(
    clippy::disallowed_methods,
    reason = "a duration that is only shown needs no clock that a test can set"
)]
pub fn instant() -> Instant {
    Instant::now()
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge that everybody else gets the instant from"
    )]
    fn now(&self) -> Timestamp {
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}
