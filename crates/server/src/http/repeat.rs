//! `Idempotency-Key`: a POST that its caller named is run once, and its repeat is answered as it was.
//!
//! Stands outside of [`super::error::render`], so that what is kept is what was sent.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use domain::access::Deed;
use domain::idempotency::{Keeping, is_name};
use domain::refusal::Refusal;
use http_body_util::BodyExt as _;

use super::body;
use super::caller::Caller;
use super::error::{Failure, rendered};
use super::file_form::{self, FileForm};
use super::request_id::RequestId;
use crate::app::App;
use crate::flows::{self, Error, KeptAnswer, NamedRequest, Repeat};

const KEY: &str = "idempotency-key";
const REPLAY: &str = "idempotent-replay";

/// Runs a named call once.
pub async fn once(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(deed) = named_deed(&request) else { return next.run(request).await };
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    match answer(&app, deed, request, next).await {
        Ok(response) => response,
        Err(failure) => rendered(failure.into_response(), id),
    }
}

/// The deed of a POST that has a name which counts.
fn named_deed(request: &Request) -> Option<Deed> {
    if request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return None;
    }
    let path = request.extensions().get::<MatchedPath>()?;
    Deed::of_route(Method::POST.as_str(), path.as_str()).filter(|deed| deed.keeping() != Keeping::Nothing)
}

async fn answer(app: &Arc<App>, deed: Deed, request: Request, next: Next) -> Result<Response, Failure> {
    let (mut parts, body) = request.into_parts();
    let Caller(mut ctx) = Caller::from_request_parts(&mut parts, app).await?;
    let name = name(&parts)?;
    // A form is read here to its end: wrapped anew for each try, its bytes say nothing, and its parts do.
    let (form, body) = if deed.takes_file() {
        (Some(file_form::read(app, &parts.headers, body).await?), Vec::new())
    } else {
        (None, body::read(body).await?)
    };
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str()).to_owned();
    let essence = form.as_ref().map(FileForm::essence);
    let mut compared = vec![&b"POST"[..], path.as_bytes(), &body];
    compared.extend(essence.iter().flatten().map(Vec::as_slice));
    let named = NamedRequest { name: name.as_bytes(), deed, parts: &compared };
    let run = match flows::begin_named(app, &ctx, &named).await? {
        Repeat::Again(kept) => return Ok(replayed(kept)),
        Repeat::Run(run) => run,
    };
    // The handler must not be asked who calls a second time, nor to read what was read.
    ctx.named = Some(run.clone());
    parts.extensions.insert(ctx);
    if let Some(form) = form {
        parts.extensions.insert(form);
    }
    let request = Request::from_parts(parts, Body::from(body));
    let app = Arc::clone(app);
    // On a task of its own, so that the run ends, and its answer is kept, when the caller hangs up.
    let ran = tokio::spawn(async move {
        let response = next.run(request).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
        let kept = KeptAnswer { status: head.status.as_u16(), body };
        if let Err(error) = flows::end_named(&app, run, &kept).await {
            // The caller has its answer; a repeat is run again when the lease is over.
            let cause = match error {
                Error::Refused(refusal) => refusal.to_string(),
                Error::Fault(fault) => fault.chain(),
            };
            tracing::error!(cause, "the answer of a named call could not be kept");
        }
        Response::from_parts(head, Body::from(kept.body))
    });
    ran.await.map_err(|error| Failure::Internal { doing: "running a named call", cause: error.to_string() })
}

fn name(parts: &Parts) -> Result<HeaderValue, Refusal> {
    let mut values = parts.headers.get_all(KEY).iter();
    match (values.next(), values.next()) {
        (Some(name), None) if is_name(name.as_bytes()) => Ok(name.clone()),
        _ => Err(Refusal::field("Idempotency-Key", "must be given once, as 1 to 255 plain characters")),
    }
}

fn replayed(kept: KeptAnswer) -> Response {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let mut response = (status, kept.body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(REPLAY, HeaderValue::from_static("true"));
    response
}
