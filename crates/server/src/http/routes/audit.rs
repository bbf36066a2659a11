//! `/v1/audit`: the tenant's log.

use std::collections::HashMap;
use std::sync::Arc;

use api::audit::{AuditCheckpoint, AuditEntry, AuditPage};
use api::error::ErrorBody;
use axum::Json;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::audit::{FIRST_PREV_HASH, hex};
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::audit::{Filter, Sequenced};
use tracing::Instrument as _;

use super::Params;
use crate::app::App;
use crate::flows::{self, AuditExport, AuditQuery, Ctx};
use crate::http::caller::Caller;
use crate::http::error::Failure;
use crate::http::stream::{self, Writer};

/// How many entries the log has.
const AUDIT_SIZE: HeaderName = HeaderName::from_static("holdfast-audit-size");

/// Lists acts, ascending.
#[utoipa::path(get, path = "/v1/audit", tag = "audit",
    params(
        ("customer_id" = Option<String>, Query, description = "Only acts that concern this organisation"),
        ("package_id" = Option<String>, Query, description = "Only acts that concern this package"),
        ("key_id" = Option<String>, Query, description = "Only acts that concern this key"),
        ("backup_id" = Option<String>, Query, description = "Only acts that concern this backup"),
        ("action" = Option<String>, Query, description = "Only acts of this kind"),
        ("from" = Option<String>, Query, description = "Not before, RFC 3339 in UTC"),
        ("to" = Option<String>, Query, description = "Before, RFC 3339 in UTC"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = AuditPage), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    params: Params,
) -> Result<Json<AuditPage>, Failure> {
    let (entries, more) = flows::list_audit(&app, &ctx, parse(&params)?).await?;
    let tenant = ctx.principal.tenant.to_string();
    let next_cursor = entries.last().filter(|_| more).map(|last| cursor(last.seq));
    Ok(Json(AuditPage { data: entries.into_iter().map(|row| entry(&tenant, row)).collect(), next_cursor }))
}

/// The whole log as JSON lines: the entries of `GET /v1/audit`, one a line, ascending, all that were answered before.
///
/// Nothing but a whole answer ends in order: one that could not be finished is cut, within the chunks of HTTP/1.1.
#[utoipa::path(get, path = "/v1/audit/export", tag = "audit",
    params(
        ("customer_id" = Option<String>, Query, description = "Only acts that concern this organisation"),
        ("package_id" = Option<String>, Query, description = "Only acts that concern this package"),
        ("key_id" = Option<String>, Query, description = "Only acts that concern this key"),
        ("backup_id" = Option<String>, Query, description = "Only acts that concern this backup"),
        ("action" = Option<String>, Query, description = "Only acts of this kind"),
        ("from" = Option<String>, Query, description = "Not before, RFC 3339 in UTC"),
        ("to" = Option<String>, Query, description = "Before, RFC 3339 in UTC"),
    ),
    responses(
        (status = 200, body = String, content_type = "application/x-ndjson",
            description = "One `AuditEntry` a line, each with its newline",
            headers(("Holdfast-Audit-Size" = i64,
                description = "Entries of the log: the `seq` that an export without filters ends with"))),
        (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn export(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    params: Params,
) -> Result<Response, Failure> {
    write_export(app, ctx, parse(&params)?.filter).await
}

/// The entries that match, as JSON lines.
pub async fn write_export(app: Arc<App>, ctx: Ctx, filter: Filter) -> Result<Response, Failure> {
    let mut export = flows::export_audit(&app, &ctx, filter).await?;
    let size = HeaderValue::from(export.size());
    // Before there is an answer, a failure still has one of its own.
    let first = export.next_page(&app).await?;
    let (writer, body) = stream::body();
    tokio::spawn(write_lines(app, ctx, export, first, writer).in_current_span());
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")), (AUDIT_SIZE, size)];
    Ok((headers, body).into_response())
}

/// The newest signed checkpoint of the log, which covers every act that was answered before.
///
/// Get it first and the export then: the export has at least what the checkpoint covers, and `holdfast audit verify`
/// checks the one against the other. `text/plain` is a C2SP tlog-checkpoint; whoever accepts `application/json` gets
/// it as a member, with what it says and the key that it is checked with beside it.
#[utoipa::path(get, path = "/v1/audit/checkpoint", tag = "audit",
    responses(
        (status = 200, description = "The checkpoint; `application/json` where `Accept` names it, else `text/plain`",
            content((AuditCheckpoint = "application/json"), (String = "text/plain"))),
        (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn checkpoint(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let made = flows::read_checkpoint(&app, &ctx).await?;
    let vary = (VARY, HeaderValue::from_static("accept"));
    if !accepts_json(&headers) {
        return Ok(([vary], made.note).into_response());
    }
    let body = AuditCheckpoint {
        origin: made.note.lines().next().unwrap_or_default().to_owned(),
        note: made.note,
        size: made.size,
        root: STANDARD.encode(made.root),
        made_at: made.made_at.rfc3339(),
        key: app.log_key.vkey(ctx.principal.tenant.as_str()),
        enclave_key: made.cosigner,
    };
    Ok(([vary], Json(body)).into_response())
}

fn accepts_json(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accepted.flat_map(|text| text.split(',')).filter_map(|kind| kind.split(';').next());
    kinds.any(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Writes page after page, until there is none, or nobody reads.
async fn write_lines(
    app: Arc<App>,
    ctx: Ctx,
    mut export: AuditExport,
    first: Option<Vec<Sequenced>>,
    writer: Writer,
) {
    let tenant = ctx.principal.tenant.to_string();
    let mut next = Ok(first);
    loop {
        let page = match next {
            Ok(Some(page)) => page,
            Ok(None) => return writer.end(),
            Err(error) => {
                let (doing, cause) = match Failure::from(error) {
                    Failure::Internal { doing, cause } => (doing, cause),
                    Failure::Refused(refusal) => ("exporting a log", refusal.text),
                };
                tracing::warn!(doing, cause, request_id = ctx.request_id, "an answer was cut");
                return;
            }
        };
        if !writer.write(lines(&tenant, page).into()).await {
            return;
        }
        next = export.next_page(&app).await;
    }
}

/// Entries as the export has them, one a line.
pub(crate) fn lines(tenant: &str, page: Vec<Sequenced>) -> Vec<u8> {
    let mut lines = Vec::new();
    for row in page {
        // An entry is texts and numbers, and a vector takes all that is written.
        let _ = serde_json::to_writer(&mut lines, &entry(tenant, row));
        lines.push(b'\n');
    }
    lines
}

fn parse(params: &HashMap<String, String>) -> Result<AuditQuery, Refusal> {
    let text = |name: &str| params.get(name).cloned();
    let mut fields = std::collections::BTreeMap::new();
    let mut fault = |name: &str, fault: &str| {
        fields.insert(name.to_owned(), vec![fault.to_owned()]);
    };
    let mut instant = |name: &str| {
        let instant = text(name).map(|text| Timestamp::parse_rfc3339(&text));
        if instant == Some(None) {
            fault(name, "must be an instant such as 2026-01-31T12:00:00Z");
        }
        instant.flatten()
    };
    let (from, to) = (instant("from"), instant("to"));
    // No name has control characters, and a database need not take them.
    for name in ["customer_id", "package_id", "action"] {
        if text(name).is_some_and(|text| text.chars().any(char::is_control)) {
            fault(name, "must not contain control characters");
        }
    }
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        fault("to", "must be after `from`");
    }
    let limit = text("limit").map(|text| text.parse());
    if matches!(limit, Some(Err(_))) {
        fault("limit", "must be a number between 1 and 200");
    }
    let after_seq = text("cursor").map(|text| read_cursor(&text));
    if after_seq == Some(None) {
        fault("cursor", "must be `next_cursor` of the page before");
    }
    let (key_id, backup_id) = (text("key_id").map(|id| id.parse()), text("backup_id").map(|id| id.parse()));
    if matches!(key_id, Some(Err(_))) {
        fault("key_id", "must be the id of a key");
    }
    if matches!(backup_id, Some(Err(_))) {
        fault("backup_id", "must be the id of a backup");
    }
    if !fields.is_empty() {
        return Err(Refusal::invalid(fields));
    }
    let filter = Filter {
        customer_id: text("customer_id"),
        package_id: text("package_id"),
        key_id: key_id.and_then(Result::ok),
        backup_id: backup_id.and_then(Result::ok),
        action: text("action"),
        from,
        to,
    };
    Ok(AuditQuery { filter, after_seq: after_seq.flatten().unwrap_or(0), limit: limit.and_then(Result::ok) })
}

/// A cursor names the last entry seen. It opens nothing: the tenant comes from the credential.
fn cursor(seq: i64) -> String {
    format!("s{seq}")
}

fn read_cursor(text: &str) -> Option<i64> {
    text.strip_prefix('s')?.parse().ok().filter(|seq| *seq >= 0)
}

fn entry(tenant: &str, row: Sequenced) -> AuditEntry {
    let entry = row.entry;
    AuditEntry {
        tenant: tenant.to_owned(),
        seq: row.seq,
        time: entry.time.rfc3339(),
        actor: entry.actor,
        actor_type: entry.actor_type,
        action: entry.action,
        key_id: entry.key_id.map(|id| id.to_string()),
        backup_id: entry.backup_id.map(|id| id.to_string()),
        recovery_id: entry.recovery_id.map(|id| id.to_string()),
        verification_id: entry.verification_id.map(|id| id.to_string()),
        customer_id: entry.customer_id,
        package_id: entry.package_id,
        result: entry.result,
        reason: entry.reason,
        request_id: entry.request_id,
        prev_hash: hex(&row.prev_hash.unwrap_or(FIRST_PREV_HASH)),
    }
}
