//! The pages of the log, as views of what they show.

use std::collections::HashMap;

use domain::audit::hex;
use maud::{Markup, html};
use store::audit::{AuditEntry, Sequenced};

use crate::flows::Chain;
use crate::http::control::look::parts::{self, Column, Field, Mark, Tone};
use crate::http::control::look::{Page, Section, Shell, page};
use crate::http::control::words;

/// A page of the log.
pub struct Listed<'a> {
    /// What was asked for.
    pub params: &'a HashMap<String, String>,
    /// What matches, newest first.
    pub entries: &'a [Sequenced],
    /// Where the list goes on.
    pub older: Option<String>,
    /// The address that exports what matches.
    pub export: String,
}

/// The log.
pub fn list(shell: &Shell, listed: &Listed<'_>) -> Page {
    let is_narrowed = listed.params.keys().any(|name| name != "before");
    let newest = listed.params.contains_key("before").then_some(Section::Log.path());
    let columns = [
        Column::number("No."),
        Column::words("When"),
        Column::words("What"),
        Column::words("Who"),
        Column::words("About"),
        Column::words("Result"),
    ];
    let rows: Vec<_> = listed.entries.iter().map(|entry| row(shell, entry)).collect();
    let content = html! {
        (parts::lead("Every act is written here in the moment it is done, chained to the one before it. Nothing is ever changed or taken out."))
        (parts::deeds(&html! {
            (parts::link("/control/log/verify", "Verify the chain"))
            (parts::link(&listed.export, if is_narrowed { "Export what is shown" } else { "Export all" }))
        }))
        h2 { "Entries" }
        (filter(listed.params))
        @if rows.is_empty() {
            (parts::empty("No entry matches", "Each field must match letter for letter, and both days are days in UTC. Take one away to see more.", Some((Section::Log.path(), "Show all"))))
        } @else {
            (parts::table("Entries of the log, newest first", &columns, &rows))
            (parts::pager(newest, listed.older.as_deref()))
        }
    };
    page(shell, "Log", &content)
}

fn filter(params: &HashMap<String, String>) -> Markup {
    let value = |name: &str| params.get(name).map_or("", String::as_str);
    let text = |name, label, kind| {
        let field = Field::text(name, label).of_kind(kind).holding(value(name));
        parts::field(&Field { required: false, ..field })
    };
    let fields = html! {
        (text("action", "Act", "search"))
        (text("customer_id", "Customer", "search"))
        (text("package_id", "Package", "search"))
        (text("key_id", "Key", "search"))
        (text("backup_id", "Backup", "search"))
        (text("from", "From the day", "date"))
        (text("to", "To the day", "date"))
    };
    parts::search(Section::Log.path(), &fields)
}

fn row(shell: &Shell, sequenced: &Sequenced) -> Vec<Markup> {
    let entry = &sequenced.entry;
    vec![
        html! { (sequenced.seq) },
        shell.time(entry.time),
        html! { (words::action(&entry.action)) span.ago { code { (entry.action) } } },
        words::actor(&entry.actor_type, &entry.actor),
        about(entry),
        result(entry),
    ]
}

fn about(entry: &AuditEntry) -> Markup {
    html! {
        @if let Some(id) = &entry.key_id {
            div { a href=(format!("{}/{id}", Section::Keys.path())) title=(id) { "Key " (words::short(id.as_str())) } }
        }
        @if let Some(id) = &entry.backup_id {
            div { a href=(format!("{}/{id}", Section::Backups.path())) title=(id) { "Backup " (words::short(id.as_str())) } }
        }
        @if let Some(id) = &entry.recovery_id { div title=(id) { "Recovery " (words::short(id.as_str())) } }
        @if let Some(id) = &entry.verification_id { div title=(id) { "Check " (words::short(id.as_str())) } }
        @if let Some(id) = &entry.customer_id { div { "Customer " (id) } }
        @if let Some(id) = &entry.package_id { div { "Package " (id) } }
    }
}

fn result(entry: &AuditEntry) -> Markup {
    let state = match entry.result.as_str() {
        "ok" => parts::state(Tone::Good, Mark::Tick, "Done"),
        "refused" => parts::state(Tone::Bad, Mark::Cross, "Refused"),
        other => parts::state(Tone::Waiting, Mark::Diamond, other),
    };
    html! { (state) @if let Some(reason) = &entry.reason { span.ago.wraps { (reason) } } }
}

/// What verifying the chain found.
pub fn verified(shell: &Shell, chain: &Chain) -> Page {
    let content = html! {
        @match chain.broken_at {
            None if chain.entries == 0 => (parts::told(Tone::Good, &html! { p { "The log is empty, and whole." } })),
            None => (parts::told(Tone::Good, &html! {
                p { strong { "The chain is whole." } }
                @if chain.entries == 1 { p { "Its one entry is as it was hashed." } }
                @else { p { "Each of the " (chain.entries) " entries is as it was hashed, names the one before it, and none is missing." } }
            })),
            Some(seq) => (parts::told(Tone::Bad, &html! {
                p { strong { "The chain is broken at entry " (seq) "." } }
                p { "That entry, or the one before it, is not what was written. Export the log now, keep the file, and tell whoever runs this service; compare it with an export of before." }
            })),
        }
        (parts::facts(&[
            ("Entries", html! { (chain.entries) }),
            ("Hash of the last", html! { @match &chain.head { Some(hash) => (parts::fingerprint(&hex(hash))), None => span.soft { "none" } } }),
            ("Verified", shell.time(shell.clock.now)),
        ]))
        h2 { "What this tells you" }
        p { "Everything was hashed anew, from the first entry to the last. Write the number of entries and the hash down somewhere else: if the log is ever cut or rewritten, they will no longer agree." }
        (parts::deeds(&html! {
            (parts::link("/control/log/export", "Export all"))
            (parts::link(Section::Log.path(), "Back to the log"))
        }))
    };
    page(shell, "The chain of the log", &content)
}
