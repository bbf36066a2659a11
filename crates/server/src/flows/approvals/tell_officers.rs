//! Tells officers that an identity check came to them; where there is no officer, the owners, who can invite one.

use domain::ids::{PersonId, TenantId, VerificationId};
use domain::notice::NoticeKind;
use domain::person::Role;
use domain::review::ReviewWhy;
use domain::time::Timestamp;
use store::StoreError;
use store::notices::Notice;

use super::super::Error;
use super::{news, of_role};
use crate::app::App;

/// Where a review is decided.
pub(super) fn review_path(id: &VerificationId) -> String {
    format!("/control/reviews/{id}")
}

/// The notices of a check that came to review.
pub(in crate::flows) async fn tell_officers(
    app: &App,
    tenant: &TenantId,
    (id, why): (&VerificationId, ReviewWhy),
    now: Timestamp,
) -> Result<Vec<Notice>, Error> {
    let mut people = who_has_a_role(app, tenant, &[Role::Officer]).await?;
    if people.is_empty() {
        people = who_has_a_role(app, tenant, &[Role::Owner]).await?;
    }
    let text = match why {
        ReviewWhy::ProviderAsked => "The identity provider leaves it to you.",
        ReviewWhy::IdentityDiffers => "Somebody passed who does not match this user's earlier checks.",
        ReviewWhy::DeclinedOften => "Somebody passed after many checks of this user were declined.",
    };
    let title = "An identity check waits for a decision";
    news(app, now, &people, (NoticeKind::ReviewWanted, title, text, &review_path(id)))
}

/// Everybody who has one of these roles by now.
pub(super) async fn who_has_a_role(
    app: &App,
    tenant: &TenantId,
    roles: &'static [Role],
) -> Result<Vec<PersonId>, Error> {
    let tenant = tenant.clone();
    let people = app.db.read("list_of_roles", move |rx| {
        let mut people = Vec::new();
        for role in roles {
            people.extend(of_role(rx, &tenant, *role)?.into_iter().map(|person| person.id));
        }
        Ok::<_, StoreError>(people)
    });
    people.await.map_err(Into::into)
}
