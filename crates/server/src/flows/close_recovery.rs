//! Closes recoveries that a crash left open, by the enclave's own log.

use boundary::message::Recall;
use domain::audit::{ActorType, Outcome as AuditOutcome, RELEASED};
use domain::limits::ENCLAVE_DEADLINE;
use domain::recovery::RecoveryState;
use domain::time::Timestamp;
use store::audit::AuditEntry;
use store::recoveries::{self, Outcome, Recovery};
use store::{OfTenant, StoreError, verifications};

use super::read_verification::Inquiry;
use super::recover_retail::recovery_data;
use super::{Error, entry, event, tell};
use crate::app::App;

/// How many are closed at a time.
const PAGE: i64 = 100;

/// Asks the enclave what became of each release that was intended so long ago that no call can still be
/// waiting for it. Returns how many were closed.
pub async fn close_recoveries(app: &App, now: Timestamp) -> Result<usize, Error> {
    let settled_by = now - ENCLAVE_DEADLINE * 2;
    let open = app.db.read("list_open_recoveries", move |rx| {
        let open = recoveries::list_in_state(rx, RecoveryState::Releasing, settled_by, PAGE)?;
        let with_inquiry = open.into_iter().map(|OfTenant { tenant_id, row }| {
            let found = row.verification_id.as_ref().map(|id| verifications::of(&tenant_id).find(rx, id));
            // A retail recovery always has its inquiry; foreign keys guard it.
            let missing = StoreError::NotOne { statement: "the inquiry of a recovery", rows: 0 };
            let inquiry = Inquiry::of(rx, &tenant_id, found.transpose()?.flatten().ok_or(missing)?)?;
            Ok((tenant_id, row, inquiry))
        });
        with_inquiry.collect::<Result<Vec<_>, StoreError>>()
    });
    let open = open.await?;
    let count = open.len();
    for (tenant, recovery, inquiry) in open {
        let recalled = app.enclave.recall(Recall { ticket: inquiry.verification.ticket.clone() }).await?;
        // What was intended and not logged as released did not go out: the enclave logs it before it answers.
        let out = recalled
            .deliveries
            .iter()
            .filter(|delivery| delivery.items_released.is_some_and(|items| items > 0));
        let deliveries = i64::try_from(out.count()).unwrap_or(i64::MAX);
        let state = if deliveries > 0 { RecoveryState::Released } else { RecoveryState::Failed };
        let (was, becomes) = (
            Outcome { state: recovery.state, deliveries: recovery.deliveries },
            Outcome { state, deliveries },
        );
        let entry = closing_entry(app, &recovery, state, now);
        let event = (state == RecoveryState::Released).then(|| {
            let data = recovery_data(&inquiry, &recovery, "released");
            event(&app.minter, now, "recovery.released", data)
        });
        let env = app.env;
        app.db
            .write("close_recovery", move |tx| {
                if recoveries::of(&tenant).set_outcome(tx, &recovery.id, was, becomes, now)? {
                    store::audit::of(&tenant).append(tx, &entry)?;
                    event.as_ref().map_or(Ok(()), |event| tell(tx, &tenant, env, event))?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
    }
    Ok(count)
}

fn closing_entry(app: &App, recovery: &Recovery, state: RecoveryState, now: Timestamp) -> AuditEntry {
    let (action, result) = match state {
        RecoveryState::Released => (RELEASED, AuditOutcome::Ok),
        RecoveryState::Releasing | RecoveryState::Failed => ("recovery.failed", AuditOutcome::Failed),
    };
    AuditEntry {
        recovery_id: Some(recovery.id.clone()),
        verification_id: recovery.verification_id.clone(),
        result: result.to_string(),
        reason: Some("by-the-enclaves-log".to_owned()),
        ..entry(&app.minter, now, (ActorType::Service, "service"), action, "service")
    }
}
