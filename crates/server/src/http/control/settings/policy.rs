//! `/control/settings/recovery`: the account's own policy for recoveries by its users.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use domain::control::Act;

use super::policy_view as view;
use crate::app::App;
use crate::flows::approvals::{self, DraftPolicy, POLICY_PATH};
use crate::http::control::acls::said_in_form;
use crate::http::control::look::Page;
use crate::http::control::views::refused;
use crate::http::control::{Fields, Posted, Stop, Visitor};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/settings/recovery", get(show).post(draft))
        .route("/control/settings/recovery/sign", post(sign))
}

async fn show(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Page, Stop> {
    let shown = approvals::read_policy(&app, &visitor.ctx()).await?;
    let drafted = DraftPolicy::of(shown.newest());
    Ok(view::show(&visitor, &shown, &drafted, None))
}

/// What is to be signed, or the form again with what is wrong with it.
async fn draft(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Response, Stop> {
    visitor.permit(Act::SignPolicy)?;
    let drafted = read(&fields);
    match approvals::draft_policy(&app, &visitor.ctx(), &drafted).await {
        Ok((to_sign, waits)) => Ok(view::sign(&visitor, &to_sign, waits).into_response()),
        Err(error) => {
            let refusal = said_in_form(error)?;
            if refusal.code == "roster-missing" || refusal.code == "not-on-roster" {
                return Err(Stop::to("/control/acls/owners"));
            }
            let shown = approvals::read_policy(&app, &visitor.ctx()).await?;
            Ok(refused(view::show(&visitor, &shown, &drafted, Some(&refusal)), &refusal))
        }
    }
}

async fn sign(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Redirect, Stop> {
    let (document, credential) = (fields.raw("document"), fields.raw("credential"));
    approvals::sign_policy(&app, &visitor.ctx(), document, credential).await?;
    Ok(Redirect::to(POLICY_PATH))
}

fn read(fields: &Fields) -> DraftPolicy {
    // What is no number is out of bounds, and told so.
    let number = |name| fields.text(name).parse().unwrap_or(-1);
    DraftPolicy {
        delay_minutes: number("delay_minutes"),
        change_delay_minutes: number("change_delay_minutes"),
        releases_an_hour: number("releases_an_hour"),
        sessions_a_day: number("sessions_a_day"),
        is_signature_required: fields.text("signature") == "required",
        kept: fields.all("keep").map(str::to_owned).collect(),
        new_key: fields.text("new_key").to_owned(),
    }
}
