//! Checks an exported log against a signed checkpoint, and against an older one: line after line, with no server
//! and with no more of the log in memory than a line.

use std::fmt;

use super::chain::Chain;
use super::checkpoint::{Checkpoint, NoteFault, VerifierKey};
use super::cosignature::Cosigner;
use super::hex;
use super::root::{Heads, RootLog};
use super::tree::Hash;
use crate::time::Timestamp;
use crate::words::words;

words! {
    /// What is wrong with a log.
    Fault {
        /// A checkpoint does not read, or another signed it.
        Checkpoint = "checkpoint",
        /// A line is no entry of this log.
        Entry = "entry",
        /// Entries are not there.
        Missing = "missing",
        /// An entry does not link to the one before it.
        Chain = "chain",
        /// The entries are not those of the checkpoint.
        Root = "root",
        /// The log has signed two histories.
        Fork = "fork",
    }
}

/// What was found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Of which kind it is.
    pub fault: Fault,
    /// The first entry that is not as it was signed, or that cannot be told from such a one; none where no entry is
    /// at fault.
    pub first_bad_seq: Option<i64>,
    /// The same in words.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

pub(super) fn finding(fault: Fault, first_bad_seq: Option<i64>, text: String) -> Finding {
    Finding { fault, first_bad_seq, text }
}

/// A log that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What the newest checkpoint says.
    pub checkpoint: Checkpoint,
    /// The size of the older one, if there was one.
    pub since: Option<i64>,
    /// How many checkpoints of it the root log names, where that was looked at.
    pub named: Option<usize>,
    /// How many entries the export has. Those after the checkpoint are linked to it and vouched for by nobody yet.
    pub entries: i64,
}

/// A verification that has begun: [`Verification::take`] each line, then [`Verification::end`].
pub struct Verification {
    newest: Checkpoint,
    older: Option<Checkpoint>,
    chain: Chain,
    newest_root: Option<Hash>,
    older_root: Option<Hash>,
    named: Option<Heads>,
}

impl Verification {
    /// Reads the checkpoints. Two of one size with two roots are the proof that the log has two histories.
    pub fn begin(key: &VerifierKey, checkpoint: &str, since: Option<&str>) -> Result<Self, Finding> {
        let open = |note: &str, which: &str| {
            key.open(note).map_err(|fault| finding(Fault::Checkpoint, None, format!("the {which} {fault}")))
        };
        let newest = open(checkpoint, "checkpoint")?;
        let older = since.map(|note| open(note, "older checkpoint")).transpose()?;
        if let Some(older) = &older {
            compare(older, &newest)?;
        }
        let chain = Chain::of(key.tenant());
        let mut begun = Self { newest, older, chain, newest_root: None, older_root: None, named: None };
        begun.note_roots();
        Ok(begun)
    }

    /// When the enclave signed the newest of these checkpoints, if it signed each.
    pub fn check_cosigned(
        cosigner: &Cosigner,
        checkpoint: &str,
        since: Option<&str>,
    ) -> Result<Timestamp, Finding> {
        let check = |note: &str, which: &str| {
            cosigner
                .check(note)
                .map_err(|fault| finding(Fault::Checkpoint, None, format!("the {which} {fault}")))
        };
        since.map(|note| check(note, "older checkpoint")).transpose()?;
        check(checkpoint, "checkpoint")
    }

    /// When a witness signed the checkpoint, if he did.
    pub fn check_witnessed(witness: &Cosigner, checkpoint: &str) -> Result<Timestamp, Finding> {
        witness.check(checkpoint).map_err(|fault| {
            let what = match fault {
                NoteFault::NotCosigned => "is not signed by".to_owned(),
                fault => format!("{fault}, in the name of"),
            };
            finding(Fault::Checkpoint, None, format!("the checkpoint {what} the witness {}", witness.name()))
        })
    }

    /// What reads the root log for the log that is verified.
    pub fn root_log(&self) -> RootLog {
        RootLog::about(&self.newest.origin)
    }

    /// Has the export compared with the root log too, which was read to its end. Before the first line.
    pub fn compare_with(&mut self, root_log: RootLog) -> Result<(), Finding> {
        self.named = Some(root_log.end()?);
        self.note_roots();
        Ok(())
    }

    /// Takes the next line of the export, without its newline.
    pub fn take(&mut self, line: &str) -> Result<(), Finding> {
        self.chain.take(line)?;
        self.note_roots();
        Ok(())
    }

    /// There are no more lines.
    pub fn end(self) -> Result<Verified, Finding> {
        self.chain.end()?;
        let seq = self.chain.seq;
        let is_older_well = self.older.as_ref().is_none_or(|older| self.older_root == Some(older.root));
        let is_newest_well = self.newest_root == Some(self.newest.root);
        let (covered, after) = (self.newest.size, self.older.as_ref().map_or(0, |older| older.size));
        if seq < covered {
            let first = seq + 1;
            let text = format!(
                "entry {first} is missing: the export ends before it, and the checkpoint covers {covered} entries"
            );
            return Err(finding(Fault::Missing, Some(first), text));
        }
        match (is_older_well, is_newest_well) {
            (true, true) => {}
            (true, false) => {
                let first = if self.older.is_some() { after + 1 } else { 1 };
                let text = format!(
                    "the entries link to one another and are not those of the checkpoint: entries were written anew, the first of them between {first} and {covered}"
                );
                return Err(finding(Fault::Root, Some(first), text));
            }
            (false, false) => {
                let text = format!(
                    "the entries link to one another and are those of neither checkpoint: entries were written anew, the first of them between 1 and {after}"
                );
                return Err(finding(Fault::Root, Some(1), text));
            }
            (false, true) => {
                let text = format!(
                    "fork: the log has signed two histories. The entries are those of the checkpoint of {covered} entries, and not those of the older one of {after}; the first that differs is between 1 and {after}. Keep both checkpoints: they prove it"
                );
                return Err(finding(Fault::Fork, Some(1), text));
            }
        }
        self.named.as_ref().map(|named| named.judge(seq)).transpose()?;
        let (since, named) = (self.older.map(|older| older.size), self.named.map(|named| named.count()));
        Ok(Verified { checkpoint: self.newest, since, named, entries: seq })
    }

    /// Keeps the root where a checkpoint speaks of it, or the root log does.
    fn note_roots(&mut self) {
        if self.chain.seq == self.newest.size {
            self.newest_root = Some(self.chain.tree.root());
        }
        if self.older.as_ref().is_some_and(|older| older.size == self.chain.seq) {
            self.older_root = Some(self.chain.tree.root());
        }
        if let Some(named) = &mut self.named {
            named.meet(&self.chain.tree);
        }
    }
}

/// Whether two checkpoints can be of one history, as far as that shows without the entries.
fn compare(older: &Checkpoint, newest: &Checkpoint) -> Result<(), Finding> {
    if older.origin != newest.origin {
        let text = format!(
            "the older checkpoint is of another log: {} and not {} (a sandbox was reset meanwhile)",
            older.origin, newest.origin
        );
        return Err(finding(Fault::Checkpoint, None, text));
    }
    if older.size == newest.size && older.root != newest.root {
        let text = format!(
            "fork: the log has signed two histories of {} entries. Its roots are {} and {}. Keep both checkpoints: they prove it",
            newest.size,
            hex(&older.root),
            hex(&newest.root)
        );
        return Err(finding(Fault::Fork, None, text));
    }
    if older.size > newest.size {
        let text = format!(
            "the older checkpoint covers {} entries and the other {}: a log never shrinks; were they given in the wrong order?",
            older.size, newest.size
        );
        return Err(finding(Fault::Checkpoint, None, text));
    }
    Ok(())
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
