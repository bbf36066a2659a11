//! The pages of lists.

use boundary::acl::{Outcome, Rule, threshold};
use boundary::approval::{AclDocument, Owner, short_code};
use domain::approval::ChangeState;
use domain::control::Act;
use domain::key::KeyState;
use maud::{Markup, html};
use store::acls::Acl;

use super::super::Visitor;
use super::super::look::parts::{self, Column, Field, Mark, Passkey, Tone};
use super::super::look::{Page, Section, Shell, page};
use crate::flows::approvals::{Attaching, Cast, RosterStands, ShownAcl, ShownChange, ToSign};

/// Every list.
pub(super) fn list(visitor: &Visitor, lists: &[(Acl, AclDocument)]) -> Page {
    let rows: Vec<Vec<Markup>> = lists
        .iter()
        .map(|(acl, document)| {
            vec![
                html! { a href=(format!("/control/acls/{}", acl.id)) { (acl.name) } },
                html! { (rule(document)) },
                html! { (document.members.len()) },
                html! { (acl.version) },
            ]
        })
        .collect();
    let columns =
        [Column::words("List"), Column::words("Rule"), Column::number("Members"), Column::number("Version")];
    let may_make = visitor.may(Act::MakeAcl);
    let content = html! {
        (parts::lead("A list says who decides on giving out what the keys under it open."))
        @if lists.is_empty() {
            (parts::empty("No list yet", "Until keys are under a list, nobody can ask for what they open.",
                may_make.then_some(("/control/acls/new", "Make a list"))))
        } @else {
            (parts::table("Lists", &columns, &rows))
            @if may_make { (parts::deeds(&html! { (parts::link("/control/acls/new", "Make a list")) })) }
        }
        @if may_make { p { a href="/control/acls/owners" { "Who signs: owners and officers" } } }
    };
    page(&visitor.shell(Section::Lists), "Lists", &content)
}

/// One list.
pub(super) fn show(visitor: &Visitor, shown: &ShownAcl) -> Page {
    let (acl, shell) = (&shown.acl, visitor.shell(Section::Lists).under("/control/acls", "Lists"));
    let path = format!("/control/acls/{}", acl.id);
    let open = shown.changes.iter().find(|change| change.state.is_open());
    let content = html! {
        (parts::facts(&facts(&shown.document)))
        (members(&shown.document))
        (parts::short_code(&short_code(&acl.hash), "this version"))
        h2 { "Keys under it" }
        @if shown.keys.is_empty() { p { "None yet." } } @else {
            ul {
                @for key in shown.keys.iter().filter(|key| key.state != KeyState::Superseded) {
                    li {
                        code { (key.id) } " " (key.key_type) " " (key.key_environment) " "
                        a href=(format!("/control/recoveries/new?key={}", key.id)) { "Ask for what it opens" }
                    }
                }
            }
        }
        @if visitor.may(Act::AttachKeys) {
            (shell.form(&format!("{path}/attach"), &html! {
                (parts::text_area(&Field::text("keys", "Put keys under this list")
                    .hinting("Their ids, one on each line. For good: a key is never taken off its list.")))
                (parts::button("Go on to sign"))
            }))
        }
        h2 { "Changes" }
        @if let Some(change) = open {
            p { a href=(format!("{path}/changes/{}", change.id)) { "A change is open" } ": until it has ended, nobody can ask for a recovery." }
        } @else if shown.is_running {
            p { "A recovery is running: until it has ended, the list stays as it is." }
        } @else if visitor.may(Act::ProposeChange) {
            (parts::deeds(&html! { (parts::link(&format!("{path}/change"), "Propose a change")) }))
        }
        ul {
            @for change in &shown.changes {
                li { a href=(format!("{path}/changes/{}", change.id)) { "Version " (change.version) } " " (change_state(change.state)) }
            }
        }
    };
    page(&shell, &acl.name, &content)
}

/// A change, its votes, and the reader's.
pub(super) fn change(visitor: &Visitor, shown: &ShownChange) -> Page {
    let path = format!("/control/acls/{}", shown.acl.id);
    let shell = visitor
        .shell(Section::Lists)
        .under("/control/acls", "Lists")
        .under(path.clone(), shown.acl.name.clone());
    let here = format!("{path}/changes/{}", shown.change.id);
    let names = |id: &str| {
        let found = shown.current.members.iter().find(|member| member.person_id == id);
        found.map_or("somebody", |member| member.name.as_str()).to_owned()
    };
    let content = html! {
        p { (change_state(shown.change.state)) }
        p { (what_next(shown)) }
        (parts::short_code(&short_code(&shown.change.hash), "the new version"))
        h2 { "What the list would be" }
        (parts::facts(&facts(&shown.next)))
        (members(&shown.next))
        h2 { "Votes" }
        @if shown.votes.is_empty() { p { "Nobody has voted yet." } }
        ul {
            @for Cast { vote, counts } in &shown.votes {
                li {
                    (names(vote.person_id.as_str())) ": " (if vote.approve { "yes" } else { "no" })
                    @if !counts { ", which counts no more: he was taken out of the team" }
                    ", " (shell.time(vote.voted_at))
                }
            }
        }
        @if let Some([yes, no]) = &shown.to_sign {
            p { "Your passkey signs exactly this version. A vote is final." }
            (vote_form(visitor, &here, "yes", &yes.options, "Vote yes"))
            (vote_form(visitor, &here, "no", &no.options, "Vote no"))
            (offline_vote(&shell, &here))
        }
        @for veto in &shown.vetoes {
            p { (names(veto.person_id.as_str())) " has a veto and said no, " (shell.time(veto.stopped_at)) }
        }
        @if let Some(no) = &shown.to_stop {
            h2 { "Your veto" }
            p { "You can stop it until it takes effect, for good. Your passkey signs exactly that." }
            (parts::passkey(&visitor.csrf, &format!("{here}/stop"), Passkey::Get, &no.options, &parts::grave("Stop it")))
            h3 { "Or stop it away from any network" }
            p { a href=(format!("{here}/request")) { "Take the request" } " to where your offline key is; sign it there with " code { "holdfast vote sign --reject" } ", and paste the ballot." }
            (shell.form(&format!("{here}/stop"), &html! {
                (parts::text_area(&Field::text("ballot", "The ballot's file")))
                (parts::button("Hand in the veto"))
            }))
        }
    };
    page(&shell, &format!("Version {} of {}", shown.change.version, shown.acl.name), &content)
}

fn what_next(shown: &ShownChange) -> String {
    match (shown.change.state, shown.outcome) {
        (ChangeState::Open, Outcome::Open) => {
            let needed = threshold(shown.current.rule, shown.current.members.len());
            format!("It passes when {needed} of {} say yes.", shown.current.members.len())
        }
        (ChangeState::Open, _) => "The votes are in; the list follows in a moment.".to_owned(),
        (ChangeState::Waiting, _) => {
            "It has passed. Since it makes the list weaker, it takes effect after the list's delay; until then a member with \
             a veto can stop it."
                .to_owned()
        }
        (ChangeState::Applied, _) => "The list is this now.".to_owned(),
        (ChangeState::Declined, Outcome::Approved) if !shown.vetoes.is_empty() => {
            "A member with a veto stopped it before it took effect: the list stays as it was.".to_owned()
        }
        (ChangeState::Declined, _) => "The list stays as it was.".to_owned(),
        (ChangeState::Expired, _) => "Not enough said yes in time: the list stays as it was.".to_owned(),
    }
}

/// The way of whoever reads what is asked where there is no network, and signs it there.
pub(in crate::http::control) fn offline_vote(shell: &Shell, path: &str) -> Markup {
    html! {
        h3 { "Or vote away from any network" }
        p { a href=(format!("{path}/request")) { "Take the request" } " to where your offline key is, or your OpenPGP key; sign it there with " code { "holdfast vote sign" } ", and paste the ballot." }
        (shell.form(&format!("{path}/ballot"), &html! {
            (parts::text_area(&Field::text("ballot", "The ballot's file")))
            (parts::button("Hand in the ballot"))
        }))
    }
}

/// A vote's form: the passkey signs, the form is sent.
pub(in crate::http::control) fn vote_form(
    visitor: &Visitor,
    action: &str,
    word: &str,
    options: &str,
    label: &str,
) -> Markup {
    let content = html! {
        input type="hidden" name="approve" value=(word);
        @if word == "yes" { (parts::main_button(label)) } @else { (parts::grave(label)) }
    };
    parts::passkey(&visitor.csrf, action, Passkey::Get, options, &content)
}

/// What an Owner signs for a new list.
pub(super) fn sign_list(visitor: &Visitor, name: &str, to_sign: &ToSign) -> Page {
    let lead = "Look at it once more. Your passkey signs exactly this; then only its members change it.";
    sign(visitor, &format!("Sign the list {name}"), "/control/acls", lead, "the list", to_sign)
}

/// What an Owner signs to put keys under a list.
pub(super) fn sign_attachment(visitor: &Visitor, acl: &str, attaching: &Attaching) -> Page {
    let lead = format!("{} keys go under {}, for good.", attaching.keys.len(), attaching.name);
    let action = format!("/control/acls/{acl}/attached");
    sign(visitor, "Sign for these keys", &action, &lead, "these keys", &attaching.to_sign)
}

/// The owners on record, and what is to be signed where they have changed.
pub(super) fn owners(visitor: &Visitor, stands: &RosterStands) -> Page {
    match stands {
        RosterStands::Holds(roster) => {
            let shell = visitor.shell(Section::Lists).under("/control/acls", "Lists");
            let content = html! {
                (parts::lead("The owners sign new lists, and which keys go under them; the officers, what they decide of identity checks."))
                (on_record("Owners", &roster.owners))
                (on_record("Officers", &roster.officers))
                p { "This is version " (roster.version) "." }
            };
            page(&shell, "Owners and officers on record", &content)
        }
        RosterStands::ToBeSigned(to_sign) => {
            let lead = "The owners, the officers or their passkeys are not what was last signed. An Owner who is on record signs \
                        for what they are now; the first time, any Owner does.";
            sign(
                visitor,
                "Sign for owners and officers",
                "/control/acls/owners",
                lead,
                "these people",
                to_sign,
            )
        }
    }
}

fn on_record(title: &str, people: &[Owner]) -> Markup {
    html! {
        h2 { (title) }
        @if people.is_empty() { p { "Nobody." } } @else {
            ul { @for one in people { li { (one.name) ", " (parts::count(i64::try_from(one.keys.len()).unwrap_or(i64::MAX), "passkey", "passkeys")) } } }
        }
    }
}

fn sign(visitor: &Visitor, title: &str, action: &str, lead: &str, of: &str, to_sign: &ToSign) -> Page {
    let shell = visitor.shell(Section::Lists).under("/control/acls", "Lists");
    let content = html! {
        (parts::lead(lead))
        (parts::short_code(&short_code(&to_sign.hash), of))
        details { summary { "Exactly what is signed" } pre { (to_sign.document) } }
        (parts::passkey(&visitor.csrf, action, Passkey::Get, &to_sign.options, &html! {
            input type="hidden" name="document" value=(to_sign.document);
            (parts::main_button("Sign with your passkey"))
        }))
    };
    page(&shell, title, &content)
}

fn facts(document: &AclDocument) -> Vec<(&'static str, Markup)> {
    let yes = |holds: bool| if holds { "yes" } else { "no" };
    vec![
        ("Rule", html! { (rule(document)) }),
        ("May be voted for", html! { (parts::count(document.vote_window_s / 86_400, "day", "days")) }),
        ("Then waits, HOT keys", html! { (parts::count(document.delay_hot_s / 3_600, "hour", "hours")) }),
        ("Then waits, COLD keys", html! { (parts::count(document.delay_cold_s / 3_600, "hour", "hours")) }),
        ("Whoever asks is checked", html! { (yes(document.check_requester)) }),
        ("Whoever says yes is checked", html! { (yes(document.check_voters)) }),
        ("Others than members may ask", html! { (yes(document.any_member_may_ask)) }),
    ]
}

fn members(document: &AclDocument) -> Markup {
    html! {
        h2 { "Members" }
        ul {
            @for member in &document.members {
                li {
                    (member.name)
                    @if member.must { ", whose yes is needed" }
                    @if member.veto { ", whose no ends it" }
                }
            }
        }
    }
}

fn rule(document: &AclDocument) -> String {
    let (members, needed) = (document.members.len(), threshold(document.rule, document.members.len()));
    let rule = match document.rule {
        Rule::Majority => "more than half".to_owned(),
        Rule::Percentage(percent) => format!("{percent} in a hundred"),
        Rule::Exact(_) => "a fixed number".to_owned(),
    };
    format!("{needed} of {members} ({rule})")
}

fn change_state(state: ChangeState) -> Markup {
    let (tone, mark, word) = match state {
        ChangeState::Open => (Tone::Waiting, Mark::Half, "Voted on"),
        ChangeState::Waiting => (Tone::Waiting, Mark::Hourglass, "Passed, takes effect later"),
        ChangeState::Applied => (Tone::Good, Mark::Tick, "In force"),
        ChangeState::Declined => (Tone::Bad, Mark::Cross, "Declined"),
        ChangeState::Expired => (Tone::Over, Mark::Bar, "Expired"),
    };
    parts::state(tone, mark, word)
}
