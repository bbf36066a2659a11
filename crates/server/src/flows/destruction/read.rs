//! Shows how it stands with the destruction of a key.

use domain::access::Deed;
use domain::control::Act;
use domain::destruction::{DestructionState, Hold, Loss};
use domain::ids::KeyId;
use domain::refusal::Refusal;
use store::destructions::{self, Destruction};
use store::listings::{self, ListedKey};
use store::{StoreError, keys, people};

use super::super::{Ctx, Error};
use super::facts::{find_hold, read_words};
use super::judge::Judge;
use super::stop::is_on_list;
use crate::app::App;

/// A key and the latest destruction of it.
#[derive(Clone)]
pub struct ShownDestruction {
    /// The key.
    pub key: ListedKey,
    /// Its destruction; none: nobody ever asked for it.
    pub destruction: Option<Destruction>,
    /// Who asked, by name.
    pub asked_by: String,
    /// Who confirmed it, by name.
    pub confirmed_by: Option<String>,
    /// Why it would wait at its end, if that were now.
    pub hold: Option<Hold>,
    /// Why it will be stopped at its end.
    pub loss: Option<Loss>,
    /// Whether the reader may stop it.
    pub may_stop: bool,
}

/// How it stands by now.
pub async fn read_destruction(app: &App, ctx: &Ctx, id: &str) -> Result<ShownDestruction, Error> {
    ctx.principal.permit(Deed::ReadOwnKey)?;
    let id: KeyId = id.parse().map_err(|_| Refusal::not_found())?;
    let (tenant, person) = (ctx.principal.tenant.clone(), ctx.principal.person.clone());
    let judge = Judge::of(app, false, ctx.now);
    let found = app.db.read("read_destruction", move |rx| {
        let (Some(key), Some(listed)) =
            (keys::of(&tenant).find(rx, &id)?, listings::of(&tenant).find_key(rx, &id)?)
        else {
            return Err(Error::from(Refusal::not_found()));
        };
        let destruction = destructions::of(&tenant).find(rx, &id)?;
        let mut name = |id| {
            let found = people::of(&tenant).find(rx, id)?;
            Ok::<_, StoreError>(found.map_or_else(|| id.to_string(), |person| person.name))
        };
        let asked_by = destruction.as_ref().map(|found| name(&found.asked_by)).transpose()?;
        let second = destruction.as_ref().and_then(|found| found.confirmed_by.as_ref());
        let confirmed_by = second.map(&mut name).transpose()?;
        let (mut hold, mut loss) = (None, None);
        if let Some(pending) = destruction.as_ref().filter(|found| found.state == DestructionState::Pending) {
            hold = find_hold(rx, (&tenant, &key), false, judge.now)?;
            let at_its_end = Judge { now: judge.now.max(pending.due_at), ..judge.clone() };
            loss = read_words(rx, &at_its_end, (&tenant, &key, pending))?.loss;
        }
        let may_stop = match &person {
            Some((_, role)) if Act::DestroyKey.is_open_to(*role) => true,
            Some((id, role)) if Act::KeepKey.is_open_to(*role) => is_on_list(rx, &tenant, &key, id)?,
            _ => false,
        };
        let asked_by = asked_by.unwrap_or_default();
        Ok(ShownDestruction { key: listed, destruction, asked_by, confirmed_by, hold, loss, may_stop })
    });
    found.await
}
