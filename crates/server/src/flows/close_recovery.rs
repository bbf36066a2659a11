//! Closes recoveries that a crash left open, by the enclave's own log.

use boundary::json::Value as Json;
use boundary::message::Recall;
use domain::audit::{ActorType, Outcome as AuditOutcome};
use domain::ids::VerificationId;
use domain::limits::ENCLAVE_DEADLINE;
use domain::recovery::RecoveryState;
use domain::time::Timestamp;
use store::audit::AuditEntry;
use store::recoveries::{self, Outcome, Recovery};
use store::{OfTenant, StoreError, verifications};

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
        let with_ticket = open.into_iter().map(|OfTenant { tenant_id, row }| {
            let found = row.verification_id.as_ref().map(|id| verifications::of(&tenant_id).find(rx, id));
            let ticket = found.transpose()?.flatten().map(|verification| verification.ticket);
            Ok((tenant_id, row, ticket.unwrap_or_default()))
        });
        with_ticket.collect::<Result<Vec<_>, StoreError>>()
    });
    let open = open.await?;
    let count = open.len();
    for (tenant, recovery, ticket) in open {
        let recalled = app.enclave.recall(Recall { ticket }).await?;
        // Intended and not recorded as released may still have gone out: it counts as a delivery.
        let deliveries = i64::try_from(recalled.deliveries.len()).unwrap_or(i64::MAX);
        let state = if deliveries > 0 { RecoveryState::Released } else { RecoveryState::Failed };
        let (was, becomes) = (
            Outcome { state: recovery.state, deliveries: recovery.deliveries },
            Outcome { state, deliveries },
        );
        let entry = closing_entry(app, &recovery, state, now);
        let event = (state == RecoveryState::Released).then(|| {
            let data = vec![
                ("recovery_id", Json::text(recovery.id.as_str())),
                (
                    "verification_id",
                    Json::text_or_null(recovery.verification_id.as_ref().map(VerificationId::as_str)),
                ),
                ("gpg_fingerprint", Json::text(&recovery.gpg_fingerprint)),
                ("state", Json::text("released")),
            ];
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
        RecoveryState::Released => ("recovery.released", AuditOutcome::Ok),
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
