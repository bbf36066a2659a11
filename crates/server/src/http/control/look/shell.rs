//! The frame around every page: where one is, who one is, and what waits.

use axum::http::StatusCode;
use domain::time::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::marks::bell;
use super::parts::{self, Notice};
use super::statics::{FILE, PASSKEY, STYLE};
use super::{Clock, Page, Zone};
use crate::flows::FREEZE_PATH;

/// A section of Control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Recoveries, asked for and decided.
    Recoveries,
    /// Identity checks that people decide.
    Reviews,
    /// The lists of those who decide.
    Lists,
    /// What is stored.
    Backups,
    /// What it is encrypted to.
    Keys,
    /// The audit log.
    Log,
    /// The people.
    Team,
    /// Credentials, webhooks, signing keys, limits.
    Settings,
    /// The reader's own account.
    Account,
    /// The reader's notices.
    Notices,
}

impl Section {
    /// Those of the navigation, in its order.
    pub const LISTED: [Self; 8] = [
        Self::Recoveries,
        Self::Reviews,
        Self::Lists,
        Self::Backups,
        Self::Keys,
        Self::Log,
        Self::Team,
        Self::Settings,
    ];

    /// As a reader calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recoveries => "Recoveries",
            Self::Reviews => "Reviews",
            Self::Lists => "Lists",
            Self::Backups => "Backups",
            Self::Keys => "Keys",
            Self::Log => "Log",
            Self::Team => "Team",
            Self::Settings => "Settings",
            Self::Account => "Account",
            Self::Notices => "Notices",
        }
    }

    /// Where it begins.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Recoveries => "/control/recoveries",
            Self::Reviews => "/control/reviews",
            Self::Lists => "/control/acls",
            Self::Backups => "/control/backups",
            Self::Keys => "/control/keys",
            Self::Log => "/control/log",
            Self::Team => "/control/team",
            Self::Settings => "/control/settings",
            Self::Account => "/control/account",
            Self::Notices => "/control/notices",
        }
    }
}

/// What the frame shows besides the page.
#[derive(Clone, Debug)]
pub struct Shell {
    /// Where one is.
    pub section: Section,
    /// Whose account it is.
    pub tenant: String,
    /// Who reads: the name.
    pub name: String,
    /// Who reads: the address.
    pub email: String,
    /// What he is, as a word.
    pub role: String,
    /// What each form must bring back.
    pub csrf: String,
    /// Notices he has not read.
    pub unread: i64,
    /// Until when the account is frozen, if it is.
    pub frozen_until: Option<Timestamp>,
    /// Whether this is the sandbox.
    pub is_sandbox: bool,
    /// Now, and his zone.
    pub clock: Clock,
    /// The pages above this one within the section: path and name.
    pub trail: Vec<(String, String)>,
    /// What is said above the page, about what was just done or why it was not.
    pub notice: Option<Notice>,
}

impl Shell {
    /// The same, below a page of the section.
    pub fn under(mut self, path: impl Into<String>, name: impl Into<String>) -> Self {
        self.trail.push((path.into(), name.into()));
        self
    }

    /// The same, saying this above the page.
    pub fn saying(mut self, notice: Notice) -> Self {
        self.notice = Some(notice);
        self
    }

    /// An instant as this reader is told it.
    pub fn time(&self, at: Timestamp) -> Markup {
        parts::time(self.clock, at)
    }

    /// A form of this reader's that posts to `action`.
    pub fn form(&self, action: &str, content: &Markup) -> Markup {
        parts::form(&self.csrf, action, content)
    }
}

/// A page for who is signed in. `title` is its heading too.
pub fn page(shell: &Shell, title: &str, content: &Markup) -> Page {
    let unread = if shell.unread > 0 { format!("({}) ", shell.unread) } else { String::new() };
    let body = html! {
        a.skip href="#content" { "Skip to the page" }
        header {
            (ribbon(shell.is_sandbox))
            div.top {
                a.brand href="/control" { "Holdfast" }
                span.tenant { (shell.tenant) }
                (bell_link(shell))
                (account_menu(shell))
            }
        }
        div.frame {
            nav.sections aria-label="Sections" {
                ul {
                    @for section in Section::LISTED {
                        li.apart[section == Section::Log] {
                            a href=(section.path()) aria-current=[(section == shell.section).then(|| current(shell))] {
                                (section.name())
                            }
                        }
                    }
                }
            }
            main #content tabindex="-1" {
                @if !shell.trail.is_empty() {
                    nav aria-label="Above this page" {
                        ol.trail { @for (path, name) in &shell.trail { li { a href=(path) { (name) } } } }
                    }
                }
                @if let Some(until) = shell.frozen_until { (frozen(shell, until)) }
                h1 { (title) }
                @if let Some(notice) = &shell.notice { (parts::notice(notice)) }
                (content)
            }
        }
        footer.foot {
            "Times are in " (shell.clock.zone.name()) ". "
            a href="/control/zone" { "Choose your zone" }
            ". "
            a href=(FREEZE_PATH) { "Freeze the account" }
        }
    };
    Page(StatusCode::OK, document(&format!("{unread}{title}"), &body))
}

/// What stands above every page while nothing leaves of the account.
fn frozen(shell: &Shell, until: Timestamp) -> Markup {
    parts::told(
        parts::Tone::Waiting,
        &html! { p {
            strong { "The account is frozen" } " until " (shell.time(until)) ": nothing leaves of it. "
            a href=(FREEZE_PATH) { "See what can be done" }
        } },
    )
}

/// A page for who is not signed in: signing in, an invitation, a link that does not hold.
pub fn bare(title: &str, is_sandbox: bool, content: &Markup) -> Page {
    let body = html! {
        a.skip href="#content" { "Skip to the page" }
        header {
            (ribbon(is_sandbox))
            div.alone-top { a.brand href="/control" { "Holdfast" } }
        }
        div.alone {
            main #content tabindex="-1" {
                h1 { (title) }
                (content)
            }
        }
    };
    Page(StatusCode::OK, document(title, &body))
}

/// `page` on the section's own page, `true` on one below it.
fn current(shell: &Shell) -> &'static str {
    if shell.trail.is_empty() { "page" } else { "true" }
}

fn ribbon(is_sandbox: bool) -> Markup {
    html! {
        @if is_sandbox {
            p.ribbon {
                strong { "Sandbox" } " Made up for trying out: nothing here is real. "
                a href="/control/outbox" { "Mail it would send" }
            }
        }
    }
}

fn bell_link(shell: &Shell) -> Markup {
    let words = match shell.unread {
        0 => "no unread notices".to_owned(),
        1 => "1 unread notice".to_owned(),
        count => format!("{count} unread notices"),
    };
    let is_here = shell.section == Section::Notices;
    html! {
        a.bell href=(Section::Notices.path()) aria-label=(words) aria-current=[is_here.then_some("page")] {
            (bell())
            @if shell.unread > 0 {
                span.count aria-hidden="true" {
                    @if shell.unread > 99 { "99+" } @else { (shell.unread) }
                }
            }
        }
    }
}

fn account_menu(shell: &Shell) -> Markup {
    let sign_out = html! { button type="submit" { "Sign out" } };
    html! {
        details.menu {
            summary { span.unseen { "Your account: " } (shell.name) }
            div {
                p { (shell.email) br; span.soft { (shell.role) } }
                a href=(Section::Account.path()) { "Account and passkeys" }
                a href="/docs" { "API reference" }
                (shell.form("/control/sign-out", &sign_out))
            }
        }
    }
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · Holdfast" }
                link rel="stylesheet" href=(STYLE.path);
                link rel="icon" href="data:,";
                script src=(PASSKEY.path) defer {}
                script src=(FILE.path) defer {}
            }
            body { (body) }
        }
    }
}

impl Clock {
    /// By UTC.
    pub const fn utc(now: Timestamp) -> Self {
        Self { now, zone: Zone::UTC }
    }
}
