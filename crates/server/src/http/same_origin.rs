//! Whether a form was sent by a page of ours.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// Whether no browser says that another site's page sent this. What is no browser says nothing, and carries
/// nobody's cookies either.
pub fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return true };
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    authority.is_some() && authority == text(HOST.as_str())
}
