//! Moves an inquiry, in one transaction with all that follows from the move: an approval confirms what was
//! stored under it, any other end deletes it.

use boundary::Env;
use boundary::json::Value as Json;
use domain::audit::ActorType;
use domain::ids::TenantId;
use domain::review::{ReviewState, ReviewWhy};
use domain::time::Timestamp;
use domain::verification::InquiryState;
use store::audit::AuditEntry;
use store::backups::{self, Changed};
use store::notices::Notice;
use store::verifications::{self, Approval};
use store::{StoreError, Tx};
use store::{reviews, users};

use super::read_verification::Inquiry;
use super::start_verification::inquiry_data;
use super::{EventData, entry, event, tell};
use crate::edge::minter::Minter;

/// One step of an inquiry.
pub(super) struct Step {
    /// The inquiry, as it was when the step was decided.
    pub inquiry: Inquiry,
    /// Where it goes; none when the event is only reported.
    pub next: Option<InquiryState>,
    /// What proves it, when it goes to approved.
    pub approval: Option<Approval>,
    /// The provider's name of the event.
    pub reported: String,
    /// Why it is to be reviewed, when it is.
    pub review: Option<ReviewWhy>,
    /// Why it moves, for the log.
    pub reason: Option<String>,
    /// Whom it concerns that it does.
    pub notices: Vec<Notice>,
    /// Who moves it.
    pub actor: (ActorType, String),
    /// In which call.
    pub request_id: String,
    /// When.
    pub now: Timestamp,
}

impl Step {
    /// Writes the step. False, with nothing written, when the inquiry has moved since the step was decided.
    pub fn write(
        &self,
        tx: &mut Tx<'_>,
        tenant: &TenantId,
        env: Env,
        minter: &Minter,
    ) -> Result<bool, StoreError> {
        let Some(event_type) = self.event_type() else { return Ok(true) };
        if !self.moves(tx, tenant)? {
            return Ok(false);
        }
        let verification = &self.inquiry.verification;
        let state = self.next.unwrap_or(verification.state);
        store::audit::of(tenant).append(tx, &self.entry(event_type, minter))?;
        self.review(tx, tenant)?;
        if users::of(tenant).find_person(tx, &self.inquiry.user.id)?.is_some() {
            // Somebody of Control is no customer of the tenant's, and nothing is stored under his checks.
            return Ok(true);
        }
        let data = inquiry_data(&verification.id, &self.inquiry.user.user_identifier, state, self.now);
        tell(tx, tenant, env, &event(minter, self.now, event_type, data))?;
        let (settled, event_type) = match self.next {
            Some(InquiryState::Approved) => (
                backups::of(tenant).confirm_of_verification(tx, &verification.id, self.now)?,
                "backup.confirmed",
            ),
            Some(next) if next.is_final() => (
                backups::of(tenant).delete_unconfirmed_of_verification(tx, &verification.id, self.now)?,
                "backup.deleted",
            ),
            _ => return Ok(true),
        };
        for backup in settled {
            let entry = AuditEntry {
                backup_id: Some(backup.id.clone()),
                key_id: Some(backup.key_id.clone()),
                ..self.entry(event_type, minter)
            };
            store::audit::of(tenant).append(tx, &entry)?;
            tell(tx, tenant, env, &event(minter, self.now, event_type, self.backup_data(&backup)))?;
        }
        Ok(true)
    }

    /// Puts the inquiry up for review, or ends its review.
    fn review(&self, tx: &mut Tx<'_>, tenant: &TenantId) -> Result<(), StoreError> {
        let verification = &self.inquiry.verification;
        match (self.review, self.next) {
            (Some(why), _) => reviews::of(tenant).insert(tx, &verification.id, why, self.now)?,
            (None, Some(next)) if next.is_final() && verification.state == InquiryState::NeedsReview => {
                let approved = next == InquiryState::Approved;
                let end = if approved { ReviewState::Approved } else { ReviewState::Declined };
                reviews::of(tenant).set_ended(tx, &verification.id, end, self.now)?;
            }
            _ => {}
        }
        self.notices.iter().try_for_each(|notice| store::notices::of(tenant).append(tx, notice))
    }

    /// What is reported; none for an event that is late, doubled or unknown: acknowledged, and nothing happens.
    fn event_type(&self) -> Option<&'static str> {
        match (self.next, self.reported.as_str()) {
            (Some(next), _) => Some(next.event_type()),
            (None, "verification.passed") => Some("verification.passed"),
            (None, "verification.failed") => Some("verification.failed"),
            (None, _) => None,
        }
    }

    fn moves(&self, tx: &mut Tx<'_>, tenant: &TenantId) -> Result<bool, StoreError> {
        let verification = &self.inquiry.verification;
        match (self.next, &self.approval) {
            (None, _) => Ok(true),
            (Some(_), Some(approval)) => verifications::of(tenant).set_approved(
                tx,
                &verification.id,
                verification.state,
                approval,
                self.now,
            ),
            (Some(next), None) => {
                verifications::of(tenant).set_state(tx, &verification.id, verification.state, next, self.now)
            }
        }
    }

    fn entry(&self, action: &str, minter: &Minter) -> AuditEntry {
        AuditEntry {
            verification_id: Some(self.inquiry.verification.id.clone()),
            reason: self.reason.clone(),
            ..entry(minter, self.now, (self.actor.0, &self.actor.1), action, &self.request_id)
        }
    }

    fn backup_data(&self, backup: &Changed) -> EventData {
        vec![
            ("backup_id", Json::text(backup.id.to_string())),
            ("key_id", Json::text(backup.key_id.to_string())),
            ("backup_type", Json::text(backup.kind.to_string())),
            ("item_key", Json::text_or_null(backup.item_key.as_deref())),
            ("verification_id", Json::text(self.inquiry.verification.id.to_string())),
            ("user_identifier", Json::text(self.inquiry.user.user_identifier.clone())),
        ]
    }
}
