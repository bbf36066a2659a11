//! `/v1/audit`: the tenant's log.

use std::collections::HashMap;
use std::sync::Arc;

use api::audit::{AuditEntry, AuditPage};
use api::error::ErrorBody;
use axum::Json;
use axum::extract::State;
use domain::audit::{FIRST_PREV_HASH, hex};
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::audit::{Filter, Sequenced};

use super::Params;
use crate::app::App;
use crate::flows::{self, AuditQuery};
use crate::http::caller::Caller;
use crate::http::error::Failure;

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
