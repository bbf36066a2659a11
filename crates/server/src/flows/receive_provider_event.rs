//! Takes what a provider's webhook brings. Nobody has shown a credential: the signature decides, and the enclave
//! alone can tell whether it holds.

use boundary::message::{Refusal as EnclaveRefusal, Verify};
use domain::limits::UNJUDGED_EVENTS_MAX;
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::StoreError;
use store::provider_events;

use super::Error;
use super::apply_verification_event::{Fate, admit, find, keep, unjudged};
use crate::app::App;
use crate::edge::enclave::CallError;
use crate::edge::identity::{Provider, SignedEvent};

/// Takes a provider's event. One that is genuine is acknowledged, also where it means nothing to us: an unknown
/// event, an unknown inquiry, the second coming of either. One that is not is refused, and nothing of it is kept.
pub async fn receive_provider_event(
    app: &App,
    signed: SignedEvent,
    now: Timestamp,
    request_id: &str,
) -> Result<(), Error> {
    if app.provider.as_ref().map(Provider::name) != Some(signed.provider.as_str()) {
        return Err(not_authentic().into());
    }
    let asked = Verify {
        provider: signed.provider.clone(),
        body: signed.body.clone(),
        signature: signed.signature.clone(),
    };
    match app.enclave.verify(asked).await {
        Ok(_) => {}
        Err(CallError::Refused(EnclaveRefusal::EventNotAuthentic | EnclaveRefusal::Malformed)) => {
            return Err(not_authentic().into());
        }
        Err(error @ (CallError::Away(_) | CallError::Sealed)) => {
            tracing::warn!(%error, "an event is kept until the enclave can judge it");
            return keep_unjudged(app, signed, now).await;
        }
        Err(error) => return Err(error.into()),
    }
    let Some(raw) = unjudged(signed, now) else { return Ok(()) };
    let (provider, event_id) = (raw.provider.clone(), raw.id.clone());
    if admit(app, raw, now, request_id).await? == Fate::NotOurs {
        tracing::info!(provider, event_id, "a genuine event was left alone: it fits no inquiry of ours");
    }
    Ok(())
}

fn not_authentic() -> Refusal {
    Refusal::new(Kind::Unauthenticated, "event-not-authentic", "no signature of the event holds")
}

/// Keeps what may be genuine until the enclave can tell. Anybody can send it, so there is room for a few events of
/// an inquiry that is still open, and for no others: those the provider sends again.
async fn keep_unjudged(app: &App, signed: SignedEvent, now: Timestamp) -> Result<(), Error> {
    let away = || Error::from(Refusal::unavailable("the enclave"));
    let raw = unjudged(signed, now).ok_or_else(away)?;
    let (_, inquiry) = find(app, &raw).await?.ok_or_else(away)?;
    let (provider, id) = (raw.provider.clone(), inquiry.verification.id);
    let waiting =
        app.db.read("count_waiting_events", move |rx| provider_events::count_received(rx, &provider, &id));
    let waiting = waiting.await.map_err(|error: StoreError| Error::from(error))?;
    if inquiry.verification.state.is_final() || waiting >= UNJUDGED_EVENTS_MAX {
        return Err(away());
    }
    keep(app, raw).await
}
