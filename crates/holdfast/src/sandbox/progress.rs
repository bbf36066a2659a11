//! What one sees while the sandbox starts.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A moving line on a terminal; elsewhere a line each time that something new happens.
pub struct Progress {
    line: Option<ProgressBar>,
    is_silent: bool,
    last: std::cell::RefCell<String>,
}

impl Progress {
    /// Begins. Nothing is shown to programs.
    pub fn new(is_silent: bool) -> Self {
        let line = (!is_silent && std::io::stderr().is_terminal()).then(|| {
            let line = ProgressBar::new_spinner();
            // The template is a constant: it is right or the tests fail.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                line.set_style(style);
            }
            line.enable_steady_tick(Duration::from_millis(120));
            line
        });
        Self { line, is_silent, last: std::cell::RefCell::default() }
    }

    /// Says what is being done. `detail` changes often and is shown on a terminal only.
    pub fn say(&self, doing: &str, detail: &str) {
        if let Some(line) = &self.line {
            let gap = if detail.is_empty() { "" } else { ", " };
            line.set_message(format!("{doing}{gap}{detail}"));
        } else if !self.is_silent && *self.last.borrow() != doing {
            // Nobody reads standard error any more: nothing to be done about it.
            let _ = writeln!(std::io::stderr().lock(), "{doing} ...");
            doing.clone_into(&mut self.last.borrow_mut());
        }
    }
}

/// Takes the moving line away, whether all went well or not.
impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one() {
        assert!(ProgressStyle::with_template("{spinner} {msg}").is_ok());
    }
}
