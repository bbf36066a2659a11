//! The parts that pages are made of.

use domain::time::Timestamp;
use maud::{Markup, html};

use super::Clock;
pub use super::forms::{
    Choice, Field, Passkey, button, certificate, check, errors, field, form, grave, main_button, passkey,
    radio, search, select, text_area,
};
use super::marks::draw;
pub use super::marks::{Mark, Tone};

/// What is said above a page.
#[derive(Clone, Debug)]
pub struct Notice {
    /// How it is meant.
    pub tone: Tone,
    /// In words: what happened, and what to do.
    pub text: String,
}

impl Notice {
    /// It went as wished.
    pub fn good(text: impl Into<String>) -> Self {
        Self { tone: Tone::Good, text: text.into() }
    }

    /// It did not.
    pub fn bad(text: impl Into<String>) -> Self {
        Self { tone: Tone::Bad, text: text.into() }
    }

    /// Something waits.
    pub fn waiting(text: impl Into<String>) -> Self {
        Self { tone: Tone::Waiting, text: text.into() }
    }
}

/// A notice. One that tells of a failure is read aloud at once; others when the reader pauses.
pub fn notice(notice: &Notice) -> Markup {
    told(notice.tone, &html! { p { (notice.text) } })
}

/// A notice with markup in it.
pub fn told(tone: Tone, content: &Markup) -> Markup {
    let mark = match tone {
        Tone::Good | Tone::Open => Mark::Tick,
        Tone::Waiting => Mark::Hourglass,
        Tone::Bad => Mark::Cross,
        Tone::Over => Mark::Bar,
    };
    html! {
        div.notice.(tone.class()) role=(if tone == Tone::Bad { "alert" } else { "status" }) {
            (draw(mark))
            div { (content) }
        }
    }
}

/// A state: its shape and its word, and only then its colour.
pub fn state(tone: Tone, mark: Mark, word: &str) -> Markup {
    html! { span.state.(tone.class()) { (draw(mark)) span { (word) } } }
}

/// The line under a heading that says what the page is for.
pub fn lead(text: &str) -> Markup {
    html! { p.lead { (text) } }
}

/// An instant in the reader's zone, with the span to now under it.
pub fn time(clock: Clock, at: Timestamp) -> Markup {
    html! { (moment(clock, at)) span.ago { (clock.relative(at)) } }
}

/// An instant in the reader's zone, alone.
pub fn moment(clock: Clock, at: Timestamp) -> Markup {
    html! { time datetime=(at.rfc3339()) title=(at.rfc3339()) { (clock.written(at)) } }
}

/// An instant that may not have come.
pub fn maybe_time(clock: Clock, at: Option<Timestamp>, otherwise: &str) -> Markup {
    html! { @match at { Some(at) => (time(clock, at)), None => span.soft { (otherwise) } } }
}

/// A fingerprint, or another hexadecimal text that people compare: groups of four, in the case it came in. Whoever
/// copies it gets it without gaps.
pub fn fingerprint(hex: &str) -> Markup {
    let letters: Vec<char> = hex.chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    let half = if groups.len() > 4 { groups.len().div_ceil(2) } else { groups.len().max(1) };
    html! {
        span.fingerprint {
            @for half in groups.chunks(half) { span { @for group in half { span { (group) } } } }
        }
    }
}

/// A short code, large, that two people compare aloud. `of` says what it stands for.
pub fn short_code(code: &str, of: &str) -> Markup {
    let spelt: Vec<String> = code.chars().map(|letter| letter.to_string()).collect();
    html! {
        div.short-code role="group" aria-label=(format!("Short code of {of}")) {
            p { "Short code of " (of) }
            output aria-label=(spelt.join(" ")) {
                @for (at, part) in code.split('-').enumerate() {
                    @if at > 0 { span.dash aria-hidden="true" { "-" } }
                    span aria-hidden="true" { (part) }
                }
            }
            p { "Read it aloud to whoever else sees it. If one letter differs, do not go on." }
        }
    }
}

/// A secret that is shown this once.
pub fn shown_once(label: &str, secret: &str, advice: &str) -> Markup {
    html! {
        section.once aria-labelledby="shown-once" {
            h2 #shown-once { (label) }
            output { (secret) }
            p { "This is shown once, and not kept here in this form. " (advice) }
        }
    }
}

/// What stands where nothing is yet: what will be here, and how the first one is made.
pub fn empty(title: &str, text: &str, deed: Option<(&str, &str)>) -> Markup {
    html! {
        div.empty {
            h2 { (title) }
            p { (text) }
            @if let Some((path, label)) = deed { div.deeds { a.button.main href=(path) { (label) } } }
        }
    }
}

/// A link that looks like a button.
pub fn link(path: &str, label: &str) -> Markup {
    html! { a.button href=(path) { (label) } }
}

/// Buttons, links and forms in a row.
pub fn deeds(content: &Markup) -> Markup {
    html! { div.deeds { (content) } }
}

/// Names and values.
pub fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! { dl.facts { @for (name, value) in facts { dt { (name) } dd { (value) } } } }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading; on a phone, the label of each of its cells.
    pub name: &'static str,
    /// How its cells stand.
    pub kind: ColumnKind,
}

/// How the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Words, to the left.
    Words,
    /// Numbers, to the right.
    Number,
    /// Deeds: the heading is for screen readers alone.
    Deeds,
}

impl Column {
    /// Words.
    pub const fn words(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Words }
    }

    /// Numbers.
    pub const fn number(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Number }
    }

    /// What can be done with a row.
    pub const fn deeds(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Deeds }
    }
}

/// A table, each row of as many cells as there are columns. `caption` names it for screen readers. The roles are
/// said again because browsers forget them where a style lays the rows out as cards.
pub fn table(caption: &str, columns: &[Column], rows: &[Vec<Markup>]) -> Markup {
    html! {
        table role="table" {
            caption.unseen { (caption) }
            thead role="rowgroup" {
                tr role="row" {
                    @for column in columns {
                        th scope="col" role="columnheader" class=[(column.kind == ColumnKind::Number).then_some("number")] {
                            span.unseen[column.kind == ColumnKind::Deeds] { (column.name) }
                        }
                    }
                }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" { @for (column, cell) in columns.iter().zip(row) { (table_cell(*column, cell)) } }
                }
            }
        }
    }
}

fn table_cell(column: Column, cell: &Markup) -> Markup {
    let class = match column.kind {
        ColumnKind::Words => None,
        ColumnKind::Number => Some("number"),
        ColumnKind::Deeds => Some("wordless"),
    };
    html! { td role="cell" data-label=(column.name) class=[class] { div { (cell) } } }
}

/// The way through a list that goes newest first: back to the top, and on.
pub fn pager(newest: Option<&str>, older: Option<&str>) -> Markup {
    html! {
        @if newest.is_some() || older.is_some() {
            nav.pager aria-label="Pages" {
                span { @if let Some(path) = newest { a href=(path) rel="prev" { "← Newest" } } }
                span { @if let Some(path) = older { a href=(path) rel="next" { "Older →" } } }
            }
        }
    }
}

/// What happened, oldest first: when, and what.
pub fn history(clock: Clock, steps: &[(Timestamp, Markup)]) -> Markup {
    html! {
        ol.history {
            @for (at, what) in steps { li { div { (moment(clock, *at)) } div { (what) } } }
        }
    }
}

/// A count with its noun.
pub fn count(number: i64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}
