//! Why a command did not do what it was asked.

use std::error::Error;
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use crate::exit::Exit;
use crate::page::Page;

/// What went wrong and what to do, then the causes.
#[derive(Debug)]
pub struct Failure {
    text: String,
    code: String,
    next: Option<String>,
    exit: Exit,
}

impl Failure {
    /// A failure that needs no cause.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: "failed".to_owned(), next: None, exit: Exit::Other }
    }

    /// What a script sees of it.
    #[must_use]
    pub fn exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// What to do about it.
    #[must_use]
    pub fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    /// A call or a deed of the client's that did not succeed.
    pub fn of_call(doing: impl fmt::Display, error: &client::Error) -> Self {
        use client::Error as E;
        let exit = match error {
            E::Transport { .. } | E::Unreadable { .. } => Exit::Unavailable,
            E::Api { status, .. } if *status >= 500 || *status == 429 => Exit::Unavailable,
            E::Api { .. } => Exit::Refused,
            E::Attestation(_) | E::OpenPgp(_) | E::NotAsSent => Exit::NotProven,
            E::Setup(_) | E::Encrypt(_) => Exit::Usage,
            _ => Exit::Other,
        };
        let mut failure = Self::of(doing, error).exit(exit);
        error.code().clone_into(&mut failure.code);
        failure.next = error.hint().map(str::to_owned);
        failure
    }

    /// Prints it, on standard error for people and as an event for programs, and gives its number.
    pub fn tell(&self, page: Page) -> ExitCode {
        page.event(
            "failed",
            serde_json::json!({
                "message": self.text, "code": self.code, "next": self.next, "exit_code": self.exit.number()
            }),
        );
        // Nobody reads standard error any more: nothing to be done about it.
        let _ = writeln!(std::io::stderr().lock(), "holdfast: {self}");
        self.exit.into()
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
        Self::new(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.next {
            Some(next) => write!(f, "\n  next: {next}"),
            None => Ok(()),
        }
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

/// As [`Doing`], for calls: keeps the service's code and what to do next.
pub trait Calling<T> {
    /// Says what was being done.
    fn calling<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T, Failure>;
}

impl<T> Calling<T> for Result<T, client::Error> {
    fn calling<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T, Failure> {
        self.map_err(|error| Failure::of_call(doing(), &error))
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
