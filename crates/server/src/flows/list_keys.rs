//! Shows a tenant its keys: whoever lost the answer of an assignment gets it here.

use domain::access::Deed;
use domain::ids::KeyId;
use domain::refusal::Refusal;
use store::StoreError;
use store::listings::{self, KeyAct, KeyFilter, ListedKey, Seen};

use super::{Ctx, Error};
use crate::app::App;

/// How much of a key's history is shown.
const ACTS_MAX: i64 = 1_000;

/// Which keys.
pub struct KeyQuery {
    /// Only those that match.
    pub filter: KeyFilter,
    /// Only those after this one.
    pub after: Option<Seen>,
    /// At most so many.
    pub limit: u32,
}

/// A key, and what was done to it.
pub type KeyHistory = (ListedKey, Vec<KeyAct>);

/// A page of keys, newest first, and whether there is more.
pub async fn list_keys(app: &App, ctx: &Ctx, query: KeyQuery) -> Result<(Vec<ListedKey>, bool), Error> {
    ctx.permit_one_of(&[Deed::ListKeys, Deed::ListOwnKeys])?;
    let (tenant, limit) = (ctx.principal.tenant.clone(), query.limit);
    let page = app.db.read("list_keys", move |rx| {
        listings::of(&tenant).list_keys(rx, &query.filter, query.after.as_ref(), i64::from(limit) + 1)
    });
    let mut page: Vec<ListedKey> = page.await.map_err(|error: StoreError| Error::from(error))?;
    let more = page.len() > limit as usize;
    page.truncate(limit as usize);
    Ok((page, more))
}

/// One key, whatever its state.
pub async fn read_key(app: &App, ctx: &Ctx, id: &str) -> Result<KeyHistory, Error> {
    ctx.permit_one_of(&[Deed::ReadKey, Deed::ReadOwnKey])?;
    let id: KeyId = id.parse().map_err(|_| Refusal::not_found())?;
    let tenant = ctx.principal.tenant.clone();
    let found = app.db.read("read_key", move |rx| {
        let Some(key) = listings::of(&tenant).find_key(rx, &id)? else { return Ok(None) };
        let acts = listings::of(&tenant).list_key_acts(rx, &id, ACTS_MAX)?;
        Ok::<_, StoreError>(Some((key, acts)))
    });
    Ok(found.await?.ok_or_else(Refusal::not_found)?)
}
