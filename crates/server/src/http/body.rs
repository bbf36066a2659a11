//! JSON bodies: the right type, not too large, not too slow, an object.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use domain::limits::{BODY_GRACE, BODY_RATE_BYTES_PER_S, JSON_BODY_BYTES_MAX};
use domain::refusal::{Kind, Refusal};
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::error::Failure;

/// The members of a request's JSON object.
pub struct JsonObject(pub Map<String, Value>);

impl<S: Sync> FromRequest<S> for JsonObject {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let content_type =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let essence = content_type.split(';').next().unwrap_or("").trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let text = "the body must be JSON, with `Content-Type: application/json`";
            return Err(Refusal::new(Kind::UnsupportedMedia, "content-type", text).into());
        }
        let bytes = read(request.into_body()).await?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(malformed("the body must be a JSON object").into()),
            Err(error) => Err(malformed(format!(
                "the body is not JSON: line {}, column {}",
                error.line(),
                error.column()
            ))
            .into()),
        }
    }
}

/// The members of a JSON object that may be left out: no body at all has none.
pub struct MaybeJsonObject(pub Map<String, Value>);

impl<S: Sync> FromRequest<S> for MaybeJsonObject {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let bytes = read(body).await?;
        if bytes.is_empty() {
            return Ok(Self(Map::new()));
        }
        let request = Request::from_parts(parts, Body::from(bytes));
        JsonObject::from_request(request, state).await.map(|JsonObject(members)| Self(members))
    }
}

fn malformed(text: impl Into<String>) -> Refusal {
    Refusal::new(Kind::Invalid, "malformed-json", text)
}

/// The whole body, unless it grows too large or comes too slowly.
pub async fn read(mut body: Body) -> Result<Vec<u8>, Refusal> {
    let too_large = || {
        let text = format!("a JSON body may have at most {JSON_BODY_BYTES_MAX} bytes");
        Refusal::new(Kind::TooLarge, "body-too-large", text)
    };
    let mut bytes = Vec::new();
    let mut pace = Pace::begin();
    loop {
        let frame = match tokio::time::timeout_at(pace.deadline(), body.frame()).await {
            Err(_) => return Err(Pace::too_slow()),
            Ok(None) => return Ok(bytes),
            Ok(Some(frame)) => frame.map_err(|_| malformed("the body ended early"))?,
        };
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > JSON_BODY_BYTES_MAX {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
        pace.count(data.len());
    }
}

/// The pace that a body must keep: every byte that came buys its share of time, so a drip ends as surely as
/// silence.
pub struct Pace {
    begun: Instant,
    bytes: u64,
}

impl Pace {
    /// Of a body whose first byte is still to come.
    pub fn begin() -> Self {
        Self { begun: tokio::time::sleep(Duration::ZERO).deadline(), bytes: 0 }
    }

    /// So many bytes more have come.
    pub fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// How many have come.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When the next must have come.
    pub fn deadline(&self) -> Instant {
        self.begun + BODY_GRACE + Duration::from_secs(self.bytes / BODY_RATE_BYTES_PER_S)
    }

    /// It did not.
    pub fn too_slow() -> Refusal {
        Refusal::new(Kind::TooSlow, "body-too-slow", "the body did not arrive in time")
    }
}
