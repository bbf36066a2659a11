//! The steady clock of the database threads: how long a group has taken, when to try a server again. Nothing
//! that is stored comes from it.

use std::time::Instant;

/// The instant.
#[expect(clippy::disallowed_methods, reason = "how fast the database is cannot be an argument of the caller")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
