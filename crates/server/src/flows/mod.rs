//! One flow per deed: permitted? look up; decide in `domain`; do what is slow outside any transaction; then one
//! write that carries state, audit entry and events together.

mod admit_call;
mod apply_verification_event;
pub mod approvals;
mod assign_key;
mod authenticate;
mod authenticate_issuer_token;
mod check_items;
mod close_recovery;
mod cosign_checkpoint;
mod create_webhook;
mod damage_backup;
mod delete_backup;
mod delete_webhook;
mod deliver_webhook;
pub mod destruction;
mod end_freezes;
mod erase_subject;
mod exchange_token;
mod expire_inquiries;
mod export_audit;
mod forget_old;
mod freeze_tenant;
mod generate_key;
mod keep_mark;
mod keep_record;
pub mod key_shares;
mod limit_rate;
mod list_audit;
mod list_backups;
mod list_deliveries;
mod list_keys;
mod list_webhooks;
mod manage_credentials;
mod move_inquiry;
mod name_subject;
mod notify;
pub mod offline;
pub mod people;
mod play_customer;
mod read_checkpoint;
mod read_notices;
mod read_verification;
mod receive_provider_event;
mod recover_retail;
mod redeliver;
mod release_proof;
mod repeat_call;
mod reseal_keys;
mod reset_sandbox;
mod rotate_key;
mod rotate_webhook_secret;
mod run_ceremony;
mod send_mail;
mod sequence_audit;
mod set_issuer;
mod simulate_verification;
mod start_verification;
mod store_backup;
mod store_data;
mod store_file;
mod sweep_files;
mod take_pool_key;
mod test_webhook;
mod update_webhook;
mod verify_audit;
mod verify_stored;
mod witness_checkpoint;

pub use admit_call::admit_call;
pub use apply_verification_event::{admit_waiting, apply_verification_event};
pub use assign_key::{AssignKey, assign_key};
pub use authenticate::authenticate;
pub use close_recovery::close_recoveries;
pub use cosign_checkpoint::cosign_all;
pub use create_webhook::{CreateWebhook, create_webhook};
pub use damage_backup::damage_backup;
pub use delete_backup::{delete_backup, end_deletions, restore_backup};
pub use delete_webhook::delete_webhook;
pub use deliver_webhook::{claim_deliveries, deliver_webhook, list_due_webhooks};
pub use end_freezes::end_freezes;
pub use erase_subject::{Erased, erase_subject};
pub use exchange_token::exchange_token;
pub use expire_inquiries::expire_inquiries;
pub(crate) use export_audit::begin_export;
pub use export_audit::{AuditExport, export_audit};
pub use forget_old::forget_old;
pub use freeze_tenant::{FREEZE_PATH, find_freeze, freeze_tenant, read_freeze};
pub use generate_key::{GenerateKey, generate_key};
pub use keep_mark::{Shown, keep_mark, recall_mark, show_mark};
pub use keep_record::{find_record, read_record};
pub use limit_rate::{count_call, count_failure};
pub use list_audit::{AuditQuery, latest_audit, list_audit};
pub use list_backups::{BackupQuery, list_backups, read_backup};
pub use list_deliveries::{Delivered, list_deliveries};
pub use list_keys::{KeyQuery, list_keys, read_key};
pub use list_webhooks::{list_webhooks, read_webhook};
pub use manage_credentials::{
    NewCredential, create_credential, end_credential, insert_credential, list_credentials,
    notify_of_credential, read_credential, revoke_credential,
};
pub use name_subject::find_subject;
use notify::notify_each;
pub use notify::{News, notify};
pub use play_customer::{PlayCustomer, Played, find_played, play_customer};
pub(crate) use read_checkpoint::newest_checkpoint;
pub use read_checkpoint::read_checkpoint;
pub use read_notices::{count_unread, list_kept_mails, list_notices, mark_notices};
pub use read_verification::read_verification;
pub use receive_provider_event::receive_provider_event;
pub use recover_retail::{RecoverRetail, Recovered, recover_retail};
pub use redeliver::redeliver;
pub use repeat_call::{KeptAnswer, NamedRequest, Repeat, Run, begin_named, end_named};
pub use reseal_keys::reseal_keys;
pub use reset_sandbox::reset_sandbox;
pub use rotate_key::{RotateKey, rotate_key};
pub use rotate_webhook_secret::rotate_webhook_secret;
pub use run_ceremony::run_ceremony;
pub use send_mail::{send_mail, take_up_mails};
pub use sequence_audit::sequence_all;
pub use set_issuer::{SetIssuer, delete_issuer, read_issuer, set_issuer};
pub use simulate_verification::simulate_verification;
pub use start_verification::{StartVerification, start_verification};
pub use store_backup::{ItemToStore, StoreBackup, store_backup};
pub use store_data::{StoreData, store_data};
pub use store_file::{StoreFile, store_file};
pub use sweep_files::sweep_files;
pub use test_webhook::test_webhook;
pub use update_webhook::{UpdateWebhook, update_webhook};
pub use verify_audit::{Chain, verify_audit};
pub(crate) use verify_audit::{START, follow_audit};
pub use verify_stored::{Verdict, check_backup, check_key, verify_backup, verify_key};
pub use witness_checkpoint::{Witness, witness_all};

use boundary::Env;
use boundary::json::Value;
use boundary::message::Refusal as EnclaveRefusal;
use domain::access::{Deed, Principal};
use domain::audit::{ActorType, Outcome};
use domain::event::Event;
use domain::ids::{TenantId, WebhookId};
use domain::limits::{PAGE_DEFAULT, PAGE_MAX, UNAVAILABLE_RETRY_AFTER_S};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::audit::AuditEntry;
use store::seal::SealError;
use store::{StoreError, Tx};

use crate::app::App;
use crate::edge::enclave::CallError;
use crate::edge::minter::Minter;
use crate::edge::passkeys::PasskeyError;

/// Who acts, when, and in which call; given to every flow.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// Who.
    pub principal: Principal,
    /// Doing what; the credential was found fit for it. None where a person does what only Control has.
    pub deed: Option<Deed>,
    /// When; read once, at the edge.
    pub now: Timestamp,
    /// In which call.
    pub request_id: String,
    /// The run of that call, if its caller named it.
    pub named: Option<Run>,
}

/// A flow did not succeed.
#[derive(Debug)]
pub enum Error {
    /// A rule says no: all that the caller may be told.
    Refused(Refusal),
    /// Something broke: for the log, never for the caller.
    Fault(Fault),
}

/// Something broke. Has no `Display`, so that its cause cannot slip into an answer.
#[derive(Debug)]
pub struct Fault {
    /// What was being done.
    pub doing: &'static str,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Fault {
    /// The cause and its causes, for the log.
    pub fn chain(&self) -> String {
        let mut next = self.cause.as_deref().map(|cause| cause as &dyn std::error::Error);
        let mut parts = Vec::new();
        while let Some(cause) = next {
            parts.push(cause.to_string());
            next = cause.source();
        }
        parts.join(": ")
    }
}

impl Error {
    /// Something broke, without another error behind it.
    pub fn fault(doing: &'static str) -> Self {
        Self::Fault(Fault { doing, cause: None })
    }

    /// The library of passkeys failed at what does not depend on what anybody sent.
    fn passkey(error: PasskeyError) -> Self {
        Self::Fault(Fault { doing: "asking for a passkey", cause: Some(Box::new(error)) })
    }

    /// The store of files, or the disk that uploads wait on, did not do what it was asked.
    pub fn files_away<E: std::error::Error + Send + Sync + 'static>(error: E) -> Self {
        let fault = Fault { doing: "using the store of files", cause: Some(Box::new(error)) };
        tracing::warn!(cause = fault.chain(), "the store of files is away");
        Self::Refused(Refusal::unavailable("the store of files"))
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let passing = error.is_passing();
        let unknown = matches!(error, StoreError::OutcomeUnknown { .. });
        let fault = Fault { doing: "using the database", cause: Some(Box::new(error)) };
        if !passing && !unknown {
            return Self::Fault(fault);
        }
        tracing::warn!(cause = fault.chain(), "the database is away");
        if unknown {
            let text =
                "the database went away while this was being written: it may be done or not; repeat the call";
            let refusal = Refusal::new(Kind::Unavailable, "outcome-unknown", text);
            return Self::Refused(refusal.retry_after(UNAVAILABLE_RETRY_AFTER_S));
        }
        Self::Refused(Refusal::unavailable("the database"))
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        Self::Fault(Fault { doing: "using the server's keys", cause: Some(Box::new(error)) })
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(EnclaveRefusal::LogUnavailable) | CallError::Away(_) => {
                tracing::warn!(%error, "the enclave is away");
                Self::Refused(Refusal::unavailable("the enclave"))
            }
            CallError::Refused(EnclaveRefusal::RolledBack) => {
                tracing::error!(
                    "the enclave's log is older than what is remembered of it: it answers nothing"
                );
                let text = "the enclave's log is older than what this service remembers of it: it answers nothing before its operator has put that right";
                let refusal = Refusal::new(Kind::Unavailable, "enclave-rolled-back", text);
                Self::Refused(refusal.retry_after(UNAVAILABLE_RETRY_AFTER_S))
            }
            CallError::Refused(EnclaveRefusal::CounterAway) => {
                tracing::warn!("the enclave's counter is away: it releases nothing");
                let text = "the counter by which the enclave knows that its state is not an old copy does not answer: nothing is released until it does, and all else goes on";
                let refusal = Refusal::new(Kind::Unavailable, "enclave-counter-away", text);
                Self::Refused(refusal.retry_after(UNAVAILABLE_RETRY_AFTER_S))
            }
            CallError::Sealed => {
                tracing::warn!("the enclave is sealed");
                Self::Refused(sealed())
            }
            error => Self::Fault(Fault { doing: "asking the enclave", cause: Some(Box::new(error)) }),
        }
    }
}

/// What a caller is told while the holders of the root key's shares have not opened the enclave.
fn sealed() -> Refusal {
    let text = "the enclave is sealed, as after each start: the service goes on by itself once the holders of its root key \
                have opened it; nothing was changed";
    Refusal::new(Kind::Unavailable, "enclave-sealed", text).retry_after(UNAVAILABLE_RETRY_AFTER_S)
}

/// The refusals of the enclave that a caller is told as they are.
fn told(error: CallError) -> Error {
    let refusal = match &error {
        CallError::Refused(EnclaveRefusal::CheckBudgetSpent(seconds)) => Refusal::new(
            Kind::TooMany,
            "check-budget-spent",
            "too many items for this key failed their check; a wrong encryption or checksum repeats on every try",
        )
        .retry_after(*seconds),
        CallError::Refused(EnclaveRefusal::KeyLocked) => Refusal::new(
            Kind::Conflict,
            "key-locked",
            "too many items failed their check under this key: it takes no more, what it guards stays recoverable; get a new key",
        ),
        CallError::Refused(EnclaveRefusal::RecoveryLimit(seconds)) => {
            Refusal::new(Kind::TooMany, "recovery-limit", "this user has recovered too often today").retry_after(*seconds)
        }
        CallError::Refused(EnclaveRefusal::ReleaseLimit(seconds)) => {
            Refusal::new(Kind::TooMany, "release-limit", "too many recoveries were made for this account").retry_after(*seconds)
        }
        CallError::Refused(EnclaveRefusal::Frozen(seconds)) => freeze_tenant::frozen(*seconds),
        _ => return error.into(),
    };
    Error::Refused(refusal)
}

impl Ctx {
    /// Asks again whether the credential may do what it is at, where that must be one of these deeds.
    fn permit_one_of(&self, deeds: &[Deed]) -> Result<(), Error> {
        let Some(deed) = self.deed.filter(|deed| deeds.contains(deed)) else {
            return Err(Error::fault("doing another deed than was admitted"));
        };
        Ok(self.principal.permit(deed)?)
    }

    /// An audit entry of the caller's act; the objects are filled in by the flow.
    fn entry(&self, app: &App, action: &str) -> AuditEntry {
        entry(&app.minter, self.now, self.principal.actor(), action, &self.request_id)
    }
}

/// Writes into the log that the caller's act was refused, in a transaction of its own: there is no other.
async fn record_refused(app: &App, ctx: &Ctx, entry: AuditEntry, reason: &str) -> Result<(), Error> {
    let entry = AuditEntry { result: Outcome::Refused.to_string(), reason: Some(reason.to_owned()), ..entry };
    let tenant = ctx.principal.tenant.clone();
    let recorded = app.db.write("record_refused", move |tx| store::audit::of(&tenant).append(tx, &entry));
    recorded.await.map_err(|error: StoreError| error.into())
}

/// An audit entry of somebody's act.
pub fn entry(
    minter: &Minter,
    now: Timestamp,
    actor: (ActorType, &str),
    action: &str,
    request_id: &str,
) -> AuditEntry {
    AuditEntry {
        id: minter.entry_id(now),
        time: now,
        actor: actor.1.to_owned(),
        actor_type: actor.0.to_string(),
        action: action.to_owned(),
        key_id: None,
        backup_id: None,
        recovery_id: None,
        verification_id: None,
        customer_id: None,
        package_id: None,
        result: Outcome::Ok.to_string(),
        reason: None,
        request_id: request_id.to_owned(),
    }
}

/// An event of now.
fn event(minter: &Minter, now: Timestamp, event_type: &'static str, data: EventData) -> Event {
    Event { id: minter.event_id(now), event_type, created_at: now, data }
}

/// The members of an event; those that do not apply are null.
type EventData = Vec<(&'static str, Value)>;

/// Writes an event into the outbox, for each of the tenant's webhooks that wants it.
fn tell(tx: &mut Tx<'_>, tenant: &TenantId, env: Env, event: &Event) -> Result<(), StoreError> {
    store::events::of(tenant).append(tx, &outgoing(env, event))
}

/// Writes an event into the outbox for one webhook alone.
fn tell_one(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    env: Env,
    event: &Event,
    webhook: &WebhookId,
) -> Result<(), StoreError> {
    store::events::of(tenant).append_for(tx, &outgoing(env, event), webhook)
}

fn outgoing(env: Env, event: &Event) -> store::events::Event {
    store::events::Event {
        id: event.id.clone(),
        r#type: event.event_type.to_owned(),
        body: event.body(env),
        created_at: event.created_at,
    }
}

/// How many entries a page has, of those asked for.
fn page_limit(asked: Option<u32>) -> Result<u32, Refusal> {
    let limit = asked.unwrap_or(PAGE_DEFAULT);
    if (1..=PAGE_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Refusal::field("limit", format!("must be between 1 and {PAGE_MAX}")))
}
