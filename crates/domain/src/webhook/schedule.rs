//! When a delivery is tried again.

use std::time::Duration;

use crate::entropy::Entropy;
use crate::limits::WEBHOOK_STEPS;
use crate::time::Timestamp;

/// How often a delivery is tried before it is parked.
pub fn attempts_max() -> u32 {
    u32::try_from(WEBHOOK_STEPS.len()).map_or(u32::MAX, |steps| steps + 1)
}

/// How long to wait after the failure of this try (the first is 1); none when it was the last.
///
/// 20 % of chance to either side, so that what failed together does not come back together. `Retry-After` makes
/// the wait longer, up to twice the step, and never shorter.
pub fn next_try(failed: u32, retry_after: Option<Duration>, chance: &mut dyn Entropy) -> Option<Duration> {
    let step = *WEBHOOK_STEPS.get(usize::try_from(failed.checked_sub(1)?).ok()?)?;
    let mut drawn = [0; 2];
    chance.fill(&mut drawn);
    // From 800 to 1,200 thousandths.
    let thousandths = 800 + 400 * u32::from(u16::from_be_bytes(drawn)) / u32::from(u16::MAX);
    let jittered = step * thousandths / 1_000;
    Some(retry_after.map_or(jittered, |asked| jittered.max(asked.min(step * 2))))
}

/// Reads a `Retry-After`: seconds, or an instant as HTTP writes it (RFC 9110 §5.6.7, the form in use).
pub fn read_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // What is too long for a number is capped all the same.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let (_, rest) = text.split_once(", ")?;
    let words: Vec<_> = rest.split(' ').collect();
    let [day, month, year, clock, "GMT"] = words.as_slice() else { return None };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|known| known == month)? + 1;
    let instant = Timestamp::parse_rfc3339(&format!("{year}-{month:02}-{day}T{clock}Z"))?;
    Some(instant.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(u8);
    impl Entropy for Always {
        fn fill(&mut self, target: &mut [u8]) {
            target.fill(self.0);
        }
    }

    #[test]
    fn the_steps_are_those_of_the_contract_each_with_a_fifth_of_chance() {
        let steps = [5, 30, 120, 600, 3_600, 10_800, 28_800, 43_200].map(Duration::from_secs);
        assert_eq!(attempts_max(), 9);
        for (failed, step) in (1..).zip(steps) {
            assert_eq!(next_try(failed, None, &mut Always(0)), Some(step * 8 / 10));
            assert_eq!(next_try(failed, None, &mut Always(0xff)), Some(step * 12 / 10));
            let middle = next_try(failed, None, &mut Always(0x80)).unwrap();
            assert!(middle > step * 99 / 100 && middle < step * 101 / 100, "{middle:?}");
        }
        assert_eq!(next_try(9, None, &mut Always(0)), None, "then it is parked");
        assert_eq!(next_try(0, None, &mut Always(0)), None);
    }

    #[test]
    fn retry_after_is_heeded_up_to_twice_the_step_and_never_shortens() {
        let asked =
            |seconds| next_try(2, Some(Duration::from_secs(seconds)), &mut Always(0)).unwrap().as_secs();
        assert_eq!((asked(0), asked(24), asked(45), asked(60), asked(61)), (24, 24, 45, 60, 60));
        assert_eq!(asked(u64::MAX), 60);
    }

    #[test]
    fn retry_after_reads_in_both_forms() {
        let now = Timestamp::parse_rfc3339("2025-11-21T08:00:00Z").unwrap();
        let read = |text: &str| read_retry_after(text, now).map(|span| span.as_secs());
        assert_eq!(read("120"), Some(120));
        assert_eq!(read(" 0 "), Some(0));
        assert_eq!(read("Fri, 21 Nov 2025 08:01:30 GMT"), Some(90));
        assert_eq!(read("Fri, 21 Nov 2025 07:00:00 GMT"), Some(0), "past");
        assert!(read(&"9".repeat(40)).is_some());
        for text in
            ["", "-1", "soon", "1.5", "Fri, 21 Foo 2025 08:01:30 GMT", "Fri, 21 Nov 2025 08:01:30 CET"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
