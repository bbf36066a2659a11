//! What a log's checkpoints said while the service was killed, against what the log is in the end: the tree by
//! arithmetic of its own.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::rig::rows::Rows;

/// Every `size root` that somebody was told is true of the log as it is now, and so is every one that is kept.
/// Returns of how many entries the last is.
pub fn check<'t>(rows: &Rows, tenant: &str, told: impl Iterator<Item = &'t String>) -> usize {
    let leaves = rows.list(&format!(
        "SELECT hex(entry_hash) FROM audit_entries WHERE tenant_id = '{tenant}' AND seq IS NOT NULL ORDER BY seq"
    ));
    let leaves: Vec<Vec<u8>> = leaves.iter().map(|row| bytes(&row[0])).collect();
    let kept = rows.list(&format!(
        "SELECT size, hex(root) FROM audit_checkpoints WHERE tenant_id = '{tenant}' ORDER BY size"
    ));
    let mut last = 0;
    for row in &kept {
        last = row[0].parse().expect("a size");
        assert_eq!(root(&leaves[..last]), bytes(&row[1]), "the checkpoint of {last} entries");
    }
    for line in told {
        let (size, said) = line.split_once(' ').expect("a size and a root");
        let size: usize = size.parse().expect("a size");
        assert!(size <= leaves.len(), "{size} entries were vouched for, and there are {}", leaves.len());
        assert_eq!(STANDARD.encode(root(&leaves[..size])), said, "what was told of {size} entries");
    }
    last
}

/// MTH of RFC 6962 §2.1 over the hashes of leaves.
fn root(leaves: &[Vec<u8>]) -> Vec<u8> {
    let Some(split) = leaves.len().checked_sub(2).map(|_| (leaves.len() - 1).ilog2()) else {
        return leaves.first().cloned().unwrap_or_else(|| digest(&SHA256, b"").as_ref().to_vec());
    };
    let (left, right) = leaves.split_at(1 << split);
    let children = [&[1][..], &root(left), &root(right)].concat();
    digest(&SHA256, &children).as_ref().to_vec()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}
