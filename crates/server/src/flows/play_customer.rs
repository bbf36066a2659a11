//! Plays the person who is checked, on the sandbox's identity page. Whoever knows the inquiry's id may: it is
//! what a provider's page is opened with, and nothing in a sandbox is worth more.

use domain::ids::{TenantId, VerificationId};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use domain::verification::{Action, InquiryState};
use store::verifications;
use store::{OfTenant, StoreError};

use super::Error;
use super::read_verification::Inquiry;
use super::simulate_verification::{Play, play_provider};
use crate::app::App;
use crate::edge::identity::simulated::{self, Person};

/// What the person does.
pub struct PlayCustomer {
    /// In which inquiry.
    pub verification_id: String,
    /// The end that it comes to.
    pub action: Action,
    /// Who stands before the camera.
    pub person: Person,
}

/// An inquiry that can be played, and whom its user is played by.
pub struct Played {
    tenant: TenantId,
    /// The inquiry.
    pub inquiry: Inquiry,
    /// The person as whom the user enrols.
    pub person: Person,
}

/// What a person can do; what follows is the provider's or an officer's.
const DEEDS: [Action; 5] =
    [Action::Start, Action::Approve, Action::MarkForReview, Action::Fail, Action::Expire];

impl Played {
    /// What the person can do where the inquiry stands; nothing once an officer is to decide, or has.
    pub fn offered(&self) -> Vec<Action> {
        let state = self.inquiry.verification.state;
        let fits = |action: &Action| state != InquiryState::NeedsReview && action.permitted(state).is_ok();
        DEEDS.into_iter().filter(fits).collect()
    }
}

/// Looks an inquiry up for its page; unknown, malformed and a real provider's are one.
pub async fn find_played(app: &App, id: &str) -> Result<Played, Error> {
    let id: VerificationId = id.parse().map_err(|_| Refusal::not_found())?;
    let found = app.db.read("find_verification", move |rx| {
        let Some(OfTenant { tenant_id, row }) = verifications::find_any(rx, &id)? else { return Ok(None) };
        let inquiry = Inquiry::of(rx, &tenant_id, row)?;
        Ok::<_, StoreError>(Some((tenant_id, inquiry)))
    });
    let found = found.await?.filter(|(_, inquiry)| inquiry.verification.provider == simulated::NAME);
    let (tenant, inquiry) = found.ok_or_else(Refusal::not_found)?;
    let person = Person::of_user(tenant.as_str(), &inquiry.user.user_identifier);
    Ok(Played { tenant, inquiry, person })
}

/// Does it, by the way that a real provider's event takes.
pub async fn play_customer(
    app: &App,
    command: PlayCustomer,
    now: Timestamp,
    request_id: &str,
) -> Result<(), Error> {
    let sandbox = app.sandbox.as_ref().ok_or_else(Refusal::no_such_path)?;
    let played = find_played(app, &command.verification_id).await?;
    let (inquiry, action, person) = (&played.inquiry, command.action, Some(&command.person));
    if !played.offered().contains(&action) {
        let text =
            format!("{action} is not the person's to do while the inquiry is {}", inquiry.verification.state);
        return Err(Refusal::new(Kind::Conflict, "inquiry-state", text).into());
    }
    let play = Play { tenant: &played.tenant, inquiry, action, person };
    play_provider(app, sandbox, play, now, request_id).await
}
