//! `/v1/webhooks`: where a tenant is told of events.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use api::error::ErrorBody;
use api::webhook::{
    Attempt, CreateWebhookRequest, Delivery, DeliveryPage, TestWebhookResponse, UpdateWebhookRequest,
    Webhook, WebhookPage, WebhookWithSecret,
};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::limits::IDENTIFIER_CHARS_MAX;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use domain::webhook::{DeliveryState, EndpointState, EventFilter, TEST_EVENT, WebhookSecret};
use serde_json::{Map, Value};
use store::webhook_deliveries;
use store::webhooks::Endpoint;

use super::Params;
use crate::app::App;
use crate::flows::{self, CreateWebhook, Delivered, UpdateWebhook};
use crate::http::body::JsonObject;
use crate::http::caller::Caller;
use crate::http::error::Failure;
use crate::http::form::Form;
use crate::http::path_id::{PathId, PathIds};

/// Registers an endpoint. Its secret is in the answer and is never shown again.
#[utoipa::path(post, path = "/v1/webhooks", tag = "webhooks", request_body = CreateWebhookRequest,
    responses((status = 200, body = WebhookWithSecret), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn create_webhook(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    JsonObject(body): JsonObject,
) -> Result<Json<WebhookWithSecret>, Failure> {
    let made = flows::create_webhook(&app, &ctx, parse_create(&body)?).await?;
    Ok(Json(with_secret(made, ctx.now)))
}

/// Lists endpoints, newest first.
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = WebhookPage), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn list_webhooks(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    params: Params,
) -> Result<Json<WebhookPage>, Failure> {
    let (before, limit) = parse_page(&params)?;
    let (page, more) = flows::list_webhooks(&app, &ctx, before, limit).await?;
    let next_cursor = page.last().filter(|_| more).map(|last| last.id.to_string());
    let data = page.into_iter().map(|endpoint| webhook(endpoint, ctx.now)).collect();
    Ok(Json(WebhookPage { data, next_cursor }))
}

/// Shows one endpoint.
#[utoipa::path(get, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 200, body = Webhook), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn read_webhook(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathId(id): PathId,
) -> Result<Json<Webhook>, Failure> {
    let endpoint = flows::read_webhook(&app, &ctx, &id).await?;
    Ok(Json(webhook(endpoint, ctx.now)))
}

/// Changes an endpoint, or switches it on or off.
#[utoipa::path(patch, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = String, Path)),
    request_body = UpdateWebhookRequest,
    responses((status = 200, body = Webhook), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn update_webhook(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathId(id): PathId,
    JsonObject(body): JsonObject,
) -> Result<Json<Webhook>, Failure> {
    let endpoint = flows::update_webhook(&app, &ctx, &id, parse_update(&body)?).await?;
    Ok(Json(webhook(endpoint, ctx.now)))
}

/// Deletes an endpoint, with what waits for it.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn delete_webhook(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathId(id): PathId,
) -> Result<StatusCode, Failure> {
    flows::delete_webhook(&app, &ctx, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives an endpoint a new secret; for 24 hours the one before signs too.
#[utoipa::path(post, path = "/v1/webhooks/{id}/rotate-secret", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 200, body = WebhookWithSecret), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn rotate_webhook_secret(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathId(id): PathId,
) -> Result<Json<WebhookWithSecret>, Failure> {
    let rotated = flows::rotate_webhook_secret(&app, &ctx, &id).await?;
    Ok(Json(with_secret(rotated, ctx.now)))
}

/// Sends an endpoint an event of the type `webhook.test`.
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 200, body = TestWebhookResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn test_webhook(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathId(id): PathId,
) -> Result<Json<TestWebhookResponse>, Failure> {
    let event_id = flows::test_webhook(&app, &ctx, &id).await?;
    Ok(Json(TestWebhookResponse { delivery_id: event_id.to_string(), event_type: TEST_EVENT.to_owned() }))
}

/// Lists what an endpoint was sent, newest first, with every try.
#[utoipa::path(get, path = "/v1/webhooks/{id}/deliveries", tag = "webhooks",
    params(
        ("id" = String, Path),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = DeliveryPage), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn list_deliveries(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathId(id): PathId,
    params: Params,
) -> Result<Json<DeliveryPage>, Failure> {
    let (before, limit) = parse_page(&params)?;
    let (page, more) = flows::list_deliveries(&app, &ctx, &id, before, limit).await?;
    let next_cursor = page.last().filter(|_| more).map(|last| last.delivery.event_id.to_string());
    Ok(Json(DeliveryPage { data: page.into_iter().map(delivered).collect(), next_cursor }))
}

/// Has an event sent again, now, under the same id.
#[utoipa::path(post, path = "/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver", tag = "webhooks",
    params(("id" = String, Path), ("delivery_id" = String, Path)),
    responses((status = 200, body = Delivery), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn redeliver(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathIds(id, delivery_id): PathIds,
) -> Result<Json<Delivery>, Failure> {
    let again = flows::redeliver(&app, &ctx, &id, &delivery_id).await?;
    Ok(Json(delivered(again)))
}

fn parse_create(body: &Map<String, Value>) -> Result<CreateWebhook, Refusal> {
    let form = Form::of(body);
    let command = CreateWebhook {
        url: form.text("url"),
        events: filter(&form),
        description: description(&form).unwrap_or_default(),
    };
    form.finish(command)
}

fn parse_update(body: &Map<String, Value>) -> Result<UpdateWebhook, Refusal> {
    let form = Form::of(body);
    let enabled = form.value("enabled");
    if enabled.is_some_and(|value| !value.is_boolean()) {
        form.fault("enabled", "must be true or false");
    }
    let command = UpdateWebhook {
        url: form.optional_text("url"),
        events: form.value("events").map(|_| filter(&form)),
        description: description(&form),
        enabled: enabled.and_then(Value::as_bool),
    };
    form.finish(command)
}

fn filter(form: &Form<'_>) -> EventFilter {
    EventFilter::of(&form.optional_texts("events")).unwrap_or_else(|unknown| {
        form.fault("events", format!("names {unknown:?}, which is no type of event"));
        EventFilter::default()
    })
}

/// An empty one is none.
fn description(form: &Form<'_>) -> Option<String> {
    if form.value("description").and_then(Value::as_str) == Some("") {
        return Some(String::new());
    }
    form.optional_name("description", IDENTIFIER_CHARS_MAX)
}

/// Where a page begins, and how long it is asked to be. A cursor is the id of the last entry seen.
fn parse_page<Id: FromStr>(params: &HashMap<String, String>) -> Result<(Option<Id>, Option<u32>), Refusal> {
    let mut faults = BTreeMap::new();
    let limit = params.get("limit").map(|text| text.parse());
    if matches!(limit, Some(Err(_))) {
        faults.insert("limit".to_owned(), vec!["must be a number between 1 and 200".to_owned()]);
    }
    let before = params.get("cursor").map(|text| text.parse());
    if matches!(before, Some(Err(_))) {
        faults.insert("cursor".to_owned(), vec!["must be `next_cursor` of the page before".to_owned()]);
    }
    if !faults.is_empty() {
        return Err(Refusal::invalid(faults));
    }
    Ok((before.and_then(Result::ok), limit.and_then(Result::ok)))
}

fn webhook(endpoint: Endpoint, now: Timestamp) -> Webhook {
    Webhook {
        id: endpoint.id.to_string(),
        url: endpoint.url,
        events: endpoint.events.types(),
        description: endpoint.description,
        enabled: endpoint.state == EndpointState::Enabled,
        disabled_reason: endpoint.disabled_reason.map(|reason| reason.to_string()),
        failing_since: endpoint.failing_since.map(Timestamp::rfc3339),
        previous_secret_until: endpoint.previous_until.filter(|until| now < *until).map(Timestamp::rfc3339),
        created_at: endpoint.created_at.rfc3339(),
        updated_at: endpoint.updated_at.rfc3339(),
    }
}

fn with_secret((endpoint, secret): (Endpoint, WebhookSecret), now: Timestamp) -> WebhookWithSecret {
    WebhookWithSecret { webhook: webhook(endpoint, now), secret: secret.expose().to_owned() }
}

fn delivered(Delivered { delivery, attempts }: Delivered) -> Delivery {
    let is_pending = delivery.state == DeliveryState::Pending;
    Delivery {
        id: delivery.event_id.to_string(),
        event_type: delivery.r#type,
        state: delivery.state.to_string(),
        created_at: delivery.created_at.rfc3339(),
        next_attempt_at: is_pending.then(|| delivery.due_at.rfc3339()),
        attempts: attempts.iter().map(attempt).collect(),
    }
}

fn attempt(row: &webhook_deliveries::Attempt) -> Attempt {
    Attempt {
        number: row.number,
        time: row.began_at.rfc3339(),
        duration_ms: row.duration_ms,
        status: row.outcome.to_string(),
        answer_code: row.answer_code,
    }
}
