//! The pages of backups, as views of what they show.

use domain::backup::{BackupKind, BackupState};
use domain::key::KeyEnvironment;
use maud::{Markup, html};
use store::audit::AuditEntry;
use store::listings::ListedBackup;
use store::signed_records::SignedRecord;

use crate::flows::Verdict;
use crate::http::control::look::parts::{self, Column};
use crate::http::control::look::{Page, Section, Shell, page};
use crate::http::control::stored::{self, Listed, Named, filed};
use crate::http::control::words;

const NAMED: Named = Named {
    title: "Backups",
    lead: "Each is one ciphertext or one encrypted file. Nobody here can open it; a list of people decides who gets it back.",
    caption: "Backups, newest first",
    none: (
        "No backup yet",
        "What your program stores through the API appears here, with its customer, its user and its key. The API reference shows the first call.",
    ),
    no_match: (
        "No backup matches",
        "Each field must match as it was stored, letter for letter. Take one away to see more.",
    ),
};

/// The list.
pub fn list(shell: &Shell, listed: &Listed<'_, ListedBackup>) -> Page {
    let columns = ["Item", "User", "Customer", "Held", "State", "Stored"].map(Column::words);
    let states: Vec<_> =
        BackupState::ALL.iter().map(|of| (of.as_str(), words::backup_state_name(*of))).collect();
    stored::list(shell, &NAMED, listed, &states, &columns, |backup| row(shell, backup))
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
    pub check: Option<&'a Verdict>,
    /// What the enclave signed about it last.
    pub record: Option<SignedRecord>,
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
        @if let Some(verdict) = shown.check { (stored::found(verdict)) }
        (facts(shell, shown))
        (deeds(shell, shown))
        h2 { "What happened" }
        (history(shell, shown.history))
        @if shown.may.delete && backup.state == BackupState::Confirmed { (deletion(shell, backup)) }
    };
    page(shell, &name(backup), &content)
}

fn facts(shell: &Shell, shown: &Shown<'_>) -> Markup {
    let backup = shown.backup;
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
    facts.extend(stored::record(shell, &path(backup), shown.record.as_ref()));
    facts.push(("Backup", html! { code { (backup.id) } }));
    parts::facts(&facts)
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
