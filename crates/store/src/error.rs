//! What can go wrong in the store.

use std::error::Error;

/// Any error of a driver.
pub(crate) type Source = Box<dyn Error + Send + Sync>;

/// The store did not do what it was asked.
///
/// Save for [`StoreError::OutcomeUnknown`], nothing of the closure that failed is in the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// More work waits for the database than it is allowed to hold, or than it gets through: try again later.
    #[error("the database has too much to do")]
    Busy,
    /// The database is locked, out of space or not to be reached: try again later.
    #[error("the database is not available for {doing}")]
    Unavailable {
        /// The closure or statement that did not run.
        doing: &'static str,
        /// The driver's words, where there are any.
        source: Option<Source>,
    },
    /// The connection broke while the transaction was being committed: it may have happened or not. The
    /// caller must find out, not repeat blindly.
    #[error("it is not known whether {doing} was committed")]
    OutcomeUnknown {
        /// The closure whose fate is unknown.
        doing: &'static str,
        /// The driver's words, where there are any.
        source: Option<Source>,
    },
    /// A statement that is about exactly one row was about another number of them.
    #[error("{statement} is about {rows} rows instead of one")]
    NotOne {
        /// The statement.
        statement: &'static str,
        /// How many rows it touched or found.
        rows: u64,
    },
    /// A row holds what this program cannot read.
    #[error("a row of {statement} does not read: {column} {why}")]
    Corrupt {
        /// The statement that read it.
        statement: &'static str,
        /// The column at fault.
        column: &'static str,
        /// What is wrong with it; never its value.
        why: &'static str,
    },
    /// The database is not the one that this program serves: its schema, its age, its settings.
    #[error("the database does not fit: {0}")]
    Unfit(String),
    /// Anything else: a defect of ours, or of the database.
    #[error("{doing} failed")]
    Other {
        /// The closure or statement.
        doing: &'static str,
        /// The driver's words.
        source: Source,
    },
}

impl StoreError {
    /// Whether the same call may well succeed a little later, nothing having happened now.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable { .. })
    }

    /// A short stable word for metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Unavailable { .. } => "unavailable",
            Self::OutcomeUnknown { .. } => "outcome-unknown",
            Self::NotOne { .. } => "not-one",
            Self::Corrupt { .. } => "corrupt",
            Self::Unfit(_) => "unfit",
            Self::Other { .. } => "other",
        }
    }

    pub(crate) fn unavailable(doing: &'static str, source: impl Into<Source>) -> Self {
        Self::Unavailable { doing, source: Some(source.into()) }
    }

    pub(crate) fn other(doing: &'static str, source: impl Into<Source>) -> Self {
        Self::Other { doing, source: source.into() }
    }
}
