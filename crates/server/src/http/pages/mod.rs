//! Pages for people. Markup is made by `maud`, which escapes whatever is put into it; there is no script, no style
//! within the markup, and nothing from elsewhere, and the browser is told so.

mod docs;
pub mod identity;

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};

use super::error::Whole;

/// Where the style is served.
const STYLE_PATH: &str = "/static/pages.css";

/// The style.
const STYLE: &str = include_str!("pages.css");

/// What a page may do: be shown with our style, and send its forms back to us.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The referrer stays within the service: with none at all a browser would not say whose form it sends.
const GUARDS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// A page with a status.
pub struct Page(pub StatusCode, pub Markup);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = (self.0, self.1.into_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in GUARDS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response.extensions_mut().insert(Whole);
        response
    }
}

/// The pages that are the same for everyone, and the styles. The sandbox's pages have theirs there alone.
pub fn routes(is_sandbox: bool, document: &serde_json::Value) -> Router {
    let page = docs::render(document);
    let router = Router::new()
        .route("/docs", get(|| async { Page(StatusCode::OK, page) }))
        .route(docs::STYLE_PATH, get(|| async { style(docs::STYLE) }));
    if is_sandbox { router.route(STYLE_PATH, get(|| async { style(STYLE) })) } else { router }
}

fn style(text: &'static str) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/css; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text)
}

/// What every page has around it.
fn document(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · Holdfast" }
                link rel="stylesheet" href=(STYLE_PATH);
            }
            body {
                header { span.brand { "Holdfast" } span.place { "Sandbox" } }
                main { (content) }
            }
        }
    }
}
