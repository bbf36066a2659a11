//! Sends events to webhook endpoints: claim, sign, send, record.

use boundary::Env;
use boundary::json::Value as Json;
use domain::audit::ActorType;
use domain::audit::checkpoint::Checkpoint as Told;
use domain::event::Event;
use domain::ids::{TenantId, WebhookId};
use domain::limits::{WEBHOOK_FAILING_MAX, WEBHOOK_LEASE};
use domain::time::Timestamp;
use domain::webhook::{
    AttemptOutcome, DISABLED_EVENT, DeliveryState, DisabledReason, EndpointState, WebhookSecret,
    attempts_max, next_try, read_retry_after, signed_headers,
};
use store::audit::AuditEntry;
use store::checkpoints::{self, Checkpoint};
use store::seal::Place;
use store::webhook_deliveries::{self, Attempt, Claim, Claimed, Due};
use store::webhooks::{self, Endpoint};
use store::{OfTenant, StoreError, Tx};

use super::cosign_checkpoint::is_ours;
use super::create_webhook::{previous_place, secret_place};
use super::keep_mark::mark_text;
use super::{Error, entry, event, tell};
use crate::app::App;

/// One event to be sent to one endpoint.
pub struct Parcel {
    tenant: TenantId,
    endpoint: Endpoint,
    claimed: Claimed,
    /// Size and root of the tenant's audit log when it was last signed.
    checkpoint: Option<String>,
}

/// What a failing endpoint leads to, when it leads to its end.
struct Notice {
    entry: AuditEntry,
    event: Event,
    reason: DisabledReason,
}

/// Endpoints after this one, by their ids, for which something is due.
pub async fn list_due_webhooks(
    app: &App,
    after: Option<WebhookId>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Due>, Error> {
    let due = app.db.read("list_due", move |rx| webhook_deliveries::list_due(rx, after.as_ref(), now, limit));
    due.await.map_err(|error: StoreError| error.into())
}

/// Sets up to `limit` events aside that are due at this endpoint.
pub async fn claim_deliveries(
    app: &App,
    endpoint: WebhookId,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Parcel>, Error> {
    let owner = app.instance.clone();
    let claimed = app.db.write("claim_deliveries", move |tx| {
        let found = webhooks::find_any(tx, &endpoint)?;
        let Some(found) = found.filter(|found| found.row.state == EndpointState::Enabled) else {
            return Ok(None);
        };
        let lease_until = now + WEBHOOK_LEASE;
        let claim = Claim { endpoint: &endpoint, owner: &owner, limit, now, lease_until };
        let checkpoint = checkpoints::of(&found.tenant_id).find_last(tx)?;
        Ok::<_, StoreError>(Some((found, webhook_deliveries::claim(tx, &claim)?, checkpoint)))
    });
    let Some((OfTenant { tenant_id, row }, claimed, last)) = claimed.await? else { return Ok(Vec::new()) };
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    let checkpoint = last.and_then(|last| line_of(app, &tenant_id, &last));
    let parcel = |claimed| Parcel {
        tenant: tenant_id.clone(),
        endpoint: row.clone(),
        claimed,
        checkpoint: checkpoint.clone(),
    };
    Ok(claimed.into_iter().map(parcel).collect())
}

/// What a checkpoint says, as it goes out; nothing, and the operator is told, where the service did not sign that: who
/// keeps the line keeps it as the service's word.
fn line_of(app: &App, tenant: &TenantId, last: &Checkpoint) -> Option<String> {
    if is_ours(app, tenant, last) {
        return Some(Told::line(last.size, &last.root));
    }
    let size = last.size;
    tracing::error!(%tenant, size, "the last checkpoint was not signed by the service as it is: webhooks go without it");
    None
}

/// Sends one event, and writes down what came of it.
pub async fn deliver_webhook(app: &App, parcel: Parcel) -> Result<(), Error> {
    let began_at = app.clock.now();
    let Claimed { event_id, body, tries, round_from } = &parcel.claimed;
    let number = u32::try_from(tries - round_from + 1).unwrap_or(u32::MAX);
    let secrets = secrets(app, &parcel.endpoint, began_at)?;
    let mut headers = signed_headers(event_id.as_str(), began_at, body, &secrets).to_vec();
    headers.push(("holdfast-attempt", format!("{number}/{}", attempts_max())));
    headers.extend(parcel.checkpoint.clone().map(|checkpoint| ("holdfast-checkpoint", checkpoint)));
    // What is remembered is kept already: nobody outside knows more than this service does.
    headers.extend(
        app.enclave.remembered().and_then(|mark| mark_text(&mark)).map(|mark| ("holdfast-mark", mark)),
    );
    let answer = app.outbound.post(&parcel.endpoint.url, &headers, body.clone()).await;
    app.metrics.count_delivery(answer.outcome);
    let now = app.clock.now();
    let attempt = Attempt {
        event_id: event_id.clone(),
        number: tries + 1,
        began_at,
        duration_ms: i64::try_from(now.since(began_at).as_millis()).unwrap_or(i64::MAX),
        outcome: answer.outcome,
        answer_code: answer.status.map(i64::from),
    };
    let retry_after = answer.retry_after.and_then(|text| read_retry_after(&text, now));
    let next = match answer.outcome {
        AttemptOutcome::Acknowledged => (DeliveryState::Delivered, now),
        _ => match next_try(number, retry_after, &mut app.chance()) {
            Some(wait) => (DeliveryState::Pending, now + wait),
            None => (DeliveryState::Parked, now),
        },
    };
    let Parcel { tenant, endpoint, .. } = parcel;
    tracing::debug!(webhook = %endpoint.id, event = %attempt.event_id, outcome = %attempt.outcome, "sent");
    let notices =
        [DisabledReason::Gone, DisabledReason::Failing].map(|reason| notice(app, &endpoint.id, reason, now));
    let env = app.env;
    let recorded = app.db.write("record_attempt", move |tx| {
        if webhook_deliveries::of(&tenant).set_tried(tx, &endpoint.id, &attempt, next, now)? {
            note_health(tx, &tenant, env, (&endpoint.id, attempt.outcome), &notices, now)?;
        }
        Ok::<_, StoreError>(())
    });
    recorded.await.map_err(Error::from)
}

/// Notes how the endpoint fares, and switches it off when it is gone or has failed for too long.
fn note_health(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    env: Env,
    (id, outcome): (&WebhookId, AttemptOutcome),
    [gone, failing]: &[Notice; 2],
    now: Timestamp,
) -> Result<(), StoreError> {
    let endpoints = webhooks::of(tenant);
    if outcome == AttemptOutcome::Acknowledged {
        return endpoints.set_well(tx, id);
    }
    let since = endpoints.set_failing(tx, id, now)?;
    let notice = match outcome {
        AttemptOutcome::Gone => gone,
        _ if since.is_some_and(|since| now.since(since) >= WEBHOOK_FAILING_MAX) => failing,
        _ => return Ok(()),
    };
    if endpoints.set_disabled(tx, id, notice.reason, now)? {
        webhook_deliveries::of(tenant).park_all(tx, id, now)?;
        store::audit::of(tenant).append(tx, &notice.entry)?;
        tell(tx, tenant, env, &notice.event)?;
    }
    Ok(())
}

fn notice(app: &App, id: &WebhookId, reason: DisabledReason, now: Timestamp) -> Notice {
    let data = vec![("webhook_id", Json::text(id.to_string())), ("reason", Json::text(reason.to_string()))];
    let service = (ActorType::Service, "service");
    let entry = AuditEntry {
        reason: Some(format!("webhook {id} {reason}")),
        ..entry(&app.minter, now, service, DISABLED_EVENT, "service")
    };
    Notice { entry, event: event(&app.minter, now, DISABLED_EVENT, data), reason }
}

/// What signs now, the newest first.
fn secrets(app: &App, endpoint: &Endpoint, now: Timestamp) -> Result<Vec<WebhookSecret>, Error> {
    let open = |place: Place<'_>, sealed: &[u8]| {
        let text = app.keys.open(place, sealed).map_err(Error::from)?;
        let secret = String::from_utf8(text).ok().and_then(|text| WebhookSecret::parse(&text));
        secret.ok_or_else(|| Error::fault("reading a webhook's secret"))
    };
    let mut secrets = vec![open(secret_place(&endpoint.id), &endpoint.secret)?];
    let still_signs = endpoint.previous_until.is_some_and(|until| now < until);
    if let Some(previous) = endpoint.previous_secret.as_ref().filter(|_| still_signs) {
        secrets.push(open(previous_place(&endpoint.id), previous)?);
    }
    Ok(secrets)
}
