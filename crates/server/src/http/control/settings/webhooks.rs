//! `/control/settings/webhooks`: where programs are told of events.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use domain::access::Deed;
use domain::control::Act;
use domain::event::TYPES;
use domain::limits::{IDENTIFIER_CHARS_MAX, WEBHOOKS_PER_TENANT_MAX};
use domain::refusal::Refusal;
use domain::webhook::EventFilter;
use store::webhooks::Endpoint;

use super::webhooks_view::{self as view, Asked as Wished, PATH};
use super::{fault, faults};
use crate::app::App;
use crate::flows::{self, CreateWebhook, UpdateWebhook};
use crate::http::control::look::parts::Notice;
use crate::http::control::look::{Page, Section};
use crate::http::control::query::{Asked, narrowing};
use crate::http::control::views::refused;
use crate::http::control::{Fields, Posted, Stop, Visitor};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/settings/webhooks", get(list).post(make))
        .route("/control/settings/webhooks/new", get(new))
        .route("/control/settings/webhooks/{id}", get(show).post(change))
        .route("/control/settings/webhooks/{id}/edit", get(edit))
        .route("/control/settings/webhooks/{id}/test", post(test))
        .route("/control/settings/webhooks/{id}/switch-on", post(switch_on))
        .route("/control/settings/webhooks/{id}/switch-off", post(switch_off))
        .route("/control/settings/webhooks/{id}/rotate-secret", get(ask_rotate).post(rotate))
        .route("/control/settings/webhooks/{id}/delete", post(delete))
        .route("/control/settings/webhooks/{id}/deliveries/{delivery}/redeliver", post(redeliver))
}

async fn list(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Page, Stop> {
    let limit = u32::try_from(WEBHOOKS_PER_TENANT_MAX).ok();
    let (page, _) = flows::list_webhooks(&app, &visitor.ctx_at(Deed::ListWebhooks), None, limit).await?;
    Ok(view::list(&visitor.shell(Section::Settings), &page, visitor.may(Act::ManageWebhooks)))
}

async fn find(app: &App, visitor: &Visitor, id: &str) -> Result<Endpoint, Stop> {
    Ok(flows::read_webhook(app, &visitor.ctx_at(Deed::ReadWebhook), id).await?)
}

async fn new(visitor: Visitor) -> Result<Page, Stop> {
    visitor.permit_freshly(Act::ManageWebhooks, &format!("{PATH}/new"))?;
    Ok(view::edit(&visitor.shell(Section::Settings), None, &Wished::default()))
}

async fn edit(State(app): State<Arc<App>>, visitor: Visitor, Path(id): Path<String>) -> Result<Page, Stop> {
    visitor.permit_freshly(Act::ManageWebhooks, &format!("{PATH}/{id}/edit"))?;
    let endpoint = find(&app, &visitor, &id).await?;
    Ok(view::edit(&visitor.shell(Section::Settings), Some(&endpoint), &Wished::of(&endpoint)))
}

/// What a form asks for, and what is wrong with it before any flow looks.
fn wished(fields: &Fields) -> Wished {
    let named = |name: &&&str| fields.has(&format!("event-{name}"));
    let events = TYPES.iter().filter(named).map(|name| (*name).to_owned()).collect();
    let (url, description) = (fields.text("url").to_owned(), fields.text("description").to_owned());
    let mut faults = BTreeMap::new();
    if url.is_empty() {
        faults.extend([fault("url", "must be an address")]);
    }
    if description.chars().count() > IDENTIFIER_CHARS_MAX || description.chars().any(char::is_control) {
        faults.extend([fault(
            "description",
            "must have at most 255 characters, none of them a control character",
        )]);
    }
    Wished { url, description, events, faults }
}

/// The filter of types that are all known, since they were chosen from those.
fn filter(wished: &Wished) -> EventFilter {
    EventFilter::of(&wished.events).unwrap_or_default()
}

async fn make(State(app): State<Arc<App>>, Posted(visitor, fields): Posted) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::ManageWebhooks, &format!("{PATH}/new"))?;
    let (shell, wished) = (visitor.shell(Section::Settings), wished(&fields));
    if !wished.faults.is_empty() {
        let refusal = Refusal::invalid(wished.faults.clone());
        return Ok(refused(view::edit(&shell, None, &wished), &refusal));
    }
    let command = CreateWebhook {
        url: wished.url.clone(),
        events: filter(&wished),
        description: wished.description.clone(),
    };
    match flows::create_webhook(&app, &visitor.ctx_at(Deed::CreateWebhook), command).await {
        Ok((endpoint, secret)) => Ok(view::secret(&shell, &endpoint, secret.expose()).into_response()),
        Err(error) => {
            let (faults, refusal) = faults(error)?;
            Ok(refused(view::edit(&shell, None, &Wished { faults, ..wished }), &refusal))
        }
    }
}

async fn change(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, fields): Posted,
) -> Result<Response, Stop> {
    visitor.permit_freshly(Act::ManageWebhooks, &format!("{PATH}/{id}/edit"))?;
    let endpoint = find(&app, &visitor, &id).await?;
    let (shell, wished) = (visitor.shell(Section::Settings), wished(&fields));
    if !wished.faults.is_empty() {
        let refusal = Refusal::invalid(wished.faults.clone());
        return Ok(refused(view::edit(&shell, Some(&endpoint), &wished), &refusal));
    }
    let change = UpdateWebhook {
        url: Some(wished.url.clone()),
        events: Some(filter(&wished)),
        description: Some(wished.description.clone()),
        enabled: None,
    };
    match flows::update_webhook(&app, &visitor.ctx_at(Deed::UpdateWebhook), &id, change).await {
        Ok(_) => Ok(said(&id, "changed").into_response()),
        Err(error) => {
            let (faults, refusal) = faults(error)?;
            Ok(refused(view::edit(&shell, Some(&endpoint), &Wished { faults, ..wished }), &refusal))
        }
    }
}

/// Back to the page of the endpoint, which says what was done.
fn said(id: &str, word: &str) -> Redirect {
    Redirect::to(&format!("{PATH}/{id}?said={word}"))
}

async fn show(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
    query: Asked,
) -> Result<Page, Stop> {
    let params = narrowing(query);
    let notice = match params.get("said").map(String::as_str) {
        Some("changed") => Some(Notice::good("The webhook was changed.")),
        Some("tested") => Some(Notice::good("A test is on its way. Load this page anew to see how it went.")),
        Some("again") => {
            Some(Notice::good("The event is sent again. Load this page anew to see how it went."))
        }
        _ => None,
    };
    let endpoint = find(&app, &visitor, &id).await?;
    let before = params.get("cursor").map(|cursor| cursor.parse());
    let before = before.transpose().map_err(|_| Refusal::not_found())?;
    let is_further = before.is_some();
    let (deliveries, more) =
        flows::list_deliveries(&app, &visitor.ctx_at(Deed::ListDeliveries), &id, before, None).await?;
    let last = deliveries.last().filter(|_| more);
    let older = last.map(|last| format!("{PATH}/{id}?cursor={}", last.delivery.event_id));
    let may = visitor.may(Act::ManageWebhooks);
    let mut shell = visitor.shell(Section::Settings);
    shell.notice = notice;
    let shown = view::Shown { endpoint: &endpoint, deliveries: &deliveries, older, is_further, may };
    Ok(view::show(&shell, &shown))
}

async fn test(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, _): Posted,
) -> Result<Redirect, Stop> {
    flows::test_webhook(&app, &visitor.ctx_at(Deed::TestWebhook), &id).await?;
    Ok(said(&id, "tested"))
}

async fn switch_on(app: State<Arc<App>>, id: Path<String>, posted: Posted) -> Result<Redirect, Stop> {
    switch(app, id, posted, true).await
}

async fn switch_off(app: State<Arc<App>>, id: Path<String>, posted: Posted) -> Result<Redirect, Stop> {
    switch(app, id, posted, false).await
}

async fn switch(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, _): Posted,
    is_on: bool,
) -> Result<Redirect, Stop> {
    let change = UpdateWebhook { url: None, events: None, description: None, enabled: Some(is_on) };
    flows::update_webhook(&app, &visitor.ctx_at(Deed::UpdateWebhook), &id, change).await?;
    Ok(said(&id, "changed"))
}

async fn ask_rotate(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Page, Stop> {
    visitor.permit_freshly(Act::ManageWebhooks, &format!("{PATH}/{id}/rotate-secret"))?;
    Ok(view::rotate(&visitor.shell(Section::Settings), &find(&app, &visitor, &id).await?))
}

async fn rotate(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, _): Posted,
) -> Result<Page, Stop> {
    visitor.permit_freshly(Act::ManageWebhooks, &format!("{PATH}/{id}/rotate-secret"))?;
    let (endpoint, secret) =
        flows::rotate_webhook_secret(&app, &visitor.ctx_at(Deed::RotateWebhookSecret), &id).await?;
    Ok(view::secret(&visitor.shell(Section::Settings), &endpoint, secret.expose()))
}

async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Posted(visitor, _): Posted,
) -> Result<Redirect, Stop> {
    flows::delete_webhook(&app, &visitor.ctx_at(Deed::DeleteWebhook), &id).await?;
    Ok(Redirect::to(PATH))
}

async fn redeliver(
    State(app): State<Arc<App>>,
    Path((id, delivery)): Path<(String, String)>,
    Posted(visitor, _): Posted,
) -> Result<Redirect, Stop> {
    flows::redeliver(&app, &visitor.ctx_at(Deed::Redeliver), &id, &delivery).await?;
    Ok(said(&id, "again"))
}
