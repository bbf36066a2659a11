//! Shows somebody what he was told, and marks it as read.

use domain::ids::{NoticeId, PersonId, TenantId};
use domain::limits::PAGE_DEFAULT;
use domain::refusal::Refusal;
use store::StoreError;
use store::notices::{self, Kept, Notice};

use super::notify::open_link;
use super::{Ctx, Error};
use crate::app::App;

/// Rows, each with the path it leads to; and whether there is more.
type Page<T> = (Vec<(T, String)>, bool);

/// A page of the caller's notices, newest first, each with the path it leads to; and whether there is more.
pub async fn list_notices(app: &App, ctx: &Ctx, before: Option<NoticeId>) -> Result<Page<Notice>, Error> {
    let (tenant, person) = (ctx.principal.tenant.clone(), own(ctx)?);
    let page = app.db.read("list_notices", move |rx| {
        notices::of(&tenant).list(rx, &person, before.as_ref(), i64::from(PAGE_DEFAULT) + 1)
    });
    let page: Vec<Notice> = page.await.map_err(|error: StoreError| Error::from(error))?;
    one_page(page, |notice| open_link(app, &notice.id, &notice.link))
}

/// Of one more than a page the page, each with the path it leads to; and whether there was more.
fn one_page<T>(mut rows: Vec<T>, link: impl Fn(&T) -> Result<String, Error>) -> Result<Page<T>, Error> {
    let more = rows.len() > PAGE_DEFAULT as usize;
    rows.truncate(PAGE_DEFAULT as usize);
    let opened = rows.into_iter().map(|row| {
        let link = link(&row)?;
        Ok((row, link))
    });
    Ok((opened.collect::<Result<_, Error>>()?, more))
}

/// How many notices of a person are not read.
pub async fn count_unread(app: &App, tenant: &TenantId, person: &PersonId) -> Result<i64, Error> {
    let (tenant, person) = (tenant.clone(), person.clone());
    let count = app.db.read("count_unread", move |rx| notices::of(&tenant).count_unread(rx, &person));
    count.await.map_err(|error: StoreError| error.into())
}

/// Marks one of the caller's notices as read, or all of them.
pub async fn mark_notices(app: &App, ctx: &Ctx, one: Option<&str>) -> Result<(), Error> {
    let one = one.map(|id| id.parse().map_err(|_| Refusal::not_found())).transpose()?;
    let (tenant, person, now) = (ctx.principal.tenant.clone(), own(ctx)?, ctx.now);
    let marked =
        app.db.write("mark_notices", move |tx| notices::of(&tenant).set_read(tx, &person, one.as_ref(), now));
    marked.await.map_err(|error: StoreError| error.into())
}

/// A page of the mails that a sandbox would send, of all its tenants, newest first, each with the path it leads to; and
/// whether there is more. Elsewhere nobody sees others' mail.
pub async fn list_kept_mails(app: &App, before: Option<NoticeId>) -> Result<Page<Kept>, Error> {
    app.sandbox.as_ref().ok_or_else(Refusal::no_such_path)?;
    let page = app.db.read("list_kept_mails", move |rx| {
        notices::list_kept(rx, before.as_ref(), i64::from(PAGE_DEFAULT) + 1)
    });
    let page: Vec<Kept> = page.await.map_err(|error: StoreError| Error::from(error))?;
    one_page(page, |mail| open_link(app, &mail.id, &mail.link))
}

fn own(ctx: &Ctx) -> Result<PersonId, Error> {
    let person = ctx.principal.person.as_ref().map(|(person, _)| person.clone());
    person.ok_or_else(|| Error::fault("reading the notices of somebody who is nobody"))
}
