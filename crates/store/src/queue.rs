//! The bounded queue in front of database threads.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Many put in, many take out, in order.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    max: usize,
}

struct State<T> {
    waiting: VecDeque<T>,
    closed: bool,
}

/// Why the queue did not take something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

impl<T> Queue<T> {
    /// A queue in which at most `max` things wait.
    pub fn new(max: usize) -> Self {
        let state = State { waiting: VecDeque::new(), closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), max }
    }

    /// Puts one thing at the end, at once or not at all.
    pub fn put(&self, thing: T) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.waiting.len() >= self.max {
            return Err(Refused::Full);
        }
        state.waiting.push_back(thing);
        self.changed.notify_one();
        Ok(())
    }

    /// The first thing, waiting for one; `None` once the queue is closed and empty.
    pub fn take(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(thing) = state.waiting.pop_front() {
                return Some(thing);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The first thing, if there is one now.
    pub fn take_now(&self) -> Option<T> {
        self.lock().waiting.pop_front()
    }

    /// How many things wait.
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Takes nothing in any more; what waits is still given out.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics half-way, so that a poisoned lock still guards a whole queue.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
