//! The pages of recoveries.

use boundary::acl::threshold;
use boundary::approval::short_code;
use domain::approval::{ControlState, Ending, PersonCheck};
use domain::control::Act;
use domain::key::KeyEnvironment;
use domain::refusal::Refusal;
use maud::{Markup, html};
use store::signed_records::SignedRecord;

use super::super::Visitor;
use super::super::acls::{offline_vote, vote_form};
use super::super::look::parts::{self, Column, Field, Mark, Notice, Passkey, Tone};
use super::super::look::{Page, Section, Shell, page};
use super::super::stored;
use super::super::views::{check_path, said};
use crate::flows::approvals::{RECOVERIES_SHOWN, RequestRecovery, ShownRecovery, ToSign};

/// The recoveries, newest first.
pub(super) fn list(visitor: &Visitor, recoveries: &[ShownRecovery], is_below: bool) -> Page {
    let shell = visitor.shell(Section::Recoveries);
    let rows: Vec<Vec<Markup>> = recoveries
        .iter()
        .map(|shown| {
            let recovery = &shown.recovery;
            vec![
                html! { a href=(format!("/control/recoveries/{}", recovery.id)) { (shell.time(recovery.created_at)) } },
                html! { (shown.asked_by) },
                html! { (shown.list.name) },
                html! { (state(recovery.state)) },
            ]
        })
        .collect();
    let columns =
        [Column::words("Asked"), Column::words("By"), Column::words("List"), Column::words("State")];
    let is_full = i64::try_from(recoveries.len()).is_ok_and(|count| count == RECOVERIES_SHOWN);
    let older = recoveries.last().filter(|_| is_full);
    let older = older.map(|shown| format!("/control/recoveries?before={}", shown.recovery.id));
    let may_ask = visitor.may(Act::RequestRecovery);
    let content = html! {
        (parts::lead("What people asked to have given out, and how it was decided."))
        @if recoveries.is_empty() && !is_below {
            (parts::empty("No recovery yet", "One begins with a backup, or a key, that is under a list.",
                may_ask.then_some(("/control/recoveries/new", "Ask for a recovery"))))
        } @else {
            (parts::table("Recoveries", &columns, &rows))
            (parts::pager(is_below.then_some("/control/recoveries"), older.as_deref()))
            @if may_ask { (parts::deeds(&html! { (parts::link("/control/recoveries/new", "Ask for a recovery")) })) }
        }
    };
    page(&shell, "Recoveries", &content)
}

/// The form by which somebody asks.
pub(super) fn ask(visitor: &Visitor, asked: &RequestRecovery, refusal: Option<&Refusal>) -> Page {
    let mut shell = visitor.shell(Section::Recoveries).under("/control/recoveries", "Recoveries");
    if let Some(refusal) = refusal.filter(|refusal| refusal.fields.is_empty()) {
        shell = shell.saying(Notice::bad(said(refusal)));
    }
    let fault = |name: &str| {
        let faults = refusal.and_then(|refusal| refusal.fields.get(name));
        faults.and_then(|faults| faults.first()).map(String::as_str)
    };
    let (backups, keys) = (asked.backups.join("\n"), asked.keys.join("\n"));
    let form = html! {
        (parts::text_area(&Field::text("backups", "Backups").holding(&backups).optional().faulting(fault("backups"))
            .hinting("Their ids, one on each line.")))
        (parts::text_area(&Field::text("keys", "Keys").holding(&keys).optional().faulting(fault("keys"))
            .hinting("Their ids, one on each line. A key stands for all of its backups.")))
        (parts::text_area(&Field::text("reason", "Why").holding(&asked.reason).faulting(fault("reason"))
            .hinting("Whoever votes reads this, and signs it with the rest.")))
        (parts::certificate(&Field::text("certificate", "Your OpenPGP certificate").holding(&asked.certificate)
            .faulting(fault("certificate"))
            .hinting("The public half. What is given out is encrypted to it: whoever has the private half alone opens it.")))
        (parts::main_button("Ask"))
    };
    let content = html! {
        (parts::lead("The members of the list are asked. Then you prove who you are."))
        @if let Some(refusal) = refusal.filter(|refusal| !refusal.fields.is_empty()) { (parts::errors(&refusal.fields)) }
        (shell.form("/control/recoveries", &form))
    };
    page(&shell, "Ask for a recovery", &content)
}

/// A recovery: in words, by whom it is decided, what is missing, what happens next.
pub(super) fn show(
    visitor: &Visitor,
    shown: &ShownRecovery,
    to_sign: Option<&[ToSign; 2]>,
    record: Option<&SignedRecord>,
) -> Page {
    let shell = visitor.shell(Section::Recoveries).under("/control/recoveries", "Recoveries");
    let recovery = &shown.recovery;
    let path = format!("/control/recoveries/{}", recovery.id);
    let is_mine = recovery.asked_by == visitor.person.id;
    let content = html! {
        p { (state(recovery.state)) }
        p #next { (next(shown)) }
        (parts::short_code(&short_code(&recovery.intent_hash), "this recovery"))
        (parts::facts(&facts(&shell, shown, stored::record(&shell, &path, record))))
        (guarded(shown))
        @if let (true, Some(check)) = (is_mine, &recovery.verification_id) {
            @if matches!(shown.check, PersonCheck::Waiting(_)) && !shown.is_in_review && recovery.state == ControlState::Requested {
                p { a href=(check_path(check)) { "Prove who you are" } ": until then no vote takes effect." }
            }
        }
        h2 { "Votes" }
        (votes(visitor, &shell, shown))
        @if let Some([yes, no]) = to_sign {
            @if recovery.state == ControlState::Requested {
                p { "Your passkey signs exactly what is shown here. A vote is final." }
                (vote_form(visitor, &format!("{path}/vote"), "yes", &yes.options, "Vote yes"))
                (vote_form(visitor, &format!("{path}/vote"), "no", &no.options, "Vote no"))
                (offline_vote(&shell, &path))
            } @else {
                p { "It has passed and still waits. You can stop it, for good." }
                (parts::passkey(&visitor.csrf, &format!("{path}/stop"), Passkey::Get, &no.options, &parts::grave("Stop it")))
            }
        }
        @if is_mine && recovery.state.has_package() && recovery.keep_until.is_some() {
            h2 { "Download" }
            p { "A link opens once, within 15 minutes. Open what it gives with " code { "gpg -d X | tar x" } "." }
            (shell.form(&format!("{path}/link"), &parts::main_button("Make a link")))
        }
    };
    page(&shell, "Recovery", &content)
}

/// The link that was made.
pub(super) fn link(visitor: &Visitor, id: &str, token: &str) -> Page {
    let path = format!("/control/recoveries/{id}");
    let shell = visitor
        .shell(Section::Recoveries)
        .under("/control/recoveries", "Recoveries")
        .under(path.clone(), "Recovery");
    let content = html! {
        (parts::lead("It opens once, within 15 minutes, and for you alone."))
        (parts::deeds(&parts::link(&format!("{path}/package?token={token}"), "Download the package")))
    };
    page(&shell, "Download", &content)
}

fn facts(
    shell: &Shell,
    shown: &ShownRecovery,
    record: Option<(&'static str, Markup)>,
) -> Vec<(&'static str, Markup)> {
    let recovery = &shown.recovery;
    let mut facts = vec![
        ("Asked by", html! { (shown.asked_by) }),
        ("Why", html! { (recovery.reason) }),
        (
            "List",
            html! { a href=(format!("/control/acls/{}", recovery.acl_id)) { (shown.list.name) } ", version " (recovery.acl_version) },
        ),
        ("To the OpenPGP key", parts::fingerprint(&recovery.gpg_fingerprint)),
        ("Encrypted to its subkey", parts::fingerprint(&recovery.subkey_fingerprint)),
        ("Asked", shell.time(recovery.created_at)),
        ("May be voted until", shell.time(recovery.window_ends_at)),
    ];
    if let Some(at) = recovery.release_at {
        facts.push(("Its delay ends", shell.time(at)));
    }
    if let Some(until) = recovery.keep_until {
        facts.push(("The package is kept until", shell.time(until)));
    }
    facts.extend(record);
    facts
}

fn guarded(shown: &ShownRecovery) -> Markup {
    html! {
        h2 { "What would be given out" }
        ul {
            @for backup in &shown.backups {
                li {
                    (backup.kind) " " code { (backup.id) }
                    @if let Some(name) = &backup.item_key { " " (name) }
                    " of " (backup.user_identifier)
                }
            }
            @for key in &shown.private_keys() { li { "the private key " code { (key) } } }
        }
    }
}

fn votes(visitor: &Visitor, shell: &Shell, shown: &ShownRecovery) -> Markup {
    html! {
        ul {
            @for member in &shown.list.members {
                @let cast = shown.votes.iter().find(|cast| cast.vote.person_id.as_str() == member.person_id);
                li {
                    (member.name) ": "
                    @match cast {
                        None => "has not voted",
                        Some(cast) => {
                            (if cast.vote.approve { "yes" } else { "no" }) ", " (shell.time(cast.vote.voted_at))
                            @if cast.vote.approve { (check_of_vote(visitor, cast)) }
                        },
                    }
                    @if member.must { " (his yes is needed)" }
                    @if member.veto { " (his no ends it)" }
                }
            }
        }
    }
}

fn check_of_vote(visitor: &Visitor, cast: &crate::flows::approvals::ShownVote) -> Markup {
    html! {
        @match (cast.check, &cast.vote.verification_id) {
            _ if cast.is_removed => ", which counts no more: he was taken out of the team",
            (PersonCheck::Waiting(until), Some(_)) if visitor.now >= until => ", which lapsed: the check did not end in time",
            (PersonCheck::Waiting(_), Some(check)) => {
                ", which counts once the check has passed"
                @if cast.vote.person_id == visitor.person.id { " " a href=(check_path(check)) { "Prove who you are" } }
            },
            (PersonCheck::Failed, _) => ", which lapsed: the check was not passed",
            _ => "",
        }
    }
}

/// What is missing, and what happens next.
fn next(shown: &ShownRecovery) -> String {
    let recovery = &shown.recovery;
    match recovery.state {
        ControlState::Requested => {
            let yes = shown.counted().iter().filter(|vote| **vote == Some(true)).count();
            let needed = threshold(shown.list.rule, shown.list.members.len());
            let check = match shown.check {
                PersonCheck::Waiting(_) if shown.is_in_review => {
                    " Whoever stood for the identity check may not be who asked: an officer looks at it, and until then \
                     no vote takes effect."
                }
                PersonCheck::Waiting(_) => " Whoever asked has still to prove who he is.",
                _ => "",
            };
            let delay_s = match recovery.key_environment {
                KeyEnvironment::Hot => shown.list.delay_hot_s,
                KeyEnvironment::Cold => shown.list.delay_cold_s,
            };
            let delay = if delay_s > 0 { " Then it waits out the list's delay." } else { "" };
            format!("{yes} of the {needed} that are needed have said yes.{check}{delay}")
        }
        ControlState::Approved => {
            "It has passed, and waits out the list's delay. A member with a veto can stop it.".to_owned()
        }
        ControlState::Preparing if recovery.key_environment == KeyEnvironment::Cold => {
            "It has passed. One of its keys is held offline, so it waits for the next ceremony.".to_owned()
        }
        ControlState::Preparing => "The enclave is packing it.".to_owned(),
        ControlState::Ready => "It is ready: whoever asked can download it.".to_owned(),
        ControlState::Downloaded => "It was downloaded by whoever asked.".to_owned(),
        ControlState::Declined | ControlState::Expired => {
            let why = recovery.why.as_deref().and_then(Ending::parse);
            why.map_or("It is over.", ending).to_owned()
        }
    }
}

const fn ending(why: Ending) -> &'static str {
    match why {
        Ending::VotedDown => "It was voted down. Nothing was given out.",
        Ending::Vetoed => "A member with a veto stopped it. Nothing was given out.",
        Ending::WindowClosed => {
            "Not enough said yes before the vote closed. Nothing was given out; ask anew."
        }
        Ending::CheckFailed => "Whoever asked did not pass the identity check. Nothing was given out.",
        Ending::CheckExpired => "The identity check of whoever asked did not end within 24 hours. Ask anew.",
        Ending::NotPacked => "It could not be packed in time. Nothing was given out; ask anew.",
        Ending::ReleaseRefused => {
            "The enclave does not accept what was to prove it. Nothing was given out; the operator finds the reason in its log."
        }
        Ending::NotFetched => "Nobody fetched the package within seven days; it was deleted. Ask anew.",
    }
}

fn state(state: ControlState) -> Markup {
    let (tone, mark, word) = match state {
        ControlState::Requested => (Tone::Waiting, Mark::Half, "Voted on"),
        ControlState::Approved => (Tone::Waiting, Mark::Hourglass, "Approved, waits"),
        ControlState::Preparing => (Tone::Open, Mark::Dot, "Preparing"),
        ControlState::Ready => (Tone::Good, Mark::Diamond, "Ready"),
        ControlState::Downloaded => (Tone::Good, Mark::Tick, "Downloaded"),
        ControlState::Declined => (Tone::Bad, Mark::Cross, "Declined"),
        ControlState::Expired => (Tone::Over, Mark::Bar, "Expired"),
    };
    parts::state(tone, mark, word)
}
