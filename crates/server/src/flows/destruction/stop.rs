//! Stops the destruction of a key: the key is what it was before.

use domain::control::Act;
use domain::destruction::{DestructionState, wrong_state};
use domain::ids::{PersonId, TenantId};
use domain::key::KeyState;
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use store::destructions::{self, Destruction};
use store::keys::{self, CustomerKey};
use store::{Rx, StoreError, Tx};

use super::super::approvals::{permitted, recorded};
use super::super::{Ctx, Error, event, tell};
use super::facts::list_of;
use super::{Found, about, data, find, news};
use crate::app::App;

/// Stops it, or takes the request back. Every refusal is recorded.
pub async fn stop_destruction(app: &App, ctx: &Ctx, id: &str) -> Result<(), Error> {
    let found = find(app, ctx, id).await?;
    let refused = about(&found.key, ctx.entry(app, "key.destruction-stop-refused"));
    let stopped = match permitted(ctx, Act::KeepKey) {
        Ok(person) => stop(app, ctx, found, person).await,
        Err(error) => Err(error),
    };
    recorded(app, ctx, refused, stopped).await
}

async fn stop(app: &App, ctx: &Ctx, found: Found, person: PersonId) -> Result<(), Error> {
    let is_owner = ctx.principal.permit_act(Act::DestroyKey).is_ok();
    let entry = about(&found.key, ctx.entry(app, "key.destruction-stopped"));
    let (tenant, env, now) = (ctx.principal.tenant.clone(), app.env, ctx.now);
    let text = "It is kept, and so is all that it guards. Whoever wants it destroyed after all asks anew.";
    let notices = news(app, now, &tenant, &found, ("The destruction of a key was stopped", text)).await?;
    let event = event(&app.minter, now, "key.kept", data(&found, None));
    app.db
        .write("stop_destruction", move |tx| {
            let key = keys::of(&tenant).find_locked(tx, &found.key.id)?.ok_or_else(Refusal::not_found)?;
            if !is_owner && !is_on_list(tx, &tenant, &key, &person)? {
                let text = "an owner stops this, or a member of the list that guards the key";
                return Err(Refusal::new(Kind::Forbidden, "not-on-acl", text).into());
            }
            let destruction = destructions::of(&tenant).find_locked(tx, &key.id)?;
            let destruction = destruction.ok_or_else(|| wrong_state("nobody asked for its destruction"))?;
            destruction.state.may_be_stopped()?;
            keep_key(tx, &tenant, &destruction, now)?;
            store::audit::of(&tenant).append(tx, &entry)?;
            notices.iter().try_for_each(|notice| store::notices::of(&tenant).append(tx, notice))?;
            if destruction.state.holds_key() {
                tell(tx, &tenant, env, &event)?;
            }
            Ok::<_, Error>(())
        })
        .await
}

/// Makes the key what it was.
pub(super) fn keep_key(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    destruction: &Destruction,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (key, states) = (&destruction.key_id, (destruction.state, DestructionState::Stopped));
    if destruction.state.holds_key() {
        keys::of(tenant).set_state(tx, key, KeyState::DestroyPending, destruction.key_state)?;
    }
    destructions::of(tenant).set_state(tx, key, states, Some(now)).map(drop)
}

/// Whether somebody is on the list that guards a key, as it is now.
pub(super) fn is_on_list(
    rx: &mut Rx<'_>,
    tenant: &TenantId,
    key: &CustomerKey,
    person: &PersonId,
) -> Result<bool, Error> {
    Ok(list_of(rx, tenant, key)?.is_some_and(|list| list.place(person.as_str()).is_some()))
}
