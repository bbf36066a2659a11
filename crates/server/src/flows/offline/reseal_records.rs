//! Records of checks that the offline enclave made: they are kept here and believed there, and so leave to be sealed anew
//! under its new root key. Until the last has come back, its root key of before cannot be forgotten.

use std::collections::HashSet;

use boundary::ceremony::{Epochs, RESEAL_ITEMS_MAX, Reseal};
use boundary::cold::Entry;
use boundary::message::{Reply, Request};
use domain::audit::{ActorType, Outcome};
use domain::ids::TenantId;
use domain::time::Timestamp;
use store::audit::AuditEntry;
use store::offline::{self, ColdRecord};
use store::{OfTenant, StoreError, backups};

use super::{Left, Subject};
use crate::app::App;
use crate::flows::{Error, entry};

/// What came of the records of a bundle that were to be sealed anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// The offline enclave's epochs; none where it sealed nothing anew.
    pub epochs: Option<Epochs>,
    /// How many are sealed in the epoch in force since this import.
    pub moved: usize,
    /// How many held in no epoch: their backups are checked again.
    pub unchecked: usize,
    /// How many lie here that the bundle's answers do not vouch for.
    pub left: usize,
}

impl Resealed {
    /// The epoch under which nothing lies here any more, if that is known.
    pub fn over(&self) -> Option<u32> {
        self.epochs.as_ref().filter(|_| self.left == 0)?.former
    }
}

/// All records of checks made offline, a page each entry. They do not name their epoch, and so it is all of them; where
/// there are none, one entry asks for the epochs.
pub(super) async fn records_for_ceremony(app: &App) -> Result<Vec<(Subject, Entry)>, Error> {
    let mut pages = Vec::new();
    loop {
        let page = page(app, pages.last().and_then(|(subject, _)| last_of(subject))).await?;
        if page.is_empty() && !pages.is_empty() {
            return Ok(pages);
        }
        let is_all = page.len() < RESEAL_ITEMS_MAX;
        let left =
            |of: &OfTenant<ColdRecord>| (of.tenant_id.clone(), of.row.id.clone(), app.sha256(&of.row.record));
        let subject = Subject::Reseal(page.iter().map(left).collect());
        let items = page.into_iter().map(|of| of.row.record).collect();
        pages.push((subject, Entry::Ask(Request::Reseal(Reseal { items }))));
        if is_all {
            return Ok(pages);
        }
    }
}

fn last_of(subject: &Subject) -> Option<String> {
    let Subject::Reseal(left) = subject else { return None };
    left.last().map(|(_, id, _)| id.to_string())
}

async fn page(app: &App, last_id: Option<String>) -> Result<Vec<OfTenant<ColdRecord>>, Error> {
    let (last_id, limit) = (last_id.unwrap_or_default(), i64::try_from(RESEAL_ITEMS_MAX).unwrap_or(i64::MAX));
    let found = app.db.read("list_records", move |rx| offline::list_records(rx, &last_id, limit));
    found.await.map_err(|error: StoreError| error.into())
}

/// The records that came with these answers: all of the epoch that is in force offline.
pub(super) fn of_this_epoch(replies: &[Reply]) -> HashSet<Vec<u8>> {
    let mut known = HashSet::new();
    for reply in replies {
        match reply {
            Reply::Checked(checked) => known.extend(checked.records.iter().cloned()),
            Reply::Rewrapped(moved) => {
                known.extend(moved.items.iter().flatten().map(|item| item.record.clone()));
            }
            Reply::Resealed(anew) => known.extend(anew.items.iter().flatten().cloned()),
            _ => {}
        }
    }
    known
}

/// Keeps what the offline enclave sealed anew, where that is still what left, and has checked again what holds no more;
/// adds to what came of it, and says it in words.
pub(super) async fn take_resealed(
    app: &App,
    now: Timestamp,
    left: &[Left],
    reply: Reply,
    (ceremony, sum): (&str, &mut Resealed),
) -> Result<String, Error> {
    let anew = match reply {
        Reply::Resealed(anew) if anew.items.len() == left.len() => anew,
        Reply::Refused(refusal) => {
            return Ok(format!("not sealed anew ({refusal:?}): they stay as they are"));
        }
        _ => return Err(Error::fault("reading the answer to records that are sealed anew")),
    };
    let ids: Vec<_> = left.iter().map(|(tenant, id, _)| (tenant.clone(), id.clone())).collect();
    let found = app.db.read("find_records", move |rx| {
        let found = ids.iter().map(|(tenant, id)| backups::of(tenant).find(rx, id));
        found.collect::<Result<Vec<_>, StoreError>>()
    });
    let mut changes = Vec::new();
    for (((tenant, id, was), found), becomes) in left.iter().zip(found.await?).zip(anew.items) {
        let record = found.and_then(|found| found.record).filter(|record| app.sha256(record) == *was);
        let Some(record) = record.filter(|record| becomes.as_ref() != Some(record)) else { continue };
        let about = AuditEntry {
            backup_id: Some(id.clone()),
            result: Outcome::Failed.to_string(),
            reason: Some(format!("its record does not hold; {ceremony}")),
            ..entry(&app.minter, now, (ActorType::Service, "service"), "backup.unverified", "ceremony")
        };
        changes.push(Change {
            tenant: tenant.clone(),
            was: ColdRecord { id: id.clone(), record },
            becomes,
            about,
        });
    }
    let written = app.db.write("set_records", move |tx| {
        let (mut moved, mut unchecked) = (0, 0);
        for Change { tenant, was, becomes, about } in &changes {
            if let Some(becomes) = becomes {
                moved += usize::from(offline::of(tenant).set_record(tx, was, becomes)?);
            } else if offline::of(tenant).set_unchecked(tx, was, now)? {
                unchecked += 1;
                store::audit::of(tenant).append(tx, about)?;
            }
        }
        Ok::<_, StoreError>((moved, unchecked))
    });
    let (moved, unchecked) = written.await?;
    sum.epochs = Some(anew.epochs);
    sum.moved += moved;
    sum.unchecked += unchecked;
    Ok(format!("{moved} sealed anew, {unchecked} do not hold and are checked again in the next ceremony"))
}

struct Change {
    tenant: TenantId,
    was: ColdRecord,
    becomes: Option<Vec<u8>>,
    about: AuditEntry,
}

/// How many records lie here that are not among these.
pub(super) async fn count_left(app: &App, known: &HashSet<Vec<u8>>) -> Result<usize, Error> {
    let (mut left, mut last_id) = (0, None);
    loop {
        let page = page(app, last_id).await?;
        left += page.iter().filter(|of| !known.contains(&of.row.record)).count();
        last_id = page.last().map(|of| of.row.id.to_string());
        if last_id.is_none() {
            return Ok(left);
        }
    }
}
