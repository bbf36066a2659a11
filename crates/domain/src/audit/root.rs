//! The root log: the one log of an installation that names each checkpoint of all the others. Whoever keeps a checkpoint
//! of it keeps every log, so that none of them goes or comes back whole without being missed.

use std::collections::BTreeSet;

use super::chain::Chain;
use super::checkpoint::Checkpoint;
use super::tree::{Hash, Tree};
use super::verify::{Fault, Finding, finding};
use crate::ids::TenantId;

/// What an entry of the root log is called: the log that its actor is was signed, and its reason is the line of that
/// checkpoint.
pub const NAMED: &str = "checkpoint.signed";

/// What the root log says of one log: size and root of each checkpoint that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    all: BTreeSet<(i64, Hash)>,
    /// Those that no tree has met.
    left: BTreeSet<(i64, Hash)>,
}

impl Heads {
    /// Notes one more.
    pub fn add(&mut self, head: (i64, Hash)) {
        self.all.insert(head);
        self.left.insert(head);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Whether this is one of them.
    pub fn has(&self, head: &(i64, Hash)) -> bool {
        self.all.contains(head)
    }

    /// The one that covers most.
    pub fn last(&self) -> Option<&(i64, Hash)> {
        self.all.last()
    }

    /// Strikes out the one that this tree is. To be shown the tree at each of its sizes.
    pub fn meet(&mut self, tree: &Tree) {
        let Ok(size) = i64::try_from(tree.size()) else { return };
        // The root is worth computing only where one of this size is named.
        if self.left.range((size, [0; 32])..=(size, [u8::MAX; 32])).next().is_some() {
            self.left.remove(&(size, tree.root()));
        }
    }

    /// Whether a log of so many entries, each of which was met, is what the root log says.
    pub fn judge(&self, entries: i64) -> Result<(), Finding> {
        let Some((size, root)) = self.left.first() else { return Ok(()) };
        let line = Checkpoint::line(*size, root);
        if *size > entries {
            let first = entries + 1;
            let text = format!(
                "entry {first} is missing: the log ends before it, and the root log names a checkpoint of it over more ({line})"
            );
            return Err(finding(Fault::Missing, Some(first), text));
        }
        // All that are smaller were met.
        let first = self.all.range(..(*size, [0; 32])).last().map_or(0, |(met, _)| *met) + 1;
        let text = format!(
            "fork: the log has signed two histories. The root log names another checkpoint of it than the entries make ({line}); the first that differs is between {first} and {size}. Keep both: they prove it"
        );
        Err(finding(Fault::Fork, Some(first), text))
    }
}

/// An export of the root log that is read for what it says of one log: [`RootLog::take`] each line. Whether it is the
/// root log to the letter is verified with its own checkpoint, as of any log.
pub struct RootLog {
    chain: Chain,
    origin: String,
    heads: Heads,
}

impl RootLog {
    /// Nothing yet, of the log that is called so.
    pub(super) fn about(origin: &str) -> Self {
        let chain = Chain::of(TenantId::root_log().as_str());
        Self { chain, origin: origin.to_owned(), heads: Heads::default() }
    }

    /// Takes the next line of the export, without its newline.
    pub fn take(&mut self, line: &str) -> Result<(), Finding> {
        let entry = self.chain.take(line).map_err(of_root_log)?;
        if entry.action == NAMED && entry.actor == self.origin {
            let head = entry.reason.as_deref().and_then(Checkpoint::read_line);
            let unreadable = || {
                let text = format!("entry {} names no checkpoint", self.chain.seq);
                of_root_log(finding(Fault::Entry, None, text))
            };
            self.heads.add(head.ok_or_else(unreadable)?);
        }
        Ok(())
    }

    /// There are no more lines: what it says, if it says anything.
    pub(super) fn end(self) -> Result<Heads, Finding> {
        self.chain.end().map_err(of_root_log)?;
        if self.heads.count() == 0 {
            let text = format!("the root log does not name this log at all, {}", self.origin);
            return Err(finding(Fault::Missing, None, text));
        }
        Ok(self.heads)
    }
}

/// No entry of the log itself is at fault.
fn of_root_log(found: Finding) -> Finding {
    let Finding { fault, text, .. } = found;
    finding(fault, None, format!("in the root log, {text}"))
}

#[cfg(test)]
#[path = "root_tests.rs"]
mod tests;
