//! The way in: an invitation, a factor, and what is kept for the day it is lost.

use domain::control::Act;
use domain::person::{InvitationPurpose, Role};
use domain::refusal::Refusal;
use maud::{Markup, html};
use store::invitations::Found as Invitation;
use store::sessions::Found;

use super::super::look::parts::{self, Field};
use super::super::look::{Page, bare};
use super::{fault_of, set_up, why};
use crate::flows::people::Setup;

/// What an invitation says, and the form for the first password.
pub fn invitation(is_sandbox: bool, token: &str, found: &Invitation, refused: Option<&Refusal>) -> Page {
    let content = html! {
        (parts::lead(&format!("Welcome, {}. {} invites you as {}.", found.person.name, found.tenant_name, role(found.person.role))))
        @if found.invitation.purpose == InvitationPurpose::Return {
            p { "What you signed in with before has ended. You begin anew here; your recoveries and lists are as they were." }
        }
        p { "There are two steps: a password now, then a second factor." }
        (why(refused))
        form method="post" action="/control/invitation" {
            input type="hidden" name="token" value=(token);
            input type="hidden" name="username" value=(found.person.email) autocomplete="username";
            (new_password(refused))
            (parts::main_button("Go on"))
        }
    };
    bare("Your invitation", is_sandbox, &content)
}

/// The two fields of a new password.
pub fn new_password(refused: Option<&Refusal>) -> Markup {
    html! {
        (parts::field(&Field::secret("new_password", "New password", "new-password")
            .hinting("At least 12 characters. Several words that only you would put together are best.")
            .faulting(fault_of(refused, "new_password"))))
        (parts::field(&Field::secret("repeated_password", "The same again", "new-password")
            .faulting(fault_of(refused, "repeated_password"))))
    }
}

/// The second factor.
pub fn onboarding(is_sandbox: bool, found: &Found, setup: &Setup, refused: Option<&Refusal>) -> Page {
    let csrf = &found.session.csrf;
    let needs_passkey = found.person.role.needs_passkey();
    let content = html! {
        (why(refused))
        section {
            h2 { "A passkey" }
            p {
                "Your phone, your computer or a security key holds it, and asks for your PIN, fingerprint or face. "
                @if needs_passkey { "As " (role(found.person.role)) " you sign with it, so you need one." }
            }
            (set_up::passkey(csrf, "/control/onboarding", setup))
        }
        @if !needs_passkey {
            section {
                h2 { "Or an app that makes codes" }
                (set_up::totp(csrf, "/control/onboarding", setup, refused))
            }
        }
    };
    bare("Your second factor", is_sandbox, &content)
}

/// He is in: his recovery codes; and, for whoever may ask for a recovery, the check of who he is. `csrf` is of the
/// session that he is in by now. What is left to do keeps nobody out.
pub fn joined(is_sandbox: bool, found: &Found, csrf: &str, codes: &[String]) -> Page {
    let is_checked = Act::RequestRecovery.is_open_to(found.person.role);
    let left = if is_checked { "Two things are left to do." } else { "One thing is left to do." };
    let content = html! {
        (parts::lead(&format!("You are in, {}. {left}", found.person.name)))
        (code_list(codes))
        @if is_checked {
            section {
                h2 { "Who you are" }
                p { "As " (role(found.person.role)) " you take part in recoveries, and each of them may ask you to prove who you \
                     are. Do it once now: every later check is compared with this one." }
                (parts::form(csrf, "/control/account/check", &parts::main_button("I have kept them: prove who I am")))
            }
            p { a href="/control" { "Later" } ": it stands on your account's page." }
        } @else {
            p { a.button href="/control" { "I have kept them: go on" } }
        }
    };
    bare("Keep your recovery codes", is_sandbox, &content)
}

/// Recovery codes, shown this once.
pub fn code_list(codes: &[String]) -> Markup {
    html! {
        section.once aria-labelledby="recovery-codes" {
            h2 #recovery-codes { "Your recovery codes" }
            ol { @for code in codes { li { code { (code) } } } }
            p { "They are not shown again. Print them, or keep them in a password manager: each lets you in once, with your \
                 password, when your device is lost." }
        }
    }
}

/// A role in a sentence.
pub fn role(role: Role) -> &'static str {
    match role {
        Role::Owner => "an owner",
        Role::Member => "a member",
        Role::Officer => "an officer",
        Role::Auditor => "an auditor",
    }
}
