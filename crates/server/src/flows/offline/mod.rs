//! Ceremonies of the offline enclave: what waits for it leaves as a bundle, and what comes back is taken in. Whoever
//! carries the files is not believed, and neither is this server: each enclave goes by the other's signatures.

mod adopt_batch;
mod export_bundle;
mod import_answers;

pub use adopt_batch::adopt_batch;
pub use export_bundle::{Exported, NOTHING_WAITS, Order, export_bundle};
pub use import_answers::{Imported, import_answers};

use boundary::cold::Entry;
use boundary::message::Request;
use boundary::wire::Wire as _;
use domain::ids::{BackupId, EntryId, RecoveryId, TenantId};
use domain::time::Timestamp;
use store::offline::OfflineRequest;

use crate::app::App;

/// What an entry of a bundle is about: by this its answer finds its place again.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    /// Keys for the pool.
    Make,
    /// Something that was to be told.
    Told(TenantId, EntryId),
    /// A backup's check.
    Check(TenantId, BackupId),
    /// A recovery.
    Release(TenantId, RecoveryId),
}

impl Subject {
    fn to_line(&self) -> String {
        match self {
            Self::Make => "make".to_owned(),
            Self::Told(tenant, id) => format!("told {tenant} {id}"),
            Self::Check(tenant, id) => format!("check {tenant} {id}"),
            Self::Release(tenant, id) => format!("release {tenant} {id}"),
        }
    }

    fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let kind = words.next()?;
        if kind == "make" {
            return Some(Self::Make);
        }
        let (tenant, id) = (words.next()?.parse().ok()?, words.next()?);
        match kind {
            "told" => Some(Self::Told(tenant, id.parse().ok()?)),
            "check" => Some(Self::Check(tenant, id.parse().ok()?)),
            "release" => Some(Self::Release(tenant, id.parse().ok()?)),
            _ => None,
        }
    }
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
            Subject::Release(tenant, id.parse().unwrap()),
        ] {
            assert_eq!(Subject::from_line(&subject.to_line()), Some(subject));
        }
        for bad in ["", "told", "told x y", &format!("tell {id} {id}")] {
            assert_eq!(Subject::from_line(bad), None, "{bad}");
        }
    }
}
