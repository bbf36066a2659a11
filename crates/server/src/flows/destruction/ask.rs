//! Asks to have a key destroyed. Nothing happens to it before another person has said yes.

use domain::control::Act;
use domain::destruction::{DestructionState, REQUESTED, Wish, days, may_be_destroyed, wrong_state};
use domain::ids::{PersonId, TenantId};
use domain::limits::DESTRUCTION_ASKED_DAYS;
use domain::refusal::{Kind, Refusal};
use store::Rx;
use store::audit::AuditEntry;
use store::destructions::{self, Destruction};
use store::keys::{self, CustomerKey};

use super::super::approvals::{permitted, recorded};
use super::super::{Ctx, Error};
use super::facts::{has_files_elsewhere, is_moved_to};
use super::owners::Settling;
use super::{Found, about, find, news};
use crate::app::App;

/// What somebody asks for, as he wrote it.
#[derive(Clone, Debug, Default)]
pub struct AskDestruction {
    /// Why.
    pub reason: String,
    /// How many days it can be stopped after it was confirmed.
    pub days: String,
}

/// Asks. Every refusal is recorded.
pub async fn ask_destruction(app: &App, ctx: &Ctx, id: &str, command: &AskDestruction) -> Result<(), Error> {
    let found = find(app, ctx, id).await?;
    let refused = about(&found.key, ctx.entry(app, "key.destruction-refused"));
    let asked = match permitted(ctx, Act::DestroyKey) {
        Ok(person) => ask(app, ctx, found, person, command).await,
        Err(error) => Err(error),
    };
    recorded(app, ctx, refused, asked).await
}

async fn ask(
    app: &App,
    ctx: &Ctx,
    found: Found,
    person: PersonId,
    command: &AskDestruction,
) -> Result<(), Error> {
    let wish = Wish::parse(&command.reason, &command.days)?;
    let destruction = Destruction {
        key_id: found.key.id.clone(),
        state: DestructionState::Asked,
        key_state: found.key.state,
        reason: wish.reason.clone(),
        days: wish.days,
        asked_by: person,
        confirmed_by: None,
        due_at: ctx.now + days(DESTRUCTION_ASKED_DAYS),
        asked_at: ctx.now,
        confirmed_at: None,
        ended_at: None,
    };
    let entry = AuditEntry { reason: Some(wish.logged()), ..about(&found.key, ctx.entry(app, REQUESTED)) };
    let text = "Nothing happens before another owner confirms it, which lapses after seven days. Look at why, and stop it \
                if it is not right.";
    let tenant = ctx.principal.tenant.clone();
    let notices = news(app, ctx.now, &tenant, &found, ("Somebody wants a key destroyed", text)).await?;
    let settling = Settling::of(app);
    app.db
        .write("ask_destruction", move |tx| {
            let key = keys::of(&tenant).find_locked(tx, &found.key.id)?.ok_or_else(Refusal::not_found)?;
            may_be_destroyed(key.state)?;
            settling.permit(tx, (&tenant, &key), &destruction.asked_by, destruction.asked_at)?;
            must_be_spare(tx, &tenant, &key)?;
            let destruction = Destruction { key_state: key.state, ..destruction.clone() };
            if !destructions::of(&tenant).insert(tx, &destruction)? {
                return Err(wrong_state("its destruction is asked for already").into());
            }
            store::audit::of(&tenant).append(tx, &entry)?;
            Ok(notices.iter().try_for_each(|notice| store::notices::of(&tenant).append(tx, notice))?)
        })
        .await
}

/// Refuses where more would be lost with the key than what it guards by now.
pub(super) fn must_be_spare(rx: &mut Rx<'_>, tenant: &TenantId, key: &CustomerKey) -> Result<(), Error> {
    let (code, text) = if has_files_elsewhere(rx, tenant, key)? {
        ("files-need-key", "a key that replaced this one guards files, which may be encrypted to this one")
    } else if is_moved_to(rx, tenant, key)? {
        (
            "moves-need-key",
            "backups of a key that it replaced wait for the ceremony that moves them to this one",
        )
    } else {
        return Ok(());
    };
    Err(Refusal::new(Kind::Conflict, code, format!("{text}: they would be lost with it")).into())
}
