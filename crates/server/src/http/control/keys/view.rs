//! The pages of keys, as views of what they show.

use domain::audit::hex;
use domain::key::{KeyEnvironment, KeyState};
use maud::{Markup, html};
use store::listings::{KeyAct, ListedBackup, ListedKey};
use store::signed_records::SignedRecord;

use crate::flows::Verdict;
use crate::flows::destruction::destruction_path;
use crate::http::control::backups::view as backups;
use crate::http::control::look::parts::{self, Choice, Column};
use crate::http::control::look::{Page, Section, Shell, page};
use crate::http::control::stored::{self, Listed, Named, filed};
use crate::http::control::words;

const NAMED: Named = Named {
    title: "Keys",
    lead: "Backups are encrypted to these. Their private halves exist in the enclave alone.",
    caption: "Keys, newest first",
    none: (
        "No key yet",
        "A key is assigned when your program asks for one for a user. Each is signed, so that the program can tell that it is genuine.",
    ),
    no_match: (
        "No key matches",
        "Each field must match as it was given, letter for letter. Take one away to see more.",
    ),
};

/// The list.
pub fn list(shell: &Shell, listed: &Listed<'_, ListedKey>) -> Page {
    let [user, customer, held, state, assigned] =
        ["User", "Customer", "Held", "State", "Assigned"].map(Column::words);
    let columns = [user, customer, held, Column::number("Backups"), state, assigned];
    let states: Vec<_> = KeyState::ALL.iter().map(|of| (of.as_str(), words::key_state_name(*of))).collect();
    stored::list(shell, &NAMED, listed, &states, &columns, |key| row(shell, key))
}

fn row(shell: &Shell, key: &ListedKey) -> Vec<Markup> {
    vec![
        html! { a.whole href=(path(key)) { (key.user_identifier) } },
        filed(key.customer_id.as_deref(), key.package_id.as_deref()),
        words::environment(key.key_environment),
        html! { (key.backups) },
        words::key_state(key.state),
        shell.time(key.assigned_at),
    ]
}

/// Where its own page is.
pub fn path(key: &ListedKey) -> String {
    format!("{}/{}", Section::Keys.path(), key.id)
}

/// One key.
pub struct Shown<'a> {
    /// The key.
    pub key: &'a ListedKey,
    /// What was done to it, oldest first.
    pub acts: &'a [KeyAct],
    /// What it guards, newest first, as far as it fits the page.
    pub backups: &'a [ListedBackup],
    /// What the check that was asked for just now found.
    pub check: Option<&'a Verdict>,
    /// What the enclave signed about it last.
    pub record: Option<SignedRecord>,
    /// What the reader may have done.
    pub may: May,
}

/// What the reader may have done.
#[derive(Clone, Copy, Debug, Default)]
pub struct May {
    /// Checked.
    pub check: bool,
    /// Replaced.
    pub rotate: bool,
    /// Destroyed.
    pub destroy: bool,
}

/// One key's page.
pub fn show(shell: &Shell, shown: &Shown<'_>) -> Page {
    let key = shown.key;
    let steps: Vec<_> = shown.acts.iter().map(|act| (act.time, step(act))).collect();
    let recovery = format!("{}/new?key={}", Section::Recoveries.path(), key.id);
    let is_recoverable = match key.state {
        KeyState::Active | KeyState::Superseding | KeyState::Released => true,
        KeyState::DestroyPending => key.superseded_by.is_none(),
        KeyState::Superseded | KeyState::Destroyed => false,
    };
    let destruction = destruction_path(&key.id);
    let is_asked_for = matches!(key.state, KeyState::DestroyPending | KeyState::Destroyed);
    let is_here = key.key_environment == KeyEnvironment::Hot && key.state != KeyState::Destroyed;
    let content = html! {
        @if let Some(verdict) = shown.check { (stored::found(verdict)) }
        (parts::lead(words::key_state_meaning(key.state)))
        @if is_asked_for { p { a href=(destruction) { "How its destruction stands" } } }
        (facts(shell, shown))
        (parts::deeds(&html! {
            (parts::link(&format!("{}/public-key.txt", path(key)), "Download the public key"))
            (parts::link("/.well-known/verification-key.pem", "Download the verification key"))
            @if is_recoverable { (parts::link(&recovery, "Ask for its recovery")) }
            @if is_here && shown.may.check {
                (shell.form(&format!("{}/check", path(key)), &parts::button("Check now")))
            }
        }))
        h2 { "What it guards" }
        (guarded(shell, shown))
        h2 { "What happened" }
        @if steps.is_empty() { p.soft { "The log has nothing on it yet." } }
        @else { (parts::history(shell.clock, &steps)) }
        @if shown.may.rotate && key.state == KeyState::Active { (replacement(shell, key)) }
        @if shown.may.destroy && !is_asked_for {
            section.grave-part aria-labelledby="destroy" {
                h2 #destroy { "Destroy it" }
                p { "Two owners together have a key destroyed, with all that it guards. It can be stopped for days." }
                (parts::deeds(&parts::link(&destruction, "See its destruction")))
            }
        }
    };
    page(shell, &format!("Key of {}", key.user_identifier), &content)
}

fn step(act: &KeyAct) -> Markup {
    html! { p { (words::action(&act.action)) } p.soft { (words::actor(&act.actor_type, &act.actor)) } }
}

fn facts(shell: &Shell, shown: &Shown<'_>) -> Markup {
    let key = shown.key;
    let other = |id: &domain::ids::KeyId| {
        html! { a href=(format!("{}/{id}", Section::Keys.path())) { code { (id) } } }
    };
    let mut facts = vec![
        ("State", words::key_state(key.state)),
        ("User", html! { (key.user_identifier) }),
        ("Customer", named(key.customer_id.as_deref(), key.customer_name.as_deref())),
        ("Package", named(key.package_id.as_deref(), key.package_name.as_deref())),
        ("Kind", html! { (words::key_type(key.key_type)) }),
        ("Held", words::environment(key.key_environment)),
        ("Public key", html! { (parts::fingerprint(&digest(key))) span.ago { "SHA-256 of it" } }),
    ];
    if let Some(kid) = &key.kid {
        facts.push(("Signed by", html! { code { (kid) } }));
    }
    if let Some(id) = &key.supersedes {
        facts.push(("In place of", other(id)));
    }
    if let Some(id) = &key.superseded_by {
        facts.push(("Replaced by", other(id)));
    }
    facts.extend(stored::record(shell, &path(key), shown.record.as_ref()));
    facts.push(("Key", html! { code { (key.id) } }));
    parts::facts(&facts)
}

fn digest(key: &ListedKey) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &key.public_key).as_ref())
}

fn named(id: Option<&str>, name: Option<&str>) -> Markup {
    html! {
        @match (name, id) {
            (Some(name), Some(id)) => { (name) " " span.soft { (id) } },
            (None, Some(id)) => (id),
            _ => span.soft { "none" },
        }
    }
}

fn guarded(shell: &Shell, shown: &Shown<'_>) -> Markup {
    let columns = [Column::words("Item"), Column::words("State"), Column::words("Stored")];
    let row = |backup: &ListedBackup| {
        vec![
            html! { a.whole href=(backups::path(backup)) { (backups::name(backup)) } },
            words::backup_state(backup.state),
            shell.time(backup.stored_at),
        ]
    };
    let rows: Vec<_> = shown.backups.iter().map(row).collect();
    let all = format!("{}?key_id={}", Section::Backups.path(), shown.key.id);
    let more = shown.key.backups > i64::try_from(rows.len()).unwrap_or(i64::MAX);
    html! {
        @if rows.is_empty() { p.soft { "Nothing was stored under it yet." } }
        @else {
            (parts::table("Backups under this key", &columns, &rows))
            @if more { p { a href=(all) { "Show all " (shown.key.backups) } } }
        }
    }
}

fn replacement(shell: &Shell, key: &ListedKey) -> Markup {
    let (how, label) = match key.key_environment {
        KeyEnvironment::Hot => (
            "What it guards is encrypted anew inside the enclave; your program stores the next backup under the new key.",
            "Replace this key",
        ),
        KeyEnvironment::Cold => (
            "The new key is assigned now; what the old one guards moves at the next offline ceremony.",
            "Replace this key",
        ),
    };
    let action = format!("{}/rotate", path(key));
    let choice = Choice::new("yes", "I want this key replaced").hinting("It cannot be taken back.");
    let content = html! {
        (parts::check("confirmed", &choice, false))
        (parts::deeds(&parts::grave(label)))
    };
    html! {
        section.grave-part aria-labelledby="rotate" {
            h2 #rotate { "Replace it" }
            p { (how) " The list that guards it guards the new one too." }
            (shell.form(&action, &content))
        }
    }
}
