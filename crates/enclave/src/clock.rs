//! The wall clock, read in one place, how exactly the other one is written down, and RFC 3339 instants.
//!
//! The other one counts the time that the process has seen to pass, by the monotonic clock: a delay is over only when
//! both say so. It stands still while nobody runs, and nothing sets it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use der::DateTime;

/// Time that has passed is written down with the next decision once it is so much more than what the log says.
pub const ELAPSED_STEP_MS: i64 = 10_000;
/// How often it is written down while nothing is decided: a crash costs at most so much, and delays last so much
/// longer. More often would fill the log with nothing else.
pub const TICK: Duration = Duration::from_mins(1);

/// Milliseconds since the epoch by the machine's clock. Whoever decides by it takes the larger of this and the
/// highest instant in the log, so that a clock set back revives nothing.
pub fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Whole seconds until `until_ms`, at least one, for an answer that asks to wait.
pub fn seconds_until(until_ms: i64, now_ms: i64) -> u32 {
    u32::try_from((until_ms - now_ms).max(0) / 1_000 + 1).unwrap_or(u32::MAX)
}

/// Milliseconds since the epoch of an RFC 3339 §5.6 date-time; leap seconds and years before 1970 are refused.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let seconds = |text: &str| {
        let at: DateTime = format!("{text}Z").to_ascii_uppercase().parse().ok()?;
        i64::try_from(at.unix_duration().as_secs()).ok()
    };
    let (whole, rest) = text.split_at_checked("1970-01-01T00:00:00".len())?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
        None => ("0", rest),
    };
    if !(1..=9).contains(&fraction.len()) {
        return None;
    }
    let milliseconds: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    let ahead_s = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        ("+", clock) => seconds(&format!("1970-01-01T{clock}:00"))?,
        ("-", clock) => -seconds(&format!("1970-01-01T{clock}:00"))?,
        _ => return None,
    };
    Some((seconds(whole)? - ahead_s) * 1_000 + milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_of_rfc_3339() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-21T05:39:27.250Z", 1_795_239_567_250),
            ("2026-11-21T07:39:27.25+02:00", 1_795_239_567_250),
            ("2026-11-21t00:09:27.250999z", 1_795_219_767_250),
            ("2000-02-29T23:59:59-23:59", 951_955_139_000),
        ] {
            assert_eq!(parse_rfc3339(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_instant_is_refused() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T05:39:27",
            "2026-11-21 05:39:27Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T05:39:60Z",
            "2026-11-21T05:39:27.Z",
            "2026-11-21T05:39:27.0000000001Z",
            "2026-11-21T05:39:27+0200",
            "2026-11-21T05:39:27+24:00",
            "2026-11-21T05:39:27+02:60",
            "2026-11-21T05:39:27+é:00",
            "2026-11-21T05:39:2é",
            "2026-11-21T05:39:27Z ",
            "+026-11-21T05:39:27Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
