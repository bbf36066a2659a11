//! The one retry loop, and its budget.
//!
//! A call is tried again only where the contract makes a second one harmless, only when the failure may pass,
//! and only as long as three budgets last: tries of this call, time waited in this call, and retries of the
//! whole client, so that a service in trouble is not met with a multiple of its usual load.

use std::sync::Mutex;
use std::time::Duration;

use crate::error::Error;

/// One call is tried at most this often.
const TRIES_MAX: u32 = 4;
/// One call waits at most this long in all.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// The first wait without the service's word; doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// How many retries the client has in hand; a success earns a tenth of one back.
const TENTHS_MAX: u32 = 100;
const TENTHS_PER_RETRY: u32 = 10;

/// Whether a second call does harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeatable {
    /// Reads, and what an idempotency key names.
    Yes,
    /// Everything that would be done twice.
    No,
}

/// What is left of the client's budget.
#[derive(Debug)]
pub(crate) struct Budget {
    tenths: Mutex<u32>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { tenths: Mutex::new(TENTHS_MAX) }
    }
}

impl Budget {
    /// Runs `call` until it succeeds or must not be tried again.
    pub(crate) async fn run<T, F>(&self, repeatable: Repeatable, call: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut tries = 1;
        let mut waited = Duration::ZERO;
        loop {
            let error = match call().await {
                Ok(value) => {
                    self.earn();
                    return Ok(value);
                }
                Err(error) => error,
            };
            let is_harmless = repeatable == Repeatable::Yes || was_not_begun(&error);
            let wait = (is_harmless && may_pass(&error))
                .then(|| next_wait(tries, waited, error.retry_after(), jitter()))
                .flatten();
            let Some(wait) = wait.filter(|_| self.spend()) else { return Err(error) };
            tokio::time::sleep(wait).await;
            waited += wait;
            tries += 1;
        }
    }

    fn earn(&self) {
        let mut tenths = self.tenths.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *tenths = TENTHS_MAX.min(*tenths + 1);
    }

    fn spend(&self) -> bool {
        let mut tenths = self.tenths.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let left = tenths.checked_sub(TENTHS_PER_RETRY);
        *tenths = left.unwrap_or(*tenths);
        left.is_some()
    }
}

fn may_pass(error: &Error) -> bool {
    let is_passing = matches!(error.status(), Some(408 | 429 | 502..=504));
    matches!(error, Error::Transport { .. }) || is_passing || error.code() == "idempotency-in-progress"
}

/// A call that came too soon was turned away before anybody looked at it.
fn was_not_begun(error: &Error) -> bool {
    error.code() == "rate-limit"
}

/// How long to wait before the next try; nothing when this was the last one. `chance` is 0 to 255.
fn next_wait(tries: u32, waited: Duration, asked: Option<Duration>, chance: u8) -> Option<Duration> {
    let left = WAIT_MAX.checked_sub(waited)?;
    let wait = match asked {
        // Earlier than asked would only be refused again.
        Some(asked) => asked,
        // Between half and whole, so that clients that failed together do not come back together.
        None => (FIRST_WAIT * 2_u32.pow(tries - 1)).mul_f64(0.5 + f64::from(chance) / 510.0),
    };
    (tries < TRIES_MAX && wait <= left).then_some(wait)
}

fn jitter() -> u8 {
    // Without chance all clients wait alike, which is worse and not wrong.
    crate::chance::bytes::<1>().map_or(0, |[byte]| byte)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use api::error::ErrorBody;

    use super::*;

    fn refused(status: u16, retry_after: Option<u64>) -> Error {
        let body = ErrorBody {
            message: String::new(),
            error: String::new(),
            code: "c".into(),
            request_id: String::new(),
            errors: None,
        };
        Error::Api { status, body: Box::new(body), retry_after: retry_after.map(Duration::from_secs) }
    }

    async fn tries_of(budget: &Budget, repeatable: Repeatable, answers: &[Option<(u16, u64)>]) -> usize {
        let done = Cell::new(0);
        let call = || {
            let at = done.replace(done.get() + 1);
            std::future::ready(match answers[at.min(answers.len() - 1)] {
                Some((status, wait)) => Err(refused(status, Some(wait))),
                None => Ok(()),
            })
        };
        let _ = budget.run(repeatable, call).await;
        done.get()
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_where_that_is_harmless() {
        let budget = Budget::default();
        assert_eq!(tries_of(&budget, Repeatable::Yes, &[Some((503, 1)), Some((429, 1)), None]).await, 3);
        assert_eq!(tries_of(&budget, Repeatable::Yes, &[Some((503, 1))]).await, 4);
        assert_eq!(tries_of(&budget, Repeatable::No, &[Some((503, 1)), None]).await, 1);
        assert_eq!(tries_of(&budget, Repeatable::No, &[Some((429, 1)), None]).await, 1);
        for passing in [408, 502, 504] {
            assert_eq!(tries_of(&budget, Repeatable::Yes, &[Some((passing, 1)), None]).await, 2);
        }
        for final_status in [400, 401, 403, 404, 409, 422, 500] {
            assert_eq!(tries_of(&budget, Repeatable::Yes, &[Some((final_status, 1)), None]).await, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_came_too_soon_is_made_again_whatever_it_does() {
        let done = Cell::new(0);
        let call = || {
            let Error::Api { status, mut body, retry_after } = refused(429, Some(1)) else { unreachable!() };
            body.code = "rate-limit".into();
            let error = Error::Api { status, body, retry_after };
            std::future::ready(if done.replace(done.get() + 1) == 0 { Err(error) } else { Ok(()) })
        };
        assert!(Budget::default().run(Repeatable::No, call).await.is_ok());
        assert_eq!(done.get(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_wait_is_left_to_the_caller() {
        let budget = Budget::default();
        assert_eq!(tries_of(&budget, Repeatable::Yes, &[Some((429, 31)), None]).await, 1);
        assert_eq!(tries_of(&budget, Repeatable::Yes, &[Some((429, 20)), Some((429, 20)), None]).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_whole_client_has_a_budget() {
        let budget = Budget::default();
        let mut tries = 0;
        for _ in 0..20 {
            tries += tries_of(&budget, Repeatable::Yes, &[Some((503, 0))]).await;
        }
        assert_eq!(tries, 20 + 10, "ten retries in hand, whatever the number of calls");
        for _ in 0..10 {
            tries_of(&budget, Repeatable::Yes, &[None]).await;
        }
        assert_eq!(tries_of(&budget, Repeatable::Yes, &[Some((503, 0))]).await, 2, "ten successes earn one");
    }

    #[test]
    fn waits_grow_and_the_service_has_the_last_word() {
        assert_eq!(next_wait(1, Duration::ZERO, None, 255), Some(FIRST_WAIT));
        assert_eq!(next_wait(1, Duration::ZERO, None, 0), Some(FIRST_WAIT / 2));
        assert_eq!(next_wait(3, Duration::ZERO, None, 255), Some(FIRST_WAIT * 4));
        assert_eq!(next_wait(1, Duration::ZERO, Some(WAIT_MAX), 0), Some(WAIT_MAX));
        assert_eq!(next_wait(1, WAIT_MAX, None, 0), None);
        assert_eq!(next_wait(TRIES_MAX, Duration::ZERO, None, 0), None);
    }
}
