//! An export of a log as it is read: entry after entry, each linked to the one before.

use boundary::json::{Value, canonical, member, parse};

use super::hex;
use super::tree::{Hash, Tree, leaf};
use super::verify::{Fault, Finding, finding};

/// The members of an entry that are texts, and those that may be null.
const TEXTS: [&str; 8] =
    ["tenant", "time", "actor", "actor_type", "action", "result", "request_id", "prev_hash"];
const TEXTS_OR_NULL: [&str; 7] =
    ["key_id", "backup_id", "recovery_id", "verification_id", "customer_id", "package_id", "reason"];

/// The lines that were read so far.
pub(super) struct Chain {
    tenant: String,
    /// Over the entries.
    pub tree: Tree,
    /// The place of the last.
    pub seq: i64,
    last_hash: Hash,
    /// An entry that does not link to the one before: which of the two is at fault tells the next.
    suspect: Option<i64>,
}

impl Chain {
    /// Nothing yet, of the log of this tenant.
    pub fn of(tenant: &str) -> Self {
        Self {
            tenant: tenant.to_owned(),
            tree: Tree::default(),
            seq: 0,
            last_hash: super::FIRST_PREV_HASH,
            suspect: None,
        }
    }

    /// Takes the next line, without its newline.
    pub fn take(&mut self, line: &str) -> Result<Entry, Finding> {
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
        Ok(entry)
    }

    /// There are no more lines.
    pub fn end(&self) -> Result<(), Finding> {
        let Some(suspect) = self.suspect else { return Ok(()) };
        let before = suspect - 1;
        let text = format!("entry {before} or entry {suspect} was changed: they do not link to one another");
        Err(finding(Fault::Chain, Some(before), text))
    }
}

fn changed(seq: i64) -> Finding {
    finding(
        Fault::Chain,
        Some(seq),
        format!("entry {seq} was changed: the entries beside it do not link to it"),
    )
}

/// What of an entry counts here.
pub(super) struct Entry {
    tenant: String,
    seq: i64,
    prev_hash: String,
    hash: Hash,
    /// Who did it,
    pub actor: String,
    /// what,
    pub action: String,
    /// and why.
    pub reason: Option<String>,
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
        actor: text("actor")?,
        action: text("action")?,
        reason: text("reason"),
    })
}
