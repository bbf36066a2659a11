//! Releases a user's backups to his own OpenPGP key.
//!
//! What is refused here early is refused politely; the enclave decides again, on proof, and believes none of
//! it. "Release intended" is committed before the enclave is asked and the outcome after, so that a crash
//! between leaves a trace that [`super::close_recoveries`] follows up with the enclave's own log.

use std::time::Duration;

use boundary::approval::Demand;
use boundary::json::Value as Json;
use boundary::message::{
    Inspect, ItemOutcome, Recipient, RecipientFault, Refusal as EnclaveRefusal, Released,
};
use domain::access::Deed;
use domain::audit::{Outcome as AuditOutcome, RELEASED, hex};
use domain::backup::BackupState;
use domain::ids::{BackupId, RecoveryId};
use domain::limits::{BACKUPS_PER_USER_MAX, DELIVERIES_MAX};
use domain::recovery::{RecoveryFlow, RecoveryState};
use domain::refusal::{Kind, Refusal};
use domain::verification::recovery_delayed;
use serde_json::{Map, Value};
use store::StoreError;
use store::audit::AuditEntry;
use store::backups::{self, BackupWithKey};
use store::recoveries::{self, Outcome, Recovery};

use super::approvals::{Judging, judging};
use super::cosign_checkpoint::cosign_checkpoint;
use super::freeze_tenant::refuse_frozen;
use super::read_verification::{Inquiry, find_of_user};
use super::release_proof::{build_intent, build_request, open_checksum};
use super::sequence_audit::sequence_audit;
use super::{Ctx, Error, EventData, event, record_refused, tell, told};
use crate::app::App;
use crate::edge::enclave::CallError;

/// The member of a retail call that holds the certificate.
const RETAIL_FIELD: &str = "gpg_public_key";

/// What a retail tenant asks for.
pub struct RecoverRetail {
    /// Whose backups.
    pub user_identifier: String,
    /// On which check.
    pub verification_id: String,
    /// To whom: an ASCII-armoured OpenPGP certificate.
    pub certificate: String,
    /// The tenant's signature for it: a compact JWS.
    pub request_signature: Option<String>,
}

/// What came of it.
pub struct Recovered {
    /// Names the release.
    pub recovery_id: RecoveryId,
    /// Newest first.
    pub items: Vec<RecoveredItem>,
    /// What the enclave signed of it.
    pub record: Option<String>,
}

/// One item.
pub struct RecoveredItem {
    /// Its id.
    pub backup_id: BackupId,
    /// Its name.
    pub item_key: String,
    /// The metadata it was stored with.
    pub metadata: Map<String, Value>,
    /// SHA-256 of the plaintext, lower-case hexadecimal.
    pub checksum: String,
    /// The armoured message and the plaintext's size in bytes; none when the item failed.
    pub message: Option<(Vec<u8>, u32)>,
}

/// Releases everything the user has stored and confirmed. Every refusal of it is recorded too.
pub async fn recover_retail(app: &App, ctx: &Ctx, command: RecoverRetail) -> Result<Recovered, Error> {
    let found = match ctx.principal.permit(Deed::RecoverBackups) {
        Ok(()) => find_of_user(app, ctx, &command.verification_id, &command.user_identifier).await,
        Err(refusal) => Err(refusal.into()),
    };
    let (about, released) = match found {
        Ok(inquiry) => {
            let released = release(app, ctx, &inquiry, command).await;
            (Some(inquiry.verification.id), released)
        }
        Err(error) => (None, Err(error)),
    };
    if let Err(Error::Refused(refusal)) = &released {
        let entry = AuditEntry { verification_id: about, ..ctx.entry(app, "recovery.refused") };
        record_refused(app, ctx, entry, refusal.code).await?;
    }
    released
}

async fn release(
    app: &App,
    ctx: &Ctx,
    inquiry: &Inquiry,
    command: RecoverRetail,
) -> Result<Recovered, Error> {
    refuse_frozen(app, &ctx.principal.tenant, ctx.now).await?;
    let judging = judging(app, ctx, &inquiry.verification.ticket).await?;
    let delay = Duration::from_secs(judging.policy.retail_delay_s.unsigned_abs());
    inquiry.standing().may_recover(delay, app.recovery_window().await?, ctx.now)?;
    if judging.policy.partner_signature == Demand::Required && command.request_signature.is_none() {
        return Err(signature_required().into());
    }
    let certificate = command.certificate.trim().as_bytes().to_vec();
    let recipient = inspect(app, inquiry, &certificate).await?;
    let (recovery, items) = intend(app, ctx, inquiry, &recipient, &judging).await?;
    let proof = (certificate, judging, command.request_signature);
    let request = build_request(app, ctx, inquiry, &recovery, &items, proof).await?;
    let released = match app.enclave.release(request).await {
        Ok(released) if released.items.len() == items.len() => released,
        Ok(_) => return Err(CallError::OutOfProtocol.into()),
        Err(error) => return Err(give_up(app, ctx, inquiry, &recovery, error).await?),
    };
    record_outcome(app, ctx, inquiry, &recovery, &items, &released).await?;
    // So that a checkpoint covers the release before anybody holds what it gave out.
    let tenant = &ctx.principal.tenant;
    if sequence_audit(app, tenant, ctx.now).await.is_err()
        || cosign_checkpoint(app, tenant, ctx.now).await.is_err()
    {
        tracing::debug!("the checkpoint of a release waits for the sequencer");
    }
    answer(app, recovery.id, items, released)
}

/// The recipient that a certificate names, if it may receive and is the one bound at the start.
async fn inspect(app: &App, inquiry: &Inquiry, certificate: &[u8]) -> Result<Recipient, Error> {
    let recipient = inspect_certificate(app, certificate, RETAIL_FIELD).await?;
    match &inquiry.verification.gpg_fingerprint {
        Some(bound) if *bound != recipient.openpgp_fpr => {
            Err(recipient_fault(RecipientFault::OtherFingerprint).into())
        }
        _ => Ok(recipient),
    }
}

/// The recipient that a certificate names, if it may receive; else what is wrong with it, on this field.
pub(super) async fn inspect_certificate(
    app: &App,
    certificate: &[u8],
    field: &str,
) -> Result<Recipient, Error> {
    match app.enclave.inspect(Inspect { certificate: certificate.to_vec() }).await {
        Ok(recipient) => Ok(recipient),
        Err(CallError::Refused(EnclaveRefusal::Recipient(fault))) => {
            Err(Refusal::field(field, recipient_text(fault)).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The recovery of this verification and its items: the first one's if there was one, else a new one, committed
/// before anything is released.
async fn intend(
    app: &App,
    ctx: &Ctx,
    inquiry: &Inquiry,
    recipient: &Recipient,
    judging: &Judging,
) -> Result<(Recovery, Vec<BackupWithKey>), Error> {
    let (tenant, id, user) =
        (ctx.principal.tenant.clone(), inquiry.verification.id.clone(), inquiry.user.id.clone());
    let found = app.db.read("find_recovery", move |rx| {
        let Some(first) = recoveries::of(&tenant).find_by_verification(rx, &id)? else {
            let limit = BACKUPS_PER_USER_MAX.into();
            return Ok((None, backups::of(&tenant).list_confirmed_data_of_user(rx, &user, limit)?));
        };
        let items = backups::of(&tenant).list_by_ids(rx, &item_ids(&first.items))?;
        Ok::<_, StoreError>((Some(first), items))
    });
    let (first, items) = found.await?;
    if let Some(first) = first {
        let same = first.gpg_fingerprint == recipient.openpgp_fpr
            && first.subkey_fingerprint == recipient.enc_subkey_fpr;
        if !same {
            // Somebody may be putting in a key of his own.
            let alarm = recovery_entry(app, ctx, inquiry, &first, "recovery.alarm");
            record_refused(app, ctx, alarm, "other-fingerprint").await?;
        }
        // The enclave delivers again exactly what it delivered, and of such an item nothing is left to say what that was.
        let is_gone = items.iter().any(|item| item.backup.state == BackupState::Deleted);
        return match (same && first.deliveries < DELIVERIES_MAX, is_gone) {
            (false, _) => Err(used(same).into()),
            (true, true) => Err(destroyed().into()),
            (true, false) => Ok((first, items)),
        };
    }
    if items.is_empty() {
        let text = "this user has no confirmed backup; what was stored under a check counts once that check is approved";
        return Err(Refusal::new(Kind::NotFound, "no-backup", text).into());
    }
    let recovery = Recovery {
        id: RecoveryId::new(ctx.now, &mut app.chance()),
        user_id: inquiry.user.id.clone(),
        verification_id: Some(inquiry.verification.id.clone()),
        flow: RecoveryFlow::Retail,
        state: RecoveryState::Releasing,
        gpg_fingerprint: recipient.openpgp_fpr.clone(),
        subkey_fingerprint: recipient.enc_subkey_fpr.clone(),
        intent: build_intent(app, ctx, inquiry, recipient, &items, judging)
            .await?
            .to_canonical()
            .into_bytes(),
        items: items.iter().map(|item| item.backup.id.as_str()).collect::<Value>().to_string(),
        deliveries: 0,
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    let entry = recovery_entry(app, ctx, inquiry, &recovery, "recovery.requested");
    let event =
        event(&app.minter, ctx.now, "recovery.requested", recovery_data(inquiry, &recovery, "requested"));
    let (tenant, env, row) = (ctx.principal.tenant.clone(), app.env, recovery.clone());
    app.db
        .write("intend_release", move |tx| {
            // Two calls at once: one of them intends, the other may repeat itself.
            if !recoveries::of(&tenant).insert(tx, &row)? {
                let text = "another recovery with this verification is running; repeat the call";
                return Err(Error::from(Refusal::new(Kind::Conflict, "recovery-running", text)));
            }
            store::audit::of(&tenant).append(tx, &entry)?;
            Ok(tell(tx, &tenant, env, &event)?)
        })
        .await?;
    Ok((recovery, items))
}

/// Closes a recovery that the enclave refused; one whose end is unknown stays open.
async fn give_up(
    app: &App,
    ctx: &Ctx,
    inquiry: &Inquiry,
    recovery: &Recovery,
    error: CallError,
) -> Result<Error, Error> {
    let CallError::Refused(refusal) = &error else { return Ok(error.into()) };
    let told = match refusal {
        EnclaveRefusal::Recipient(fault) => Error::Refused(recipient_fault(*fault)),
        EnclaveRefusal::SessionUsed => Error::Refused(used(true)),
        EnclaveRefusal::WindowClosed => Error::Refused(Refusal::new(
            Kind::Forbidden,
            "verification-window-closed",
            "the time after this verification's approval is over; start a new verification",
        )),
        EnclaveRefusal::RecoveryDelayed(seconds) => Error::Refused(recovery_delayed((*seconds).into())),
        EnclaveRefusal::SignatureRequired => Error::Refused(signature_required()),
        EnclaveRefusal::SignatureInvalid => Error::Refused(signature_invalid()),
        EnclaveRefusal::ProofFailed | EnclaveRefusal::SealBroken => Error::Refused(Refusal::new(
            Kind::Forbidden,
            "release-refused",
            "the enclave does not accept the proof for this recovery; the operator finds the reason in its log",
        )),
        _ => told(error),
    };
    if recovery.deliveries == 0 {
        let entry = AuditEntry {
            result: AuditOutcome::Failed.to_string(),
            ..recovery_entry(app, ctx, inquiry, recovery, "recovery.failed")
        };
        set_outcome(
            app,
            ctx,
            recovery,
            Outcome { state: RecoveryState::Failed, deliveries: 0 },
            vec![entry],
            None,
        )
        .await?;
    }
    Ok(told)
}

async fn record_outcome(
    app: &App,
    ctx: &Ctx,
    inquiry: &Inquiry,
    recovery: &Recovery,
    items: &[BackupWithKey],
    released: &Released,
) -> Result<(), Error> {
    let out = released.delivery > 0;
    let outcome = Outcome {
        state: if out || recovery.deliveries > 0 { RecoveryState::Released } else { RecoveryState::Failed },
        deliveries: recovery.deliveries.max(released.delivery.into()),
    };
    let mut by_id: Vec<_> = items.iter().map(|item| &item.backup).collect();
    by_id.sort_by(|a, b| a.id.cmp(&b.id));
    let entries = by_id.iter().zip(&released.items).map(|(backup, end)| AuditEntry {
        backup_id: Some(backup.id.clone()),
        key_id: Some(backup.key_id.clone()),
        result: match end {
            ItemOutcome::Message(_) => AuditOutcome::Ok,
            ItemOutcome::Failed => AuditOutcome::Failed,
        }
        .to_string(),
        ..recovery_entry(app, ctx, inquiry, recovery, RELEASED)
    });
    let event = out.then(|| {
        event(&app.minter, ctx.now, "recovery.released", recovery_data(inquiry, recovery, "released"))
    });
    set_outcome(app, ctx, recovery, outcome, entries.collect(), event).await
}

async fn set_outcome(
    app: &App,
    ctx: &Ctx,
    recovery: &Recovery,
    becomes: Outcome,
    entries: Vec<AuditEntry>,
    event: Option<domain::event::Event>,
) -> Result<(), Error> {
    let (tenant, env, id, now) = (ctx.principal.tenant.clone(), app.env, recovery.id.clone(), ctx.now);
    let was = Outcome { state: recovery.state, deliveries: recovery.deliveries };
    app.db
        .write("record_release", move |tx| {
            // Another delivery of the same recovery may have been recorded meanwhile; both are logged.
            recoveries::of(&tenant).set_outcome(tx, &id, was, becomes, now)?;
            for entry in &entries {
                store::audit::of(&tenant).append(tx, entry)?;
            }
            event.as_ref().map_or(Ok(()), |event| tell(tx, &tenant, env, event))
        })
        .await
        .map_err(|error: StoreError| error.into())
}

/// The caller's answer: the items newest first, as they were found, each with its end.
fn answer(
    app: &App,
    recovery_id: RecoveryId,
    items: Vec<BackupWithKey>,
    released: Released,
) -> Result<Recovered, Error> {
    let mut order: Vec<_> = (0..items.len()).collect();
    order.sort_by(|a, b| items[*a].backup.id.cmp(&items[*b].backup.id));
    let mut ends: Vec<Option<ItemOutcome>> = (0..items.len()).map(|_| None).collect();
    for (at, end) in order.into_iter().zip(released.items) {
        ends[at] = Some(end);
    }
    let answered = items.into_iter().zip(ends).map(|(BackupWithKey { backup, .. }, end)| {
        Ok(RecoveredItem {
            checksum: hex(&open_checksum(app, &backup)?),
            backup_id: backup.id,
            item_key: backup.item_key.unwrap_or_default(),
            metadata: serde_json::from_str(&backup.metadata).unwrap_or_default(),
            message: match end {
                Some(ItemOutcome::Message(message)) => Some((message.armoured, message.plaintext_bytes)),
                _ => None,
            },
        })
    });
    let (items, record) = (answered.collect::<Result<_, Error>>()?, released.record);
    Ok(Recovered { recovery_id, items, record })
}

fn item_ids(items: &str) -> Vec<BackupId> {
    let names: Vec<String> = serde_json::from_str(items).unwrap_or_default();
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

fn recovery_entry(app: &App, ctx: &Ctx, inquiry: &Inquiry, recovery: &Recovery, action: &str) -> AuditEntry {
    AuditEntry {
        recovery_id: Some(recovery.id.clone()),
        verification_id: Some(inquiry.verification.id.clone()),
        ..ctx.entry(app, action)
    }
}

/// The data of a recovery's event.
pub(super) fn recovery_data(inquiry: &Inquiry, recovery: &Recovery, state: &str) -> EventData {
    let ids = item_ids(&recovery.items).iter().map(|id| Json::text(id.as_str())).collect();
    vec![
        ("recovery_id", Json::text(recovery.id.to_string())),
        ("backup_ids", Json::List(ids)),
        ("verification_id", Json::text(inquiry.verification.id.to_string())),
        ("user_identifier", Json::text(inquiry.user.user_identifier.clone())),
        ("gpg_fingerprint", Json::text(recovery.gpg_fingerprint.clone())),
        ("state", Json::text(state.to_owned())),
    ]
}

fn signature_required() -> Refusal {
    let text = "this account's policy asks for `request_signature`: a compact JWS by ES256 over the canonical JSON of \
                openpgp_fpr, user_identifier and verification_id, made with one of its request keys";
    Refusal::new(Kind::Forbidden, "request-signature-required", text)
}

fn signature_invalid() -> Refusal {
    let text = "`request_signature` is not one for this recovery by a key of this account's policy: its header must say \
                ES256, and its payload must be exactly the canonical JSON of openpgp_fpr (upper case), user_identifier \
                and verification_id of this call";
    Refusal::new(Kind::Forbidden, "request-signature-invalid", text)
}

fn used(same_key: bool) -> Refusal {
    let text = if same_key {
        "this verification's recovery was delivered as often as it may be; start a new verification"
    } else {
        "this verification was used for another OpenPGP key; start a new verification"
    };
    Refusal::new(Kind::Forbidden, "verification-used", text)
}

fn destroyed() -> Refusal {
    let text = "a key of this verification's recovery was destroyed since its first delivery; start a new verification \
                for what is left";
    Refusal::new(Kind::Forbidden, "verification-used", text)
}

fn recipient_fault(fault: RecipientFault) -> Refusal {
    Refusal::field(RETAIL_FIELD, recipient_text(fault))
}

const fn recipient_text(fault: RecipientFault) -> &'static str {
    match fault {
        RecipientFault::Unreadable => "is not a readable OpenPGP public key block",
        RecipientFault::SecretKey => {
            "is a secret key: send the public key, and treat the secret one as exposed"
        }
        RecipientFault::SeveralKeys => "holds more than one key: send exactly one",
        RecipientFault::Expired => "has expired",
        RecipientFault::Revoked => "is revoked",
        RecipientFault::NoEncryptionKey => "has no key that may encrypt",
        RecipientFault::Weak => {
            "is too weak or of an unsupported kind: use Curve25519, NIST P-256/384/521, or RSA of 2048 bits and more"
        }
        RecipientFault::TooLarge => "is too large",
        RecipientFault::OtherFingerprint => "is not the key that this verification was bound to at its start",
    }
}
