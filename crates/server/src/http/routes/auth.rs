//! `/v1/auth`: bearer tokens.

use std::sync::Arc;

use api::credential::TokenResponse;
use api::error::ErrorBody;
use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;

use crate::app::App;
use crate::flows;
use crate::http::caller::Caller;
use crate::http::error::Failure;

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
