//! The sandbox's identity page: one person's check, and what he can do in it.

use domain::verification::{Action, InquiryState};
use maud::{Markup, html};

use super::document;
use crate::edge::identity::simulated::Person;
use crate::flows::Played;

/// What is said above the form, about what was just done or why it was not.
pub struct Notice {
    /// Whether it went as wished.
    pub is_fault: bool,
    /// In words.
    pub text: String,
}

/// The page of one check.
pub fn check(played: &Played, person: &Person, notice: Option<&Notice>) -> Markup {
    let verification = &played.inquiry.verification;
    let (state, offered) = (verification.state, played.offered());
    let content = html! {
        h1 { "Identity check" }
        p.lead { "You play the customer. No document is asked for, and nobody is really checked." }
        @if let Some(notice) = notice {
            p.notice.fault[notice.is_fault] role=(if notice.is_fault { "alert" } else { "status" }) { (notice.text) }
        }
        section.state.(tone(state)) aria-label="Where the check stands" {
            (mark(state))
            div {
                p.name { (name(state)) }
                p { (meaning(state)) }
            }
        }
        @if offered.is_empty() {
            p.over { (afterwards(state)) }
        } @else {
            form method="post" action=(format!("/identity/{}", verification.id)) autocomplete="off" {
                (who(person, &played.person))
                h2 { "What happens?" }
                @for action in offered { (deed(action)) }
            }
        }
        dl {
            dt { "User" } dd { (played.inquiry.user.user_identifier) }
            dt { "Inquiry" } dd { code { (verification.id) } }
            dt { "State" } dd { code { (state) } }
        }
    };
    document("Identity check", &content)
}

/// The page where there is no check.
pub fn unknown() -> Markup {
    let content = html! {
        h1 { "No such check" }
        p.lead {
            "There is no identity check at this address that can be played. The address ends in the "
            code { "verification_id" } " that " code { "POST /v1/verification/start" } " answered."
        }
    };
    document("No such check", &content)
}

/// The page of a request that came from elsewhere, or was no form of ours.
pub fn refused(text: &str) -> Markup {
    document("Not done", &html! { h1 { "Not done" } p.lead { (text) } })
}

/// What an action led to; none where the state does not come from it.
pub fn told(action: Action, state: InquiryState) -> Option<&'static str> {
    Some(match (action, state) {
        (Action::Start, InquiryState::Pending) => "You began. The check waits for you.",
        (Action::Approve, InquiryState::Approved) => "You passed.",
        (Action::Approve, InquiryState::NeedsReview) => {
            "You passed, as somebody else than this user was before. An officer must look at it."
        }
        (Action::MarkForReview, InquiryState::NeedsReview) => "You asked for a review.",
        (Action::Fail, InquiryState::Failed) => "You failed.",
        (Action::Expire, InquiryState::Expired) => "You walked away, and the time ran out.",
        _ => return None,
    })
}

/// Who stands before the camera: the user himself, unless somebody else is written in.
fn who(person: &Person, user: &Person) -> Markup {
    html! {
        details open[person != user] {
            summary {
                span { "Played by " strong { (person.first_name) " " (person.last_name) } }
                span.change { "Play another person" }
            }
            p.hint {
                "Whoever passes first becomes this user. A later check by another name or birthday is sent to review."
            }
            (field("first_name", "First name", "text", &person.first_name))
            (field("last_name", "Last name", "text", &person.last_name))
            (field("birthdate", "Date of birth", "date", &person.birthdate))
        }
    }
}

fn field(name: &str, label: &str, kind: &str, value: &str) -> Markup {
    html! {
        label for=(name) { (label) }
        input id=(name) name=(name) type=(kind) value=(value) required maxlength="100";
    }
}

fn deed(action: Action) -> Markup {
    let (label, consequence) = match action {
        Action::Start => ("Begin", "The check is open, and nothing is decided."),
        Action::Approve => {
            ("Pass", "The provider approves. What was stored is confirmed, and recovery opens.")
        }
        Action::MarkForReview => ("Ask for a review", "The provider leaves it to an officer."),
        Action::Fail => ("Fail", "The check ends. What was stored under it is deleted."),
        _ => ("Walk away", "The check expires. What was stored under it is deleted."),
    };
    html! {
        button.main[action == Action::Approve] name="action" value=(action.as_str()) {
            strong { (label) }
            span { (consequence) }
        }
    }
}

fn name(state: InquiryState) -> &'static str {
    match state {
        InquiryState::Created => "Not begun",
        InquiryState::Pending => "In progress",
        InquiryState::Completed => "Finished, not decided",
        InquiryState::NeedsReview => "In review",
        InquiryState::Failed => "Failed",
        InquiryState::Approved => "Approved",
        InquiryState::Declined => "Declined",
        InquiryState::Expired => "Expired",
    }
}

fn meaning(state: InquiryState) -> &'static str {
    match state {
        InquiryState::Created => "The wallet has opened the check.",
        InquiryState::Pending => "The person has begun.",
        InquiryState::Completed => "The person has done his part; the provider decides.",
        InquiryState::NeedsReview => "An officer decides.",
        InquiryState::Failed => "The person could not be confirmed.",
        InquiryState::Approved => "The person is who he says he is.",
        InquiryState::Declined => "The answer was no.",
        InquiryState::Expired => "It was not finished in time.",
    }
}

fn afterwards(state: InquiryState) -> &'static str {
    match state {
        InquiryState::NeedsReview => {
            "There is nothing left for the person to do. To decide in the officer's place, call \
             POST /v1/verification/simulate."
        }
        InquiryState::Approved => "The check is over. Go back to the wallet and carry on there.",
        _ => "The check is over. To try again, start another one from the wallet.",
    }
}

/// The colour of a state; its shape and its name say the same without.
fn tone(state: InquiryState) -> &'static str {
    match state {
        InquiryState::Approved => "good",
        InquiryState::Failed | InquiryState::Declined | InquiryState::Expired => "bad",
        InquiryState::NeedsReview => "waiting",
        InquiryState::Created | InquiryState::Pending | InquiryState::Completed => "open",
    }
}

/// The shape of a state: a ring that fills, a diamond, a tick, a cross, a bar.
fn mark(state: InquiryState) -> Markup {
    html! {
        svg viewBox="0 0 24 24" aria-hidden="true" {
            @match state {
                InquiryState::Created => circle.line cx="12" cy="12" r="9" {},
                InquiryState::Pending => {
                    circle.line cx="12" cy="12" r="9" {}
                    path.fill d="M12 6a6 6 0 0 1 0 12z" {}
                },
                InquiryState::Completed => {
                    circle.line cx="12" cy="12" r="9" {}
                    circle.fill cx="12" cy="12" r="6" {}
                },
                InquiryState::NeedsReview => path.line d="M12 2.5 21.5 12 12 21.5 2.5 12z" {},
                InquiryState::Approved => path.line d="m4 12.5 5.5 5.5L20 6.5" {},
                InquiryState::Failed | InquiryState::Declined => path.line d="m5 5 14 14M19 5 5 19" {},
                InquiryState::Expired => path.line d="M4 12h16" {},
            }
        }
    }
}
