//! An audit log proven offline: the RFC 6962 tree of an export, and the signed note over its root.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::crypto::{is_ed25519, sha256};

/// What a checkpoint says, once its signature held.
#[derive(Debug)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many entries it covers.
    pub size: u64,
    /// The root of their tree, base64.
    pub root: String,
}

impl Checkpoint {
    /// Reads a C2SP signed note by its verifier key (`name+hash+base64`).
    pub fn open(note: &str, key: &str) -> Result<Self, String> {
        let (text, signatures) =
            note.split_once("\n\n").ok_or("expected a note: text, an empty line, signatures")?;
        let signed = format!("{text}\n");
        let key = key.splitn(3, '+').nth(2).and_then(|encoded| STANDARD.decode(encoded).ok());
        // The first byte says Ed25519.
        let key =
            key.filter(|key| key.len() == 33 && key[0] == 1).ok_or("expected a verifier key of Ed25519")?;
        let holds = |line: &str| {
            let encoded = line.rsplit(' ').next().unwrap_or_default();
            // Four bytes of the key's hash, then the signature.
            let signature = STANDARD.decode(encoded).ok();
            signature.is_some_and(|bytes| bytes.len() == 68 && is_ed25519(&key[1..], &signed, &bytes[4..]))
        };
        if !signatures.lines().any(holds) {
            return Err("expected the checkpoint to be signed by its key".to_owned());
        }
        let lines: Vec<&str> = text.lines().collect();
        let [origin, size, root, ..] = lines[..] else {
            return Err("expected origin, size and root".to_owned());
        };
        let size = size.parse().map_err(|_| "expected a size".to_owned())?;
        Ok(Self { origin: origin.to_owned(), size, root: root.to_owned() })
    }

    /// Whether the first of these leaves are what it was signed over.
    pub fn covers(&self, leaves: &[Vec<u8>]) -> Result<(), String> {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let covered =
            leaves.get(..size).ok_or_else(|| format!("expected {size} entries, got {}", leaves.len()))?;
        let root = STANDARD.encode(root(covered));
        if root == self.root {
            Ok(())
        } else {
            Err(format!("expected the entries to have the signed root {}, got {root}", self.root))
        }
    }
}

/// The leaves of an export's entries; each must be linked to the one before it.
pub fn leaves(export: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut leaves: Vec<Vec<u8>> = Vec::new();
    for line in export.lines() {
        let entry: Value =
            serde_json::from_str(line).map_err(|error| format!("expected JSON lines: {error}"))?;
        let link = entry["prev_hash"].as_str().unwrap_or_default();
        if let Some(last) = leaves.last()
            && link != super::crypto::hex(last)
        {
            return Err(format!("expected entry {} to be linked to the one before it", entry["seq"]));
        }
        leaves.push(sha256(&[&[0], canonical(&entry).as_bytes()].concat()));
    }
    Ok(leaves)
}

/// The RFC 8785 form of an object of texts, whole numbers and nulls with names in ASCII.
fn canonical(entry: &Value) -> String {
    let mut members: Vec<_> = entry.as_object().into_iter().flatten().collect();
    members.sort_by_key(|(name, _)| *name);
    let members: Vec<_> =
        members.into_iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
    format!("{{{}}}", members.join(","))
}

/// RFC 6962, 2.1.
fn root(leaves: &[Vec<u8>]) -> Vec<u8> {
    match leaves {
        [] => sha256(&[]),
        [leaf] => leaf.clone(),
        _ => {
            // The largest power of two below the count.
            let half = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(half);
            sha256(&[&[1], root(left).as_slice(), &root(right)].concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPORT: &str = include_str!("../../tests/audit/export.jsonl");
    const NOTE: &str = include_str!("../../tests/audit/checkpoint.txt");
    const KEY: &str = include_str!("../../tests/audit/key.txt");

    #[test]
    fn a_true_export_is_covered_and_a_changed_one_is_not() {
        let checkpoint = Checkpoint::open(NOTE, KEY.trim()).unwrap();
        let true_leaves = leaves(EXPORT).unwrap();
        assert_eq!(checkpoint.covers(&true_leaves), Ok(()));
        let changed = EXPORT.replacen("\"ok\"", "\"refused\"", 1);
        assert_ne!(EXPORT, changed);
        assert!(leaves(&changed).and_then(|leaves| checkpoint.covers(&leaves)).is_err());
        assert!(checkpoint.covers(&true_leaves[1..]).is_err());
        assert!(Checkpoint::open(&NOTE.replacen('9', "8", 1), KEY.trim()).is_err());
    }
}
