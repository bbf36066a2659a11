//! The pages of reviews.

use std::collections::HashMap;

use boundary::approval::{Decision, short_code};
use domain::control::Act;
use domain::refusal::Refusal;
use domain::review::{ReviewState, ReviewWhy};
use maud::{Markup, html};
use store::reviews::ListedReview;

use super::super::Visitor;
use super::super::look::parts::{self, Choice, Column, Field, Mark, Notice, Passkey, Tone};
use super::super::look::{Page, Section, Shell, page};
use super::super::views::said;
use crate::flows::approvals::{ShownReview, Shows, ToSign};

/// What an officer filled in.
#[derive(Clone, Debug, Default)]
pub(super) struct Filled {
    /// The word of his decision.
    pub decision: String,
    /// Why.
    pub reason: String,
}

/// The list.
pub(super) fn list(
    visitor: &Visitor,
    params: &HashMap<String, String>,
    reviews: &[ListedReview],
    older: Option<&str>,
) -> Page {
    let (shell, home) = (visitor.shell(Section::Reviews), Section::Reviews.path());
    let is_narrowed = params.keys().any(|name| name != "cursor");
    let newest = params.contains_key("cursor").then_some(home);
    let columns = [Column::words("Came"), Column::words("Of"), Column::words("Why"), Column::words("State")];
    let rows: Vec<_> = reviews.iter().map(|review| row(&shell, review)).collect();
    let content = html! {
        (parts::lead("Identity checks that people decide, since a program cannot or must not. An officer does, with a reason and his signature."))
        @if is_narrowed || !rows.is_empty() || newest.is_some() { (filter(params)) }
        @if rows.is_empty() && is_narrowed {
            (parts::empty("No review matches", "A user is named exactly as your program names him. Take a field away to see more.", Some((home, "Show all"))))
        } @else if rows.is_empty() {
            (parts::empty("Nothing was ever up for review", "A check comes here where the provider asks for it, where it shows another person than before, or after many that were declined.", None))
        } @else {
            (parts::table("Reviews, newest first", &columns, &rows))
            (parts::pager(newest, older))
        }
    };
    page(&shell, "Reviews", &content)
}

fn filter(params: &HashMap<String, String>) -> Markup {
    let value = |name: &str| params.get(name).map_or("", String::as_str);
    let any = || std::iter::once(Choice::new("", "Any"));
    let states = ReviewState::ALL.iter().map(|of| Choice::new(of.as_str(), state_name(*of)));
    let whys = ReviewWhy::ALL.iter().map(|of| Choice::new(of.as_str(), why_name(*of)));
    let (states, whys): (Vec<_>, Vec<_>) = (any().chain(states).collect(), any().chain(whys).collect());
    let user = Field::text("user_identifier", "User").of_kind("search").holding(value("user_identifier"));
    let fields = html! {
        (parts::field(&user.optional()))
        (parts::select(&Field::text("why", "Why").holding(value("why")).optional(), &whys))
        (parts::select(&Field::text("status", "State").holding(value("status")).optional(), &states))
    };
    parts::search(Section::Reviews.path(), &fields)
}

fn row(shell: &Shell, review: &ListedReview) -> Vec<Markup> {
    let path = format!("{}/{}", Section::Reviews.path(), review.verification_id);
    vec![
        html! { a href=(path) { (shell.time(review.came_at)) } },
        html! {
            @if let Some(name) = &review.person { (name) span.ago { "of the team" } } @else { (review.user_identifier) }
        },
        html! { (why_name(review.why)) },
        state(review.state),
    ]
}

/// One review: why it came, what is signed, what each decision does.
pub(super) fn show(
    visitor: &Visitor,
    shown: &ShownReview,
    to_sign: Option<&ToSign>,
    filled: &Filled,
    refusal: Option<&Refusal>,
) -> Page {
    let mut shell = visitor.shell(Section::Reviews).under(Section::Reviews.path(), "Reviews");
    if let Some(refusal) = refusal.filter(|refusal| refusal.fields.is_empty()) {
        shell = shell.saying(Notice::bad(said(refusal)));
    }
    let is_open = shown.review.state.is_open();
    let may_decide = is_open && visitor.may(Act::DecideReview) && !shown.is_of(&visitor.person.id);
    let content = html! {
        p { (state(shown.review.state)) }
        p #why { (why(shown.review.why)) }
        @if is_open { p #shows { (shows(shown.shows)) } }
        (parts::facts(&facts(&shell, shown)))
        @if let Some(document) = &shown.document {
            h2 { "What was decided" }
            p { (decided(document.decision)) " The reason:" }
            blockquote { (document.reason) }
            (parts::short_code(&short_of(shown), "this decision"))
            p #next { (next(shown)) }
        }
        @if let Some(to_sign) = to_sign {
            p { "Your passkey signs exactly what the officer signed. Do so only if you have made sure yourself." }
            (parts::passkey(&visitor.csrf, &format!("{}/second", path(shown)), Passkey::Get, &to_sign.options,
                &parts::main_button("Sign beside him")))
        }
        @if is_open && shown.is_of(&visitor.person.id) { p { "This is a check of yourself: others decide it." } }
        @if may_decide && !shown.has_roster {
            p { "Nobody can decide yet: an owner has still to sign for who the officers are." }
        } @else if may_decide {
            (decide_form(&shell, shown, filled, refusal))
        }
    };
    page(&shell, "Review of an identity check", &content)
}

fn decide_form(shell: &Shell, shown: &ShownReview, filled: &Filled, refusal: Option<&Refusal>) -> Markup {
    let fault = |name: &str| {
        let faults = refusal.and_then(|refusal| refusal.fields.get(name));
        faults.and_then(|faults| faults.first()).map(String::as_str)
    };
    let approving = if shown.shows == Shows::SomebodyElse {
        "It is approved once a second person, an officer or an owner, has signed too. Who passed is then taken for the \
         user of before; later checks are compared with that one as ever."
    } else {
        "It is approved at once. What was stored under it is confirmed, and what this user stored can be recovered \
         until the window closes, which begins with your signature."
    };
    let declining =
        "It is declined at once, on your signature alone and for good. What was stored under it is deleted.";
    let choices = [
        Choice::new("approve", "Approve").hinting(approving),
        Choice::new("decline", "Decline").hinting(declining),
    ];
    let is_signed = shown.review.state == ReviewState::Signed;
    let choices = if is_signed { &choices[1..] } else { &choices[..] };
    let chosen = if is_signed { "decline" } else { &filled.decision };
    let form = html! {
        (parts::radio(&Field::text("decision", "Your decision").holding(chosen).faulting(fault("decision")), choices))
        (parts::text_area(&Field::text("reason", "Why").holding(&filled.reason).faulting(fault("reason"))
            .hinting("How you made sure. It is signed with the decision and kept in the log.")))
        (parts::main_button("Go on to sign"))
    };
    html! {
        h2 { @if is_signed { "Or decline it" } @else { "Decide" } }
        @if let Some(refusal) = refusal.filter(|refusal| !refusal.fields.is_empty()) { (parts::errors(&refusal.fields)) }
        (shell.form(&format!("{}/sign", path(shown)), &form))
    }
}

/// What an officer signs.
pub(super) fn sign(visitor: &Visitor, shown: &ShownReview, to_sign: &ToSign) -> Page {
    let shell = visitor.shell(Section::Reviews).under(Section::Reviews.path(), "Reviews");
    let shell = shell.under(path(shown), "Review of an identity check");
    let content = html! {
        (parts::lead("Look at it once more. Your passkey signs exactly this; then it cannot be taken back."))
        @if let Some(document) = &shown.document {
            p { (decided(document.decision)) " The reason:" }
            blockquote { (document.reason) }
            @if document.decision == Decision::Approve && document.identity_mismatch {
                p { "A second person has to sign it too." }
            }
        }
        (parts::short_code(&short_code(&to_sign.hash), "this decision"))
        details { summary { "Exactly what is signed" } pre { (to_sign.document) } }
        (parts::passkey(&visitor.csrf, &format!("{}/decide", path(shown)), Passkey::Get, &to_sign.options, &html! {
            input type="hidden" name="document" value=(to_sign.document);
            (parts::main_button("Sign with your passkey"))
        }))
    };
    page(&shell, "Sign the decision", &content)
}

fn path(shown: &ShownReview) -> String {
    format!("{}/{}", Section::Reviews.path(), shown.inquiry.verification.id)
}

fn facts(shell: &Shell, shown: &ShownReview) -> Vec<(&'static str, Markup)> {
    let (verification, user) = (&shown.inquiry.verification, &shown.inquiry.user.user_identifier);
    let whose = html! {
        @if let Some(person) = &shown.person { (person.name) ", of the team" } @else { (user) }
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("status", "unconfirmed"), ("user_identifier", user.as_str())])
        .finish();
    let waits = html! {
        @if shown.waiting == 0 { "nothing" } @else {
            a href=(format!("/control/backups?{query}")) { (parts::count(shown.waiting, "backup", "backups")) }
        }
    };
    let mut facts = vec![
        ("Whose check", whose),
        ("Inquiry", html! { code { (verification.id) } }),
        ("Provider", html! { (verification.provider) }),
        ("Begun", shell.time(verification.created_at)),
        ("Came to review", shell.time(shown.review.came_at)),
    ];
    if shown.review.state.is_open() && shown.person.is_none() {
        facts.push(("Waits for it", waits));
    }
    if let Some(at) = shown.review.signed_at {
        facts.push(("Signed by", html! { (shown.signed_by.join(" and ")) ", " (shell.time(at)) }));
    }
    if let Some(at) = shown.review.ended_at {
        facts.push(("Ended", shell.time(at)));
    }
    facts
}

fn short_of(shown: &ShownReview) -> String {
    shown.hash.map(|hash| short_code(&hash)).unwrap_or_default()
}

const fn decided(decision: Decision) -> &'static str {
    match decision {
        Decision::Approve => "An officer says: this is who he says he is.",
        Decision::Decline => "An officer says: this is not who he says he is, or nobody can tell.",
    }
}

fn next(shown: &ShownReview) -> &'static str {
    let approves = shown.document.as_ref().is_some_and(|document| document.decision == Decision::Approve);
    match (shown.review.state, approves) {
        (ReviewState::Signed, _) if shown.wants_second() => {
            "It waits for a second signature: of another officer, or of an owner. Until then nothing is approved."
        }
        (ReviewState::Signed | ReviewState::Open, _) => {
            "It is signed, and takes effect as soon as the enclave answers."
        }
        (ReviewState::Approved, true) => "So it was approved.",
        (ReviewState::Declined, false) => "So it was declined.",
        (ReviewState::Approved | ReviewState::Declined, _) => {
            "The provider's last word was another, and came first."
        }
    }
}

const fn why(why: ReviewWhy) -> &'static str {
    match why {
        ReviewWhy::ProviderAsked => {
            "The identity provider has looked at this check and leaves it to you: it could not tell."
        }
        ReviewWhy::IdentityDiffers => {
            "The identity provider approved somebody, but not the person of this user's earlier checks: name, date or \
             place of birth or the document's country is another, or nobody was named."
        }
        ReviewWhy::DeclinedOften => {
            "The identity provider approved this check, but many of this user were declined in the last seven days: \
             somebody may have been trying until he passed."
        }
    }
}

const fn shows(shows: Shows) -> &'static str {
    match shows {
        Shows::TheUser => {
            "Nothing about the person differs from earlier checks of this user: one officer decides."
        }
        Shows::SomebodyElse => {
            "The person differs from earlier checks of this user, or is not named: an approval needs two people."
        }
        Shows::Unknown => {
            "The enclave does not answer just now, so nothing can be said about the person, or decided."
        }
    }
}

const fn why_name(why: ReviewWhy) -> &'static str {
    match why {
        ReviewWhy::ProviderAsked => "Provider asked",
        ReviewWhy::IdentityDiffers => "Another person",
        ReviewWhy::DeclinedOften => "Declined often",
    }
}

const fn state_name(state: ReviewState) -> &'static str {
    match state {
        ReviewState::Open => "To be decided",
        ReviewState::Signed => "Signed, waits",
        ReviewState::Approved => "Approved",
        ReviewState::Declined => "Declined",
    }
}

fn state(state: ReviewState) -> Markup {
    let (tone, mark) = match state {
        ReviewState::Open => (Tone::Waiting, Mark::Diamond),
        ReviewState::Signed => (Tone::Waiting, Mark::Half),
        ReviewState::Approved => (Tone::Good, Mark::Tick),
        ReviewState::Declined => (Tone::Bad, Mark::Cross),
    };
    parts::state(tone, mark, state_name(state))
}
