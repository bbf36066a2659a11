//! Counts each call, by the template of its path.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use domain::time::Timestamp;

use crate::app::App;
use crate::metrics::{Ended, Route};

/// A call that is running. Counted when it is dropped, so that one whose caller goes away is counted too.
struct Running {
    app: Arc<App>,
    begun: Timestamp,
    route: Route,
    status: Option<StatusCode>,
}

/// Counts the call, and how long its answer took.
pub async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = Route { route: template(&request).to_owned(), method: known(request.method()) };
    app.metrics.http.running.inc();
    let begun = app.clock.now();
    let mut running = Running { app, begun, route, status: None };
    let response = next.run(request).await;
    running.status = Some(response.status());
    response
}

impl Drop for Running {
    fn drop(&mut self) {
        let http = &self.app.metrics.http;
        http.running.dec();
        let status = self.status.map_or_else(|| "none".to_owned(), |status| status.as_str().to_owned());
        let Route { route, method } = self.route.clone();
        http.calls.get_or_create(&Ended { route, method, status }).inc();
        let seconds = self.app.clock.now().since(self.begun).as_secs_f64();
        http.seconds.get_or_create(&self.route).observe(seconds);
    }
}

/// The template of the route that the call is for; `none` where there is no such route.
pub fn template(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str)
}

/// The method's name, if any route takes it: a caller may invent others without end.
pub fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
