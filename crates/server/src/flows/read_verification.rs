//! Says where an identity check stands.

use domain::access::Deed;
use domain::ids::VerificationId;
use domain::refusal::Refusal;
use domain::verification::Standing;
use store::users::{self, User};
use store::verifications::{self, Verification};
use store::{Rx, StoreError};

use super::{Ctx, Error};
use crate::app::App;

/// An inquiry and whom it is about.
#[derive(Clone)]
pub struct Inquiry {
    /// The inquiry.
    pub verification: Verification,
    /// The user.
    pub user: User,
}

/// The tenant's inquiry of this id.
pub async fn read_verification(app: &App, ctx: &Ctx, id: &str) -> Result<Inquiry, Error> {
    ctx.principal.permit(Deed::ReadVerification)?;
    find(app, ctx, id).await
}

/// The tenant's inquiry of this id, for other flows. Unknown, foreign and malformed ids are answered alike.
pub(super) async fn find(app: &App, ctx: &Ctx, id: &str) -> Result<Inquiry, Error> {
    let id: VerificationId = id.parse().map_err(|_| Refusal::not_found())?;
    let tenant = ctx.principal.tenant.clone();
    let found = app.db.read("find_verification", move |rx| {
        let verification = verifications::of(&tenant).find(rx, &id)?;
        verification.map(|verification| Inquiry::of(rx, &tenant, verification)).transpose()
    });
    Ok(found.await?.ok_or_else(Refusal::not_found)?)
}

/// The tenant's inquiry of this id, if it is about this user.
pub(super) async fn find_of_user(
    app: &App,
    ctx: &Ctx,
    id: &str,
    user_identifier: &str,
) -> Result<Inquiry, Error> {
    let found = find(app, ctx, id).await?;
    if found.user.user_identifier == user_identifier { Ok(found) } else { Err(Refusal::not_found().into()) }
}

impl Inquiry {
    /// The inquiry with its user.
    pub(super) fn of(
        rx: &mut Rx<'_>,
        tenant: &domain::ids::TenantId,
        verification: Verification,
    ) -> Result<Self, StoreError> {
        let user = users::of(tenant).find(rx, &verification.user_id)?;
        // A foreign key guards it.
        let user = user.ok_or(StoreError::NotOne { statement: "the user of an inquiry", rows: 0 })?;
        Ok(Self { verification, user })
    }

    /// What decides whether it opens a door.
    pub fn standing(&self) -> Standing {
        standing(&self.verification)
    }
}

/// What decides whether an inquiry opens a door.
pub(super) fn standing(verification: &Verification) -> Standing {
    Standing {
        state: verification.state,
        approved_at: verification.approved_at,
        window_closed_at: verification.window_closed_at,
    }
}
