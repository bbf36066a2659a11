//! Instants in words: in the reader's zone, named, and how long ago or in how long.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use domain::time::Timestamp;

/// The reader's zone: an offset from UTC in minutes. Without a database of zones there is no summer time in it, and
/// every instant says its offset, so that no reader takes it for another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone(i16);

/// The cookie that a reader's choice is kept in.
const COOKIE_NAME: &str = "zone";

/// Offsets in use anywhere on land.
const OFFSETS_MIN: std::ops::RangeInclusive<i16> = -720..=840;

impl Zone {
    /// UTC itself.
    pub const UTC: Self = Self(0);

    /// The offsets that one can choose from, west to east: every whole hour, and the odd ones that are in use.
    pub fn all() -> Vec<Self> {
        const ODD: [i16; 9] = [-570, -210, 210, 270, 330, 345, 390, 570, 765];
        let mut offsets: Vec<_> = (-12..=14).map(|hours| hours * 60).chain(ODD).collect();
        offsets.sort_unstable();
        offsets.into_iter().map(Self).collect()
    }

    /// Reads `+05:30` and its like; `UTC` too.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "UTC" {
            return Some(Self(0));
        }
        let (sign, rest) = text
            .strip_prefix('-')
            .map_or_else(|| (1, text.strip_prefix('+').unwrap_or_default()), |rest| (-1, rest));
        let (hours, minutes) = rest.split_once(':')?;
        let number = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok()).flatten();
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let offset = sign * (i16::from(hours) * 60 + i16::from(minutes));
        (minutes < 60 && OFFSETS_MIN.contains(&offset)).then_some(Self(offset))
    }

    /// The zone that the reader chose; UTC where he chose none, or the cookie is not ours.
    pub fn of_cookies(headers: &HeaderMap) -> Self {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs
            .filter(|(name, _)| *name == COOKIE_NAME)
            .find_map(|(_, text)| Self::parse(text))
            .unwrap_or_default()
    }

    /// The header line that keeps this choice for a year. It is no secret and opens nothing.
    pub fn set_cookie(self) -> String {
        format!("{COOKIE_NAME}={self}; Path=/control; Max-Age=31536000; HttpOnly; SameSite=Lax")
    }

    /// As it stands behind an instant.
    pub fn name(self) -> String {
        if self.0 == 0 {
            "UTC".to_owned()
        } else {
            format!("UTC{}", self.to_string().trim_end_matches(":00"))
        }
    }
}

impl std::fmt::Display for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, offset) = (if self.0 < 0 { '-' } else { '+' }, self.0.unsigned_abs());
        write!(f, "{sign}{:02}:{:02}", offset / 60, offset % 60)
    }
}

/// Now, and the reader's zone: what instants are told by.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The instant of the call.
    pub now: Timestamp,
    /// Where the reader is.
    pub zone: Zone,
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;
const DAY_S: u64 = 24 * HOUR_S;

impl Clock {
    /// `21 Nov 2025, 04:40 UTC`.
    pub fn written(self, at: Timestamp) -> String {
        let shifted = Timestamp::from_ms(at.ms().saturating_add(i64::from(self.zone.0) * 60_000)).rfc3339();
        let (date, time) = shifted.split_once('T').unwrap_or((shifted.as_str(), ""));
        let mut parts = date.rsplitn(3, '-');
        let (day, month, year) = (parts.next(), parts.next(), parts.next());
        let month = month.and_then(|text| text.parse::<usize>().ok()).and_then(|month| MONTHS.get(month - 1));
        let (day, month, year) = (day.unwrap_or_default(), month.unwrap_or(&""), year.unwrap_or_default());
        let day = day.trim_start_matches('0');
        format!("{day} {month} {year}, {} {}", time.get(..5).unwrap_or_default(), self.zone.name())
    }

    /// `3 hours ago`, `in 2 days`, `just now`: one unit, rounded down.
    pub fn relative(self, at: Timestamp) -> String {
        let (span, is_past) =
            if at > self.now { (at.since(self.now), false) } else { (self.now.since(at), true) };
        let words = in_words(span.as_secs());
        match (words, is_past) {
            (None, true) => "just now".to_owned(),
            (None, false) => "in a moment".to_owned(),
            (Some(words), true) => format!("{words} ago"),
            (Some(words), false) => format!("in {words}"),
        }
    }
}

/// A span by its largest whole unit; none under a minute.
fn in_words(seconds: u64) -> Option<String> {
    let units = [
        (365 * DAY_S, "year"),
        (30 * DAY_S, "month"),
        (DAY_S, "day"),
        (HOUR_S, "hour"),
        (MINUTE_S, "minute"),
    ];
    let (unit, name) = units.into_iter().find(|(unit, _)| seconds >= *unit)?;
    let count = seconds / unit;
    Some(format!("{count} {name}{}", if count == 1 { "" } else { "s" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_763_700_000_123);

    fn clock(zone: &str) -> Clock {
        Clock { now: NOW, zone: Zone::parse(zone).unwrap() }
    }

    #[test]
    fn an_instant_is_told_in_the_readers_zone_and_names_it() {
        for (zone, text) in [
            ("UTC", "21 Nov 2025, 04:40 UTC"),
            ("+02:00", "21 Nov 2025, 06:40 UTC+02"),
            ("+05:45", "21 Nov 2025, 10:25 UTC+05:45"),
            ("-05:00", "20 Nov 2025, 23:40 UTC-05"),
        ] {
            assert_eq!(clock(zone).written(NOW), text);
        }
        assert_eq!(clock("UTC").written(Timestamp::from_ms(0)), "1 Jan 1970, 00:00 UTC");
    }

    #[test]
    fn a_span_is_told_by_its_largest_whole_unit() {
        let clock = clock("UTC");
        for (seconds, text) in [
            (0, "just now"),
            (-59, "just now"),
            (-60, "1 minute ago"),
            (-7_199, "1 hour ago"),
            (-86_400, "1 day ago"),
            (-31_536_000 * 2, "2 years ago"),
            (30, "in a moment"),
            (172_800, "in 2 days"),
        ] {
            let at = Timestamp::from_ms(NOW.ms() + seconds * 1000);
            assert_eq!(clock.relative(at), text, "{seconds}");
        }
    }

    #[test]
    fn every_zone_offered_is_read_back_and_no_other_text_is_one() {
        for zone in Zone::all() {
            assert_eq!(Zone::parse(&zone.to_string()), Some(zone), "{zone}");
        }
        for text in
            ["", "+", "+2:00", "+02", "02:00", "+15:00", "-13:00", "+02:60", "+0a:00", "+-1:00", "Mars"]
        {
            assert_eq!(Zone::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_cookie_set_is_the_cookie_read() {
        let zone = Zone::parse("-03:30").unwrap();
        let set = zone.set_cookie();
        let pair = set.split(';').next().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, format!("holdfast=x; {pair}").parse().unwrap());
        assert_eq!(Zone::of_cookies(&headers), zone);
        headers.insert(COOKIE, "zone=<script>".parse().unwrap());
        assert_eq!(Zone::of_cookies(&headers), Zone::default());
    }
}
