//! Looks at an installation as its operator would: is it set up so that it works, and is everything in it as the
//! service left it?

mod deep;
mod deployment;
mod heads;
mod log;
mod root;
mod waiting;

use std::path::Path;

use serde::Serialize;

pub use deep::{Look, examine};
pub use deployment::test;

/// What was found by one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What was looked at, in a word.
    pub check: &'static str,
    /// How that is.
    pub verdict: Verdict,
    /// The same in words.
    pub text: String,
    /// What to do about it.
    pub next: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and somebody should know.
    Warning,
    /// It does not work, or is not what the service left.
    Failure,
}

/// How much room there is, in bytes.
pub fn judge_space(free_bytes: u64, enough_bytes: u64) -> Line {
    let text = format!("{} MiB are free in the data folder", free_bytes / (1024 * 1024));
    if free_bytes >= enough_bytes {
        return Line::ok("disk", text);
    }
    Line::warning("disk", text, "make room: a full disk is 503 for every write")
}

/// That the service's folder is not there, or not to be looked at.
pub fn no_folder(folder: &Path, error: &std::io::Error) -> Line {
    let text = format!("{}: {error}", folder.display());
    Line::failure("disk", text, "make data_dir, for the service's user alone")
}

impl Line {
    fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, text: text.into(), next: None }
    }

    fn warning(check: &'static str, text: impl Into<String>, next: &str) -> Self {
        Self { check, verdict: Verdict::Warning, text: text.into(), next: Some(next.to_owned()) }
    }

    fn failure(check: &'static str, text: impl Into<String>, next: &str) -> Self {
        Self { check, verdict: Verdict::Failure, text: text.into(), next: Some(next.to_owned()) }
    }
}
