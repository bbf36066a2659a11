//! The pages of webhooks, and of what they were sent.

use std::collections::BTreeMap;

use domain::event::TYPES;
use domain::webhook::{AttemptOutcome, DeliveryState, DisabledReason, EndpointState};
use maud::{Markup, html};
use store::webhook_deliveries::Attempt;
use store::webhooks::Endpoint;

use super::view::below;
use crate::flows::Delivered;
use crate::http::control::look::parts::{self, Choice, Column, Field, Mark, Tone};
use crate::http::control::look::{Page, Shell, page};

/// Where they are.
pub const PATH: &str = "/control/settings/webhooks";

/// The list; `may` says whether the reader may change them.
pub fn list(shell: &Shell, endpoints: &[Endpoint], may: bool) -> Page {
    let columns =
        [Column::words("Address"), Column::words("State"), Column::words("Events"), Column::words("Made")];
    let rows: Vec<_> = endpoints
        .iter()
        .map(|endpoint| {
            vec![
                html! { a.whole href=(path(endpoint)) { (endpoint.url) } @if !endpoint.description.is_empty() { span.ago { (endpoint.description) } } },
                state(endpoint),
                wanted(endpoint),
                shell.time(endpoint.created_at),
            ]
        })
        .collect();
    let new = format!("{PATH}/new");
    let content = html! {
        (parts::lead("Each is an address of yours that is told of what happens, signed with a secret that only the two of you know."))
        @if rows.is_empty() {
            (parts::empty("No webhook yet", "Give an address, keep the secret that you are shown once, and send it a test.", may.then_some((new.as_str(), "Make a webhook"))))
        } @else {
            @if may { (parts::deeds(&html! { a.button.main href=(new) { "Make a webhook" } })) }
            (parts::table("Webhooks, newest first", &columns, &rows))
        }
    };
    page(&below(shell), "Webhooks", &content)
}

/// Where its own page is.
pub fn path(endpoint: &Endpoint) -> String {
    format!("{PATH}/{}", endpoint.id)
}

fn state(endpoint: &Endpoint) -> Markup {
    match (endpoint.state, endpoint.disabled_reason) {
        (EndpointState::Enabled, _) if endpoint.failing_since.is_some() => {
            parts::state(Tone::Waiting, Mark::Diamond, "On, but failing")
        }
        (EndpointState::Enabled, _) => parts::state(Tone::Good, Mark::Tick, "On"),
        (_, Some(DisabledReason::Gone)) => parts::state(Tone::Bad, Mark::Cross, "Off: it answered 410, gone"),
        (_, Some(DisabledReason::Failing)) => {
            parts::state(Tone::Bad, Mark::Cross, "Off: it failed for five days")
        }
        (_, _) => parts::state(Tone::Over, Mark::Bar, "Off"),
    }
}

fn wanted(endpoint: &Endpoint) -> Markup {
    let types = endpoint.events.types();
    html! {
        @if types.is_empty() { "All" }
        @else { (parts::count(i64::try_from(types.len()).unwrap_or(i64::MAX), "type", "types")) }
    }
}

/// What one is asked to be.
#[derive(Default)]
pub struct Asked {
    /// Where it is.
    pub url: String,
    /// The owner's words.
    pub description: String,
    /// What it wants; empty: all.
    pub events: Vec<String>,
    /// What is wrong with it.
    pub faults: BTreeMap<String, Vec<String>>,
}

impl Asked {
    /// As it stands.
    pub fn of(endpoint: &Endpoint) -> Self {
        Self {
            url: endpoint.url.clone(),
            description: endpoint.description.clone(),
            events: endpoint.events.types(),
            faults: BTreeMap::new(),
        }
    }
}

/// The form of a new one, or of one that is there.
pub fn edit(shell: &Shell, endpoint: Option<&Endpoint>, asked: &Asked) -> Page {
    let fault = |name: &str| asked.faults.get(name).and_then(|faults| faults.first()).map(String::as_str);
    let action = endpoint.map_or_else(|| PATH.to_owned(), path);
    let url = Field::text("url", "Address").of_kind("url").holding(&asked.url).faulting(fault("url"));
    let hint = if shell.is_sandbox {
        "Here also an address of this machine, without TLS."
    } else {
        "It begins with https."
    };
    let description = Field::text("description", "Description").holding(&asked.description).optional();
    let label = if endpoint.is_some() { "Save" } else { "Make it" };
    let form = html! {
        (parts::field(&url.hinting(hint)))
        (parts::field(&description.hinting("Your own words.").faulting(fault("description"))))
        details.more open[!asked.events.is_empty()] {
            summary { "Choose events" }
            fieldset {
                legend { "Only these events; none chosen: all" }
                @for name in TYPES {
                    (parts::check(&format!("event-{name}"), &Choice::new("yes", name), asked.events.iter().any(|wanted| wanted == name)))
                }
            }
        }
        (parts::deeds(&html! { (parts::main_button(label)) a href=(action) { "Leave" } }))
    };
    let content = html! {
        @if !asked.faults.is_empty() { (parts::errors(&asked.faults)) }
        (shell.form(&action, &form))
    };
    let title = if endpoint.is_some() { "Change the webhook" } else { "Make a webhook" };
    page(&trail(shell, endpoint), title, &content)
}

fn trail(shell: &Shell, endpoint: Option<&Endpoint>) -> Shell {
    let shell = below(shell).under(PATH, "Webhooks");
    match endpoint {
        Some(endpoint) => shell.under(path(endpoint), &endpoint.url),
        None => shell,
    }
}

/// One endpoint.
pub struct Shown<'a> {
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// What it was sent, newest first.
    pub deliveries: &'a [Delivered],
    /// Where the list goes on.
    pub older: Option<String>,
    /// Whether it is not the list's first page.
    pub is_further: bool,
    /// Whether the reader may change it.
    pub may: bool,
}

/// One endpoint's page.
pub fn show(shell: &Shell, shown: &Shown<'_>) -> Page {
    let endpoint = shown.endpoint;
    let types = endpoint.events.types();
    let content = html! {
        (parts::facts(&[
            ("State", state(endpoint)),
            ("Description", html! { @if endpoint.description.is_empty() { span.soft { "none" } } @else { (endpoint.description) } }),
            ("Events", html! { @if types.is_empty() { "All" } @else { (types.join(", ")) } }),
            ("Failing since", parts::maybe_time(shell.clock, endpoint.failing_since, "it is not failing")),
            ("Old secret signs until", parts::maybe_time(shell.clock, endpoint.previous_until.filter(|at| *at > shell.clock.now), "there is none")),
            ("Webhook", html! { code { (endpoint.id) } }),
        ]))
        @if shown.may { (deeds(shell, endpoint)) }
        h2 { "What it was sent" }
        (deliveries(shell, shown))
        @if shown.may {
            section.grave-part aria-labelledby="delete" {
                h2 #delete { "Delete it" }
                p { "What waits for it goes too. Other webhooks are not touched." }
                (shell.form(&format!("{}/delete", path(endpoint)), &parts::deeds(&parts::grave("Delete this webhook"))))
            }
        }
    };
    page(&below(shell).under(PATH, "Webhooks"), &endpoint.url, &content)
}

fn deeds(shell: &Shell, endpoint: &Endpoint) -> Markup {
    let is_on = endpoint.state == EndpointState::Enabled;
    let to = |deed: &str| format!("{}/{deed}", path(endpoint));
    parts::deeds(&html! {
        @if is_on { (shell.form(&to("test"), &parts::button("Send a test"))) }
        (parts::link(&to("edit"), "Change"))
        (parts::link(&to("rotate-secret"), "New secret"))
        @if is_on { (shell.form(&to("switch-off"), &parts::button("Switch off"))) }
        @else { (shell.form(&to("switch-on"), &parts::main_button("Switch on"))) }
    })
}

fn deliveries(shell: &Shell, shown: &Shown<'_>) -> Markup {
    let columns = [
        Column::words("Event"),
        Column::words("State"),
        Column::words("Last try"),
        Column::words("Happened"),
        Column::deeds("What to do"),
    ];
    let rows: Vec<_> =
        shown.deliveries.iter().map(|delivered| delivery_row(shell, shown, delivered)).collect();
    let top = path(shown.endpoint);
    html! {
        @if rows.is_empty() {
            (parts::empty("Nothing yet", "Each event on its way here appears with every try and its answer.", None))
        } @else {
            (parts::table("Deliveries, newest first", &columns, &rows))
            (parts::pager(shown.is_further.then_some(top.as_str()), shown.older.as_deref()))
        }
    }
}

fn delivery_row(shell: &Shell, shown: &Shown<'_>, delivered: &Delivered) -> Vec<Markup> {
    let delivery = &delivered.delivery;
    let again = format!("{}/deliveries/{}/redeliver", path(shown.endpoint), delivery.event_id);
    let is_on = shown.endpoint.state == EndpointState::Enabled;
    let state = match delivery.state {
        DeliveryState::Delivered => parts::state(Tone::Good, Mark::Tick, "Acknowledged"),
        DeliveryState::Pending => parts::state(Tone::Waiting, Mark::Hourglass, "Will be tried again"),
        DeliveryState::Parked => parts::state(Tone::Bad, Mark::Cross, "Given up"),
    };
    vec![
        html! { (delivery.r#type) span.ago { code { (delivery.event_id) } } },
        html! {
            (state)
            @if delivery.state == DeliveryState::Pending { span.ago { (shell.clock.relative(delivery.due_at)) } }
        },
        html! {
            @match delivered.attempts.last() {
                Some(attempt) => { (answer(attempt)) span.ago { "Try " (attempt.number) ", " (shell.clock.relative(attempt.began_at)) } },
                None => span.soft { "not tried yet" },
            }
        },
        shell.time(delivery.created_at),
        html! { @if shown.may && is_on { (shell.form(&again, &parts::button("Send again"))) } },
    ]
}

fn answer(attempt: &Attempt) -> Markup {
    let words = match attempt.outcome {
        AttemptOutcome::Acknowledged => "Answered",
        AttemptOutcome::Refused => "Refused",
        AttemptOutcome::Redirected => "Redirected, which is not followed",
        AttemptOutcome::Gone => "Gone",
        AttemptOutcome::TimedOut => "No answer in time",
        AttemptOutcome::NotResolved => "The name has no address",
        AttemptOutcome::TargetRefused => "An address that is not called",
        AttemptOutcome::NotConnected => "No connection",
        AttemptOutcome::TlsFailed => "TLS failed, or its certificate is not trusted",
        AttemptOutcome::Broken => "The connection broke",
    };
    html! { (words) @if let Some(code) = attempt.answer_code { " " (code) } }
}

/// A new secret, this once.
pub fn secret(shell: &Shell, endpoint: &Endpoint, secret: &str) -> Page {
    let advice = if endpoint.previous_until.is_some() {
        "For a day the one before signs too: put the new one into your program within it."
    } else {
        "Put it into the program at that address, which checks each signature with it."
    };
    let content = html! {
        (parts::shown_once("The secret", secret, advice))
        (parts::deeds(&parts::link(&path(endpoint), "I have kept it")))
    };
    page(&trail(shell, Some(endpoint)), "The secret of your webhook", &content)
}

/// Whether a new secret is meant.
pub fn rotate(shell: &Shell, endpoint: &Endpoint) -> Page {
    let action = format!("{}/rotate-secret", path(endpoint));
    let content = html! {
        (parts::lead("A new secret signs from now on. For a day the one before signs too, so that your program can be changed in peace."))
        (shell.form(&action, &parts::deeds(&html! { (parts::main_button("Make a new secret")) a href=(path(endpoint)) { "Leave it" } })))
    };
    page(&trail(shell, Some(endpoint)), "A new secret?", &content)
}
