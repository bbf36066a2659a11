//! `/control/log`: the audit log.

pub mod view;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_DISPOSITION;
use axum::response::Response;
use axum::routing::get;
use domain::access::Deed;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::audit::Filter;

use super::look::{Page, Section};
use super::query::{Asked, address, narrowing};
use super::{Stop, Visitor};
use crate::app::App;
use crate::flows;
use crate::http::page::Query;
use crate::http::write_export;

const EXPORT: &str = "/control/log/export";

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/control/log", get(list))
        .route("/control/log/export", get(export))
        .route("/control/log/verify", get(verify))
}

async fn list(State(app): State<Arc<App>>, visitor: Visitor, query: Asked) -> Result<Page, Stop> {
    let mut params = narrowing(query);
    let before = params.get("before").and_then(|text| text.parse().ok());
    let ctx = visitor.ctx_at(Deed::ReadAudit);
    let (entries, more) = flows::latest_audit(&app, &ctx, filter(&params)?, before).await?;
    let last = entries.last().filter(|_| more).map(|last| last.seq.to_string());
    let older = last.map(|last| address(Section::Log.path(), &params, Some(("before", &last))));
    let before = params.remove("before");
    let export = address(EXPORT, &params, None);
    params.extend(before.map(|before| ("before".to_owned(), before)));
    let listed = view::Listed { params: &params, entries: &entries, older, export };
    Ok(view::list(&visitor.shell(Section::Log), &listed))
}

async fn export(State(app): State<Arc<App>>, visitor: Visitor, query: Asked) -> Result<Response, Stop> {
    let filter = filter(&narrowing(query))?;
    let mut response = write_export(app, visitor.ctx_at(Deed::ExportAudit), filter).await?;
    let named = HeaderValue::from_static("attachment; filename=\"holdfast-log.jsonl\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, named);
    Ok(response)
}

async fn verify(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Page, Stop> {
    let chain = flows::verify_audit(&app, &visitor.ctx_at(Deed::ReadAudit)).await?;
    let shell = visitor.shell(Section::Log).under(Section::Log.path(), Section::Log.name());
    Ok(view::verified(&shell, &chain))
}

/// The entries that are asked for. Days are days in UTC, both of them within.
fn filter(params: &HashMap<String, String>) -> Result<Filter, Refusal> {
    const DAY: &str = "must be a day such as 2026-01-31";
    let query = Query::of(params);
    let day = |text: &str| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z"));
    let filter = Filter {
        customer_id: query.text("customer_id"),
        package_id: query.text("package_id"),
        key_id: query.parsed("key_id", |text| text.parse().ok(), "must be the id of a key"),
        backup_id: query.parsed("backup_id", |text| text.parse().ok(), "must be the id of a backup"),
        action: query.text("action"),
        from: query.parsed("from", day, DAY),
        to: query.parsed("to", day, DAY).map(|day| day + Duration::from_hours(24)),
    };
    query.finish(filter)
}
