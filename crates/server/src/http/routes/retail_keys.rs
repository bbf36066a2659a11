//! `/v1/key`: retail customers' keys.

use std::sync::Arc;

use api::error::ErrorBody;
use api::retail::{GenerateKeyRequest, GenerateKeyResponse};
use axum::Json;
use axum::extract::State;
use boundary::statement::Field;
use domain::refusal::Refusal;
use serde_json::{Map, Value};

use super::{public_key_hex, sign_with, signed_fields};
use crate::app::App;
use crate::flows::{self, GenerateKey};
use crate::http::body::JsonObject;
use crate::http::caller::Caller;
use crate::http::error::Failure;
use crate::http::form::Form;

/// Makes a key pair for one user, in the enclave.
#[utoipa::path(post, path = "/v1/key/generate", tag = "retail", request_body = GenerateKeyRequest,
    responses((status = 200, body = GenerateKeyResponse), (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub async fn generate(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    JsonObject(body): JsonObject,
) -> Result<Json<GenerateKeyResponse>, Failure> {
    let key = flows::generate_key(&app, &ctx, parse(&body)?).await?;
    Ok(Json(GenerateKeyResponse {
        key_id: key.id.to_string(),
        public_key: public_key_hex(&key.public_key),
        signature: key.signature,
        signed_payload: key.signed_payload,
        signed_fields: signed_fields(key.signed_fields.as_deref()),
    }))
}

fn parse(body: &Map<String, Value>) -> Result<GenerateKey, Refusal> {
    let form = Form::of(body);
    let command = GenerateKey {
        user_identifier: form.identifier("user_identifier"),
        verification_id: form.text("verification_id"),
        // A retail key is filed under no organisation and no package.
        sign_with: sign_with(&form, |field| {
            !matches!(field, Field::ExternalCustomerId | Field::ExternalPackageId)
        }),
    };
    form.finish(command)
}
