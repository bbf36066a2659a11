//! Puts what waits for the offline enclave into a bundle, which the online one signs as it leaves.
//!
//! Exported again, it is another bundle of the same number, until the answers to one of them are imported: the offline
//! enclave answers one bundle of each number.

use boundary::cold::{Answers, Dispatch, Entry, File};
use boundary::message::{Check, CheckItem, KeyType, Request};
use boundary::token::NO_CHECKSUM;
use boundary::wire::Wire as _;
use domain::ids::TenantId;
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::backups::{self, BackupWithKey};
use store::offline::{self, OfflineBundle};
use store::users::{self, User};
use store::{OfTenant, StoreError};

use super::import_answers::{altered, believed, refused};
use super::{Subject, move_backups, reseal_records};
use crate::app::App;
use crate::flows::Error;
use crate::flows::approvals::recoveries_for_ceremony;
use crate::flows::key_shares::open_sealed;
use crate::flows::release_proof::open_checksum;

/// The most checks, backups of rotated keys, and things to be told, of each kind, in one bundle; what is left waits for the next.
const ENTRIES_MAX: i64 = 2_000;

/// The code of the refusal of a bundle that would be empty.
pub const NOTHING_WAITS: &str = "nothing-waits";

/// Who checks in a ceremony: failed checks are counted by key, and by this.
const CREDENTIAL: &str = "ceremony";

/// What is asked for beside what waits.
#[derive(Clone, Debug)]
pub struct Order {
    /// The offline enclave, by its public key.
    pub offline: [u8; 32],
    /// Keys to be made.
    pub keys: Vec<KeyType>,
    /// Whether all records of checks leave, to be sealed anew under a new root key.
    pub reseal: bool,
    /// The file of what the offline enclave answered last, where the database does not know of it any more: one that was
    /// put back from a copy.
    pub after: Option<Vec<u8>>,
}

/// A bundle.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Its number.
    pub sequence: i64,
    /// By which people know it.
    pub hash: [u8; 32],
    /// How many entries it has.
    pub entries: usize,
    /// The file.
    pub file: Vec<u8>,
}

/// Makes a bundle of all that waits, in the order in which the offline enclave needs it: who has which key and which
/// list, then checks, then backups of rotated keys, then recoveries, then records that are sealed anew.
pub async fn export_bundle(app: &App, now: Timestamp, order: &Order) -> Result<Exported, Error> {
    let found = app.db.read("list_for_ceremony", |rx| {
        let told = offline::list(rx, ENTRIES_MAX)?;
        let mut checks = Vec::new();
        for OfTenant { tenant_id, row } in offline::list_unverified(rx, ENTRIES_MAX)? {
            let Some(found) = backups::of(&tenant_id).find_with_key(rx, &row.id)? else { continue };
            let user = users::of(&tenant_id).find(rx, &found.backup.user_id)?;
            checks.extend(user.map(|user| (tenant_id, found, user)));
        }
        Ok::<_, StoreError>((told, checks, offline::find_last_answered(rx)?))
    });
    let (told, checks, last) = found.await?;
    let mut last = last.map(|last| (last.sequence.unsigned_abs(), last.hash));
    if let Some(file) = &order.after {
        last = Some(behind(app, file, &order.offline, last).await?);
    }
    let mut parts: Vec<(Subject, Vec<u8>)> = Vec::new();
    if !order.keys.is_empty() {
        parts.push((Subject::Make, Entry::Make(order.keys.clone()).to_bytes()));
    }
    parts.extend(told.into_iter().map(|told| (Subject::Told(told.tenant_id, told.row.id), told.row.entry)));
    for (tenant, found, user) in checks {
        let entry = Entry::Ask(check(app, &tenant, &found, &user).await?);
        parts.push((Subject::Check(tenant, found.backup.id), entry.to_bytes()));
    }
    let moves = move_backups::moves_for_ceremony(app, ENTRIES_MAX).await?;
    parts.extend(moves.into_iter().map(|(subject, entry)| (subject, entry.to_bytes())));
    for (tenant, id, vouched) in recoveries_for_ceremony(app).await? {
        parts.push((Subject::Release(tenant, id), Entry::Release(vouched).to_bytes()));
    }
    if order.reseal {
        let records = reseal_records::records_for_ceremony(app).await?;
        parts.extend(records.into_iter().map(|(subject, entry)| (subject, entry.to_bytes())));
    }
    if parts.is_empty() {
        let text = "nothing waits for a ceremony; name how many keys are to be made";
        return Err(Refusal::new(Kind::Conflict, NOTHING_WAITS, text).into());
    }
    let (subjects, parts): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let (last, previous) = last.unwrap_or((0, [0; 32]));
    let sequence = i64::try_from(last + 1).map_err(|_| Error::fault("counting bundles"))?;
    let dispatch = Dispatch {
        offline: order.offline.to_vec(),
        sequence: sequence.unsigned_abs(),
        previous,
        parts: parts.iter().map(|part| app.sha256(part)).collect(),
    };
    let head = app.enclave.dispatch(dispatch).await?;
    let hash = app.sha256(&head.body);
    let row = OfflineBundle {
        hash,
        sequence,
        offline: order.offline.to_vec(),
        subjects: subjects.iter().map(Subject::to_line).collect::<Vec<_>>().join("\n"),
        made_at: now,
        answered_at: None,
    };
    let written = app.db.write("insert_bundle", move |tx| offline::insert_bundle(tx, &row));
    written.await.map_err(|error: StoreError| Error::from(error))?;
    let entries = parts.len();
    Ok(Exported { sequence, hash, entries, file: File { head, parts }.to_bytes() })
}

/// The number and the hash of the bundle that these answers are to, behind which the next one goes.
async fn behind(
    app: &App,
    file: &[u8],
    enclave: &[u8],
    last: Option<(u64, [u8; 32])>,
) -> Result<(u64, [u8; 32]), Error> {
    let file = File::from_bytes(file).map_err(|_| altered())?;
    let Answers { sequence, bundle, .. } = believed(app, &file, enclave)?.answers;
    let known = app.db.read("find_bundle", move |rx| offline::find_bundle(rx, &bundle)).await;
    let known: Option<OfflineBundle> = known.map_err(|error: StoreError| Error::from(error))?;
    if last.is_some_and(|(known, _)| known >= sequence) {
        return Err(refused(
            "answers-late",
            "these answers, or later ones, were imported: leave --after out",
        ));
    }
    if known.is_some() {
        return Err(refused("bundle-known", "these answers can be imported: do that, and leave --after out"));
    }
    Ok((sequence, bundle))
}

async fn check(
    app: &App,
    tenant: &TenantId,
    BackupWithKey { backup, key }: &BackupWithKey,
    user: &User,
) -> Result<Request, Error> {
    let checksum = open_checksum(app, backup)?;
    let check = Check {
        credential_id: CREDENTIAL.to_owned(),
        tenant_id: tenant.to_string(),
        user_identifier: user.user_identifier.clone(),
        key: open_sealed(app, (tenant, &backup.key_id), &key.held()).await?,
        ticket: None,
        items: vec![CheckItem {
            backup_id: backup.id.to_string(),
            item_key: backup.item_key.clone().unwrap_or_default(),
            ciphertext: backup.ciphertext.clone().unwrap_or_default(),
            checksum,
        }],
    };
    Ok(if checksum == NO_CHECKSUM { Request::Try(check) } else { Request::Check(check) })
}
