//! Applies a provider's signed event: the enclave verifies the raw bytes, they are kept, the inquiry moves.

use boundary::message::{Admit, Admitted, Refusal as EnclaveRefusal};
use domain::audit::ActorType;
use domain::ids::TenantId;
use domain::refusal::{Kind, Refusal};
use domain::review::ReviewWhy;
use domain::time::Timestamp;
use domain::verification::InquiryState;
use store::provider_events::{self, EventState, ProviderEvent};
use store::verifications::{self, Approval};
use store::{OfTenant, StoreError};

use super::Error;
use super::approvals::{advance_of_check, tell_officers};
use super::move_inquiry::Step;
use super::read_verification::Inquiry;
use crate::app::App;
use crate::edge::enclave::CallError;
use crate::edge::identity::SignedEvent;

/// How often a transition is tried again when another event of the same inquiry comes first.
const TRIES: u32 = 5;

/// How many waiting events are admitted at a time.
const WAITING_MAX: i64 = 100;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Applied, now or before; what is late, doubled or out of order changes nothing by that.
    Applied,
    /// The enclave is away: kept, and applied later.
    Kept,
    /// It names no inquiry of its provider, or the enclave does not accept it for that one.
    NotOurs,
}

/// Applies an event that the sandbox made; with the enclave away it is kept, and applied later.
pub async fn apply_verification_event(
    app: &App,
    signed: SignedEvent,
    now: Timestamp,
    request_id: &str,
) -> Result<(), Error> {
    let raw = unjudged(signed, now).ok_or_else(|| Error::fault("reading an event of our own"))?;
    match admit(app, raw, now, request_id).await? {
        Fate::Applied => Ok(()),
        Fate::Kept => Err(Refusal::unavailable("the enclave").into()),
        Fate::NotOurs => {
            let text = "the enclave does not accept the event";
            Err(Refusal::new(Kind::Forbidden, "event-not-authentic", text).into())
        }
    }
}

/// Applies the events that were kept while the enclave was away. Returns how many were looked at.
pub async fn admit_waiting(app: &App, now: Timestamp) -> Result<usize, Error> {
    let waiting =
        app.db.read("list_waiting_events", move |rx| provider_events::list_received(rx, WAITING_MAX)).await?;
    let count = waiting.len();
    for raw in waiting {
        match admit(app, raw.clone(), now, "service").await? {
            Fate::Applied => {}
            Fate::Kept => return Err(Refusal::unavailable("the enclave").into()),
            Fate::NotOurs => set_aside(app, raw).await?,
        }
    }
    Ok(count)
}

/// The event as a row that nobody has judged; none when it is not about an inquiry.
pub(super) fn unjudged(signed: SignedEvent, now: Timestamp) -> Option<ProviderEvent> {
    let claimed = signed.claimed()?;
    Some(ProviderEvent {
        provider: signed.provider,
        id: claimed.event_id,
        tenant_id: None,
        verification_id: Some(claimed.verification_id.parse().ok()?),
        signature: signed.signature,
        body: signed.body,
        state: EventState::Received,
        received_at: now,
    })
}

/// Gives an event to the enclave, and applies what it proves.
pub(super) async fn admit(
    app: &App,
    raw: ProviderEvent,
    now: Timestamp,
    request_id: &str,
) -> Result<Fate, Error> {
    let Some((tenant, inquiry)) = find(app, &raw).await? else { return Ok(Fate::NotOurs) };
    let asked = Admit {
        ticket: inquiry.verification.ticket.clone(),
        provider: raw.provider.clone(),
        body: raw.body.clone(),
        signature: raw.signature.clone(),
    };
    let admitted = match app.enclave.admit(asked).await {
        Ok(admitted) => admitted,
        Err(CallError::Refused(EnclaveRefusal::EventNotAuthentic | EnclaveRefusal::SealBroken)) => {
            return Ok(Fate::NotOurs);
        }
        Err(CallError::Refused(EnclaveRefusal::LogUnavailable) | CallError::Away(_) | CallError::Sealed) => {
            keep(app, raw).await?;
            return Ok(Fate::Kept);
        }
        Err(error) => return Err(error.into()),
    };
    apply(app, tenant, inquiry, raw, &admitted, (now, request_id)).await?;
    Ok(Fate::Applied)
}

/// Moves the inquiry, once for each event, however often and by however many it is brought.
async fn apply(
    app: &App,
    tenant: TenantId,
    mut inquiry: Inquiry,
    raw: ProviderEvent,
    admitted: &Admitted,
    (now, request_id): (Timestamp, &str),
) -> Result<(), Error> {
    for _ in 0..TRIES {
        let mut step = step(inquiry.clone(), admitted, &raw.provider, now, request_id);
        if let Some(why) = step.review {
            step.notices = tell_officers(app, &tenant, (&inquiry.verification.id, why), now).await?;
        }
        let (owner, env, minter, judged) = (tenant.clone(), app.env, app.minter.clone(), raw.clone());
        let done = app.db.write("apply_event", move |tx| {
            if provider_events::insert_locked(tx, &judged)? == EventState::Applied {
                return Ok(true);
            }
            let done = step.write(tx, &owner, env, &minter)?;
            if done {
                provider_events::set_applied(tx, &judged, &owner, &step.inquiry.verification.id)?;
            }
            Ok::<_, StoreError>(done)
        });
        if done.await? {
            let id = inquiry.verification.id;
            return advance_of_check(app, &tenant, &id, now, request_id).await;
        }
        inquiry = find(app, &raw).await?.ok_or_else(Refusal::not_found)?.1;
    }
    Err(Error::fault("moving an inquiry that others keep moving"))
}

/// Keeps an event until the enclave is back. Other bytes that came under its id before, unjudged, would hide it:
/// then whoever sent it is to send it again.
pub(super) async fn keep(app: &App, raw: ProviderEvent) -> Result<(), Error> {
    let kept = app.db.write("keep_event", move |tx| {
        if provider_events::insert(tx, &raw)? {
            return Ok(true);
        }
        let there = provider_events::find(tx, &raw.provider, &raw.id)?;
        Ok::<_, StoreError>(there.is_some_and(|there| {
            there.state == EventState::Applied || (there.signature == raw.signature && there.body == raw.body)
        }))
    });
    if kept.await? { Ok(()) } else { Err(Refusal::unavailable("the enclave").into()) }
}

/// The inquiry that an event claims to be about, and whose it is; none for an inquiry of another provider.
pub(super) async fn find(app: &App, raw: &ProviderEvent) -> Result<Option<(TenantId, Inquiry)>, Error> {
    let Some(id) = raw.verification_id.clone() else { return Ok(None) };
    let found = app.db.read("find_verification", move |rx| {
        let Some(OfTenant { tenant_id, row }) = verifications::find_any(rx, &id)? else { return Ok(None) };
        let inquiry = Inquiry::of(rx, &tenant_id, row)?;
        Ok::<_, StoreError>(Some((tenant_id, inquiry)))
    });
    Ok(found.await?.filter(|(_, inquiry)| inquiry.verification.provider == raw.provider))
}

/// Remembers that an event is not to be believed.
async fn set_aside(app: &App, raw: ProviderEvent) -> Result<(), Error> {
    tracing::warn!(
        provider = raw.provider,
        event_id = raw.id,
        "an event was set aside: it is not authentic or fits no inquiry"
    );
    app.db
        .write("set_event_aside", move |tx| provider_events::set_ignored(tx, &raw.provider, &raw.id))
        .await
        .map(|_| ())
        .map_err(|error: StoreError| error.into())
}

/// What an admitted event means for the inquiry.
fn step(inquiry: Inquiry, admitted: &Admitted, provider: &str, now: Timestamp, request_id: &str) -> Step {
    let review = match admitted {
        // Somebody passed, but not the person of the enrolment.
        Admitted { identity_differs: true, .. } => Some(ReviewWhy::IdentityDiffers),
        // Somebody passed at last, where others, or he, had failed time and again.
        Admitted { declined_often: true, .. } => Some(ReviewWhy::DeclinedOften),
        _ => None,
    };
    let reported = match InquiryState::of_event(&admitted.name) {
        // People decide.
        Some(InquiryState::Approved) if review.is_some() => Some(InquiryState::NeedsReview),
        // An approval that proves nothing moves nothing.
        Some(InquiryState::Approved) if admitted.admission.is_none() => None,
        reported => reported,
    };
    let next = reported.filter(|next| inquiry.verification.state.may_become(*next));
    let approval = (next == Some(InquiryState::Approved)).then(|| Approval {
        approved_at: Timestamp::from_ms(admitted.event_at_ms),
        admission: admitted.admission.clone().unwrap_or_default(),
    });
    let asked =
        (next == Some(InquiryState::NeedsReview)).then_some(review.unwrap_or(ReviewWhy::ProviderAsked));
    Step {
        inquiry,
        next,
        approval,
        reported: admitted.name.clone(),
        review: asked,
        reason: review.map(|why| why.to_string()),
        notices: Vec::new(),
        actor: (ActorType::IdentityProvider, provider.to_owned()),
        request_id: request_id.to_owned(),
        now,
    }
}
