//! The first page of the settings, signing keys, limits, and beginning a sandbox anew.

use boundary::message::SigningKey;
use domain::limits::{
    DELETION_DELAY, FILE_BYTES_MAX, JSON_BODY_BYTES_MAX, METADATA_BYTES_MAX, WEBHOOKS_PER_TENANT_MAX,
};
use domain::rate::Rate;
use domain::time::Timestamp;
use maud::{Markup, html};

use crate::flows::approvals::POLICY_PATH;
use crate::http::control::look::parts::{self, Column, Field};
use crate::http::control::look::{Page, Section, Shell, page};
use crate::http::control::words;

/// Where the signing keys are shown.
pub const SIGNING_KEYS: &str = "/control/settings/signing-keys";
/// Where the limits are shown.
pub const LIMITS: &str = "/control/settings/limits";
/// Where a sandbox begins anew.
pub const RESET: &str = "/control/settings/reset";
/// What must be typed for it.
pub const RESET_WORDS: &str = "begin anew";

/// The settings.
pub fn overview(shell: &Shell) -> Page {
    let entry =
        |path: &str, name: &str, text: &str| html! { h2 { a href=(path) { (name) } } p.soft { (text) } };
    let content = html! {
        (entry(super::credentials_view::PATH, "API credentials", "What your programs sign in with. Each may do only what its scopes say."))
        (entry(super::webhooks_view::PATH, "Webhooks", "Where your programs are told of what happens, and how each try went."))
        (entry(POLICY_PATH, "Recoveries by users", "How long they wait, and whether they need your own signature."))
        (entry(SIGNING_KEYS, "Signing keys", "What your programs check this service's signatures with."))
        (entry(LIMITS, "Limits", "How much and how often."))
        @if shell.is_sandbox { (entry(RESET, "Begin anew", "Empty this sandbox and start over.")) }
    };
    page(shell, "Settings", &content)
}

/// A page of the settings.
pub(super) fn below(shell: &Shell) -> Shell {
    shell.clone().under(Section::Settings.path(), Section::Settings.name())
}

/// The signing keys.
pub fn signing_keys(shell: &Shell, keys: &[SigningKey]) -> Page {
    let columns = [Column::words("Key id"), Column::words("Signs"), Column::words("Since")];
    let row = |key: &SigningKey| {
        vec![
            html! { code { (key.kid) } },
            html! { (purpose(&key.purpose)) },
            shell.time(Timestamp::from_ms(key.valid_from_ms)),
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    let content = html! {
        (parts::lead("All are P-256 and sign by ES256. They are made in the enclave, and a program trusts what they sign."))
        (parts::table("Signing keys", &columns, &rows))
        (parts::deeds(&html! {
            (parts::link("/.well-known/jwks.json", "All as a JWK set"))
            (parts::link("/.well-known/verification-key.pem", "The key that signs assignments, as PEM"))
        }))
        h2 { "How to use them" }
        p { "Fetch the set, keep it as long as its answer's headers say, and pick the key by the id that comes with a signature. Whoever pins one key pins the one that signs assignments." }
    };
    page(&below(shell), "Signing keys", &content)
}

fn purpose(name: &str) -> String {
    match name {
        "assignment-sig" => "The assignment of keys".to_owned(),
        "receipt-sig" => "Receipts of what was done".to_owned(),
        other => words::action(other),
    }
}

/// The limits.
pub fn limits(shell: &Shell, calls: Rate, failures: Rate) -> Page {
    let bytes = |count: usize| words::bytes(i64::try_from(count).unwrap_or(i64::MAX));
    let content = html! {
        (parts::lead("A call beyond a limit is answered 429 or 413, and says what to do."))
        (parts::facts(&[
            ("Calls", html! { (rate(calls)) span.ago { "of each credential" } }),
            ("Failed sign-ins", html! { (rate(failures)) span.ago { "from each address; a valid credential is always served" } }),
            ("A body of JSON", html! { (bytes(JSON_BODY_BYTES_MAX)) }),
            ("A file", html! { (words::bytes(i64::try_from(FILE_BYTES_MAX).unwrap_or(i64::MAX))) }),
            ("Metadata of a backup", html! { (bytes(METADATA_BYTES_MAX)) }),
            ("Webhooks", html! { (WEBHOOKS_PER_TENANT_MAX) }),
            ("A deletion waits", html! { (DELETION_DELAY.as_secs() / 86_400) " days" }),
        ]))
        p.soft { "Every answer of the API says in its RateLimit headers how much is left." }
    };
    page(&below(shell), "Limits", &content)
}

fn rate(rate: Rate) -> Markup {
    let every = match rate.period_ms {
        1_000 => "a second".to_owned(),
        60_000 => "a minute".to_owned(),
        ms => format!("every {} seconds", ms / 1000),
    };
    html! { (rate.tokens) " " (every) ", " (rate.burst) " at once" }
}

/// Beginning a sandbox anew; `fault` says what was wrong with what was typed.
pub fn reset(shell: &Shell, fault: Option<&str>) -> Page {
    let hint = format!("Type “{RESET_WORDS}” to say that you mean it.");
    let field = Field::text("confirmation", "Confirmation").hinting(&hint).faulting(fault);
    let content = html! {
        (parts::lead("Users, keys, identity checks, backups, lists, recoveries and deliveries go. Credentials, people with their passkeys, webhooks and settings stay."))
        p { "A new log begins, whose first entry names the end of the old one." }
        (shell.form(RESET, &html! {
            (parts::field(&field))
            (parts::deeds(&html! {
                (parts::grave("Empty this sandbox"))
                a href=(Section::Settings.path()) { "Leave it as it is" }
            }))
        }))
    };
    page(&below(shell), "Begin anew", &content)
}
