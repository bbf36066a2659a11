//! The account's policy for recoveries in words, its form, and what an owner signs.

use boundary::approval::{Demand, TenantPolicy, short_code};
use domain::control::Act;
use domain::refusal::Refusal;
use maud::{Markup, html};

use super::view::below;
use crate::flows::approvals::{DraftPolicy, POLICY_PATH, ShownPolicy, ToSign};
use crate::http::control::Visitor;
use crate::http::control::look::parts::{self, Choice, Field, Passkey, Tone};
use crate::http::control::look::{Page, Section, page};
use crate::http::control::views::{fault_of, why};

/// What the page is called.
const TITLE: &str = "Recoveries by users";

/// What is in force and what waits, and for owners the form.
pub fn show(
    visitor: &Visitor,
    shown: &ShownPolicy,
    drafted: &DraftPolicy,
    refused: Option<&Refusal>,
) -> Page {
    let shell = below(&visitor.shell(Section::Settings));
    let content = html! {
        (parts::lead("The enclave holds to this, whatever the API or this page is made to say. Each version is signed by an owner."))
        (why(refused))
        @if shown.in_force.version == 0 {
            p { "No owner has signed a policy yet: this is the one for everybody." }
        }
        (parts::facts(&facts(&shown.in_force)))
        @if let Some((waiting, until)) = &shown.waiting {
            (parts::told(Tone::Waiting, &html! {
                p { "A version that asks for less takes effect " (shell.time(*until)) }
                p { "Until then an owner can take it back, by signing again what is in force." }
            }))
            h2 { "What waits" }
            (parts::facts(&facts(waiting)))
        }
        @if visitor.may(Act::SignPolicy) { (form(visitor, shown, drafted, refused)) }
    };
    page(&shell, TITLE, &content)
}

fn facts(policy: &TenantPolicy) -> Vec<(&'static str, Markup)> {
    let signature = match policy.partner_signature {
        Demand::Required => "needed for every recovery",
        Demand::Optional if policy.request_keys.is_empty() => "not looked at",
        Demand::Optional => "verified where there is one",
    };
    let delay = match policy.retail_delay_s {
        0 => "not at all".to_owned(),
        seconds => span(seconds),
    };
    let change = match policy.change_delay_s {
        0 => "at once".to_owned(),
        seconds => format!("after {}", span(seconds)),
    };
    vec![
        ("Version", html! { (policy.version) }),
        ("An approved recovery waits", html! { (delay) }),
        ("Your signature", html! { (signature) }),
        (
            "Your keys",
            html! {
                @if policy.request_keys.is_empty() { "none" }
                @else { ul { @for key in &policy.request_keys { li { code { (key.kid) } } } } }
            },
        ),
        (
            "Recoveries by all users",
            html! { "up to " (policy.max_releases_per_hour) " in an hour, ten times as many in a day" },
        ),
        (
            "Recoveries that people approve here",
            html! { "up to " (policy.max_releases_per_hour / 5) " in an hour, " (policy.max_releases_per_hour) " in a day" },
        ),
        ("Recoveries by one user", html! { "up to " (policy.max_sessions_per_user_day) " in a day" }),
        ("A policy that asks for less takes effect", html! { (change) }),
    ]
}

/// A time in the largest unit that it is a whole number of.
fn span(seconds: i64) -> String {
    match seconds {
        s if s % 86_400 == 0 => parts::count(s / 86_400, "day", "days"),
        s if s % 3_600 == 0 => parts::count(s / 3_600, "hour", "hours"),
        s if s % 60 == 0 => parts::count(s / 60, "minute", "minutes"),
        s => parts::count(s, "second", "seconds"),
    }
}

fn form(visitor: &Visitor, shown: &ShownPolicy, drafted: &DraftPolicy, refused: Option<&Refusal>) -> Markup {
    let fault = |name| fault_of(refused, name);
    let (delay, change) = (drafted.delay_minutes.to_string(), drafted.change_delay_minutes.to_string());
    let (releases, sessions) = (drafted.releases_an_hour.to_string(), drafted.sessions_a_day.to_string());
    let signature = if drafted.is_signature_required { "required" } else { "optional" };
    let choices = [
        Choice::new("required", "Every recovery needs your signature")
            .hinting("Your programs sign what they ask for, with a key that this service does not have."),
        Choice::new("optional", "A recovery goes without")
            .hinting("A signature that is sent is still verified."),
    ];
    let in_force = &shown.in_force.request_keys;
    let waiting = shown.newest().request_keys.iter().filter(|key| !in_force.contains(key));
    let keys: Vec<_> = in_force.iter().chain(waiting).collect();
    let number = |name, label, value, hint| {
        parts::field(&Field::text(name, label).holding(value).hinting(hint).faulting(fault(name)))
    };
    let content = html! {
        (number("delay_minutes", "An approved recovery waits, in minutes", delay.as_str(),
            "Counted from the approval; then the time begins in which the recovery can be made. 1440 is a day."))
        (parts::radio(&Field::text("signature", "Your signature").holding(signature), &choices))
        @if !keys.is_empty() {
            fieldset {
                legend { "Keys that stay" }
                @for key in &keys {
                    (parts::check("keep", &Choice::new(&key.public_key, &key.kid), drafted.kept.contains(&key.public_key)))
                }
            }
        }
        (parts::text_area(&Field::text("new_key", "Another key").holding(&drafted.new_key).optional()
            .hinting("The public half of a P-256 key: PEM, or a JWK, whose kid becomes its name.").faulting(fault("new_key"))))
        (number("releases_an_hour", "Recoveries in an hour, at most", releases.as_str(),
            "By all users together; ten times as many in a day. Of what people approve here, a fifth of it, and as many in a day."))
        (number("sessions_a_day", "Recoveries of one user in a day, at most", sessions.as_str(),
            "Beyond it a user, and beyond that everybody, waits until the time is over."))
        (number("change_delay_minutes", "A policy that asks for less waits, in minutes", change.as_str(),
            "Less is a shorter time, a higher limit, no signature, or another key. In that time an owner can take it back."))
        (parts::deeds(&parts::main_button("See what is signed")))
    };
    html! {
        h2 { "Sign another" }
        (parts::form(&visitor.csrf, POLICY_PATH, &content))
    }
}

/// What an owner signs; `waits` says that it will not take effect at once.
pub fn sign(visitor: &Visitor, to_sign: &ToSign, waits: bool) -> Page {
    let shell = below(&visitor.shell(Section::Settings)).under(POLICY_PATH, TITLE);
    let lead = if waits {
        "This asks for less than what is in force, and so takes effect later. Look at it once more: your passkey signs \
         exactly this."
    } else {
        "This takes effect at once. Look at it once more: your passkey signs exactly this."
    };
    let action = format!("{POLICY_PATH}/sign");
    let content = html! {
        (parts::lead(lead))
        (parts::short_code(&short_code(&to_sign.hash), "the policy"))
        details { summary { "Exactly what is signed" } pre { (to_sign.document) } }
        (parts::passkey(&visitor.csrf, &action, Passkey::Get, &to_sign.options, &html! {
            input type="hidden" name="document" value=(to_sign.document);
            (parts::main_button("Sign with your passkey"))
        }))
    };
    page(&shell, "Sign the policy", &content)
}
