//! Tells people: in the page's bell, and by mail.

use domain::ids::{NoticeId, PersonId, TenantId};
use domain::limits::NOTICE_TITLE_CHARS_MAX;
use domain::notice::{MailState, NoticeKind, one_line};
use domain::person::{PersonState, Role};
use domain::time::Timestamp;
use store::StoreError;
use store::notices::Notice;
use store::people::{self, Person};
use store::seal::Place;

use super::Error;
use crate::app::App;

/// What people are told. No secret belongs into title or text, which stand in the database as they are.
#[derive(Clone, Debug)]
pub struct News {
    /// What it is about.
    pub kind: NoticeKind,
    /// In one line.
    pub title: String,
    /// In words: what happened, and what to do.
    pub text: String,
    /// Where to go: a path of Control. It is kept sealed, since an invitation's opens an account.
    pub link: String,
}

/// The notices that tell these people, for the transaction of what they report: `notices::append` writes each.
pub fn notify(app: &App, now: Timestamp, people: &[PersonId], news: &News) -> Result<Vec<Notice>, Error> {
    let mail_state = if app.mailer.is_some() { MailState::Waiting } else { MailState::None };
    let notice = |person: &PersonId| {
        let id = NoticeId::new(now, &mut app.chance());
        Ok(Notice {
            link: app.keys.seal(link_place(&id), news.link.as_bytes())?,
            id,
            person_id: person.clone(),
            kind: news.kind,
            title: one_line(&news.title, NOTICE_TITLE_CHARS_MAX),
            text: news.text.clone(),
            created_at: now,
            read_at: None,
            mail_state,
            mail_tries: 0,
            due_at: now,
        })
    };
    people.iter().map(notice).collect()
}

/// The same, for every owner of the tenant who has come.
pub async fn notify_owners(
    app: &App,
    now: Timestamp,
    tenant: &TenantId,
    news: &News,
) -> Result<Vec<Notice>, Error> {
    let is_meant = |person: &Person| person.state == PersonState::Active && person.role == Role::Owner;
    notify_each(app, now, tenant, news, is_meant).await
}

/// The same, for everybody of the tenant who has come.
pub async fn notify_everybody(
    app: &App,
    now: Timestamp,
    tenant: &TenantId,
    news: &News,
) -> Result<Vec<Notice>, Error> {
    notify_each(app, now, tenant, news, |person| person.state == PersonState::Active).await
}

/// The same, for those of the tenant who are meant.
pub(super) async fn notify_each(
    app: &App,
    now: Timestamp,
    tenant: &TenantId,
    news: &News,
    is_meant: impl Fn(&Person) -> bool,
) -> Result<Vec<Notice>, Error> {
    let tenant = tenant.clone();
    let people = app.db.read("list_people", move |rx| people::of(&tenant).list(rx));
    let people: Vec<Person> = people.await.map_err(|error: StoreError| Error::from(error))?;
    let meant = people.iter().filter(|person| is_meant(person));
    notify(app, now, &meant.map(|person| person.id.clone()).collect::<Vec<_>>(), news)
}

/// The path that a notice leads to.
pub fn open_link(app: &App, id: &NoticeId, sealed: &[u8]) -> Result<String, Error> {
    let link = app.keys.open(link_place(id), sealed)?;
    String::from_utf8(link).map_err(|_| Error::fault("reading the link of a notice"))
}

fn link_place(id: &NoticeId) -> Place<'_> {
    Place { table: "notices", row: id.as_str(), column: "link" }
}
