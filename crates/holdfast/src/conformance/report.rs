//! What a run says: a line for each row, what a failed one sent and got, and the count at the end.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::exchange::Exchange;
use super::junit;
use super::rows::{self, Row};
use super::verdict::Verdict;
use crate::page::Page;

/// A row that was played.
pub struct Outcome {
    /// Which.
    pub row: &'static Row,
    /// What came of it.
    pub verdict: Verdict,
    /// The calls that it made.
    pub calls: Vec<Arc<Exchange>>,
    /// How long it took.
    pub took: Duration,
}

/// A run as it goes.
pub struct Report {
    page: Page,
    bar: ProgressBar,
    /// Where XML is wanted nothing else is printed.
    is_junit: bool,
    base_url: String,
    outcomes: Vec<Outcome>,
}

impl Report {
    /// Begins, for so many rows.
    pub fn begin(page: Page, is_junit: bool, base_url: &str, rows: usize) -> Self {
        let is_seen = std::io::stderr().is_terminal() && !page.is_json();
        let target = if is_seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(u64::try_from(rows).ok(), target);
        // The template is a constant: it is right or the tests fail.
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        let report =
            Self { page, bar, is_junit, base_url: base_url.to_owned(), outcomes: Vec::with_capacity(rows) };
        report.line(&format!("{} {}", page.bold("Conformance of"), page.cyan(base_url)));
        report.line("");
        report
    }

    /// Says which row is played.
    pub fn playing(&self, row: &Row) {
        self.bar.set_message(row.id);
    }

    /// Adds a row.
    pub fn add(&mut self, outcome: Outcome) {
        self.bar.inc(1);
        let (page, row) = (self.page, outcome.row);
        let word = outcome.verdict.as_str();
        let word = match outcome.verdict {
            Verdict::Pass => page.green(word),
            Verdict::Fail { .. } => page.red(word),
            Verdict::Skip(_) => page.dim(word),
        };
        self.line(&format!("{word}  {:<width$}  {}", row.id, page.dim(row.says), width = id_width()));
        match &outcome.verdict {
            Verdict::Pass => {}
            Verdict::Skip(why) => self.line(&page.dim(&format!("      {why}"))),
            Verdict::Fail { what, exchange } => {
                self.line(&format!("      {}", page.bold(what)));
                for line in exchange.iter().flat_map(|exchange| exchange.lines()) {
                    self.line(&format!("      {line}"));
                }
            }
        }
        if !self.is_junit {
            page.event("row", told(&outcome));
        }
        self.outcomes.push(outcome);
    }

    /// Ends: whether no row failed.
    pub fn end(self) -> bool {
        self.bar.finish_and_clear();
        if self.is_junit {
            self.page.line(&junit::document(&self.base_url, &self.outcomes));
        }
        let count = |word: &str| self.outcomes.iter().filter(|one| one.verdict.as_str() == word).count();
        let (passed, failed, skipped) = (count("pass"), count("fail"), count("skip"));
        let calls: usize = self.outcomes.iter().map(|one| one.calls.len()).sum();
        let seconds = self.outcomes.iter().map(|one| one.took).sum::<Duration>().as_secs();
        let page = self.page;
        self.line("");
        let tally = format!("{} rows: {passed} pass, {failed} fail, {skipped} skip", self.outcomes.len());
        let tally = if failed == 0 { page.green(&tally) } else { page.red(&tally) };
        self.line(&format!("{tally}  {}", page.dim(&format!("({calls} calls in {seconds} s)"))));
        for one in self.outcomes.iter().filter(|one| one.verdict.as_str() == "fail") {
            self.line(&format!("  {} {}", page.red("fail"), one.row.id));
        }
        if !self.is_junit {
            page.event("summary", json!({ "pass": passed, "fail": failed, "skip": skipped, "calls": calls }));
        }
        failed == 0
    }

    /// A line for people, above the bar.
    fn line(&self, text: &str) {
        if !self.is_junit {
            self.bar.suspend(|| self.page.line(text));
        }
    }
}

const TEMPLATE: &str = "{bar:24} {pos}/{len} {msg}";

fn id_width() -> usize {
    rows::all().map(|row| row.id.len()).max().unwrap_or_default()
}

fn told(outcome: &Outcome) -> serde_json::Value {
    let calls: Vec<String> = outcome.calls.iter().map(|call| call.line()).collect();
    let mut told = json!({
        "id": outcome.row.id, "says": outcome.row.says, "verdict": outcome.verdict.as_str(), "calls": calls
    });
    match &outcome.verdict {
        Verdict::Pass => {}
        Verdict::Skip(why) => told["reason"] = why.as_str().into(),
        Verdict::Fail { what, exchange } => {
            told["reason"] = what.as_str().into();
            told["exchange"] = exchange.as_ref().map(|exchange| exchange.json()).into();
        }
    }
    told
}

/// Prints the rows.
pub fn list(page: Page) {
    for row in rows::all() {
        page.line(&format!("{:<width$}  {}", row.id, page.dim(row.says), width = id_width()));
        page.event("row", json!({ "id": row.id, "says": row.says }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::world::Need;

    #[test]
    fn the_template_is_one() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }

    const BEGINS: &str = "<!-- The rows: written by a test, with HOLDFAST_WRITE_REFERENCE=1. -->\n";
    const ENDS: &str = "<!-- The rows end. -->";

    fn table() -> String {
        let word = |need: &Need| match need {
            Need::Sandbox => Some("sandbox"),
            Need::Production => Some("production"),
            Need::Receiver => Some("receiver"),
            Need::Control => Some("`--control`"),
            Need::Retail | Need::Partner | Need::Institution | Need::ReducedKeys | Need::ExpiredKeys => None,
        };
        let line = |row: &Row| {
            let needs: Vec<_> = row.needs.iter().filter_map(word).collect();
            format!("| `{}` | {} | {} |\n", row.id, row.says, needs.join(", "))
        };
        let lines: String = rows::all().map(line).collect();
        format!("\n| Row | What the contract says | Only with |\n| --- | --- | --- |\n{lines}\n")
    }

    #[test]
    fn the_table_of_the_handbook_is_that_of_the_program() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFORMANCE.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (before, rest) = text.split_once(BEGINS).unwrap();
        let (found, after) = rest.split_once(ENDS).unwrap();
        if std::env::var_os("HOLDFAST_WRITE_REFERENCE").is_some() {
            std::fs::write(path, format!("{before}{BEGINS}{}{ENDS}{after}", table())).unwrap();
        } else {
            assert_eq!(found, table(), "renew it with HOLDFAST_WRITE_REFERENCE=1");
        }
    }
}
