//! `/healthz`, `/readyz`: for whoever watches the process.

use std::sync::Arc;

use api::error::ErrorBody;
use api::operation::{Health, Readiness};
use axum::Json;
use axum::extract::State;
use boundary::message::Hello;
use domain::refusal::Refusal;
use store::StoreError;
use store::audit_witnesses::Troubles;

use crate::app::App;
use crate::flows::Error;
use crate::http::error::Failure;

/// The process runs.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = Health)))]
pub async fn healthz() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

/// The process, its database and its enclave can serve.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses((status = 200, body = Readiness), (status = 503, body = ErrorBody)))]
pub async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Readiness>, Failure> {
    if app.db.is_failed() {
        return Err(Refusal::unavailable("the database").into());
    }
    let found = app.db.read("readyz", |rx| {
        let forked = store::checkpoints::count_forked(rx)?;
        let foreign = store::audit::waiting::count_refused(rx)? + store::audit::heads::count_refused(rx)?;
        Ok((forked, foreign, store::audit_witnesses::find_troubles(rx)?))
    });
    let (forked, foreign, troubles) = found.await.map_err(|error: StoreError| Error::from(error))?;
    app.enclave.hello(Hello { env: app.env }).await.map_err(Error::from)?;
    // Without it most goes on, recoveries among it: no reason to send callers elsewhere.
    let files = if app.files.are_there(app.clock.now()).await { "ready" } else { "away" };
    let (status, environment) = ("ready".to_owned(), app.env.as_str().to_owned());
    // What a foreign hand wrote is kept out of the logs, and acts go on: nor is that a reason.
    let audit_logs = match (forked, foreign) {
        (0, 0) => "whole",
        (0, _) => "foreign",
        _ => "forked",
    };
    let witnesses = match troubles {
        _ if app.witnesses.is_empty() => "none",
        Troubles { forked: 1.., .. } => "forked",
        Troubles { away: 1.., .. } => "away",
        _ => "well",
    };
    let (files, audit_logs, witnesses) = (files.to_owned(), audit_logs.to_owned(), witnesses.to_owned());
    Ok(Json(Readiness { status, environment, files, audit_logs, witnesses }))
}
