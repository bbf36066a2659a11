//! Takes in what the offline enclave answered to a bundle. Imported again, it changes nothing that was taken in; what
//! could not be then is tried again.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use boundary::cold::{Answers, File, preimage};
use boundary::message::{Refusal as EnclaveRefusal, Reply};
use boundary::wire::Wire as _;
use domain::audit::{ActorType, Outcome};
use domain::backup::CheckState;
use domain::ids::{BackupId, EntryId, TenantId};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::StoreError;
use store::audit::AuditEntry;
use store::offline::{self, OfflineBundle};

use super::move_backups::{end_rotations, take_moved};
use super::{Resealed, Subject, adopt_batch, reseal_records};
use crate::app::App;
use crate::flows::approvals::take_answer;
use crate::flows::{Error, entry};

/// What came of an import.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The bundle's number.
    pub sequence: i64,
    /// The last record of the offline enclave's log.
    pub log_sequence: u64,
    /// How many keys are new in the pool.
    pub keys: usize,
    /// Whether it was imported before.
    pub is_repeated: bool,
    /// What became of each entry, and then of keys that were rotated, in words.
    pub lines: Vec<String>,
    /// What became of records that were to be sealed anew; none where none were.
    pub resealed: Option<Resealed>,
}

/// Checks the answers and applies each of them.
pub async fn import_answers(app: &App, now: Timestamp, file: &[u8]) -> Result<Imported, Error> {
    let (bundle, Answered { answers, replies }) = read(app, file).await?;
    let subjects: Option<Vec<Subject>> = bundle.subjects.lines().map(Subject::from_line).collect();
    let subjects = subjects.ok_or_else(|| Error::fault("reading what a bundle is about"))?;
    if subjects.len() != replies.len() {
        return Err(refused("answers-incomplete", "there is not one answer for each entry of the bundle"));
    }
    let is_repeated = bundle.answered_at.is_some();
    let ceremony =
        format!("ceremony {}, record {} of the offline log", bundle.sequence, answers.log_sequence);
    let of_this_epoch = reseal_records::of_this_epoch(&replies);
    let (mut lines, mut keys, mut resealed) = (Vec::new(), 0, None);
    for (subject, reply) in subjects.iter().zip(replies) {
        let came = match (subject, reply) {
            // Keys of an earlier import may have been given out since.
            (Subject::Make, Reply::Made(_)) if is_repeated => "imported before".to_owned(),
            (Subject::Make, Reply::Made(batch)) => {
                keys += adopt_batch(app, now, batch).await?;
                format!("{keys} keys are in the pool")
            }
            (Subject::Told(tenant, id), reply) => tell(app, tenant, id, &reply).await?,
            (Subject::Check(tenant, id), reply) => check(app, now, tenant, id, reply, &ceremony).await?,
            (Subject::Move(tenant, id, was), reply) => {
                take_moved(app, now, (tenant, id, was), reply, &ceremony).await?
            }
            (Subject::Release(tenant, id), reply) => take_answer(app, tenant, id, reply, now).await?,
            (Subject::Reseal(left), reply) => {
                let sum = resealed.get_or_insert_default();
                reseal_records::take_resealed(app, now, left, reply, (&ceremony, sum)).await?
            }
            (Subject::Make, _) => "no keys were made".to_owned(),
        };
        lines.push(format!("{subject}: {came}"));
    }
    lines.extend(end_rotations(app, now, &ceremony).await?);
    if let Some(sum) = &mut resealed {
        sum.left = reseal_records::count_left(app, &of_this_epoch).await?;
    }
    let hash = bundle.hash;
    let written = app.db.write("set_answered", move |tx| offline::set_answered(tx, &hash, now));
    let is_first: Result<bool, StoreError> = written.await;
    is_first?;
    let (sequence, log_sequence) = (bundle.sequence, answers.log_sequence);
    tracing::info!(sequence, log_sequence, is_repeated, "answers of the offline enclave were imported");
    Ok(Imported { sequence, log_sequence, keys, is_repeated, lines, resealed })
}

/// The answers to a bundle that left here and was not displaced by another of its number.
async fn read(app: &App, file: &[u8]) -> Result<(OfflineBundle, Answered), Error> {
    let file = File::from_bytes(file).map_err(|_| altered())?;
    let hash = head_of(app, &file)?.bundle;
    let found = app.db.read("find_bundle", move |rx| {
        let Some(bundle) = offline::find_bundle(rx, &hash)? else { return Ok(None) };
        let last = offline::find_last_answered(rx)?;
        Ok::<_, StoreError>(Some((bundle, last)))
    });
    let unknown = || {
        let text = "these are answers to a bundle that this service did not export, or does not know of any more: \
                    `holdfast ceremony export --after` goes on behind them";
        refused("bundle-unknown", text)
    };
    let (bundle, last) = found.await?.ok_or_else(unknown)?;
    let answered = believed(app, &file, &bundle.offline)?;
    let latest = last.map_or(0, |last| last.sequence);
    if bundle.answered_at.is_none() && bundle.sequence <= latest {
        return Err(refused(
            "answers-late",
            "answers to another bundle of this number, or a later one, were imported",
        ));
    }
    Ok((bundle, answered))
}

/// Answers that are whole, and the offline enclave's.
pub(super) struct Answered {
    /// What it signed.
    pub(super) answers: Answers,
    replies: Vec<Reply>,
}

/// The answers of a file, if they are those of this offline enclave.
pub(super) fn believed(app: &App, file: &File, offline: &[u8]) -> Result<Answered, Error> {
    let answers = head_of(app, file)?;
    let key = UnparsedPublicKey::new(&ED25519, offline);
    let is_signed = key.verify(&preimage("answers", &file.head.body), &file.head.signature).is_ok();
    let parts = file.parts.iter().map(|part| app.sha256(part));
    if !is_signed || !parts.eq(answers.parts.iter().copied()) {
        return Err(altered());
    }
    let replies = file.parts.iter().map(|part| Reply::from_bytes(part));
    let replies = replies.collect::<Result<_, _>>().map_err(|_| altered())?;
    Ok(Answered { answers, replies })
}

fn head_of(app: &App, file: &File) -> Result<Answers, Error> {
    let answers = Answers::from_bytes(&file.head.body).map_err(|_| altered())?;
    if answers.env == app.env {
        return Ok(answers);
    }
    Err(refused("other-environment", "the answers are of another environment than this service"))
}

pub(super) fn altered() -> Error {
    refused("answers-altered", "the answers were altered on the way, or are none")
}

pub(super) fn refused(code: &'static str, text: &str) -> Error {
    Refusal::new(Kind::Conflict, code, text).into()
}

/// What was taken is not told again; what was refused is, since what it hung on may come first the next time.
async fn tell(app: &App, tenant: &TenantId, id: &EntryId, reply: &Reply) -> Result<String, Error> {
    if let Reply::Refused(refusal) = reply {
        tracing::warn!(%tenant, %id, ?refusal, "the offline enclave does not take what it was told");
        return Ok(format!("not taken ({refusal:?}): it is told again in the next ceremony"));
    }
    let (tenant, id) = (tenant.clone(), id.clone());
    let written = app.db.write("delete_told", move |tx| offline::of(&tenant).delete(tx, &id));
    written.await.map_err(|error: StoreError| Error::from(error))?;
    Ok("taken".to_owned())
}

async fn check(
    app: &App,
    now: Timestamp,
    tenant: &TenantId,
    id: &BackupId,
    reply: Reply,
    ceremony: &str,
) -> Result<String, Error> {
    let (state, record, action, result) = match reply {
        Reply::Checked(checked) if checked.records.len() == 1 => {
            (CheckState::Verified, checked.records.into_iter().next(), "backup.verified", Outcome::Ok)
        }
        Reply::Refused(EnclaveRefusal::CheckFailed) => {
            (CheckState::Failed, None, "backup.check-failed", Outcome::Failed)
        }
        Reply::Refused(refusal) => {
            return Ok(format!("not checked ({refusal:?}): it waits for the next ceremony"));
        }
        _ => return Err(Error::fault("reading the answer to a check")),
    };
    let about = AuditEntry {
        backup_id: Some(id.clone()),
        result: result.to_string(),
        reason: Some(ceremony.to_owned()),
        ..entry(&app.minter, now, (ActorType::Service, "service"), action, "ceremony")
    };
    let (owner, id) = (tenant.clone(), id.clone());
    let written = app.db.write("set_checked", move |tx| {
        if offline::of(&owner).set_checked(tx, &id, state, record.as_deref(), now)? {
            store::audit::of(&owner).append(tx, &about)?;
        }
        Ok(())
    });
    written.await.map_err(|error: StoreError| Error::from(error))?;
    Ok(state.to_string())
}
