//! The pages of API credentials.

use std::collections::BTreeMap;

use domain::credential::Scope;
use maud::{Markup, html};
use store::credentials::ApiCredential;

use super::view::below;
use crate::http::control::look::parts::{self, Choice, Column, Field, Mark, Tone};
use crate::http::control::look::{Page, Shell, page};

/// Where they are.
pub const PATH: &str = "/control/settings/credentials";

/// The list; `may` says whether the reader may make and revoke.
pub fn list(shell: &Shell, credentials: &[ApiCredential], older: Option<&str>, may: bool) -> Page {
    let columns = [
        Column::words("Name"),
        Column::words("May"),
        Column::words("State"),
        Column::words("Made"),
        Column::deeds("What to do"),
    ];
    let rows: Vec<_> = credentials.iter().map(|credential| row(shell, credential, may)).collect();
    let new = format!("{PATH}/new");
    let content = html! {
        (parts::lead("What your programs sign in with. A credential's text is shown once, when it is made; here only its first and last letters stand."))
        @if rows.is_empty() {
            (parts::empty("No credential yet", "Make one for each program, with the few scopes that it needs, so that each can be revoked alone.", may.then_some((new.as_str(), "Make a credential"))))
        } @else {
            @if may { (parts::deeds(&html! { a.button.main href=(new) { "Make a credential" } })) }
            (parts::table("API credentials, newest first", &columns, &rows))
            (parts::pager(None, older))
        }
    };
    page(&below(shell), "API credentials", &content)
}

fn row(shell: &Shell, credential: &ApiCredential, may: bool) -> Vec<Markup> {
    let now = shell.clock.now;
    let is_expired = credential.expires_at.is_some_and(|at| at <= now);
    let state = match (credential.revoked_at, credential.expires_at) {
        (Some(at), _) => {
            html! { (parts::state(Tone::Over, Mark::Cross, "Revoked")) span.ago { (shell.clock.relative(at)) } }
        }
        (None, Some(at)) if is_expired => {
            html! { (parts::state(Tone::Over, Mark::Bar, "Expired")) span.ago { (shell.clock.relative(at)) } }
        }
        (None, Some(at)) => {
            html! { (parts::state(Tone::Good, Mark::Tick, "Valid")) span.ago { "ends " (shell.clock.relative(at)) } }
        }
        (None, None) => parts::state(Tone::Good, Mark::Tick, "Valid"),
    };
    let scopes: Vec<_> = credential.scopes.as_slice().iter().map(|scope| scope.as_str()).collect();
    let is_alive = credential.revoked_at.is_none() && !is_expired;
    vec![
        html! { strong { (credential.name) } span.ago { code { (credential.hint) } } },
        html! { (scopes.join(", ")) },
        state,
        shell.time(credential.created_at),
        html! { @if may && is_alive { a.button href=(format!("{PATH}/{}/revoke", credential.id)) { "Revoke" } } },
    ]
}

/// What a new one was asked to be.
#[derive(Default)]
pub struct Asked<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it may.
    pub scopes: Vec<Scope>,
    /// Until when: a day, or nothing.
    pub expires: &'a str,
    /// What is wrong with it.
    pub faults: BTreeMap<String, Vec<String>>,
}

/// The form of a new one, with the scopes that may be given.
pub fn new(shell: &Shell, given: &[Scope], asked: &Asked<'_>) -> Page {
    let fault = |name: &str| asked.faults.get(name).and_then(|faults| faults.first()).map(String::as_str);
    let name = Field::text("name", "Name").holding(asked.name).faulting(fault("name"));
    let expires = Field::text("expires", "Last day").of_kind("date").holding(asked.expires);
    let expires = expires.hinting("In UTC. Left empty, it holds until it is revoked.").optional();
    let form = html! {
        (parts::field(&name.hinting("The program, or the machine, that will use it.")))
        fieldset #scopes aria-describedby=[fault("scopes").map(|_| "scopes-fault")] {
            legend { "What it may do" }
            @for scope in given {
                (parts::check(&format!("scope-{scope}"), &choice(*scope), asked.scopes.contains(scope)))
            }
            @if let Some(fault) = fault("scopes") { p.fault #scopes-fault { (fault) } }
        }
        (parts::field(&expires.faulting(fault("expires"))))
        (parts::deeds(&html! { (parts::main_button("Make it")) a href=(PATH) { "Leave" } }))
    };
    let content = html! {
        @if !asked.faults.is_empty() { (parts::errors(&asked.faults)) }
        (shell.form(PATH, &form))
    };
    page(&below(shell).under(PATH, "API credentials"), "Make a credential", &content)
}

fn choice(scope: Scope) -> Choice {
    let hint = match scope {
        Scope::Retail => "Identity checks, keys, stores and recoveries of your own users.",
        Scope::Partner => "Keys and backups of your customers' users.",
        Scope::Keys => "Keys and backups of your own wallets.",
        Scope::Audit => "Reads the log.",
        Scope::Webhooks => "Sees and changes webhooks.",
        Scope::Sandbox => "Rehearses: damages an item, holds a ceremony, begins anew.",
        Scope::Credentials => "Makes and revokes credentials, with no more than it may itself.",
    };
    Choice::new("yes", scope.as_str()).hinting(hint)
}

/// A new one's text, this once.
pub fn made(shell: &Shell, credential: &ApiCredential, text: &str) -> Page {
    let content = html! {
        (parts::shown_once(&credential.name, text, "Put it where your program finds it, and nowhere else. If you lose it, revoke it and make another."))
        h2 { "Try it" }
        pre { "curl -H \"X-API-Key: $KEY\" " "$BASE_URL/v1/audit" }
        (parts::deeds(&parts::link(PATH, "I have kept it")))
    };
    page(&below(shell).under(PATH, "API credentials"), "Your new credential", &content)
}

/// Whether it is meant.
pub fn revoke(shell: &Shell, credential: &ApiCredential) -> Page {
    let action = format!("{PATH}/{}/revoke", credential.id);
    let content = html! {
        (parts::lead("Its next call is refused, on every machine that uses it. This cannot be taken back."))
        (parts::facts(&[
            ("Name", html! { (credential.name) }),
            ("Begins and ends", html! { code { (credential.hint) } }),
            ("Made", shell.time(credential.created_at)),
        ]))
        (shell.form(&action, &parts::deeds(&html! { (parts::grave("Revoke it")) a href=(PATH) { "Leave it" } })))
    };
    page(&below(shell).under(PATH, "API credentials"), &format!("Revoke {}?", credential.name), &content)
}
