//! Leads a person to where he proves who he is: the page of the check that he has begun.

use domain::control::Act;
use domain::ids::VerificationId;
use domain::refusal::{Kind, Refusal};
use domain::verification::InquiryState;
use store::{StoreError, users, verifications};

use super::super::{Ctx, Error};
use super::start_person_check::user_identifier;
use super::{control, permitted};
use crate::app::App;

/// The address of the page on which whoever is signed in goes on with a check of his own.
pub async fn open_person_check(app: &App, ctx: &Ctx, id: &str) -> Result<String, Error> {
    let person = permitted(ctx, Act::RequestRecovery)?;
    let id: VerificationId = id.parse().map_err(|_| Refusal::not_found())?;
    let (tenant, name, asked) = (ctx.principal.tenant.clone(), user_identifier(&person), id.clone());
    let found = app.db.read("find_own_check", move |rx| {
        let Some(user) = users::of(&tenant).find_by_identifier(rx, &name)? else { return Ok(None) };
        let check = verifications::of(&tenant).find(rx, &asked)?;
        Ok::<_, StoreError>(check.filter(|check| check.user_id == user.id))
    });
    let check = found.await.map_err(|error: StoreError| Error::from(error))?;
    let is_begun = match check.ok_or_else(Refusal::not_found)?.state {
        InquiryState::Created => false,
        InquiryState::Pending => true,
        _ => {
            let text = "you have done your part of this check, or it has ended";
            return Err(Refusal::new(Kind::Conflict, "inquiry-state", text).into());
        }
    };
    let provider = app.provider.as_ref().ok_or_else(|| Refusal::unavailable("an identity provider"))?;
    let back_to = format!("{}/control", control(app)?.origin);
    let page = provider.page(&id, is_begun, &back_to).await.map_err(|error| {
        tracing::warn!(provider = provider.name(), %error, "an identity provider shows no page of an inquiry");
        Refusal::unavailable("the identity provider").retry_after(error.retry_after_s)
    })?;
    Ok(page.map_or_else(|| format!("/identity/{id}"), String::from))
}
