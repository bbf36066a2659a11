//! What came of a row.

use std::sync::Arc;

use super::exchange::Exchange;
use crate::failure::Failure;

/// A row that was played: it passed, or it stopped.
pub type Played = Result<(), Stop>;

/// Why a row stopped before its end.
#[derive(Clone, Debug)]
pub enum Stop {
    /// The server departs from the contract.
    Failed {
        /// What should have been, and what was.
        what: String,
        /// The call whose answer showed it.
        exchange: Option<Arc<Exchange>>,
    },
    /// The row says nothing about this server, and why.
    Skipped(String),
}

/// A failure that no one answer shows.
pub fn failed(what: impl Into<String>) -> Stop {
    Stop::Failed { what: what.into(), exchange: None }
}

/// A row that cannot be played here.
pub fn skipped(why: impl Into<String>) -> Stop {
    Stop::Skipped(why.into())
}

/// Fails the row unless this holds.
pub fn must(holds: bool, what: impl FnOnce() -> String) -> Played {
    if holds { Ok(()) } else { Err(failed(what())) }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        failed(failure.to_string())
    }
}

/// The verdict on a row.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The server did what the contract says.
    Pass,
    /// It did not.
    Fail {
        /// What should have been, and what was.
        what: String,
        /// The call whose answer showed it; the last one, where none did alone.
        exchange: Option<Arc<Exchange>>,
    },
    /// The row was not played, and why.
    Skip(String),
}

impl Verdict {
    /// Its word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail { .. } => "fail",
            Self::Skip(_) => "skip",
        }
    }
}
