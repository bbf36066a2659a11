//! Ceremonies of the offline enclave: what waits for it leaves as a bundle, and what comes back is taken in. Whoever
//! carries the files is not believed, and neither is this server: each enclave goes by the other's signatures.

mod adopt_batch;
mod export_bundle;
mod import_answers;
mod move_backups;
mod reseal_records;

pub use adopt_batch::adopt_batch;
pub use export_bundle::{Exported, NOTHING_WAITS, Order, export_bundle};
pub use import_answers::{Imported, import_answers};
pub use reseal_records::Resealed;

use boundary::cold::Entry;
use boundary::message::Request;
use boundary::wire::Wire as _;
use domain::audit::hex;
use domain::ids::{BackupId, EntryId, RecoveryId, TenantId};
use domain::time::Timestamp;
use store::offline::OfflineRequest;

use crate::app::App;
use crate::edge::assertion::unhex;

/// What an entry of a bundle is about: by this its answer finds its place again.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    /// Keys for the pool.
    Make,
    /// Something that was to be told.
    Told(TenantId, EntryId),
    /// A backup's check.
    Check(TenantId, BackupId),
    /// A backup that is encrypted to the key that replaced its own, with the digest of what it was when it left.
    Move(TenantId, BackupId, [u8; 32]),
    /// A recovery.
    Release(TenantId, RecoveryId),
    /// Records of checks that are sealed anew, each with the digest of what it was when it left.
    Reseal(Vec<Left>),
}

/// A backup, and the digest of something of it as it was when it left.
type Left = (TenantId, BackupId, [u8; 32]);

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Make => f.write_str("make"),
            Self::Told(tenant, id) => write!(f, "told {tenant} {id}"),
            Self::Check(tenant, id) => write!(f, "check {tenant} {id}"),
            Self::Move(tenant, id, _) => write!(f, "move {tenant} {id}"),
            Self::Release(tenant, id) => write!(f, "release {tenant} {id}"),
            Self::Reseal(left) => write!(f, "seal {} records of checks anew", left.len()),
        }
    }
}

impl Subject {
    fn to_line(&self) -> String {
        match self {
            Self::Move(.., was) => format!("{self} {}", hex(was)),
            Self::Reseal(left) => {
                let words = left.iter().map(|(tenant, id, was)| format!(" {tenant} {id} {}", hex(was)));
                format!("reseal{}", words.collect::<String>())
            }
            _ => self.to_string(),
        }
    }

    fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let kind = words.next()?;
        if kind == "make" {
            return Some(Self::Make);
        }
        if kind == "reseal" {
            return words.collect::<Vec<_>>().chunks(3).map(left).collect::<Option<_>>().map(Self::Reseal);
        }
        let (tenant, id) = (words.next()?.parse().ok()?, words.next()?);
        match kind {
            "told" => Some(Self::Told(tenant, id.parse().ok()?)),
            "check" => Some(Self::Check(tenant, id.parse().ok()?)),
            "move" => {
                let was = unhex(words.next()?)?.try_into().ok()?;
                Some(Self::Move(tenant, id.parse().ok()?, was))
            }
            "release" => Some(Self::Release(tenant, id.parse().ok()?)),
            _ => None,
        }
    }
}

fn left(words: &[&str]) -> Option<Left> {
    let &[tenant, id, was] = words else { return None };
    Some((tenant.parse().ok()?, id.parse().ok()?, unhex(was)?.try_into().ok()?))
}

/// What the offline enclave is to be told in its next bundle; to be kept in the transaction of what it tells of.
pub(super) fn told(app: &App, now: Timestamp, entry: &Entry) -> OfflineRequest {
    OfflineRequest { id: app.minter.entry_id(now), entry: entry.to_bytes(), made_at: now }
}

/// The same of a request that the online enclave has granted.
pub(super) fn told_too(app: &App, now: Timestamp, request: Request) -> OfflineRequest {
    told(app, now, &Entry::Ask(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_reads_back() {
        let id = "01234567-89ab-7fff-bfff-ffffffffffff";
        let tenant: TenantId = id.parse().unwrap();
        for subject in [
            Subject::Make,
            Subject::Told(tenant.clone(), id.parse().unwrap()),
            Subject::Check(tenant.clone(), id.parse().unwrap()),
            Subject::Move(tenant.clone(), id.parse().unwrap(), [171; 32]),
            Subject::Release(tenant.clone(), id.parse().unwrap()),
            Subject::Reseal(Vec::new()),
            Subject::Reseal([1, 2].map(|was| (tenant.clone(), id.parse().unwrap(), [was; 32])).to_vec()),
        ] {
            assert_eq!(Subject::from_line(&subject.to_line()), Some(subject));
        }
        let short = format!("{id} {id} ab");
        let bad = [
            "",
            "told",
            "told x y",
            &format!("tell {id} {id}"),
            &format!("move {short}"),
            &format!("reseal {short}"),
            &format!("reseal {id} {id}"),
        ];
        for bad in bad {
            assert_eq!(Subject::from_line(bad), None, "{bad}");
        }
    }
}
