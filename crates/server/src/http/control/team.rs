//! `/control/team`: the people, and what owners do about them.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use domain::control::Act;

use super::sign_in::said_in_form;
use super::views::refused;
use super::views::team::{self as view, Typed};
use super::{Posted, Stop, Visitor};
use crate::app::App;
use crate::flows::Error;
use crate::flows::people::{self, Invited, Invitee};
use crate::http::path_id::PathId;

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/team", get(show_team))
        .route("/control/team/invite", get(show_invite).post(invite))
        .route("/control/team/{person_id}", get(show_person))
        .route("/control/team/{person_id}/resend", post(resend))
        .route("/control/team/{person_id}/role", post(change_role))
        .route("/control/team/{person_id}/reonboard", post(reonboard))
        .route("/control/team/{person_id}/remove", post(remove))
}

async fn show_team(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Stop> {
    let team = people::list_team(&app, &visitor.ctx()).await?;
    Ok(view::team(&visitor, &team).into_response())
}

async fn show_person(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
    visitor: Visitor,
) -> Result<Response, Stop> {
    let mate = people::read_teammate(&app, &visitor.ctx(), &id).await?;
    Ok(view::person(&visitor, &mate, None).into_response())
}

async fn show_invite(visitor: Visitor) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::Invite, "/control/team/invite")?;
    Ok(view::invite(&visitor, &Typed::default(), None).into_response())
}

async fn invite(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::Invite, "/control/team/invite")?;
    let (email, name, role) = (fields.text("email"), fields.text("name"), fields.text("role"));
    match people::invite_person(&app, &visitor.ctx(), &Invitee { email, name, role }).await {
        Ok(invited) => Ok(view::invited(&visitor, &invited).into_response()),
        Err(error) => {
            let refusal = said_in_form(error)?;
            let typed = Typed { email, name, role };
            Ok(refused(view::invite(&visitor, &typed, Some(&refusal)), &refusal))
        }
    }
}

async fn resend(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
    Posted(visitor, _): Posted,
) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::Invite, &path_of(&id))?;
    let invited = people::resend_invitation(&app, &visitor.ctx(), &id).await;
    shown_link(&app, &visitor, &id, invited).await
}

async fn reonboard(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
    Posted(visitor, _): Posted,
) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::Reonboard, &path_of(&id))?;
    let invited = people::reonboard_person(&app, &visitor.ctx(), &id).await;
    shown_link(&app, &visitor, &id, invited).await
}

async fn change_role(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
    Posted(visitor, fields): Posted,
) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::ChangeRole, &path_of(&id))?;
    match people::change_role(&app, &visitor.ctx(), &id, fields.text("role")).await {
        Ok(()) => Ok(Redirect::to(&path_of(&id)).into_response()),
        Err(error) => not_done(&app, &visitor, &id, error).await,
    }
}

async fn remove(
    State(app): State<Arc<App>>,
    PathId(id): PathId,
    Posted(visitor, _): Posted,
) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::RemovePerson, &path_of(&id))?;
    match people::remove_person(&app, &visitor.ctx(), &id).await {
        Ok(()) => Ok(Redirect::to("/control/team").into_response()),
        Err(error) => not_done(&app, &visitor, &id, error).await,
    }
}

async fn shown_link(
    app: &App,
    visitor: &Visitor,
    id: &str,
    invited: Result<Invited, Error>,
) -> Result<Response, Stop> {
    match invited {
        Ok(invited) => Ok(view::invited(visitor, &invited).into_response()),
        Err(error) => not_done(app, visitor, id, error).await,
    }
}

/// The person's page again, saying why it was not done.
async fn not_done(app: &App, visitor: &Visitor, id: &str, error: Error) -> Result<Response, Stop> {
    let refusal = said_in_form(error)?;
    let mate = people::read_teammate(app, &visitor.ctx(), id).await?;
    Ok(refused(view::person(visitor, &mate, Some(&refusal)), &refusal))
}

/// What came as an id is put into no header as it came.
fn path_of(id: &str) -> String {
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_plain { format!("/control/team/{id}") } else { "/control/team".to_owned() }
}
