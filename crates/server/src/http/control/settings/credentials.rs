//! `/control/settings/credentials`: what programs sign in with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use domain::access::Deed;
use domain::control::Act;
use domain::credential::Scope;
use domain::limits::IDENTIFIER_CHARS_MAX;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::credentials::ApiCredential;

use super::credentials_view::{self as view, Asked as Wished, PATH};
use super::{fault, faults};
use crate::app::App;
use crate::flows::{self, NewCredential};
use crate::http::control::look::{Page, Section};
use crate::http::control::query::{Asked, narrowing};
use crate::http::control::views::refused;
use crate::http::control::{Fields, Posted, Stop, Visitor};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/settings/credentials", get(list).post(make))
        .route("/control/settings/credentials/new", get(new))
        .route("/control/settings/credentials/{id}/revoke", get(ask_revoke).post(revoke))
}

async fn list(State(app): State<Arc<App>>, visitor: Visitor, query: Asked) -> Result<Page, Stop> {
    let before = narrowing(query).get("cursor").map(|cursor| cursor.parse());
    let before = before.transpose().map_err(|_| Refusal::not_found())?;
    let (page, more) =
        flows::list_credentials(&app, &visitor.ctx_at(Deed::ListCredentials), before, None).await?;
    let older = page.last().filter(|_| more).map(|last| format!("{PATH}?cursor={}", last.id));
    let may = visitor.may(Act::ManageCredentials);
    Ok(view::list(&visitor.shell(Section::Settings), &page, older.as_deref(), may))
}

async fn new(visitor: Visitor) -> Result<Page, Stop> {
    visitor.permit_freshly(Act::ManageCredentials, &format!("{PATH}/new"))?;
    let given = visitor.tenant.kind.scopes();
    Ok(view::new(&visitor.shell(Section::Settings), given, &Wished::default()))
}

async fn make(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::ManageCredentials, &format!("{PATH}/new"))?;
    let (shell, given) = (visitor.shell(Section::Settings), visitor.tenant.kind.scopes());
    let scopes = chosen(&fields, given);
    let again = |faults, refusal: &Refusal| {
        let (name, expires) = (fields.text("name"), fields.text("expires"));
        let wished = Wished { name, scopes: scopes.clone(), expires, faults };
        Ok(refused(view::new(&shell, given, &wished), refusal))
    };
    let new = match read(&fields, &scopes) {
        Ok(new) => new,
        Err(faults) => return again(faults.clone(), &Refusal::invalid(faults)),
    };
    match flows::create_credential(&app, &visitor.ctx_at(Deed::CreateCredential), new).await {
        Ok((credential, text)) => Ok(view::made(&shell, &credential, text.expose()).into_response()),
        Err(error) => {
            let (faults, refusal) = faults(error)?;
            // The flow's name for the last day.
            let faults =
                faults.into_iter().map(|(name, texts)| (name.replace("expires_at", "expires"), texts));
            again(faults.collect(), &refusal)
        }
    }
}

fn chosen(fields: &Fields, given: &[Scope]) -> Vec<Scope> {
    given.iter().copied().filter(|scope| fields.has(&format!("scope-{scope}"))).collect()
}

fn read(fields: &Fields, scopes: &[Scope]) -> Result<NewCredential, BTreeMap<String, Vec<String>>> {
    let (name, expires) = (fields.text("name"), fields.text("expires"));
    let mut faults = BTreeMap::new();
    if !(1..=IDENTIFIER_CHARS_MAX).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        faults.extend([fault("name", "must have 1 to 255 characters, none of them a control character")]);
    }
    if scopes.is_empty() {
        faults.extend([fault("scopes", "must name at least one")]);
    }
    // The last day is still within.
    let last_day = Timestamp::parse_rfc3339(&format!("{expires}T00:00:00Z"));
    if !expires.is_empty() && last_day.is_none() {
        faults.extend([fault("expires", "must be a day such as 2030-01-31")]);
    }
    let expires_at = last_day.map(|day| day + Duration::from_hours(24));
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(NewCredential { name: name.to_owned(), scopes: scopes.to_vec(), expires_at })
}

async fn ask_revoke(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Page, Stop> {
    visitor.permit(Act::ManageCredentials)?;
    let credential = find(&app, &visitor, &id).await?;
    Ok(view::revoke(&visitor.shell(Section::Settings), &credential))
}

async fn find(app: &App, visitor: &Visitor, id: &str) -> Result<ApiCredential, Stop> {
    Ok(flows::read_credential(app, &visitor.ctx_at(Deed::ListCredentials), id).await?)
}

async fn revoke(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, _): Posted,
) -> Result<Redirect, Stop> {
    flows::revoke_credential(&app, &visitor.ctx_at(Deed::RevokeCredential), &id).await?;
    Ok(Redirect::to(PATH))
}
