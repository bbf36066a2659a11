//! The wall clock, read in one place, how exactly the other one is written down, and RFC 3339 instants.
//!
//! The other one counts the time that the process has seen to pass, by the monotonic clock: a delay is over only when
//! both say so. It stands still while nobody runs, and nothing sets it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits
            .iter()
            .all(u8::is_ascii_digit)
            .then(|| digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
    };
    let is = |at: usize, allowed: &[u8]| bytes.get(at).is_some_and(|byte| allowed.contains(byte));
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let marks = is(4, b"-") && is(7, b"-") && is(10, b"Tt") && is(13, b":") && is(16, b":");
    if !marks || year < 1970 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut at = 19;
    let mut milliseconds = 0;
    if is(at, b".") {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return None;
        }
        milliseconds = number(at + 1, at + 1 + digits.min(3))? * [100, 10, 1][digits.min(3) - 1];
        at += 1 + digits;
    }
    let offset_minutes = match bytes.get(at..)? {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'+' { 1 } else { -1 }
        }
        _ => return None,
    };
    let seconds = (days_before(year, month, day)? * 24 + hour) * 3_600 + minute * 60 + second;
    Some((seconds - offset_minutes * 60) * 1_000 + milliseconds)
}

/// Days between the epoch and a date of the Gregorian calendar, if there is such a date.
fn days_before(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let at = usize::try_from(month - 1).ok()?;
    if day < 1 || day > *lengths.get(at)? {
        return None;
    }
    let years: i64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    Some(years + lengths[..at].iter().sum::<i64>() + day - 1)
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
            "2026-11-21T05:39:27+0200",
            "2026-11-21T05:39:27Z ",
            "+026-11-21T05:39:27Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
