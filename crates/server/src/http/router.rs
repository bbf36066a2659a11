//! The router: the routes, and around them what every call goes through.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;

use super::{control, error, measure, openapi, pages, rate_limit, repeat, request_id, rest_of_body};
use crate::app::App;

/// The whole HTTP face of the service.
pub fn router(app: &Arc<App>) -> Router {
    let (routes, document) = openapi::routes(app.sandbox.is_some());
    let text: Arc<str> = document.to_string().into();
    routes
        .merge(control::routes(app))
        .with_state(Arc::clone(app))
        .merge(pages::routes(app.sandbox.is_some(), &document))
        .merge(Router::new().route("/openapi.json", get(served)).with_state(text))
        .layer(CatchPanicLayer::new())
        .layer(from_fn(error::render))
        .layer(from_fn_with_state(Arc::clone(app), repeat::once))
        .layer(from_fn(rate_limit::announce))
        .layer(from_fn(rest_of_body::throw_away))
        .layer(from_fn_with_state(Arc::clone(app), request_id::name))
        .layer(from_fn_with_state(Arc::clone(app), measure::count))
}

async fn served(State(document): State<Arc<str>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], document.to_string())
}
