//! `/v1/credentials`: a tenant's API credentials.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api::credential::{CreateCredentialRequest, CreatedCredential, Credential, CredentialPage};
use api::error::ErrorBody;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::credential::Scope;
use domain::ids::CredentialId;
use domain::limits::IDENTIFIER_CHARS_MAX;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use serde_json::{Map, Value};
use store::credentials::ApiCredential;

use super::Params;
use crate::app::App;
use crate::flows::{self, NewCredential};
use crate::http::body::JsonObject;
use crate::http::caller::Caller;
use crate::http::error::Failure;
use crate::http::form::Form;
use crate::http::path_id::PathId;

/// Makes a credential; its text is shown this once.
#[utoipa::path(post, path = "/v1/credentials", operation_id = "create_credential", tag = "credentials", request_body = CreateCredentialRequest,
    responses((status = 200, body = CreatedCredential), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    JsonObject(body): JsonObject,
) -> Result<Json<CreatedCredential>, Failure> {
    let (made, text) = flows::create_credential(&app, &ctx, parse(&body)?).await?;
    let Credential { id, name, hint, scopes, expires_at, created_at, .. } = credential(made);
    let api_key = text.expose().to_owned();
    Ok(Json(CreatedCredential { api_key, id, name, hint, scopes, expires_at, created_at }))
}

fn parse(body: &Map<String, Value>) -> Result<NewCredential, Refusal> {
    let form = Form::of(body);
    form.text("name");
    let name = form.optional_name("name", IDENTIFIER_CHARS_MAX).unwrap_or_default();
    let words: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    let texts = form.optional_texts("scopes");
    if texts.is_empty() {
        form.fault("scopes", "must list at least one scope");
    }
    let mut scopes = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        match Scope::parse(text) {
            Some(scope) if scopes.contains(&scope) => form.fault("scopes", format!("names {scope} twice")),
            Some(scope) => scopes.push(scope),
            None => form.fault(&format!("scopes[{at}]"), format!("must be one of {}", words.join(", "))),
        }
    }
    let expires_at = form.optional_text("expires_at").and_then(|text| {
        let instant = Timestamp::parse_rfc3339(&text);
        if instant.is_none() {
            form.fault("expires_at", "must be an instant such as 2030-01-31T12:00:00Z");
        }
        instant
    });
    form.finish(NewCredential { name, scopes, expires_at })
}

/// Lists the tenant's credentials, newest first, without their texts.
#[utoipa::path(get, path = "/v1/credentials", operation_id = "list_credentials", tag = "credentials",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = CredentialPage), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    params: Params,
) -> Result<Json<CredentialPage>, Failure> {
    let (before, limit) = parse_page(&params)?;
    let (page, more) = flows::list_credentials(&app, &ctx, before, limit).await?;
    let next_cursor = page.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(Json(CredentialPage { data: page.into_iter().map(credential).collect(), next_cursor }))
}

fn parse_page(params: &HashMap<String, String>) -> Result<(Option<CredentialId>, Option<u32>), Refusal> {
    let mut fields = BTreeMap::new();
    let mut fault = |name: &str, fault: &str| {
        fields.insert(name.to_owned(), vec![fault.to_owned()]);
    };
    let limit = params.get("limit").map(|text| text.parse());
    if matches!(limit, Some(Err(_))) {
        fault("limit", "must be a number between 1 and 200");
    }
    let cursor = params.get("cursor").map(|text| text.parse());
    if matches!(cursor, Some(Err(_))) {
        fault("cursor", "must be `next_cursor` of the page before");
    }
    if !fields.is_empty() {
        return Err(Refusal::invalid(fields));
    }
    Ok((cursor.and_then(Result::ok), limit.and_then(Result::ok)))
}

/// Revokes a credential; the next call with it is refused.
#[utoipa::path(delete, path = "/v1/credentials/{id}", operation_id = "revoke_credential", tag = "credentials",
    params(("id" = String, Path, description = "The credential")),
    responses((status = 204), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn revoke(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    PathId(id): PathId,
) -> Result<StatusCode, Failure> {
    flows::revoke_credential(&app, &ctx, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A credential as it is answered.
pub fn credential(row: ApiCredential) -> Credential {
    Credential {
        id: row.id.to_string(),
        name: row.name,
        hint: row.hint,
        scopes: row.scopes.as_slice().iter().map(ToString::to_string).collect(),
        expires_at: row.expires_at.map(Timestamp::rfc3339),
        revoked_at: row.revoked_at.map(Timestamp::rfc3339),
        created_at: row.created_at.rfc3339(),
    }
}
