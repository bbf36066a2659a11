//! Why a command did not do what it was asked.

use std::error::Error;
use std::fmt;

/// What went wrong and what to do, then the causes.
#[derive(Debug)]
pub struct Failure {
    text: String,
}

impl Failure {
    /// A failure that needs no cause.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// A failure with the chain of its causes.
    pub fn of(doing: impl fmt::Display, cause: &dyn Error) -> Self {
        let mut text = format!("{doing}: {cause}");
        let mut next = cause.source();
        while let Some(cause) = next {
            let cause_text = cause.to_string();
            // Some libraries repeat their source in their own text.
            if !text.ends_with(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            next = cause.source();
        }
        Self { text }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Failure {}

/// Adds to an error what was being done.
pub trait Doing<T> {
    /// Says what was being done.
    fn doing<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T, Failure>;
}

impl<T, E: Error> Doing<T> for Result<T, E> {
    fn doing<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T, Failure> {
        self.map_err(|error| Failure::of(doing(), &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_deed_and_the_cause() {
        let cause = std::fs::read("no such file").doing(|| "cannot read the settings").unwrap_err();
        assert!(cause.to_string().starts_with("cannot read the settings: "), "{cause}");
    }
}
