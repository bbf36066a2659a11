//! `/v1/auth`: bearer tokens, and the tenant's own issuer of them.

use std::sync::Arc;

use api::credential::{Issuer, SetIssuerRequest, TokenResponse};
use api::error::ErrorBody;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use domain::refusal::Refusal;
use serde_json::{Map, Value};

use crate::app::App;
use crate::flows::{self, SetIssuer};
use crate::http::body::JsonObject;
use crate::http::caller::Caller;
use crate::http::error::Failure;
use crate::http::form::Form;

/// Exchanges the API key of this call for a bearer token of half an hour.
#[utoipa::path(post, path = "/v1/auth/token", operation_id = "exchange_token", tag = "credentials",
    responses((status = 200, body = TokenResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn token(State(app): State<Arc<App>>, Caller(ctx): Caller) -> Result<impl IntoResponse, Failure> {
    let token = flows::exchange_token(&app, &ctx).await?;
    let body = TokenResponse {
        token: token.text,
        token_type: "Bearer".to_owned(),
        expires_in: token.expires_at.since(ctx.now).as_secs(),
        expires_at: token.expires_at.rfc3339(),
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)))
}

/// Registers the tenant's own issuer of tokens, in the place of the one before.
#[utoipa::path(put, path = "/v1/auth/issuer", operation_id = "set_issuer", tag = "credentials", request_body = SetIssuerRequest,
    responses((status = 200, body = Issuer), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn set_issuer(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    JsonObject(body): JsonObject,
) -> Result<Json<Issuer>, Failure> {
    Ok(Json(issuer(flows::set_issuer(&app, &ctx, parse_issuer(&body)?).await?)))
}

fn parse_issuer(body: &Map<String, Value>) -> Result<SetIssuer, Refusal> {
    let form = Form::of(body);
    let (issuer, audience) = (form.identifier("issuer"), form.identifier("audience"));
    let jwks_uri = form.text("jwks_uri");
    form.finish(SetIssuer { issuer, jwks_uri, audience })
}

/// Shows the tenant's own issuer of tokens.
#[utoipa::path(get, path = "/v1/auth/issuer", operation_id = "read_issuer", tag = "credentials",
    responses((status = 200, body = Issuer), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn read_issuer(State(app): State<Arc<App>>, Caller(ctx): Caller) -> Result<Json<Issuer>, Failure> {
    Ok(Json(issuer(flows::read_issuer(&app, &ctx).await?)))
}

/// Ends the tenant's own issuer: its tokens are refused from the next call on.
#[utoipa::path(delete, path = "/v1/auth/issuer", operation_id = "delete_issuer", tag = "credentials",
    responses((status = 204), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn delete_issuer(State(app): State<Arc<App>>, Caller(ctx): Caller) -> Result<StatusCode, Failure> {
    flows::delete_issuer(&app, &ctx).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn issuer(row: store::issuers::Issuer) -> Issuer {
    Issuer {
        issuer: row.issuer,
        jwks_uri: row.jwks_uri,
        audience: row.audience,
        scopes: row.scopes.as_slice().iter().map(ToString::to_string).collect(),
        created_at: row.created_at.rfc3339(),
        updated_at: row.updated_at.rfc3339(),
    }
}
