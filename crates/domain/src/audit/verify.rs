//! Checks an exported log against a signed checkpoint, and against an older one: line after line, with no server
//! and with no more of the log in memory than a line.

use std::fmt;

use boundary::json::{Value, canonical, member, parse};

use super::checkpoint::{Checkpoint, NoteFault, VerifierKey};
use super::cosignature::Cosigner;
use super::hex;
use super::tree::{Hash, Tree, leaf};
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

/// The members of an entry that are texts, and those that may be null.
const TEXTS: [&str; 8] =
    ["tenant", "time", "actor", "actor_type", "action", "result", "request_id", "prev_hash"];
const TEXTS_OR_NULL: [&str; 7] =
    ["key_id", "backup_id", "recovery_id", "verification_id", "customer_id", "package_id", "reason"];

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

fn finding(fault: Fault, first_bad_seq: Option<i64>, text: String) -> Finding {
    Finding { fault, first_bad_seq, text }
}

/// A log that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What the newest checkpoint says.
    pub checkpoint: Checkpoint,
    /// The size of the older one, if there was one.
    pub since: Option<i64>,
    /// How many entries the export has. Those after the checkpoint are linked to it and vouched for by nobody yet.
    pub entries: i64,
}

/// A verification that has begun: [`Verification::take`] each line, then [`Verification::end`].
pub struct Verification {
    tenant: String,
    newest: Checkpoint,
    older: Option<Checkpoint>,
    tree: Tree,
    seq: i64,
    last_hash: Hash,
    /// An entry that does not link to the one before: which of the two is at fault tells the next.
    suspect: Option<i64>,
    newest_root: Option<Hash>,
    older_root: Option<Hash>,
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
        let tenant = key.tenant().to_owned();
        let mut begun = Self {
            tenant,
            newest,
            older,
            tree: Tree::default(),
            seq: 0,
            last_hash: super::FIRST_PREV_HASH,
            suspect: None,
            newest_root: None,
            older_root: None,
        };
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

    /// Takes the next line of the export, without its newline.
    pub fn take(&mut self, line: &str) -> Result<(), Finding> {
        let expected = self.seq + 1;
        let entry = read_entry(line).ok_or_else(|| {
            let text =
                format!("line {expected} is no entry of an audit log, where entry {expected} should be");
            finding(Fault::Entry, Some(expected), text)
        })?;
        if entry.seq != expected {
            let text = format!(
                "entry {expected} is missing: entry {} is in its place (an export with filters cannot be verified)",
                entry.seq
            );
            return Err(finding(Fault::Missing, Some(expected), text));
        }
        if entry.tenant != self.tenant {
            let text = format!("entry {expected} is of another tenant's log");
            return Err(finding(Fault::Entry, Some(expected), text));
        }
        let links = entry.prev_hash == hex(&self.last_hash);
        if let Some(suspect) = self.suspect {
            let bad = if links { suspect - 1 } else { suspect };
            return Err(changed(bad));
        }
        if !links && expected == 1 {
            return Err(changed(1));
        }
        self.suspect = (!links).then_some(expected);
        self.last_hash = entry.hash;
        self.tree.push(entry.hash);
        self.seq = expected;
        self.note_roots();
        Ok(())
    }

    /// There are no more lines.
    pub fn end(self) -> Result<Verified, Finding> {
        if let Some(suspect) = self.suspect {
            let before = suspect - 1;
            let text =
                format!("entry {before} or entry {suspect} was changed: they do not link to one another");
            return Err(finding(Fault::Chain, Some(before), text));
        }
        let is_older_well = self.older.as_ref().is_none_or(|older| self.older_root == Some(older.root));
        let is_newest_well = self.newest_root == Some(self.newest.root);
        let (covered, after) = (self.newest.size, self.older.as_ref().map_or(0, |older| older.size));
        if self.seq < covered {
            let first = self.seq + 1;
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
        let since = self.older.map(|older| older.size);
        Ok(Verified { checkpoint: self.newest, since, entries: self.seq })
    }

    /// Keeps the root where a checkpoint speaks of it.
    fn note_roots(&mut self) {
        if self.seq == self.newest.size {
            self.newest_root = Some(self.tree.root());
        }
        if self.older.as_ref().is_some_and(|older| older.size == self.seq) {
            self.older_root = Some(self.tree.root());
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

fn changed(seq: i64) -> Finding {
    finding(
        Fault::Chain,
        Some(seq),
        format!("entry {seq} was changed: the entries beside it do not link to it"),
    )
}

/// What of an entry counts here.
struct Entry {
    tenant: String,
    seq: i64,
    prev_hash: String,
    hash: Hash,
}

/// Reads a line that is an entry: these members and no others. Its hash is taken of all of them.
fn read_entry(line: &str) -> Option<Entry> {
    let value = parse(line).ok()?;
    let Value::Object(members) = &value else { return None };
    let is_whole = members.len() == TEXTS.len() + TEXTS_OR_NULL.len() + 1;
    let is_text = |name: &str| matches!(value.get(name), Some(Value::Text(_)));
    let is_null = |name: &str| matches!(value.get(name), Some(Value::Null));
    let is_entry = TEXTS.iter().all(|name| is_text(name))
        && TEXTS_OR_NULL.iter().all(|name| is_text(name) || is_null(name));
    if !is_whole || !is_entry {
        return None;
    }
    let text = |name: &str| value.get(name).and_then(Value::as_text).map(str::to_owned);
    Some(Entry {
        tenant: text("tenant")?,
        seq: member(&value, "seq")?,
        prev_hash: text("prev_hash")?,
        hash: leaf(canonical(&value).ok()?.as_bytes()),
    })
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
