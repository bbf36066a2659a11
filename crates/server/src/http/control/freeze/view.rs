//! The page on which the account is frozen, and what an owner signs to end that.

use boundary::approval::short_code;
use domain::control::Act;
use domain::limits::FREEZE_HOURS_DEFAULT;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use maud::{Markup, html};

use crate::flows::FREEZE_PATH;
use crate::flows::approvals::ToSign;
use crate::http::control::Visitor;
use crate::http::control::look::parts::{self, Field, Passkey, Tone};
use crate::http::control::look::{Page, Section, page};
use crate::http::control::views::{fault_of, why};

/// What the page is called.
const TITLE: &str = "Freeze the account";

/// Whether it is frozen, and what may be done about it.
pub fn show(visitor: &Visitor, until: Option<Timestamp>, refused: Option<&Refusal>) -> Page {
    let shell = visitor.shell(Section::Settings).under(Section::Settings.path(), Section::Settings.name());
    let content = html! {
        (parts::lead("For when something is wrong and nobody knows yet what. While the account is frozen nothing leaves of it: no recovery goes out, approved or not. Storing, checking and voting go on."))
        (why(refused))
        @match until {
            Some(until) => (parts::told(Tone::Waiting, &html! { p { "Frozen until " (shell.time(until)) } })),
            None => p { "The account is not frozen." },
        }
        @if until.is_some() && visitor.may(Act::Thaw) { (end(visitor)) }
        @if visitor.may(Act::Freeze) { (form(visitor, until.is_some(), refused)) }
    };
    page(&shell, TITLE, &content)
}

fn end(visitor: &Visitor) -> Markup {
    html! {
        h2 { "End it" }
        p { "An owner ends it with a passkey: the enclave asks for that, and believes no page." }
        (parts::form(&visitor.csrf, &format!("{FREEZE_PATH}/end"), &parts::deeds(&parts::button("See what is signed"))))
    }
}

fn form(visitor: &Visitor, is_frozen: bool, refused: Option<&Refusal>) -> Markup {
    let hours = FREEZE_HOURS_DEFAULT.to_string();
    let field = Field::text("hours", "For how many hours from now")
        .holding(&hours)
        .hinting("It ends by itself then; what is frozen for longer stays so. Everybody is told.")
        .faulting(fault_of(refused, "hours"));
    let label = if is_frozen { "Freeze it for longer" } else { "Freeze the account" };
    html! {
        h2 { (label) }
        (parts::form(&visitor.csrf, FREEZE_PATH, &html! {
            (parts::field(&field))
            (parts::deeds(&parts::grave(label)))
        }))
    }
}

/// What an owner signs.
pub fn sign(visitor: &Visitor, to_sign: &ToSign) -> Page {
    let shell = visitor.shell(Section::Settings).under(FREEZE_PATH, TITLE);
    let action = format!("{FREEZE_PATH}/end/sign");
    let content = html! {
        (parts::lead("Recoveries go on as soon as this is signed. Look at why the account was frozen before you end it."))
        (parts::short_code(&short_code(&to_sign.hash), "the end of this freeze"))
        details { summary { "Exactly what is signed" } pre { (to_sign.document) } }
        (parts::passkey(&visitor.csrf, &action, Passkey::Get, &to_sign.options, &html! {
            input type="hidden" name="document" value=(to_sign.document);
            (parts::main_button("Sign with your passkey"))
        }))
    };
    page(&shell, "End the freeze", &content)
}
