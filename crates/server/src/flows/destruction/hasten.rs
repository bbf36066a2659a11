//! Leaves out the rest of the wait, in a sandbox, so that a rehearsal sees the end.

use domain::control::Act;
use domain::destruction::{HASTENED, wrong_state};
use domain::refusal::Refusal;
use store::destructions;

use super::super::approvals::permitted;
use super::super::{Ctx, Error};
use super::{about, find};
use crate::app::App;

/// Has the days end now. What else stands in the way of the end still does.
pub async fn hasten_destruction(app: &App, ctx: &Ctx, id: &str) -> Result<(), Error> {
    app.sandbox.as_ref().ok_or_else(Refusal::no_such_path)?;
    permitted(ctx, Act::Rehearse)?;
    let found = find(app, ctx, id).await?;
    let entry = about(&found.key, ctx.entry(app, HASTENED));
    let (tenant, now) = (ctx.principal.tenant.clone(), ctx.now);
    app.db
        .write("hasten_destruction", move |tx| {
            if !destructions::of(&tenant).set_due(tx, &found.key.id, now)? {
                return Err(Error::from(wrong_state("no days run that could be left out")));
            }
            Ok(store::audit::of(&tenant).append(tx, &entry)?)
        })
        .await
}
