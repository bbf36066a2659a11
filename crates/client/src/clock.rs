//! The clock, read here and nowhere else.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "the SDK is the edge: its caller hands no clock in")]
pub(crate) fn now_ms() -> i64 {
    // A clock before 1970 makes every signing key not yet valid, which refuses.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// For measuring ages.
#[expect(clippy::disallowed_methods, reason = "the SDK is the edge: its caller hands no clock in")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Reads an RFC 3339 time in UTC (`2026-01-31T23:59:59.123Z`) as milliseconds since the epoch.
pub(crate) fn parse_rfc3339_utc(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = digits(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = digits(clock, ':', [2, 2, 2])?;
    let is_plausible = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b.is_ascii_digit());
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    is_plausible
        .then(|| ((days_since_epoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
        .map(|seconds| seconds * 1_000 + millis)
}

fn digits(text: &str, separator: char, lengths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut out = [0; 3];
    for (slot, length) in out.iter_mut().zip(lengths) {
        let part = parts.next()?;
        let is_number = part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        *slot = is_number.then(|| part.parse().ok()).flatten()?;
    }
    parts.next().is_none().then_some(out)
}

/// Days of the proleptic Gregorian calendar, counted in eras of 400 years that begin in March.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::parse_rfc3339_utc as parse;

    #[test]
    fn times_are_read() {
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse("2000-02-29T12:00:00.5Z"), Some(951_825_600_500));
        assert_eq!(parse("2026-01-31T23:59:59.123Z"), Some(1_769_903_999_123));
        assert_eq!(parse("2026-01-31T23:59:59.123456Z"), Some(1_769_903_999_123));
    }

    #[test]
    fn other_texts_are_not_times() {
        for text in ["", "2026-01-31", "2026-01-31T23:59:59", "2026-13-01T00:00:00Z", "2026-1-31T00:00:00Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
        for text in ["2026-01-31T24:00:00Z", "2026-01-31T00:00:00.Z", "+026-01-31T00:00:00Z", "é"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
