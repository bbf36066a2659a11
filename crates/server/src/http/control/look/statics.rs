//! The style and the scripts. Their names hold a hash of their content, so that a browser may keep them for good.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::extract::Path;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::audit::hex;

/// One file.
pub(super) struct Static {
    /// Where it is served.
    pub(super) path: String,
    content_type: &'static str,
    pub(super) text: &'static str,
}

pub(super) static STYLE: LazyLock<Static> =
    LazyLock::new(|| Static::new("control", "css", "text/css; charset=utf-8", include_str!("control.css")));
pub(super) static PASSKEY: LazyLock<Static> = LazyLock::new(|| script("passkey", include_str!("passkey.js")));
pub(super) static FILE: LazyLock<Static> = LazyLock::new(|| script("file", include_str!("file.js")));

const FOLDER: &str = "/control/static/";

fn script(name: &str, text: &'static str) -> Static {
    Static::new(name, "js", "text/javascript; charset=utf-8", text)
}

impl Static {
    fn new(name: &str, extension: &str, content_type: &'static str, text: &'static str) -> Self {
        let hash = hex(&digest(&SHA256, text.as_bytes()).as_ref()[..8]);
        Self { path: format!("{FOLDER}{name}-{hash}.{extension}"), content_type, text }
    }
}

/// Each of them.
pub(super) fn all() -> [&'static Static; 3] {
    [&STYLE, &PASSKEY, &FILE]
}

/// The paths of the files.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/control/static/{name}", get(serve))
}

async fn serve(Path(name): Path<String>) -> Response {
    let Some(file) = all().into_iter().find(|file| file.path.strip_prefix(FOLDER) == Some(&name)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = file.text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
