//! One's own account.

use domain::refusal::Refusal;
use maud::{Markup, html};

use super::super::Visitor;
use super::super::look::parts::{self, Column, Field, Notice};
use super::super::look::{Page, Section, Shell, page};
use super::invitation::{code_list, new_password};
use super::{check_path, fault_of, set_up, why};
use crate::flows::approvals::Baseline;
use crate::flows::people::{Account, Setup};

/// The account's page. `done` is the word of what was just done.
pub fn account(
    visitor: &Visitor,
    account: &Account,
    baseline: Option<&Baseline>,
    done: Option<&str>,
    refused: Option<&Refusal>,
) -> Page {
    let mut shell = visitor.shell(Section::Account);
    if let Some(text) = done.and_then(said_done) {
        shell = shell.saying(Notice::good(text));
    }
    let content = html! {
        (why(refused))
        (parts::facts(&[
            ("Name", html! { (visitor.person.name) }),
            ("Email", html! { (visitor.person.email) }),
            ("Role", html! { (shell.role) }),
        ]))
        @if let Some(baseline) = baseline { (identity(&shell, baseline)) }
        (passkeys(&shell, account))
        (app_codes(&shell, account))
        (recovery_codes_left(&shell, account))
        (password(&shell, refused))
        (sessions(&shell, visitor, account))
    };
    page(&shell, "Your account", &content)
}

/// Adding a factor.
pub fn factors(visitor: &Visitor, setup: &Setup, refused: Option<&Refusal>) -> Page {
    let action = "/control/account/factors";
    let content = html! {
        p { "Every change here signs you out everywhere else." }
        (why(refused))
        section { h2 { "Another passkey" } (set_up::passkey(&visitor.csrf, action, setup)) }
        section { h2 { "An app that makes codes" } (set_up::totp(&visitor.csrf, action, setup, refused)) }
    };
    let shell = visitor.shell(Section::Account).under("/control/account", "Your account");
    page(&shell, "Add a factor", &content)
}

/// New recovery codes.
pub fn recovery_codes(visitor: &Visitor, codes: &[String]) -> Page {
    let content = html! {
        p { "Those you had before are over." }
        (code_list(codes))
        p { a.button href="/control/account" { "I have kept them: go on" } }
    };
    let shell = visitor.shell(Section::Account).under("/control/account", "Your account");
    page(&shell, "Keep your recovery codes", &content)
}

fn said_done(word: &str) -> Option<&'static str> {
    Some(match word {
        "password" => "Your password is changed. You are signed out everywhere else.",
        "factor" => "That is set up. You are signed out everywhere else.",
        "removed" => "That is removed. You are signed out everywhere else.",
        "session" => "That session is over.",
        _ => return None,
    })
}

/// Where the check of who he is stands, and what he can do about it.
fn identity(shell: &Shell, baseline: &Baseline) -> Markup {
    let deed = |label: &str| shell.form("/control/account/check", &parts::button(label));
    html! {
        section {
            h2 #identity { "Who you are" }
            @match baseline {
                Baseline::Missing => {
                    p { "You have not proved it yet. Each check that a recovery asks of you is compared with the first." }
                    (deed("Prove who you are"))
                },
                Baseline::Begun(id) => {
                    p { "The check is begun, and not finished." }
                    (parts::deeds(&parts::link(&check_path(id), "Go on with it")))
                },
                Baseline::Judged => p { "You have done your part; the check is looked at." },
                Baseline::Failed => { p { "The check ended, and did not show it." } (deed("Start it again")) },
                Baseline::Stands(at) => { p { "You proved it " (shell.time(*at)) } p { "Each later check is compared with that." } },
            }
        }
    }
}

fn passkeys(shell: &Shell, account: &Account) -> Markup {
    let rows = account.passkeys.iter().map(|passkey| {
        let counts = if passkey.counts_from > shell.clock.now {
            html! { "from " (shell.time(passkey.counts_from)) }
        } else {
            html! { "now" }
        };
        let remove = format!("/control/account/passkeys/{}/remove", passkey.id);
        vec![
            html! { (passkey.name) },
            shell.time(passkey.created_at),
            counts,
            shell.form(&remove, &parts::grave("Remove")),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let columns = ["Name", "Made", "Votes count", ""].map(Column::words);
    html! {
        section {
            h2 { "Passkeys" }
            @if rows.is_empty() { p { "You have none." } } @else { (parts::table("Your passkeys", &columns, &rows)) }
            (parts::link("/control/account/factors", "Add a passkey"))
        }
    }
}

fn app_codes(shell: &Shell, account: &Account) -> Markup {
    html! {
        section {
            h2 { "App that makes codes" }
            @if account.has_totp {
                p { "You have one set up." }
                (shell.form("/control/account/totp/remove", &parts::grave("Forget this app")))
            } @else {
                p { "You have none." }
            }
            (parts::link("/control/account/factors", if account.has_totp { "Use another app" } else { "Set one up" }))
        }
    }
}

fn recovery_codes_left(shell: &Shell, account: &Account) -> Markup {
    html! {
        section {
            h2 { "Recovery codes" }
            p { (parts::count(account.recovery_codes, "code is left.", "codes are left.")) }
            (shell.form("/control/account/recovery-codes", &parts::button("Make new ones")))
        }
    }
}

fn password(shell: &Shell, refused: Option<&Refusal>) -> Markup {
    let content = html! {
        (parts::field(&Field::secret("current_password", "Current password", "current-password")
            .faulting(fault_of(refused, "current_password"))))
        (new_password(refused))
        (parts::button("Change the password"))
    };
    html! { section { h2 { "Password" } (shell.form("/control/account/password", &content)) } }
}

fn sessions(shell: &Shell, visitor: &Visitor, account: &Account) -> Markup {
    let rows = account.sessions.iter().map(|session| {
        let end = format!("/control/account/sessions/{}/end", session.id);
        let agent = if session.agent.is_empty() { "An unnamed browser" } else { &session.agent };
        let deed = if session.id == visitor.found.session.id {
            html! { "this one" }
        } else {
            shell.form(&end, &parts::button("End"))
        };
        vec![html! { (agent) }, shell.time(session.created_at), shell.time(session.seen_at), deed]
    });
    let rows: Vec<_> = rows.collect();
    let columns = ["Browser", "Signed in", "Last used", ""].map(Column::words);
    html! { section { h2 { "Where you are signed in" } (parts::table("Your sessions", &columns, &rows)) } }
}
