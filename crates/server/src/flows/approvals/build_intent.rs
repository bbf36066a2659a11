//! The one object that names a recovery of Control, and that its voters sign.

use boundary::approval::AclDocument;
use boundary::intent::{self, Flow, Intent};
use boundary::message::Recipient;
use boundary::token::{Ticket, digest_preimage, user_tag_preimage};
use domain::approval::intent_life;
use domain::audit::hex;
use domain::backup::BackupKind;
use domain::ids::{PersonId, VerificationId};
use domain::limits::PACKING_LIFE;
use store::backups::BackupWithKey;

use super::super::release_proof::open_checksum;
use super::super::{Ctx, Error};
use super::request_recovery::Wanted;
use crate::app::App;

/// All that the intent is made of.
pub(super) struct Asked<'a> {
    /// Who asks.
    pub person: &'a PersonId,
    /// For what.
    pub wanted: &'a Wanted,
    /// Under which list.
    pub list: &'a AclDocument,
    /// And its hash.
    pub list_hash: [u8; 32],
    /// To whom.
    pub recipient: &'a Recipient,
    /// Why.
    pub reason: &'a str,
    /// In which session of the enclave's.
    pub ticket: Ticket,
    /// By which check; none: the list demands none.
    pub verification: Option<&'a VerificationId>,
    /// Whether one of the keys is COLD.
    pub is_cold: bool,
}

/// The intent, as it will be signed and shown to the enclave.
pub(super) fn build_intent(app: &App, ctx: &Ctx, asked: &Asked<'_>) -> Result<Intent, Error> {
    let mut items = Vec::new();
    for (found, user_identifier) in asked.wanted.backups.iter().zip(&asked.wanted.users) {
        items.push(intent::Item {
            backup_id: found.backup.id.to_string(),
            key_id: found.backup.key_id.to_string(),
            record_digest: hex(&digest(app, &asked.ticket.tenant_id, user_identifier, found)?),
        });
    }
    items.sort();
    let mut keys: Vec<_> = asked.wanted.private.iter().map(ToString::to_string).collect();
    keys.sort();
    let seconds = |span: i64| std::time::Duration::from_secs(span.unsigned_abs());
    let delay = if asked.is_cold { asked.list.delay_cold_s } else { asked.list.delay_hot_s };
    let life = intent_life(seconds(asked.list.vote_window_s), seconds(delay), PACKING_LIFE);
    Ok(Intent {
        flow: Flow::Control,
        env: app.env,
        tenant_id: asked.ticket.tenant_id.clone(),
        user_tag: hex(&asked.ticket.user_tag),
        verification_id: asked.verification.map(ToString::to_string).unwrap_or_default(),
        items,
        keys,
        acl_id: asked.wanted.acl.id.to_string(),
        reason: asked.reason.to_owned(),
        recipient: intent::Recipient {
            openpgp_fpr: asked.recipient.openpgp_fpr.clone(),
            enc_subkey_fpr: asked.recipient.enc_subkey_fpr.clone(),
            cert_sha256: hex(&asked.recipient.cert_sha256),
        },
        policy_hash: hex(&asked.list_hash),
        policy_version: asked.list.version,
        requested_by: asked.person.to_string(),
        session_nonce: hex(&asked.ticket.nonce),
        not_before_ms: ctx.now.ms(),
        expires_at_ms: (ctx.now + life).ms(),
    })
}

/// What names the bytes of a backup: a file by its own digest, data by the digest of its record.
fn digest(app: &App, tenant: &str, user_identifier: &str, found: &BackupWithKey) -> Result<[u8; 32], Error> {
    let backup = &found.backup;
    if backup.kind == BackupKind::File {
        return backup.stored_sha256.ok_or_else(|| Error::fault("reading a file's digest"));
    }
    let user_tag = app.sha256(&user_tag_preimage(tenant, user_identifier));
    Ok(app.sha256(&digest_preimage(
        tenant,
        &user_tag,
        backup.key_id.as_str(),
        backup.item_key.as_deref().unwrap_or_default(),
        backup.ciphertext.as_deref().unwrap_or_default(),
        &open_checksum(app, backup)?,
    )))
}
