//! What the command says, and how: prose with quiet colours for people, one JSON object per line for programs.

use std::io::{IsTerminal as _, Write as _};

use serde_json::Value;

/// How wide prose is set.
const WIDTH: usize = 84;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    is_coloured: bool,
    is_json: bool,
}

impl Page {
    /// As fits what standard output is.
    pub fn new(is_json: bool) -> Self {
        let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { is_coloured: std::io::stdout().is_terminal() && !is_unwanted, is_json }
    }

    /// Without colour, for people.
    #[cfg(test)]
    pub fn plain() -> Self {
        Self { is_coloured: false, is_json: false }
    }

    /// Whether a program reads.
    pub fn is_json(self) -> bool {
        self.is_json
    }

    /// Prints a line for people.
    pub fn line(self, text: &str) {
        if !self.is_json {
            self.out(text);
        }
    }

    /// Prints an event for programs.
    pub fn event(self, event: &str, mut members: Value) {
        if self.is_json {
            members["event"] = event.into();
            self.out(&members.to_string());
        }
    }

    /// Prints words for people, broken into lines, each behind `indent`.
    pub fn prose(self, indent: &str, text: &str) {
        for line in wrap(text, WIDTH - indent.len()) {
            self.line(&format!("{indent}{line}"));
        }
    }

    #[expect(clippy::unused_self, reason = "nothing is printed but through a page")]
    fn out(self, text: &str) {
        // A reader that went away (a closed pipe) is no reason to stop serving.
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// For headings and what one looks for.
    pub fn bold(self, text: &str) -> String {
        self.painted("1", text)
    }

    /// For what one may skip.
    pub fn dim(self, text: &str) -> String {
        self.painted("2", text)
    }

    /// For what holds.
    pub fn green(self, text: &str) -> String {
        self.painted("32", text)
    }

    /// For what does not.
    pub fn red(self, text: &str) -> String {
        self.painted("31", text)
    }

    /// For calls and addresses.
    pub fn cyan(self, text: &str) -> String {
        self.painted("36", text)
    }

    fn painted(self, code: &str, text: &str) -> String {
        if self.is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Prints a failure on standard error, or as an event.
pub fn print_failure(page: Page, failure: &dyn std::fmt::Display) {
    page.event("failed", serde_json::json!({ "message": failure.to_string() }));
    // Nobody reads standard error any more: nothing to be done about it.
    let _ = writeln!(std::io::stderr().lock(), "holdfast: {failure}");
}

/// The words of `text` in lines of at most `width` characters.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.extend((!line.is_empty()).then_some(line));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_set_in_lines() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("incomprehensible", 7), ["incomprehensible"]);
        assert_eq!(wrap(" ", 7), Vec::<String>::new());
    }

    #[test]
    fn a_plain_page_has_no_colour() {
        assert_eq!(Page::plain().bold("a"), "a");
    }
}
