//! `/control/freeze`: the account's emergency brake, and its release by an owner.

mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use boundary::freeze::FREEZE_HOURS_MAX;
use domain::access::Deed;
use domain::control::Act;
use domain::refusal::Refusal;

use super::acls::said_in_form;
use super::look::{Page, Section};
use super::views::refused;
use super::{Posted, Stop, Visitor};
use crate::app::App;
use crate::flows::{self, FREEZE_PATH, approvals};

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/freeze", get(show).post(freeze))
        .route("/control/freeze/end", post(draft))
        .route("/control/freeze/end/sign", post(sign))
}

/// What the enclave says, and no row of ours.
async fn show(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Page, Stop> {
    let until = flows::read_freeze(&app, &visitor.ctx_at(Deed::ReadFreeze)).await?;
    Ok(view::show(&visitor, until, None))
}

async fn freeze(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::Freeze, FREEZE_PATH)?;
    let hours = fields.text("hours").parse().ok().filter(|hours| (1..=FREEZE_HOURS_MAX).contains(hours));
    let Some(hours) = hours else {
        let until = flows::read_freeze(&app, &visitor.ctx_at(Deed::ReadFreeze)).await?;
        let refusal = Refusal::field("hours", format!("must be 1 to {FREEZE_HOURS_MAX} hours"));
        return Ok(refused(view::show(&visitor, until, Some(&refusal)), &refusal));
    };
    flows::freeze_tenant(&app, &visitor.ctx_at(Deed::Freeze), hours).await?;
    Ok(Redirect::to(FREEZE_PATH).into_response())
}

/// What an owner signs to end it.
async fn draft(State(app): State<Arc<App>>, Posted(visitor, _): Posted) -> Result<Page, Stop> {
    visitor.permit(Act::Thaw)?;
    match approvals::draft_thaw(&app, &visitor.ctx()).await {
        Ok(to_sign) => Ok(view::sign(&visitor, &to_sign)),
        Err(error) => match said_in_form(error)? {
            refusal if matches!(refusal.code, "roster-missing" | "not-on-roster") => {
                Err(Stop::to("/control/acls/owners"))
            }
            refusal => Err(refusal.into()),
        },
    }
}

async fn sign(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Redirect, Stop> {
    let (document, credential) = (fields.raw("document"), fields.raw("credential"));
    approvals::thaw_tenant(&app, &visitor.ctx(), document, credential).await?;
    Ok(Redirect::to(Section::Settings.path()))
}
