//! What is shown when something was not done: what went wrong, in words, and what to do about it.

use domain::refusal::{Kind, Refusal};
use maud::html;

use super::{Page, Shell, page, parts};
use crate::flows::Error;
use crate::http::error::Failure;

/// The page of a failure. Its cause, where one is for the log alone, is logged with the call's id, which is shown.
pub fn problem(shell: &Shell, error: Error, request_id: &str) -> Page {
    let failure = Failure::from(error);
    let status = failure.status();
    let (title, text, advice) = match &failure {
        Failure::Refused(refusal) => (title(refusal.kind), sentence(refusal), advice(refusal)),
        Failure::Internal { doing, cause } => {
            tracing::error!(doing, cause, request_id, "a page failed inside");
            let text = "Something went wrong inside the service; nothing of it is your doing.";
            (
                "Not done",
                text.to_owned(),
                "Try again. If it stays so, tell whoever runs this service, with the id below.".to_owned(),
            )
        }
    };
    let content = html! {
        (parts::lead(&text))
        p { (advice) }
        p.soft { "Request " code { (request_id) } }
        (parts::deeds(&parts::link(shell.section.path(), &format!("Back to {}", shell.section.name().to_lowercase()))))
    };
    page(shell, title, &content).with_status(status)
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::NotFound => "Not found",
        Kind::Forbidden | Kind::Unauthenticated => "Not allowed",
        Kind::Unavailable => "Not available just now",
        Kind::TooMany => "Too often",
        _ => "Not done",
    }
}

fn advice(refusal: &Refusal) -> String {
    let wait = refusal.retry_after_s.map(|seconds| format!("Try again in {}.", in_words(seconds)));
    let text = match refusal.kind {
        Kind::NotFound => "It may have been removed, or the address is not whole. Look for it in the list.",
        Kind::Forbidden => "Ask an owner of this account; the team page says who they are.",
        Kind::Unauthenticated => "Sign in again.",
        Kind::Unavailable => "Nothing was changed. Try again in a moment.",
        Kind::Conflict => "Load the page anew to see how things stand now.",
        Kind::TooLarge => "Send less at once.",
        _ => "Go back, mend it, and send it again.",
    };
    wait.unwrap_or_else(|| text.to_owned())
}

fn in_words(seconds: u32) -> String {
    if seconds < 120 { format!("{seconds} seconds") } else { format!("{} minutes", seconds.div_ceil(60)) }
}

/// A refusal's text as a sentence.
pub fn sentence(refusal: &Refusal) -> String {
    let mut letters = refusal.text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let end = if refusal.text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
