//! The pages of notices and of a sandbox's mail, as views of what they show.

use maud::{Markup, html};
use store::notices::{Kept, Notice};

use crate::http::control::look::parts::{self, Mark, Tone};
use crate::http::control::look::{Clock, Page, Section, Shell, bare, page};

const READ: &str = "/control/notices/read";

/// A page of what somebody was told.
pub struct Listed<'a> {
    /// Each notice, and the path it leads to; newest first.
    pub notices: &'a [(Notice, String)],
    /// Where the list goes on.
    pub older: Option<String>,
    /// Whether it is not the list's first page.
    pub is_further: bool,
}

/// What somebody was told.
pub fn list(shell: &Shell, listed: &Listed<'_>) -> Page {
    let content = html! {
        @if listed.notices.is_empty() {
            (parts::empty("No notice yet", "Here you are told when a vote of yours is wanted, when a recovery moves, when a list changes, and when a credential is made.", None))
        } @else {
            @if shell.unread > 0 { (shell.form(READ, &parts::button("Mark all as read"))) }
            ol.notices { @for (notice, link) in listed.notices { (entry(shell, notice, link)) } }
            (parts::pager(listed.is_further.then_some(Section::Notices.path()), listed.older.as_deref()))
        }
    };
    page(shell, "Notices", &content)
}

fn entry(shell: &Shell, notice: &Notice, link: &str) -> Markup {
    let is_new = notice.read_at.is_none();
    html! {
        li.new[is_new] {
            div {
                h2 { a href=(link) { (notice.title) } }
                p { (notice.text) }
                p.soft {
                    @if is_new { (parts::state(Tone::Open, Mark::Dot, "New")) " · " }
                    (parts::moment(shell.clock, notice.created_at)) ", " (shell.clock.relative(notice.created_at))
                }
            }
            @if is_new {
                (shell.form(READ, &html! {
                    input type="hidden" name="notice" value=(notice.id);
                    button type="submit" aria-label=(format!("Mark as read: {}", notice.title)) { "Mark as read" }
                }))
            }
        }
    }
}

/// Where a sandbox's mails are.
pub const OUTBOX: &str = "/control/outbox";

/// A page of the mails that a sandbox would send, of all its tenants.
pub struct Outbox<'a> {
    /// Each mail, and the path it leads to; newest first.
    pub mails: &'a [(Kept, String)],
    /// Where the list goes on.
    pub older: Option<String>,
    /// Whether it is not the list's first page.
    pub is_further: bool,
}

/// The mails that a sandbox would send.
pub fn outbox(clock: Clock, outbox: &Outbox<'_>) -> Page {
    let content = html! {
        (parts::lead("A sandbox has no mail server unless one is set. What it would send stands here, for everybody who reaches it."))
        @if outbox.mails.is_empty() {
            (parts::empty("No mail yet", "Invite somebody, or ask for a recovery: what its people would be sent appears here, with the links that work.", Some(("/control", "Open Control"))))
        } @else {
            @for (mail, link) in outbox.mails {
                article.mail {
                    h2 { (mail.title) }
                    p.soft { "To " (mail.name) " <" (mail.email) ">, " (parts::moment(clock, mail.created_at)) }
                    p { (mail.text) }
                    p { a href=(link) { "Follow its link" } }
                }
            }
            (parts::pager(outbox.is_further.then_some(OUTBOX), outbox.older.as_deref()))
        }
    };
    bare("Mail of this sandbox", true, &content)
}
