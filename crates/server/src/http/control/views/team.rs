//! The people of a tenant.

use domain::control::Act;
use domain::person::{PersonState, Role};
use domain::refusal::Refusal;
use maud::{Markup, html};

use super::super::Visitor;
use super::super::look::parts::{self, Choice, Column, Field, Mark, Tone};
use super::super::look::{Page, Section, Shell, page};
use super::{fault_of, why};
use crate::flows::people::{Invited, Teammate};

/// What was typed into the form of an invitation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Typed<'a> {
    /// The address.
    pub email: &'a str,
    /// The name.
    pub name: &'a str,
    /// The role.
    pub role: &'a str,
}

/// Everybody.
pub fn team(visitor: &Visitor, team: &[Teammate]) -> Page {
    let shell = visitor.shell(Section::Team);
    let rows = team.iter().map(|mate| {
        let path = format!("/control/team/{}", mate.person.id);
        vec![
            html! { a href=(path) { (mate.person.name) } },
            html! { (mate.person.email) },
            html! { (mate.person.role) },
            state(&shell, mate),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let columns = ["Name", "Email", "Role", "State"].map(Column::words);
    let content = html! {
        @if visitor.may(Act::Invite) { (parts::deeds(&parts::link("/control/team/invite", "Invite somebody"))) }
        (parts::table("People", &columns, &rows))
    };
    page(&shell, "Team", &content)
}

/// One of them, and what may be done about him.
pub fn person(visitor: &Visitor, mate: &Teammate, refused: Option<&Refusal>) -> Page {
    let shell = visitor.shell(Section::Team).under("/control/team", "Team");
    let person = &mate.person;
    let base = format!("/control/team/{}", person.id);
    let is_active = person.state == PersonState::Active;
    let content = html! {
        (why(refused))
        (parts::facts(&[
            ("Email", html! { (person.email) }),
            ("Role", html! { (person.role) }),
            ("State", state(&shell, mate)),
            ("Passkeys", html! { (mate.passkeys) }),
            ("First invited", shell.time(person.created_at)),
        ]))
        @if visitor.may(Act::ChangeRole) {
            section {
                h2 { "Role" }
                (shell.form(&format!("{base}/role"), &html! {
                    (parts::select(&Field::text("role", "Role").holding(person.role.as_str())
                        .faulting(fault_of(refused, "role"))
                        .hinting("Another role ends all of this person's sessions."), &roles()))
                    (parts::button("Give this role"))
                }))
            }
        }
        @if visitor.may(Act::Invite) && !is_active {
            section {
                h2 { "Invitation" }
                p { "A new link ends the last one." }
                (shell.form(&format!("{base}/resend"), &parts::button("Send the invitation again")))
            }
        }
        @if visitor.may(Act::Reonboard) && is_active && person.id != visitor.person.id {
            section {
                h2 { "Lost device" }
                p { "Ends this person's password, passkeys, app, recovery codes and sessions at once, and makes a new \
                     invitation. Votes by the new passkey count after a day." }
                (shell.form(&format!("{base}/reonboard"), &parts::grave("Let this person begin anew")))
            }
        }
        @if visitor.may(Act::RemovePerson) {
            section {
                h2 { "Leaving" }
                p { "Takes this person out of the team at once, for good." }
                (shell.form(&format!("{base}/remove"), &parts::grave("Remove this person")))
            }
        }
    };
    page(&shell, &person.name, &content)
}

/// The form of an invitation.
pub fn invite(visitor: &Visitor, typed: &Typed<'_>, refused: Option<&Refusal>) -> Page {
    let shell = visitor.shell(Section::Team).under("/control/team", "Team");
    let role = if typed.role.is_empty() { Role::Member.as_str() } else { typed.role };
    let content = html! {
        (why(refused))
        (shell.form("/control/team/invite", &html! {
            (parts::field(&Field::text("name", "Name").holding(typed.name).faulting(fault_of(refused, "name"))))
            (parts::field(&Field::text("email", "Email").of_kind("email").holding(typed.email)
                .faulting(fault_of(refused, "email"))))
            (parts::radio(&Field::text("role", "Role").holding(role).faulting(fault_of(refused, "role")), &roles()))
            (parts::main_button("Invite"))
        }))
    };
    page(&shell, "Invite somebody", &content)
}

/// Somebody was invited: the link, where it does not go to him by mail.
pub fn invited(visitor: &Visitor, invited: &Invited) -> Page {
    let shell = visitor.shell(Section::Team).under("/control/team", "Team");
    let advice =
        "Give it to this person alone, by a way that you trust: whoever opens it first sets the password.";
    let content = html! {
        @if let Some(link) = &invited.link {
            (parts::lead(&format!("{} can begin with this link.", invited.person.name)))
            (parts::shown_once("Link of the invitation", link, advice))
        } @else {
            (parts::lead(&format!("{} gets a link by mail, at {}.", invited.person.name, invited.person.email)))
        }
        p { "It ends " (parts::moment(shell.clock, invited.expires_at)) ". It can be sent again until it was used." }
        p { a href="/control/team" { "To the team" } }
    };
    page(&shell, "Invitation", &content)
}

fn roles() -> Vec<Choice> {
    let hint = |role| match role {
        Role::Owner => "Runs the account: people, lists, credentials. Signs with a passkey.",
        Role::Member => "Asks for recoveries and votes. Signs with a passkey.",
        Role::Officer => "Decides identity checks that were put up for review.",
        Role::Auditor => "Reads everything and changes nothing.",
    };
    let name = |role| match role {
        Role::Owner => "Owner",
        Role::Member => "Member",
        Role::Officer => "Officer",
        Role::Auditor => "Auditor",
    };
    Role::ALL.iter().map(|role| Choice::new(role.as_str(), name(*role)).hinting(hint(*role))).collect()
}

fn state(shell: &Shell, mate: &Teammate) -> Markup {
    match (mate.person.state, mate.invited_until) {
        (PersonState::Active, _) => parts::state(Tone::Good, Mark::Tick, "Active"),
        (_, Some(until)) if until > shell.clock.now => {
            parts::state(Tone::Waiting, Mark::Hourglass, "Invited")
        }
        _ => parts::state(Tone::Bad, Mark::Cross, "Invitation over"),
    }
}
