//! The pages of backups, as views of what they show.

use std::collections::HashMap;

use domain::backup::{BackupKind, BackupState};
use domain::key::KeyEnvironment;
use maud::{Markup, html};
use store::audit::AuditEntry;
use store::listings::ListedBackup;

use crate::http::control::look::parts::{self, Choice, Column, Field, Tone};
use crate::http::control::look::{Page, Section, Shell, page};
use crate::http::control::words;

/// A page of the list.
pub struct Listed<'a> {
    /// What was asked for.
    pub params: &'a HashMap<String, String>,
    /// What matches.
    pub backups: &'a [ListedBackup],
    /// Where the list goes on.
    pub older: Option<String>,
}

/// The list.
pub fn list(shell: &Shell, listed: &Listed<'_>) -> Page {
    let is_narrowed = listed.params.keys().any(|name| name != "cursor");
    let newest = listed.params.contains_key("cursor").then_some(Section::Backups.path());
    let columns = [
        Column::words("Item"),
        Column::words("User"),
        Column::words("Customer"),
        Column::words("Held"),
        Column::words("State"),
        Column::words("Stored"),
    ];
    let rows: Vec<_> = listed.backups.iter().map(|backup| row(shell, backup)).collect();
    let content = html! {
        (parts::lead("Each is one ciphertext or one encrypted file. Nobody here can open it; a list of people decides who gets it back."))
        @if is_narrowed || !rows.is_empty() || newest.is_some() { (filter(listed.params)) }
        @if rows.is_empty() && is_narrowed {
            (parts::empty("No backup matches", "Each field must match as it was stored, letter for letter. Take one away to see more.", Some((Section::Backups.path(), "Show all"))))
        } @else if rows.is_empty() {
            (parts::empty("No backup yet", "What your program stores through the API appears here, with its customer, its user and its key. The API reference shows the first call.", Some(("/docs", "Open the API reference"))))
        } @else {
            (parts::table("Backups, newest first", &columns, &rows))
            (parts::pager(newest, listed.older.as_deref()))
        }
    };
    page(shell, "Backups", &content)
}

/// The same choices for every list that has them.
fn filter(params: &HashMap<String, String>) -> Markup {
    let value = |name: &str| params.get(name).map_or("", String::as_str);
    let any = || Choice::new("", "Any");
    let states = BackupState::ALL.iter().map(|of| Choice::new(of.as_str(), words::backup_state_name(*of)));
    let states: Vec<_> = std::iter::once(any()).chain(states).collect();
    let places = KeyEnvironment::ALL.iter().map(|of| Choice::new(of.as_str(), words::environment_name(*of)));
    let places: Vec<_> = std::iter::once(any()).chain(places).collect();
    let text = |name, label| {
        parts::field(&Field::text(name, label).of_kind("search").holding(value(name)).optional())
    };
    let fields = html! {
        (text("customer_id", "Customer"))
        (text("package_id", "Package"))
        (text("user_identifier", "User"))
        (parts::select(&Field::text("key_environment", "Held").holding(value("key_environment")).optional(), &places))
        (parts::select(&Field::text("status", "State").holding(value("status")).optional(), &states))
    };
    parts::search(Section::Backups.path(), &fields)
}

fn row(shell: &Shell, backup: &ListedBackup) -> Vec<Markup> {
    vec![
        html! { a.whole href=(path(backup)) { (name(backup)) } },
        html! { (backup.user_identifier) },
        filed(backup.customer_id.as_deref(), backup.package_id.as_deref()),
        words::environment(backup.key_environment),
        words::backup_state(backup.state),
        shell.time(backup.stored_at),
    ]
}

/// The customer, and the package under it.
pub fn filed(customer: Option<&str>, package: Option<&str>) -> Markup {
    html! {
        @match customer { Some(customer) => (customer), None => span.soft { "none" } }
        @if let Some(package) = package { span.ago { (package) } }
    }
}

/// Where its own page is.
pub fn path(backup: &ListedBackup) -> String {
    format!("{}/{}", Section::Backups.path(), backup.id)
}

/// What it is called: the caller's name for it, or what it is.
pub fn name(backup: &ListedBackup) -> String {
    backup.item_key.clone().unwrap_or_else(|| match backup.kind {
        BackupKind::Data => "Unnamed data".to_owned(),
        BackupKind::File => "File".to_owned(),
    })
}

/// One backup.
pub struct Shown<'a> {
    /// The backup.
    pub backup: &'a ListedBackup,
    /// What was done to it, oldest first.
    pub history: &'a [AuditEntry],
    /// What the check that was asked for just now found.
    pub check: Option<bool>,
    /// Whether the reader may have it checked, deleted, and kept after all.
    pub may: May,
}

/// What the reader may have done.
#[derive(Clone, Copy, Debug, Default)]
pub struct May {
    /// Checked.
    pub check: bool,
    /// Deleted, and kept after all.
    pub delete: bool,
}

/// One backup's page.
pub fn show(shell: &Shell, shown: &Shown<'_>) -> Page {
    let backup = shown.backup;
    let content = html! {
        @if let Some(is_whole) = shown.check { (found(is_whole)) }
        (facts(shell, backup))
        (deeds(shell, shown))
        h2 { "What happened" }
        (history(shell, shown.history))
        @if shown.may.delete && backup.state == BackupState::Confirmed { (deletion(shell, backup)) }
    };
    page(shell, &name(backup), &content)
}

fn facts(shell: &Shell, backup: &ListedBackup) -> Markup {
    let key = format!("{}/{}", Section::Keys.path(), backup.key_id);
    let mut facts = vec![
        ("State", words::backup_state(backup.state)),
        ("Checked", words::check_state(backup.check_state)),
        ("User", html! { (backup.user_identifier) }),
        ("Customer", filed(backup.customer_id.as_deref(), backup.package_id.as_deref())),
        ("Holds", html! { (words::backup_kind(backup.kind)) ", " (words::bytes(backup.data_size)) }),
        ("Key", html! { a href=(key) { code { (backup.key_id) } } }),
        ("Held", words::environment(backup.key_environment)),
        ("Stored", shell.time(backup.stored_at)),
    ];
    if let Some(digest) = &backup.stored_sha256 {
        facts.push(("SHA-256", parts::fingerprint(&domain::audit::hex(digest))));
    }
    if let Some(at) = backup.delete_after {
        facts.push(("Deleted from", shell.time(at)));
    }
    if backup.metadata != "{}" {
        facts.push(("Metadata", html! { code { (backup.metadata) } }));
    }
    facts.push(("Backup", html! { code { (backup.id) } }));
    parts::facts(&facts)
}

fn found(is_whole: bool) -> Markup {
    if is_whole {
        parts::told(Tone::Good, &html! { p { "Checked just now: it is whole, as it was stored." } })
    } else {
        parts::told(
            Tone::Bad,
            &html! {
                p { strong { "Checked just now: it is not what was stored." } }
                p { "It could not be recovered like this. Have your program store it anew, and tell whoever runs this service." }
            },
        )
    }
}

fn deeds(shell: &Shell, shown: &Shown<'_>) -> Markup {
    let backup = shown.backup;
    let is_here = matches!(backup.state, BackupState::Confirmed | BackupState::DeletePending);
    let is_hot = backup.key_environment == KeyEnvironment::Hot;
    let recovery = format!("{}/new?backup={}", Section::Recoveries.path(), backup.id);
    html! {
        (parts::deeds(&html! {
            @if backup.state == BackupState::Confirmed { (parts::link(&recovery, "Ask for its recovery")) }
            @if is_here && is_hot && shown.may.check {
                (shell.form(&format!("{}/check", path(backup)), &parts::button("Check now")))
            }
            @if backup.state == BackupState::DeletePending && shown.may.delete {
                (shell.form(&format!("{}/restore", path(backup)), &parts::main_button("Keep it after all")))
            }
        }))
        @if is_here && !is_hot {
            p.soft { "Its key is held offline: only a ceremony can check it. That says nothing against it." }
        }
    }
}

fn history(shell: &Shell, entries: &[AuditEntry]) -> Markup {
    let steps: Vec<_> = entries.iter().map(|entry| (entry.time, step(entry))).collect();
    html! {
        @if steps.is_empty() { p.soft { "The log has nothing on it yet." } }
        @else { (parts::history(shell.clock, &steps)) }
    }
}

/// One line of a history.
pub fn step(entry: &AuditEntry) -> Markup {
    html! {
        p { (words::action(&entry.action)) @if entry.result != "ok" { ": " strong { (entry.result) } } }
        p.soft { (words::actor(&entry.actor_type, &entry.actor)) }
    }
}

fn deletion(shell: &Shell, backup: &ListedBackup) -> Markup {
    html! {
        section.grave-part aria-labelledby="delete" {
            h2 #delete { "Delete it" }
            p { "From now on nobody gets it, and after thirty days it is gone for good. Until then it can be kept after all." }
            (shell.form(&format!("{}/delete", path(backup)), &parts::deeds(&parts::grave("Delete in thirty days"))))
        }
    }
}
