//! Clock and chance, read here and nowhere else in the command.

use std::time::Instant;

use crate::failure::Failure;

/// Now, for measuring.
#[expect(clippy::disallowed_methods, reason = "the command is the edge: nobody hands it a clock")]
pub fn instant() -> Instant {
    Instant::now()
}

/// `bytes` unpredictable bytes as lower-case hexadecimal.
#[expect(clippy::disallowed_methods, reason = "the command is the edge: nobody hands it chance")]
pub fn random_hex(bytes: usize) -> Result<String, Failure> {
    use std::fmt::Write as _;

    let mut drawn = vec![0; bytes];
    aws_lc_rs::rand::fill(&mut drawn)
        .map_err(|_| Failure::new("the system gives no random bytes; try again later"))?;
    Ok(drawn.iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    }))
}

/// Now, in milliseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "the command is the edge: nobody hands it a clock")]
pub fn now_ms() -> i64 {
    // A clock before 1970 makes every signing key not yet valid, which refuses.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
