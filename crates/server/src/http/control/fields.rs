//! What a form sent.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use domain::limits::CONTROL_FORM_BYTES_MAX;
use domain::refusal::{Kind, Refusal};
use http_body_util::BodyExt as _;

use crate::http::body::Pace;

/// The fields of a form, as they were sent. Has no `Debug`: there are passwords among them.
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a form, which must not be too large or come too slowly.
    pub async fn read(headers: &HeaderMap, body: Body) -> Result<Self, Refusal> {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let essence = content_type.split(';').next().unwrap_or("").trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let text = "That is no form of a page here. Go back, load the page anew, and send it again.";
            return Err(Refusal::new(Kind::UnsupportedMedia, "content-type", text));
        }
        let bytes = read(body).await?;
        Ok(Self(form_urlencoded::parse(&bytes).into_owned().collect()))
    }

    /// A field without the white space around it; empty where it was not sent.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// A field exactly as it was typed: a password may end in a space.
    pub fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Every value of a field that may be there more than once.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.trim())
    }

    /// Whether it was sent at all, as a box that is ticked is.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }
}

async fn read(mut body: Body) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let mut pace = Pace::begin();
    loop {
        let frame = match tokio::time::timeout_at(pace.deadline(), body.frame()).await {
            Err(_) => return Err(Pace::too_slow()),
            Ok(None) => return Ok(bytes),
            Ok(Some(frame)) => frame.map_err(|_| {
                Refusal::new(Kind::Invalid, "malformed-form", "The form did not arrive whole. Send it again.")
            })?,
        };
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > CONTROL_FORM_BYTES_MAX {
            let text = "What was sent is too large for a form here: 256 KiB are the most.";
            return Err(Refusal::new(Kind::TooLarge, "body-too-large", text));
        }
        bytes.extend_from_slice(&data);
        pace.count(data.len());
    }
}
