//! A clock that stands until a test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::time::Timestamp;
use server::edge::clock::{Clock, SystemClock};

/// The server's clock in a test. Copies agree, and none goes back.
///
/// It begins at the real time, since the enclave has a real clock of its own and the two must be near one
/// another when an event is signed or something released: move it only after that.
#[derive(Clone)]
pub struct MockClock(Arc<AtomicI64>);

impl Default for MockClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(SystemClock.now().ms())))
    }
}

impl MockClock {
    /// Lets time pass.
    pub fn advance(&self, span: Duration) {
        let ms = i64::try_from(span.as_millis()).expect("a span that a clock can hold");
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for MockClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_agree_and_time_stands_still_by_itself() {
        let clock = MockClock::default();
        let (copy, before) = (clock.clone(), clock.now());
        assert_eq!(copy.now(), before);
        copy.advance(Duration::from_hours(1));
        assert_eq!(clock.now().since(before), Duration::from_hours(1));
    }
}
