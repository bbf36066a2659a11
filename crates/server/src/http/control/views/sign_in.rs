//! Signing in, and proving anew who one is.

use domain::refusal::Refusal;
use maud::{Markup, html};

use super::super::Visitor;
use super::super::look::parts::{self, Field, Notice, Passkey};
use super::super::look::{Page, Section, bare, page};
use super::said;
use crate::flows::people::Ways;

/// A proof that is asked for.
pub struct Asking<'a> {
    /// Where it is sent.
    pub action: &'a str,
    /// What the form must bring back.
    pub csrf: &'a str,
    /// Where to go then.
    pub next: &'a str,
    /// By what it can be given.
    pub ways: &'a Ways,
    /// Why the last one was not taken.
    pub refused: Option<&'a Refusal>,
}

/// Address and password.
pub fn sign_in(is_sandbox: bool, email: &str, next: &str, refused: Option<&Refusal>) -> Page {
    let content = html! {
        @if let Some(refusal) = refused { (parts::notice(&Notice::bad(said(refusal)))) }
        form method="post" action="/control/sign-in" {
            input type="hidden" name="next" value=(next);
            (parts::field(&Field::text("email", "Email").of_kind("email").holding(email).completing("username")))
            (parts::field(&Field::secret("password", "Password", "current-password")))
            (parts::main_button("Go on"))
        }
        p.hint { "Lost your password or your device? Ask an owner of your account: an invitation lets you begin anew." }
    };
    bare("Sign in", is_sandbox, &content)
}

/// The second factor.
pub fn second_factor(is_sandbox: bool, asking: &Asking<'_>) -> Page {
    let content =
        html! { (proofs(asking, "Sign in")) @if asking.ways.recovery_codes > 0 { (recovery_code(asking)) } };
    bare("Show that it is you", is_sandbox, &content)
}

/// A fresh proof.
pub fn prove(visitor: &Visitor, asking: &Asking<'_>) -> Page {
    let content = html! {
        (parts::lead("What you are about to do needs a fresh proof that it is you. It holds for ten minutes."))
        (proofs(asking, "Go on"))
    };
    page(&visitor.shell(Section::Account), "Show that it is you", &content)
}

fn proofs(asking: &Asking<'_>, label: &str) -> Markup {
    let next = html! { input type="hidden" name="next" value=(asking.next); };
    html! {
        @if let Some(refusal) = asking.refused { (parts::notice(&Notice::bad(said(refusal)))) }
        @if let Some(options) = &asking.ways.passkey {
            section {
                h2 { "With your passkey" }
                (parts::passkey(asking.csrf, asking.action, Passkey::Get, options,
                    &html! { (next) (parts::main_button(&format!("{label} with a passkey"))) }))
            }
        }
        @if asking.ways.has_totp {
            section {
                h2 { "With a code of your app" }
                (parts::form(asking.csrf, asking.action, &html! {
                    (next)
                    (parts::field(&Field::text("code", "Code").hinting("Six digits. Each counts once.").completing("one-time-code")))
                    (parts::button(&format!("{label} with a code")))
                }))
            }
        }
        @if asking.ways.passkey.is_none() && !asking.ways.has_totp {
            p { "You have neither a passkey nor an app that could show it. Ask an owner of your account to let you begin anew." }
        }
    }
}

fn recovery_code(asking: &Asking<'_>) -> Markup {
    html! {
        details {
            summary { "Use a recovery code instead" }
            (parts::form(asking.csrf, asking.action, &html! {
                input type="hidden" name="next" value=(asking.next);
                (parts::field(&Field::text("recovery_code", "Recovery code").hinting("One of those you kept. Each counts once.")))
                (parts::button("Sign in with a recovery code"))
            }))
        }
    }
}
