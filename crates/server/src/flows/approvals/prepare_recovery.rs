//! Has the enclave pack what people have approved, once the delay is over: one OpenPGP message, which is kept under
//! the recovery. An enclave that is away is asked again. Asked again after a crash, it packs again, three times at
//! most.

use boundary::intent::Intent;
use boundary::message::{Ballot, Package, Packaged, Refusal as EnclaveRefusal, Release, ReleaseItem};
use boundary::token::NO_CHECKSUM;
use boundary::wire::Wire as _;
use domain::approval::ControlState;
use domain::audit::ActorType;
use domain::backup::{BackupKind, BackupState};
use domain::ids::{KeyId, TenantId};
use domain::key::KeyEnvironment;
use domain::limits::PACKAGE_LIFE;
use domain::notice::NoticeKind;
use domain::time::Timestamp;
use store::audit::AuditEntry;
use store::backups::{self, BackupWithKey};
use store::control_recoveries;
use store::signed_records::{self, SignedRecord};
use store::{StoreError, keys};

use super::super::freeze_tenant::find_freeze;
use super::super::key_shares::open_each;
use super::super::release_proof::open_checksum;
use super::super::{Error, entry, event, tell};
use super::advance_recovery::{concerned, seconds};
use super::close_keys::{close_keys, closings};
use super::news;
use super::read_policy::newest;
use super::read_recoveries::{ShownRecovery, backup_ids, control_data};
use super::start_person_check::person_name;
use crate::app::App;
use crate::edge::enclave::{CallError, Parcel};

/// What came of an attempt to pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prepared {
    /// The package is there.
    Packed,
    /// It is not its time yet: the delay, or a ceremony.
    Waits,
    /// The enclave does not accept the proof, and never will.
    Refused,
}

/// Shows the enclave the approval, so that its clock of the delay begins. True: the delay's end is known now.
pub(super) async fn begin_delay(
    app: &App,
    tenant: &TenantId,
    shown: &ShownRecovery,
    now: Timestamp,
) -> Result<bool, Error> {
    let is_cold = shown.recovery.key_environment == KeyEnvironment::Cold;
    let delay_s = if is_cold { shown.list.delay_cold_s } else { shown.list.delay_hot_s };
    let release_at = if is_cold || delay_s == 0 {
        // What is offline reckons its own delay; without one there is nothing to begin.
        now + std::time::Duration::from_secs(delay_s.unsigned_abs())
    } else {
        match app.enclave.package(proof(shown, Goods::default())?).await {
            Ok(Parcel::Waits(waiting)) => now + seconds(waiting),
            // Its delay is over, and it looked at what was left out.
            Ok(Parcel::Ready(_)) | Err(CallError::Refused(_)) => now,
            Err(error) => return Err(error.into()),
        }
    };
    set_release_at(app, tenant, shown, release_at, now).await?;
    Ok(true)
}

pub(super) async fn set_release_at(
    app: &App,
    tenant: &TenantId,
    shown: &ShownRecovery,
    at: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    let (tenant, id) = (tenant.clone(), shown.recovery.id.clone());
    let written = app
        .db
        .write("set_release_at", move |tx| control_recoveries::of(&tenant).set_release_at(tx, &id, at, now));
    written.await.map_err(|error: StoreError| error.into())
}

/// Packs, if it is time.
pub(super) async fn pack(
    app: &App,
    tenant: &TenantId,
    shown: &ShownRecovery,
    now: Timestamp,
) -> Result<Prepared, Error> {
    let is_early = shown.recovery.release_at.is_some_and(|at| now < at);
    // Nothing online can open what is held offline: it waits for a ceremony.
    let is_held = is_early || shown.recovery.key_environment == KeyEnvironment::Cold;
    if is_held || find_freeze(app, tenant, now).await?.is_some() {
        return Ok(Prepared::Waits);
    }
    let Some(goods) = gather(app, tenant, shown).await? else { return Ok(Prepared::Refused) };
    let packed = match app.enclave.package(proof(shown, goods)?).await {
        Ok(Parcel::Ready(packed)) => packed,
        Ok(Parcel::Waits(waiting)) => {
            set_release_at(app, tenant, shown, now + seconds(waiting), now).await?;
            return Ok(Prepared::Waits);
        }
        Err(CallError::Refused(EnclaveRefusal::ReleaseLimit(wait) | EnclaveRefusal::RecoveryLimit(wait))) => {
            set_release_at(app, tenant, shown, now + seconds(wait), now).await?;
            return Ok(Prepared::Waits);
        }
        // An owner may end it any time, so there is no telling when to come back.
        Err(CallError::Refused(EnclaveRefusal::Frozen(_))) => return Ok(Prepared::Waits),
        Err(CallError::Refused(EnclaveRefusal::LogUnavailable) | CallError::Away(_)) => {
            return Err(domain::refusal::Refusal::unavailable("the enclave").into());
        }
        Err(error @ CallError::Refused(EnclaveRefusal::CounterAway | EnclaveRefusal::RolledBack)) => {
            return Err(error.into());
        }
        Err(CallError::Refused(refusal)) => {
            tracing::warn!(recovery_id = %shown.recovery.id, ?refusal, "the enclave does not pack a recovery");
            return Ok(Prepared::Refused);
        }
        Err(error) => return Err(error.into()),
    };
    keep(app, tenant, shown, packed, now).await?;
    Ok(Prepared::Packed)
}

/// What is packed, and the policies whose limits may apply to it.
#[derive(Default)]
pub(super) struct Goods {
    items: Vec<ReleaseItem>,
    keys: Vec<Vec<u8>>,
    policies: Vec<Vec<u8>>,
}

/// All that proves it: the list, the ballots that count, the checks, the certificate.
pub(super) fn proof(shown: &ShownRecovery, Goods { items, keys, policies }: Goods) -> Result<Package, Error> {
    let counted = shown.votes.iter().filter(|cast| cast.counts());
    let ballots = counted.clone().map(|cast| Ballot::take(&mut cast.vote.ballot.as_slice()));
    let ballots = ballots.collect::<Result<_, _>>().map_err(|_| Error::fault("reading a ballot"))?;
    let own = shown.admission.iter().cloned();
    let voters = counted.filter(|cast| cast.vote.approve).filter_map(|cast| cast.admission.clone());
    Ok(Package {
        release: Release {
            intent: shown.recovery.intent.clone(),
            user_identifier: person_name(&shown.recovery.asked_by),
            ticket: shown.recovery.ticket.clone(),
            admissions: own.chain(voters).collect(),
            certificate: shown.recovery.certificate.clone(),
            items,
            policies,
            request_signature: None,
        },
        acl: boundary::approval::Document::to_canonical(&shown.list).into_bytes(),
        ballots,
        keys,
    })
}

/// The items and sealed keys of the intent, in its order; none when one of them is not there any more.
pub(super) async fn gather(
    app: &App,
    tenant: &TenantId,
    shown: &ShownRecovery,
) -> Result<Option<Goods>, Error> {
    let intent = intent_of(shown)?;
    let (owner, ids) = (tenant.clone(), backup_ids(&shown.recovery));
    let private = private_keys(&intent);
    let found = app.db.read("find_items", move |rx| {
        let items = backups::of(&owner).list_by_ids(rx, &ids)?;
        let mut sealed = Vec::new();
        for id in &private {
            sealed.extend(keys::of(&owner).find(rx, id)?.map(|key| (key.id.clone(), key.held())));
        }
        Ok::<_, StoreError>((items, sealed))
    });
    let (found, sealed) = found.await?;
    let is_whole = found.len() == intent.items.len()
        && sealed.len() == intent.keys.len()
        && found.iter().all(|found| found.backup.state == BackupState::Confirmed);
    if !is_whole {
        return Ok(None);
    }
    let of_items = found.iter().map(|found| (found.backup.key_id.clone(), found.key.held()));
    let opened = open_each(app, tenant, of_items.chain(sealed.iter().cloned())).await?;
    let keys = sealed.iter().map(|(id, _)| opened[id].clone()).collect();
    let mut items = Vec::new();
    for BackupWithKey { backup, .. } in found {
        let is_file = backup.kind == BackupKind::File;
        let (ciphertext, checksum) = if is_file {
            (read_file(app, tenant, &backup.id).await?, NO_CHECKSUM)
        } else {
            (backup.ciphertext.clone().unwrap_or_default(), open_checksum(app, &backup)?)
        };
        items.push(ReleaseItem {
            item_key: backup.item_key.clone().unwrap_or_default(),
            key: opened[&backup.key_id].clone(),
            ciphertext,
            checksum,
            record: backup.record.clone().filter(|_| !is_file).unwrap_or_default(),
        });
    }
    let policies =
        newest(app, tenant).await?.into_iter().map(|policy| policy.document.into_bytes()).collect();
    Ok(Some(Goods { items, keys, policies }))
}

fn intent_of(shown: &ShownRecovery) -> Result<Intent, Error> {
    Intent::from_canonical(&shown.recovery.intent)
        .ok_or_else(|| Error::fault("reading the intent of a recovery"))
}

/// The keys whose private halves go out.
fn private_keys(intent: &Intent) -> Vec<KeyId> {
    intent.keys.iter().filter_map(|id| id.parse().ok()).collect()
}

async fn read_file(app: &App, tenant: &TenantId, backup: &domain::ids::BackupId) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = app.files.blobs.read(tenant, backup, |piece| bytes.extend_from_slice(piece)).await;
    // A file that is not there has no bytes, and the enclave says so of that item.
    read.map_err(Error::files_away)?;
    Ok(bytes)
}

/// What came of keeping a package.
enum Kept {
    ForGood,
    /// Somebody else was first, or the recovery was stopped: the hash of the package that holds, if there is one.
    InVain(Option<[u8; 32]>),
}

/// Keeps the package, and then says that it is there.
pub(super) async fn keep(
    app: &App,
    tenant: &TenantId,
    shown: &ShownRecovery,
    Packaged { message, record, .. }: Packaged,
    now: Timestamp,
) -> Result<(), Error> {
    let recovery = &shown.recovery;
    let record = SignedRecord { about: recovery.id.to_string(), record, made_at: now };
    let package = control_recoveries::Package {
        sha256: app.sha256(&message),
        size: i64::try_from(message.len()).unwrap_or(i64::MAX),
        keep_until: now + PACKAGE_LIFE,
    };
    let blobs = &app.files.blobs;
    blobs.put_package(tenant, &recovery.id, &package.sha256, message).await.map_err(Error::files_away)?;
    let about = entry(&app.minter, now, (ActorType::Service, "service"), "recovery.released", "service");
    let about = AuditEntry {
        recovery_id: Some(recovery.id.clone()),
        verification_id: recovery.verification_id.clone(),
        ..about
    };
    // Each backup's own history says that it went out.
    let entries: Vec<_> = shown
        .backups
        .iter()
        .map(|backup| AuditEntry {
            id: app.minter.entry_id(now),
            backup_id: Some(backup.id.clone()),
            key_id: Some(backup.key_id.clone()),
            customer_id: backup.customer_id.clone(),
            package_id: backup.package_id.clone(),
            ..about.clone()
        })
        .chain(shown.backups.is_empty().then(|| about.clone()))
        .collect();
    let closed = closings(app, private_keys(&intent_of(shown)?), &about);
    let told = event(&app.minter, now, "recovery.released", control_data(recovery, "ready"));
    let title = format!("Your recovery is ready: {}", shown.list.name);
    let text = "Download it within seven days. It is encrypted to the OpenPGP key that you gave.";
    let link = format!("/control/recoveries/{}", recovery.id);
    let asked_by = std::slice::from_ref(&recovery.asked_by);
    let mut notices = news(app, now, asked_by, (NoticeKind::RecoveryReady, &title, text, &link))?;
    let mut others = concerned(shown);
    others.retain(|person| *person != recovery.asked_by);
    let title = format!("A recovery was released: {}", shown.list.name);
    let text =
        format!("It goes to whoever asked, encrypted to the OpenPGP key {}.", recovery.gpg_fingerprint);
    notices.extend(news(app, now, &others, (NoticeKind::RecoveryReady, &title, &text, &link))?);
    let (owner, env, id) = (tenant.clone(), app.env, recovery.id.clone());
    let written = app.db.write("keep_package", move |tx| {
        let step = (ControlState::Preparing, ControlState::Ready);
        if !control_recoveries::of(&owner).set_state(tx, &id, step, None, now)? {
            return Ok(Kept::InVain(
                control_recoveries::of(&owner).find(tx, &id)?.and_then(|found| found.package_sha256),
            ));
        }
        control_recoveries::of(&owner).set_package(tx, &id, &package)?;
        close_keys(tx, &owner, &closed)?;
        signed_records::of(&owner).set_last(tx, &record)?;
        entries.iter().try_for_each(|entry| store::audit::of(&owner).append(tx, entry))?;
        notices.iter().try_for_each(|notice| store::notices::of(&owner).append(tx, notice))?;
        tell(tx, &owner, env, &told)?;
        Ok(Kept::ForGood)
    });
    let kept: Result<_, StoreError> = written.await;
    if let Kept::InVain(holds) = kept? {
        let its = [recovery.id.clone()].into();
        blobs.remove_packages(tenant, &its, holds.as_ref()).await.map_err(Error::files_away)?;
    }
    Ok(())
}
