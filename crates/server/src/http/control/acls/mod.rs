//! `/control/acls`: the lists of who decides, what each guards, and how they change.

mod form;
mod view;
#[cfg(test)]
mod view_tests;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::CONTENT_DISPOSITION;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::control::Act;
use domain::refusal::{Kind, Refusal};

use super::{Fields, Posted, Stop, Visitor, views};
use crate::app::App;
use crate::flows::Error;
use crate::flows::approvals::{self, CastVote, DraftAcl};
use form::Filled;

pub(super) use view::{offline_vote, vote_form};
#[cfg(test)]
pub(super) use view_tests::document as sample_document;

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/acls", get(list).post(make))
        .route("/control/acls/new", get(show_new).post(draft))
        .route("/control/acls/owners", get(show_owners).post(sign_owners))
        .route("/control/acls/{acl}", get(show))
        .route("/control/acls/{acl}/change", get(show_change_form).post(propose))
        .route("/control/acls/{acl}/changes/{change}", get(show_change).post(vote))
        .route("/control/acls/{acl}/changes/{change}/request", get(request_file))
        .route("/control/acls/{acl}/changes/{change}/ballot", post(ballot))
        .route("/control/acls/{acl}/changes/{change}/stop", post(stop))
        .route("/control/acls/{acl}/attach", post(draft_attachment))
        .route("/control/acls/{acl}/attached", post(attach))
}

async fn list(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Stop> {
    let lists = approvals::list_acls(&app, &visitor.ctx()).await?;
    Ok(view::list(&visitor, &lists).into_response())
}

async fn show_new(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Stop> {
    visitor.permit(Act::MakeAcl)?;
    let candidates = approvals::list_candidates(&app, &visitor.ctx()).await?;
    let filled = Filled::new(DraftAcl::new(app.env));
    Ok(form::page(&visitor, &candidates, &filled, None, None).into_response())
}

/// The form again with what its votes would come to, or what is to be signed.
async fn draft(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Response, Stop> {
    visitor.permit(Act::MakeAcl)?;
    let candidates = approvals::list_candidates(&app, &visitor.ctx()).await?;
    let filled = Filled::read(&fields, &candidates);
    if fields.text("action") == "try" {
        return Ok(form::page(&visitor, &candidates, &filled, None, None).into_response());
    }
    match approvals::draft_acl(&app, &visitor.ctx(), &filled.draft).await {
        Ok(to_sign) => Ok(view::sign_list(&visitor, &filled.draft.name, &to_sign).into_response()),
        Err(error) => {
            let refusal = said_in_form(error)?;
            if refusal.code == "roster-missing" || refusal.code == "not-on-roster" {
                return Err(Stop::to("/control/acls/owners"));
            }
            Ok(views::refused(form::page(&visitor, &candidates, &filled, None, Some(&refusal)), &refusal))
        }
    }
}

async fn make(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Redirect, Stop> {
    let (document, credential) = (fields.raw("document"), fields.raw("credential"));
    let id = approvals::make_acl(&app, &visitor.ctx(), document, credential).await?;
    Ok(Redirect::to(&format!("/control/acls/{id}")))
}

async fn show_owners(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Stop> {
    let stands = approvals::draft_roster(&app, &visitor.ctx()).await?;
    Ok(view::owners(&visitor, &stands).into_response())
}

async fn sign_owners(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Redirect, Stop> {
    let (document, credential) = (fields.raw("document"), fields.raw("credential"));
    approvals::found_roster(&app, &visitor.ctx(), document, credential).await?;
    Ok(Redirect::to("/control/acls/owners"))
}

async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    let shown = approvals::read_acl(&app, &visitor.ctx(), &id).await?;
    Ok(view::show(&visitor, &shown).into_response())
}

async fn show_change_form(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    visitor.permit(Act::ProposeChange)?;
    let shown = approvals::read_acl(&app, &visitor.ctx(), &id).await?;
    let candidates = approvals::list_candidates(&app, &visitor.ctx()).await?;
    let filled = Filled::new(DraftAcl::of(&shown.document));
    Ok(form::page(&visitor, &candidates, &filled, Some(&shown.acl), None).into_response())
}

async fn propose(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, fields): Posted,
) -> Result<Response, Stop> {
    visitor.permit(Act::ProposeChange)?;
    let shown = approvals::read_acl(&app, &visitor.ctx(), &id).await?;
    let candidates = approvals::list_candidates(&app, &visitor.ctx()).await?;
    let filled = Filled::read(&fields, &candidates);
    let page =
        |refusal: Option<&Refusal>| form::page(&visitor, &candidates, &filled, Some(&shown.acl), refusal);
    if fields.text("action") == "try" {
        return Ok(page(None).into_response());
    }
    match approvals::change_acl(&app, &visitor.ctx(), &id, &filled.draft).await {
        Ok(change) => Ok(Redirect::to(&format!("/control/acls/{id}/changes/{change}")).into_response()),
        Err(error) => {
            let refusal = said_in_form(error)?;
            Ok(views::refused(page(Some(&refusal)), &refusal))
        }
    }
}

async fn show_change(
    State(app): State<Arc<App>>,
    Path((acl, change)): Path<(String, String)>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    let shown = approvals::read_change(&app, &visitor.ctx(), &acl, &change).await?;
    Ok(view::change(&visitor, &shown).into_response())
}

async fn vote(
    State(app): State<Arc<App>>,
    Path((acl, change)): Path<(String, String)>,
    Posted(visitor, fields): Posted,
) -> Result<Redirect, Stop> {
    visitor.permit(Act::Vote)?;
    let cast =
        CastVote::Passkey { approve: approves(&fields)?, credential: fields.raw("credential").to_owned() };
    approvals::vote_on_change(&app, &visitor.ctx(), (&acl, &change), &cast).await?;
    Ok(Redirect::to(&format!("/control/acls/{acl}/changes/{change}")))
}

/// What is voted on, as a file, for whoever looks at it and signs away from any network.
async fn request_file(
    State(app): State<Arc<App>>,
    Path((acl, change)): Path<(String, String)>,
    visitor: Visitor,
) -> Result<Response, Stop> {
    let shown = approvals::read_change(&app, &visitor.ctx(), &acl, &change).await?;
    let name = format!("attachment; filename=\"change-{}.json\"", shown.change.id);
    Ok(([(CONTENT_DISPOSITION, name)], Json(shown.request())).into_response())
}

async fn ballot(
    State(app): State<Arc<App>>,
    Path((acl, change)): Path<(String, String)>,
    Posted(visitor, fields): Posted,
) -> Result<Redirect, Stop> {
    visitor.permit(Act::Vote)?;
    let cast = CastVote::File(fields.raw("ballot").to_owned());
    approvals::vote_on_change(&app, &visitor.ctx(), (&acl, &change), &cast).await?;
    Ok(Redirect::to(&format!("/control/acls/{acl}/changes/{change}")))
}

/// With the passkey on the page, or with a ballot that was signed away from any network.
async fn stop(
    State(app): State<Arc<App>>,
    Path((acl, change)): Path<(String, String)>,
    Posted(visitor, fields): Posted,
) -> Result<Redirect, Stop> {
    visitor.permit(Act::Vote)?;
    let cast = match fields.raw("ballot") {
        "" => CastVote::Passkey { approve: false, credential: fields.raw("credential").to_owned() },
        ballot => CastVote::File(ballot.to_owned()),
    };
    approvals::stop_change(&app, &visitor.ctx(), (&acl, &change), &cast).await?;
    Ok(Redirect::to(&format!("/control/acls/{acl}/changes/{change}")))
}

async fn draft_attachment(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, fields): Posted,
) -> Result<Response, Stop> {
    let keys: Vec<String> = fields.all("keys").flat_map(str::split_whitespace).map(str::to_owned).collect();
    let drafted = approvals::draft_attachment(&app, &visitor.ctx(), &id, &keys).await;
    let attaching = drafted.map_err(|error| match error {
        Error::Refused(refusal) if refusal.code == "roster-missing" => Stop::to("/control/acls/owners"),
        error => error.into(),
    })?;
    Ok(view::sign_attachment(&visitor, &id, &attaching).into_response())
}

async fn attach(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, fields): Posted,
) -> Result<Redirect, Stop> {
    let (document, credential) = (fields.raw("document"), fields.raw("credential"));
    approvals::attach_keys(&app, &visitor.ctx(), &id, document, credential).await?;
    Ok(Redirect::to(&format!("/control/acls/{id}")))
}

/// Yes or no, and nothing else.
pub(super) fn approves(fields: &Fields) -> Result<bool, Refusal> {
    match fields.text("approve") {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(Refusal::field("approve", "must be yes or no")),
    }
}

/// What is said above the form again; everything else is a page of its own.
pub(super) fn said_in_form(error: Error) -> Result<Refusal, Stop> {
    match error {
        Error::Refused(refusal)
            if matches!(refusal.kind, Kind::Invalid | Kind::Conflict | Kind::Forbidden | Kind::TooLarge) =>
        {
            Ok(refusal)
        }
        error => Err(error.into()),
    }
}
