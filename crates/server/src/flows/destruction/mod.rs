//! The destruction of a key, in Control: asked for by one owner, confirmed by another, stopped by whoever may until its
//! days are over, and then done by a job. The rules are in `domain::destruction`.

mod ask;
mod confirm;
mod end;
mod erase;
mod facts;
mod hasten;
mod judge;
mod logged;
mod owners;
mod read;
mod stop;

pub use ask::{AskDestruction, ask_destruction};
pub use confirm::confirm_destruction;
pub use end::end_destructions;
pub use hasten::hasten_destruction;
pub use read::{ShownDestruction, read_destruction};
pub use stop::stop_destruction;

use boundary::json::Value;
use domain::ids::{KeyId, TenantId};
use domain::notice::NoticeKind;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use store::audit::AuditEntry;
use store::destructions::{self, Destruction};
use store::keys::{self, CustomerKey};
use store::notices::Notice;
use store::users::{self, User};
use store::{Rx, StoreError};

use super::assign_key::key_data;
use super::notify::notify_everybody;
use super::{Ctx, Error, EventData, News};
use crate::app::App;

/// A key, its user, and the latest destruction of it.
#[derive(Clone)]
struct Found {
    key: CustomerKey,
    user: User,
    destruction: Option<Destruction>,
}

/// The key of the caller's tenant that has this id.
async fn find(app: &App, ctx: &Ctx, id: &str) -> Result<Found, Error> {
    let id: KeyId = id.parse().map_err(|_| Refusal::not_found())?;
    let found = find_of(app, &ctx.principal.tenant, &id).await?;
    Ok(found.ok_or_else(Refusal::not_found)?)
}

async fn find_of(app: &App, tenant: &TenantId, id: &KeyId) -> Result<Option<Found>, Error> {
    let (tenant, id) = (tenant.clone(), id.clone());
    let found = app.db.read("find_destruction", move |rx| {
        let Some(key) = keys::of(&tenant).find(rx, &id)? else { return Ok(None) };
        let Some(user) = users::of(&tenant).find(rx, &key.user_id)? else { return Ok(None) };
        let destruction = destructions::of(&tenant).find(rx, &id)?;
        Ok::<_, StoreError>(Some(Found { key, user, destruction }))
    });
    Ok(found.await?)
}

/// Where people see and decide it.
pub fn destruction_path(key: &KeyId) -> String {
    format!("/control/keys/{key}/destruction")
}

/// The entry, about this key.
fn about(key: &CustomerKey, entry: AuditEntry) -> AuditEntry {
    AuditEntry {
        key_id: Some(key.id.clone()),
        customer_id: key.customer_id.clone(),
        package_id: key.package_id.clone(),
        ..entry
    }
}

/// What everybody of the tenant is told.
async fn news(
    app: &App,
    now: Timestamp,
    tenant: &TenantId,
    found: &Found,
    (title, text): (&str, &str),
) -> Result<Vec<Notice>, Error> {
    let news = News {
        kind: NoticeKind::KeyDestruction,
        title: format!("{title}: the key of {}", found.user.user_identifier),
        text: text.to_owned(),
        link: destruction_path(&found.key.id),
    };
    notify_everybody(app, now, tenant, &news).await
}

/// The data of an event about it.
fn data(found: &Found, destroy_after: Option<Timestamp>) -> EventData {
    let mut data = key_data(&found.key, &found.user);
    data.push(("destroy_after", Value::text_or_null(destroy_after.map(Timestamp::rfc3339).as_deref())));
    data
}

/// The keys that replaced this one, one after the other; that they do not come back to one of them is the database's
/// word, which is not taken for it.
fn successors(rx: &mut Rx<'_>, tenant: &TenantId, key: &CustomerKey) -> Result<Vec<CustomerKey>, StoreError> {
    let (mut found, mut last) = (Vec::new(), key.id.clone());
    while let Some(next) = keys::of(tenant).find_successor(rx, &key.user_id, &last)? {
        if next.id == key.id || found.iter().any(|seen: &CustomerKey| seen.id == next.id) {
            let (statement, column) = ("keys.find_successor", "supersedes");
            return Err(StoreError::Corrupt { statement, column, why: "comes back to where it was" });
        }
        last = next.id.clone();
        found.push(next);
    }
    Ok(found)
}
