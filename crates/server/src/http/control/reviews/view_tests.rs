//! Every page of reviews, rendered with samples: whole, usable by everyone, and hostile text kept as text.

use std::collections::{BTreeMap, HashMap};

use boundary::approval::{Decision, Review as Document};
use domain::ids::PersonId;
use domain::person::Role;
use domain::refusal::{Kind, Refusal};
use domain::review::{ReviewState, ReviewWhy};
use domain::verification::InquiryState;
use store::reviews::{ListedReview, Review};
use store::users::User;
use store::verifications::Verification;

use super::super::look::samples::{keep, visitor};
use super::super::look::well_formed::Element;
use super::super::view_tests::{before, both, id, links};
use super::view::{self, Filled};
use crate::flows::approvals::{Inquiry, ShownReview, Shows, ToSign};

fn inquiry(text: &str) -> Inquiry {
    Inquiry {
        user: User { id: id(), user_identifier: text.to_owned(), created_at: before(30) },
        verification: Verification {
            id: "inq_1".parse().unwrap(),
            user_id: id(),
            provider: text.to_owned(),
            session_id: "0a".repeat(16),
            ticket: Vec::new(),
            state: InquiryState::NeedsReview,
            gpg_fingerprint: None,
            admission: None,
            created_at: before(5),
            updated_at: before(4),
            approved_at: None,
            window_closed_at: None,
        },
    }
}

fn document(text: &str, decision: Decision) -> Document {
    Document {
        env: boundary::Env::Sandbox,
        tenant_id: "t".to_owned(),
        session_id: "0a".repeat(16),
        verification_id: "inq_1".to_owned(),
        decision,
        reason: text.to_owned(),
        identity_mismatch: true,
    }
}

fn shown(text: &str, state: ReviewState, decision: Option<Decision>) -> ShownReview {
    let is_signed = decision.is_some();
    let review = Review {
        verification_id: "inq_1".parse().unwrap(),
        why: ReviewWhy::IdentityDiffers,
        state,
        came_at: before(4),
        document: is_signed.then(String::new),
        first_by: is_signed.then(id),
        first_ballot: is_signed.then(Vec::new),
        second_by: None,
        second_ballot: None,
        signed_at: is_signed.then(|| before(3)),
        ended_at: (!state.is_open()).then(|| before(2)),
    };
    ShownReview {
        inquiry: inquiry(text),
        person: None,
        review,
        document: decision.map(|decision| document(text, decision)),
        hash: is_signed.then_some([0x5a; 32]),
        signed_by: vec![text.to_owned()],
        waiting: 2,
        shows: Shows::SomebodyElse,
        has_roster: true,
    }
}

fn to_sign(text: &str) -> ToSign {
    ToSign { document: text.to_owned(), hash: [0x5a; 32], options: text.to_owned() }
}

fn render(name: &str, role: Role, shown: &ShownReview, to_sign: Option<&ToSign>) -> Vec<Element> {
    keep(name, view::show(&visitor(role, "Ada"), shown, to_sign, &Filled::default(), None))
}

fn said<'e>(elements: &'e [Element], place: &str) -> &'e str {
    let is_it = |element: &&Element| element.attributes.get("id").is_some_and(|id| id == place);
    elements.iter().find(is_it).map_or("", |element| &element.text)
}

#[test]
fn reviews_are_listed_and_narrowed() {
    let listed = |text: &str, person: Option<&str>, state| ListedReview {
        verification_id: "inq_1".parse().unwrap(),
        user_identifier: text.to_owned(),
        person: person.map(str::to_owned),
        why: ReviewWhy::DeclinedOften,
        state,
        came_at: before(3),
    };
    both("reviews", |text| {
        let states = ReviewState::ALL.iter();
        let rows: Vec<_> = states.map(|state| listed(text, Some(text), *state)).collect();
        view::list(&visitor(Role::Officer, text), &HashMap::new(), &rows, Some("/control/reviews?cursor=x"))
    });
    let none = keep("reviews-none", view::list(&visitor(Role::Auditor, "Ada"), &HashMap::new(), &[], None));
    assert!(none[0].text.contains("Nothing was ever up for review"));
    let narrowed = HashMap::from([("status".to_owned(), "open".to_owned())]);
    let none = keep("reviews-no-match", view::list(&visitor(Role::Officer, "Ada"), &narrowed, &[], None));
    assert!(none[0].text.contains("No review matches") && links(&none, "/control/reviews").len() >= 2);
}

#[test]
fn an_open_review_says_why_and_what_each_decision_does() {
    let open = |text: &str| shown(text, ReviewState::Open, None);
    both("review", |text| {
        let filled = Filled { decision: "approve".to_owned(), reason: text.to_owned() };
        view::show(&visitor(Role::Officer, text), &open(text), None, &filled, None)
    });
    both("review-faults", |text| {
        let mut refusal = Refusal::field("reason", "must be given");
        refusal.fields =
            BTreeMap::from(["decision", "reason"].map(|name| (name.to_owned(), vec![text.to_owned()])));
        let filled = Filled { decision: String::new(), reason: text.to_owned() };
        view::show(&visitor(Role::Officer, text), &open(text), None, &filled, Some(&refusal))
    });
    let refusal = Refusal::new(Kind::Conflict, "review-over", "this check is decided");
    let page =
        view::show(&visitor(Role::Officer, "Ada"), &open("x"), None, &Filled::default(), Some(&refusal));
    assert!(keep("review-refused", page)[0].text.contains("his check is decided"));
    let mut told = Vec::new();
    for why in ReviewWhy::ALL {
        for shows in [Shows::TheUser, Shows::SomebodyElse, Shows::Unknown] {
            let mut review = open("x");
            (review.review.why, review.shows) = (*why, shows);
            let elements = render(&format!("review-{why}-{shows:?}"), Role::Officer, &review, None);
            assert_eq!(links(&elements, "/inq_1/sign").len(), 1);
            assert_eq!(elements[0].text.contains("once a second person"), shows == Shows::SomebodyElse);
            told.push([said(&elements, "why").to_owned(), said(&elements, "shows").to_owned()]);
        }
    }
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 9, "each in its own words");
}

#[test]
fn who_may_not_decide_is_not_asked_to() {
    let open = shown("x", ReviewState::Open, None);
    for role in [Role::Owner, Role::Member, Role::Auditor] {
        let elements = render(&format!("review-{role}"), role, &open, None);
        assert!(links(&elements, "/inq_1/sign").is_empty(), "{role}");
    }
    let mut own = open.clone();
    let reader = visitor(Role::Officer, "Ada").person;
    own.person = Some(reader);
    let elements = render("review-own", Role::Officer, &own, None);
    assert!(links(&elements, "/inq_1/sign").is_empty() && elements[0].text.contains("others decide it"));
    let unfounded = ShownReview { has_roster: false, ..open };
    let elements = render("review-without-roster", Role::Officer, &unfounded, None);
    assert!(
        links(&elements, "/inq_1/sign").is_empty() && elements[0].text.contains("an owner has still to sign")
    );
    assert!(!own.is_of(&"01890000-0000-7000-8000-00000000000f".parse::<PersonId>().unwrap()));
}

#[test]
fn what_is_signed_stands_on_the_page_with_its_code() {
    let elements = both("review-sign", |text| {
        let drafted = shown(text, ReviewState::Open, Some(Decision::Approve));
        view::sign(&visitor(Role::Officer, text), &drafted, &to_sign(text))
    });
    assert!(elements[0].text.contains("A second person has to sign it too"));
    let signed = |text: &str| shown(text, ReviewState::Signed, Some(Decision::Approve));
    both("review-second", |text| {
        let filled = Filled::default();
        view::show(&visitor(Role::Owner, text), &signed(text), Some(&to_sign(text)), &filled, None)
    });
    let elements = render("review-signed", Role::Officer, &signed("x"), None);
    assert_eq!(links(&elements, "/second").len(), 0, "his own is no second signature");
    assert!(said(&elements, "next").contains("second signature"));
    assert!(!elements.iter().any(|e| e.attributes.get("value").is_some_and(|value| value == "approve")));
    let mut told: Vec<String> = [
        (ReviewState::Signed, Decision::Decline),
        (ReviewState::Approved, Decision::Approve),
        (ReviewState::Declined, Decision::Decline),
        (ReviewState::Declined, Decision::Approve),
    ]
    .into_iter()
    .map(|(state, decision)| {
        let name = format!("review-{state}-{}", decision.as_str());
        let elements = render(&name, Role::Officer, &shown("x", state, Some(decision)), None);
        assert_eq!(links(&elements, "/inq_1/sign").len(), usize::from(state.is_open()));
        said(&elements, "next").to_owned()
    })
    .collect();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 4, "{told:?}");
}
