//! The page on which a key's destruction is asked for, confirmed, waited for and stopped.

use domain::control::Act;
use domain::destruction::{DestructionState, Hold, Loss, may_be_destroyed};
use domain::key::{KeyEnvironment, KeyState};
use domain::refusal::Refusal;
use maud::{Markup, html};
use store::destructions::Destruction;

use crate::flows::destruction::{AskDestruction, ShownDestruction, destruction_path};
use crate::http::control::Visitor;
use crate::http::control::keys::view as keys;
use crate::http::control::look::parts::{self, Choice, Field, Notice};
use crate::http::control::look::{Page, Section, Shell, page};
use crate::http::control::views::{fault_of, why};
use crate::http::control::words;

/// How it stands, and what the reader may do about it.
pub(super) fn show(
    visitor: &Visitor,
    shown: &ShownDestruction,
    (asked, refusal): (&AskDestruction, Option<&Refusal>),
    notice: Option<Notice>,
) -> Page {
    let key = &shown.key;
    let mut shell = visitor
        .shell(Section::Keys)
        .under(Section::Keys.path(), Section::Keys.name())
        .under(keys::path(key), format!("Key of {}", key.user_identifier));
    shell.notice = notice;
    let current = shown.destruction.as_ref().filter(|found| !found.state.is_over());
    let content = html! {
        (parts::lead("Two owners together have a key destroyed, with everything that it guards. For the days between, anybody who may stops it."))
        (why(refusal))
        @match &shown.destruction {
            Some(found) => {
                p #next { (next(found)) }
                @if let Some(loss) = shown.loss { p { (lost(loss)) } }
                @if let Some(hold) = shown.hold { p { (held(hold)) } }
                (facts(&shell, shown, found))
            },
            None => p #next { "Nobody has asked for it. The key is " (words::key_state(key.state)) },
        }
        @if let Some(found) = current { (deeds(visitor, shown, found)) }
        @if current.is_none() && visitor.may(Act::DestroyKey) { (form(visitor, shown, (asked, refusal))) }
        (reach(key.key_environment))
    };
    page(&shell, &format!("Destruction of the key of {}", key.user_identifier), &content)
}

/// What happens next, in words.
fn next(found: &Destruction) -> &'static str {
    match found.state {
        DestructionState::Asked => {
            "It waits for another owner to confirm it. Until then nothing happens to the key."
        }
        DestructionState::Pending => {
            "The key takes nothing new, and what it guards can still be recovered. When the days are over, it is destroyed."
        }
        DestructionState::Halted => {
            "It stands still: something that it rests on is not as the service wrote it. The key will not be destroyed. Tell the operator, and stop it."
        }
        DestructionState::Erasing => {
            "The key is destroyed. What is left of it in other stores is being removed."
        }
        DestructionState::Done => "The key is destroyed, and nothing brings it back.",
        DestructionState::Stopped => "It was stopped. The key is kept.",
        DestructionState::Lapsed => "Nobody confirmed it in time. The key is kept.",
    }
}

/// Why it will be stopped.
fn lost(loss: Loss) -> &'static str {
    match loss {
        Loss::Owner => {
            "Whoever asked for it or confirmed it is no owner any more: it will be stopped when the days are over."
        }
        Loss::Owners => {
            "An owner came, went or began anew since a week before it was asked for: it will be stopped when the days are over."
        }
    }
}

/// Why it would wait.
fn held(hold: Hold) -> &'static str {
    match hold {
        Hold::Frozen => "The account is frozen: while it is, nothing is destroyed.",
        Hold::Recovery => "A recovery runs that needs the key: it is not destroyed before that is over.",
        Hold::Moves => {
            "A key that it replaced has backups that wait for the ceremony that moves them to this one: until they have moved, it is not destroyed."
        }
        Hold::Files => {
            "A key that replaced it guards files, which may be encrypted to this one: while it does, this one is not destroyed."
        }
    }
}

fn facts(shell: &Shell, shown: &ShownDestruction, found: &Destruction) -> Markup {
    let mut facts = vec![
        ("Key", words::key_state(shown.key.state)),
        ("Guards", html! { (parts::count(shown.key.backups, "backup", "backups")) }),
        ("Asked by", html! { (shown.asked_by) ", " (parts::moment(shell.clock, found.asked_at)) }),
        ("Why", html! { (found.reason) }),
        ("Days", html! { (found.days) }),
    ];
    if let (Some(name), Some(at)) = (&shown.confirmed_by, found.confirmed_at) {
        facts.push(("Confirmed by", html! { (name) ", " (parts::moment(shell.clock, at)) }));
    }
    match (found.state, found.ended_at) {
        (DestructionState::Asked, _) => facts.push(("Lapses", shell.time(found.due_at))),
        (DestructionState::Pending, _) => facts.push(("Destroyed from", shell.time(found.due_at))),
        (DestructionState::Erasing | DestructionState::Done, Some(at)) => {
            facts.push(("Destroyed", shell.time(at)));
        }
        (_, Some(at)) => facts.push(("Ended", shell.time(at))),
        (_, None) => {}
    }
    parts::facts(&facts)
}

/// What may be done about one that is not over.
fn deeds(visitor: &Visitor, shown: &ShownDestruction, found: &Destruction) -> Markup {
    let path = destruction_path(&shown.key.id);
    let may_be_stopped = shown.may_stop && found.state.may_be_stopped().is_ok();
    let is_rehearsed = visitor.shell(Section::Keys).is_sandbox && visitor.may(Act::Rehearse);
    let is_mine = found.asked_by == visitor.person.id;
    let is_second = visitor.may(Act::DestroyKey) && !is_mine;
    let label = match found.state {
        DestructionState::Asked if is_mine => "Take the request back",
        DestructionState::Asked => "Refuse it",
        _ => "Keep the key",
    };
    html! {
        @if may_be_stopped {
            (parts::form(&visitor.csrf, &format!("{path}/stop"), &parts::deeds(&parts::main_button(label))))
        }
        @if found.state == DestructionState::Asked && is_second { (confirmation(visitor, &path, found)) }
        @if found.state == DestructionState::Pending && is_rehearsed {
            p { "In a sandbox the days can be left out." }
            (parts::form(&visitor.csrf, &format!("{path}/hasten"), &parts::deeds(&parts::button("Leave out the days"))))
        }
    }
}

fn confirmation(visitor: &Visitor, path: &str, found: &Destruction) -> Markup {
    let choice = Choice::new("yes", "I want this key destroyed, and all that it guards")
        .hinting(format!("It can be stopped for {} days. Then nothing brings it back.", found.days));
    let content = html! {
        input type="hidden" name="asked_at" value=(found.asked_at.rfc3339());
        (parts::check("confirmed", &choice, false))
        (parts::deeds(&parts::grave("Confirm it")))
    };
    html! {
        section.grave-part aria-labelledby="confirm" {
            h2 #confirm { "Confirm it" }
            p { "Ask whoever asked for it before you do: two people, because one alone may be wrong, or not who he seems." }
            (parts::form(&visitor.csrf, &format!("{path}/confirm"), &content))
        }
    }
}

/// The form by which somebody asks, or why he cannot.
fn form(
    visitor: &Visitor,
    shown: &ShownDestruction,
    (asked, refusal): (&AskDestruction, Option<&Refusal>),
) -> Markup {
    if may_be_destroyed(shown.key.state).is_err() {
        return html! {
            @if shown.key.state == KeyState::Superseding {
                p.soft { "Its backups wait for the ceremony that moves them to its successor. Ask after that." }
            }
        };
    }
    let reason = Field::text("reason", "Why")
        .holding(&asked.reason)
        .hinting("Everybody of the account reads this, and it stays in the log: name nobody.")
        .faulting(fault_of(refusal, "reason"));
    let days = Field::text("days", "Days in which it can be stopped")
        .holding(&asked.days)
        .hinting("7 to 30, from when the second owner confirms it.")
        .faulting(fault_of(refusal, "days"));
    let content = html! {
        (parts::text_area(&reason))
        (parts::field(&days))
        (parts::deeds(&parts::grave("Ask for its destruction")))
    };
    html! {
        section.grave-part aria-labelledby="ask" {
            h2 #ask { "Ask for it" }
            p { "The key and its " (parts::count(shown.key.backups, "backup", "backups")) " are gone for good afterwards. Another owner confirms it within seven days, or nothing happens. The owners of the account stay the same for seven days before, but for a sandbox, and until the end: where one comes, goes or begins anew, it is refused or stopped." }
            (parts::form(&visitor.csrf, &destruction_path(&shown.key.id), &content))
        }
    }
}

/// What a destruction does not reach.
fn reach(environment: KeyEnvironment) -> Markup {
    html! {
        h2 { "What this does not reach" }
        p { "Copies of the database and of the stores of key shares that the operator keeps elsewhere, until they are gone too, and what a recovery gave out before." }
        @if environment == KeyEnvironment::Cold {
            p { "The private half of this key was made offline, and the folder of the offline machine still holds it, sealed. Here its backups are removed, so that it has nothing left to open. Whoever keeps that machine destroys the folder with all its keys, or keeps it." }
        }
    }
}
