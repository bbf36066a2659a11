//! Puts together what the enclave is asked for a release: the intent, and everything that proves it.

use boundary::intent::{self, Flow, Intent};
use boundary::message::{Recipient, Release, ReleaseItem};
use boundary::token::{Ticket, digest_preimage};
use boundary::wire::Wire as _;
use domain::audit::hex;
use domain::backup::BackupState;
use store::StoreError;
use store::backups::{Backup, BackupWithKey};
use store::recoveries::Recovery;
use store::verifications;

use super::approvals::Judging;
use super::check_items::checksum_place;
use super::key_shares::open_each;
use super::read_verification::Inquiry;
use super::{Ctx, Error};
use crate::app::App;

/// How many approved inquiries of a user are looked through for the sessions of his items.
const SESSIONS_MAX: i64 = 1_000;

/// The one object that names the release.
pub(super) async fn build_intent(
    app: &App,
    ctx: &Ctx,
    inquiry: &Inquiry,
    recipient: &Recipient,
    items: &[BackupWithKey],
    judging: &Judging,
) -> Result<Intent, Error> {
    let ticket = Ticket::take(&mut inquiry.verification.ticket.as_slice())
        .map_err(|_| Error::fault("reading a ticket"))?;
    let mut named = Vec::new();
    for BackupWithKey { backup, .. } in items {
        let preimage = digest_preimage(
            &ticket.tenant_id,
            &ticket.user_tag,
            backup.key_id.as_str(),
            backup.item_key.as_deref().unwrap_or_default(),
            backup.ciphertext.as_deref().unwrap_or_default(),
            &open_checksum(app, backup)?,
        );
        named.push(intent::Item {
            backup_id: backup.id.to_string(),
            key_id: backup.key_id.to_string(),
            record_digest: hex(&app.sha256(&preimage)),
        });
    }
    named.sort();
    Ok(Intent {
        flow: Flow::Retail,
        env: app.env,
        tenant_id: ticket.tenant_id,
        user_tag: hex(&ticket.user_tag),
        verification_id: inquiry.verification.id.to_string(),
        items: named,
        recipient: intent::Recipient {
            openpgp_fpr: recipient.openpgp_fpr.clone(),
            enc_subkey_fpr: recipient.enc_subkey_fpr.clone(),
            cert_sha256: hex(&recipient.cert_sha256),
        },
        policy_hash: hex(&ticket.policy_hash),
        policy_version: judging.opened_under,
        keys: Vec::new(),
        acl_id: String::new(),
        reason: String::new(),
        requested_by: ctx.principal.actor().1.to_owned(),
        session_nonce: hex(&ticket.nonce),
        not_before_ms: ctx.now.ms(),
        expires_at_ms: (ctx.now + app.recovery_window().await?).ms(),
    })
}

/// The whole proof, for the enclave: its own session, the provider's word on it and on the sessions that the
/// items were stored under, the certificate, the items, the tenant's policy and signature.
pub(super) async fn build_request(
    app: &App,
    ctx: &Ctx,
    inquiry: &Inquiry,
    recovery: &Recovery,
    items: &[BackupWithKey],
    (certificate, judging, request_signature): (Vec<u8>, Judging, Option<String>),
) -> Result<Release, Error> {
    let (tenant, user) = (ctx.principal.tenant.clone(), inquiry.user.id.clone());
    let approved = app.db.read("list_sessions", move |rx| {
        verifications::of(&tenant).list_approved_of_user(rx, &user, SESSIONS_MAX)
    });
    let mut admissions: Vec<_> = inquiry.verification.admission.iter().cloned().collect();
    for approved in approved.await.map_err(|error: StoreError| Error::from(error))? {
        let needed = items.iter().any(|item| item.backup.session_id.as_ref() == Some(&approved.session_id));
        if needed && approved.id != inquiry.verification.id {
            admissions.extend(approved.admission);
        }
    }
    let recipient = Recipient {
        openpgp_fpr: recovery.gpg_fingerprint.clone(),
        enc_subkey_fpr: recovery.subkey_fingerprint.clone(),
        cert_sha256: app.sha256(&certificate),
    };
    let intent = build_intent(app, ctx, inquiry, &recipient, items, &judging).await?;
    let held = items.iter().map(|item| (item.backup.key_id.clone(), item.key.held()));
    let sealed = open_each(app, &ctx.principal.tenant, held).await?;
    let mut sorted: Vec<_> = items.iter().collect();
    sorted.sort_by(|a, b| a.backup.id.cmp(&b.backup.id));
    let items = sorted.into_iter().map(|BackupWithKey { backup, .. }| {
        Ok(ReleaseItem {
            item_key: backup.item_key.clone().unwrap_or_default(),
            key: sealed[&backup.key_id].clone(),
            ciphertext: backup.ciphertext.clone().unwrap_or_default(),
            checksum: open_checksum(app, backup)?,
            // Without its record the enclave releases nothing: for what waits for its deletion since the first
            // delivery.
            record: backup
                .record
                .clone()
                .filter(|_| backup.state == BackupState::Confirmed)
                .unwrap_or_default(),
        })
    });
    Ok(Release {
        intent: intent.to_canonical().into_bytes(),
        user_identifier: inquiry.user.user_identifier.clone(),
        ticket: inquiry.verification.ticket.clone(),
        admissions,
        certificate,
        items: items.collect::<Result<_, Error>>()?,
        policies: judging.documents,
        request_signature,
    })
}

/// The plaintext's checksum of a stored item.
pub(super) fn open_checksum(app: &App, backup: &Backup) -> Result<[u8; 32], Error> {
    let sealed = backup.checksum_sealed.as_deref().unwrap_or_default();
    let opened = app.keys.open(checksum_place(&backup.id), sealed)?;
    opened.try_into().map_err(|_| Error::fault("reading a sealed checksum"))
}
