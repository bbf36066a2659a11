//! Has the offline enclave of a sandbox do now what waits for it.

use domain::access::Deed;
use domain::limits::{CEREMONY_DEADLINE, UNAVAILABLE_RETRY_AFTER_S};
use domain::refusal::{Kind, Refusal};
use store::StoreError;

use super::{Ctx, Error};
use crate::app::App;

/// Has a ceremony held, waits for its end, and returns how many COLD keys it brought.
pub async fn run_ceremony(app: &App, ctx: &Ctx) -> Result<u64, Error> {
    ctx.principal.permit(Deed::RunCeremony)?;
    let sandbox = app.sandbox.as_ref().ok_or_else(Refusal::no_such_path)?;
    let desk = sandbox.ceremonies.as_ref().ok_or_else(|| {
        away("this service was started without an offline enclave: hold the ceremony by hand")
    })?;
    let (tenant, entry) = (ctx.principal.tenant.clone(), ctx.entry(app, "ceremony.requested"));
    let written = app.db.write("ask_ceremony", move |tx| store::audit::of(&tenant).append(tx, &entry));
    written.await.map_err(|error: StoreError| Error::from(error))?;
    let held = tokio::time::timeout(CEREMONY_DEADLINE, desk.ask()).await.ok().flatten();
    let text =
        "the offline enclave did not bring its ceremony to an end; the log of the sandbox has the reason";
    Ok(held.ok_or_else(|| away(text))?)
}

fn away(text: &str) -> Refusal {
    Refusal::new(Kind::Unavailable, "ceremony-unavailable", text).retry_after(UNAVAILABLE_RETRY_AFTER_S)
}
