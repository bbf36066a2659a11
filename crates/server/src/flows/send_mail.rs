//! Sends the mails of notices: take up, send, record.

use domain::limits::{MAIL_LEASE, MAILS_AT_ONCE};
use domain::notice::{MailState, next_mail};
use domain::time::Timestamp;
use store::notices::{self, Mail};
use store::{OfTenant, StoreError};

use super::Error;
use super::notify::open_link;
use crate::app::App;
use crate::edge::mail::{Letter, MailOutcome, Mailer};

/// Takes up the mails that are due.
pub async fn take_up_mails(app: &App, now: Timestamp) -> Result<Vec<OfTenant<Mail>>, Error> {
    let taken =
        app.db.write("take_up_mails", move |tx| notices::take_up(tx, now, now + MAIL_LEASE, MAILS_AT_ONCE));
    taken.await.map_err(|error: StoreError| error.into())
}

/// Sends one, and writes down what came of it. Whatever the server says, it is tried to the end of the schedule: a
/// refusal may be of the server's settings, which somebody mends.
pub async fn send_mail(app: &App, mailer: &Mailer, taken: OfTenant<Mail>) -> Result<(), Error> {
    let OfTenant { tenant_id, row: mail } = taken;
    let origin = app.control.as_ref().map_or("", |control| control.origin.as_str());
    let link = format!("{origin}{}", open_link(app, &mail.id, &mail.link)?);
    let letter = Letter {
        id: mail.id.as_str(),
        email: &mail.email,
        name: &mail.name,
        tenant: &mail.tenant_name,
        title: &mail.title,
        text: &mail.text,
        link: &link,
    };
    let outcome = mailer.send(&letter).await;
    app.metrics.count_mail(outcome.as_str());
    let now = app.clock.now();
    let (state, due_at) = match (outcome, next_mail(mail.mail_tries, &mut app.chance())) {
        (MailOutcome::Sent, _) => (MailState::Sent, now),
        (_, Some(wait)) => (MailState::Waiting, now + wait),
        (_, None) => (MailState::Parked, now),
    };
    if state == MailState::Parked {
        tracing::warn!(notice = %mail.id, outcome = outcome.as_str(), "a mail was given up");
    }
    let written = app.db.write("record_mail", move |tx| {
        notices::of(&tenant_id).set_tried(tx, &mail.id, mail.mail_tries, state, due_at)
    });
    written.await.map(|_| ()).map_err(|error: StoreError| error.into())
}
