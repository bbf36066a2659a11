//! What the pages of backups and of keys have in common: lists that are searched by their address, and what the
//! enclave says of one thing when it is asked.

use std::collections::HashMap;

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use domain::ids::AclId;
use domain::key::KeyEnvironment;
use maud::{Markup, html};
use store::signed_records::SignedRecord;

use super::look::parts::{self, Choice, Column, Field, Tone};
use super::look::{Page, Shell, page};
use super::{Stop, Visitor, words};
use crate::app::App;
use crate::flows::{self, Verdict};

/// A page of a list.
pub struct Listed<'a, T> {
    /// What was asked for.
    pub params: &'a HashMap<String, String>,
    /// What matches.
    pub rows: &'a [T],
    /// Where the list goes on.
    pub older: Option<String>,
    /// The access lists that it may be narrowed to, by id and name.
    pub acls: &'a [(AclId, String)],
}

/// What a list is called, and what it says when it is empty.
pub struct Named {
    /// Of the page.
    pub title: &'static str,
    /// Under the title.
    pub lead: &'static str,
    /// Of the table.
    pub caption: &'static str,
    /// Nothing was stored yet: in short, and in full.
    pub none: (&'static str, &'static str),
    /// Nothing matches: the same.
    pub no_match: (&'static str, &'static str),
}

/// The lists that a reader may narrow by.
pub async fn acls(app: &App, visitor: &Visitor) -> Result<Vec<(AclId, String)>, Stop> {
    let lists = flows::approvals::list_acls(app, &visitor.ctx()).await?;
    Ok(lists.into_iter().map(|(acl, _)| (acl.id, acl.name)).collect())
}

/// The list. `states` are those that it may be narrowed to, by word and name.
pub fn list<T>(
    shell: &Shell,
    named: &Named,
    listed: &Listed<'_, T>,
    states: &[(&str, &str)],
    columns: &[Column],
    row: impl Fn(&T) -> Vec<Markup>,
) -> Page {
    let here = shell.section.path();
    let is_narrowed = listed.params.keys().any(|name| name != "cursor");
    let newest = listed.params.contains_key("cursor").then_some(here);
    let rows: Vec<_> = listed.rows.iter().map(row).collect();
    let content = html! {
        (parts::lead(named.lead))
        @if is_narrowed || !rows.is_empty() || newest.is_some() {
            (parts::search(here, &fields(listed, states)))
        }
        @if rows.is_empty() && is_narrowed {
            (parts::empty(named.no_match.0, named.no_match.1, Some((here, "Show all"))))
        } @else if rows.is_empty() {
            (parts::empty(named.none.0, named.none.1, Some(("/docs", "Open the API reference"))))
        } @else {
            (parts::table(named.caption, columns, &rows))
            (parts::pager(newest, listed.older.as_deref()))
        }
    };
    page(shell, named.title, &content)
}

fn fields<T>(listed: &Listed<'_, T>, states: &[(&str, &str)]) -> Markup {
    let value = |name: &str| listed.params.get(name).map_or("", String::as_str);
    let text = |name, label| {
        parts::field(&Field::text(name, label).of_kind("search").holding(value(name)).optional())
    };
    let choice = |name, label, choices: &mut dyn Iterator<Item = Choice>| {
        let choices: Vec<_> = std::iter::once(Choice::new("", "Any")).chain(choices).collect();
        parts::select(&Field::text(name, label).holding(value(name)).optional(), &choices)
    };
    let mut places =
        KeyEnvironment::ALL.iter().map(|of| Choice::new(of.as_str(), words::environment_name(*of)));
    let mut lists = listed.acls.iter().map(|(id, name)| Choice::new(id.as_str(), name));
    html! {
        (text("customer_id", "Customer"))
        (text("package_id", "Package"))
        (text("user_identifier", "User"))
        (choice("key_environment", "Held", &mut places))
        (choice("status", "State", &mut states.iter().map(|(word, name)| Choice::new(*word, *name))))
        @if !listed.acls.is_empty() { (choice("acl_id", "List", &mut lists)) }
    }
}

/// The customer, and the package under it.
pub fn filed(customer: Option<&str>, package: Option<&str>) -> Markup {
    html! {
        @match customer { Some(customer) => (customer), None => span.soft { "none" } }
        @if let Some(package) = package { span.ago { (package) } }
    }
}

/// What the check that was asked for just now found.
pub fn found(verdict: &Verdict) -> Markup {
    if !verdict.holds {
        let content = html! {
            p { strong { "Checked just now: it is not what it was." } }
            p { "It could not be recovered like this. Have your program store it anew, and tell whoever runs this service." }
            p { "The enclave signs nothing about this: it signs only what it saw to be whole." }
        };
        return parts::told(Tone::Bad, &content);
    }
    let content = html! {
        p { "Checked just now: it is whole." }
        @if let Some(shares) = &verdict.shares { p { "It was " (shares) "." } }
        @if verdict.record.is_none() {
            p { "The service compared the file's digest. The enclave does not look into files, so there is no record of its own." }
        }
    };
    parts::told(Tone::Good, &content)
}

/// The way to the enclave's last record about what is at this path, among its facts.
pub fn record(shell: &Shell, path: &str, kept: Option<&SignedRecord>) -> Option<(&'static str, Markup)> {
    let way = |kept: &SignedRecord| {
        html! {
            a href=(format!("{path}/record.jws")) { "Download what the enclave signed" }
            " of " (parts::moment(shell.clock, kept.made_at))
            p.soft { "Anybody can verify it: " code { "holdfast verify-record" } }
        }
    };
    kept.map(|kept| ("Signed record", way(kept)))
}

/// A record as a file (RFC 7515 §9.2.1).
pub fn record_file(kind: &str, kept: SignedRecord) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/jose".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{kind}-{}.jws\"", kept.about)),
    ];
    (headers, kept.record).into_response()
}
