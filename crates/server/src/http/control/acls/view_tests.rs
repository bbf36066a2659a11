//! Every page of lists, rendered with samples: whole, usable by everyone, and hostile text kept as text.

use std::collections::BTreeMap;

use boundary::Env;
use boundary::acl::{Outcome, Rule};
use boundary::approval::{AclDocument, Document as _, KeyKind, Member, Owner, Roster, SigningKey};
use domain::approval::ChangeState;
use domain::key::{KeyEnvironment, KeyState, KeyType};
use domain::person::Role;
use domain::refusal::{Kind, Refusal};
use store::acl_changes::{Change, Veto, Vote};
use store::acls::Acl;
use store::keys::CustomerKey;

use super::super::look::samples::{keep, visitor};
use super::super::view_tests::{before, both, id, links};
use super::form::{self, Filled};
use super::view;
use crate::flows::approvals::{
    Attaching, Candidate, Cast, DraftAcl, RosterStands, ShownAcl, ShownChange, ToSign,
};

const OTHER: &str = "019aa4f0-1c2d-7e3f-8a4b-5c6d7e8f9a0c";

fn signing_key() -> SigningKey {
    let public_key = format!("04{}", "ab".repeat(64));
    SigningKey { kind: KeyKind::WebAuthn, public_key, rp_id: Some("localhost".to_owned()) }
}

/// A list of two, who are called so.
pub fn document(text: &str) -> AclDocument {
    let me = visitor(Role::Owner, text).person.id.to_string();
    let member = |person_id: &str, veto: bool| Member {
        person_id: person_id.to_owned(),
        name: text.to_owned(),
        veto,
        must: veto,
        keys: vec![signing_key()],
    };
    AclDocument {
        env: Env::Sandbox,
        tenant_id: me.clone(),
        acl_id: me.clone(),
        version: 2,
        prev_hash: Some("5a".repeat(32)),
        name: text.to_owned(),
        rule: Rule::Percentage(60),
        members: vec![member(&me, true), member(OTHER, false)],
        vote_window_s: 7 * 86_400,
        delay_hot_s: 3_600,
        delay_cold_s: 24 * 3_600,
        check_requester: true,
        check_voters: false,
        any_member_may_ask: false,
    }
}

fn acl(text: &str) -> Acl {
    Acl {
        id: id(),
        name: text.to_owned(),
        version: 2,
        created_at: before(9),
        updated_at: before(8),
        document: document(text).to_canonical(),
        hash: [0x5a; 32],
    }
}

fn to_sign(text: &str) -> ToSign {
    ToSign { document: text.to_owned(), hash: [0x5a; 32], options: text.to_owned() }
}

fn change(text: &str, state: ChangeState) -> Change {
    Change {
        id: id(),
        acl_id: id(),
        version: 3,
        document: document(text).to_canonical(),
        hash: [7; 32],
        state,
        asked_by: id(),
        window_ends_at: before(-5),
        effective_at: None,
        created_at: before(2),
        updated_at: before(2),
    }
}

fn key(text: &str) -> CustomerKey {
    CustomerKey {
        id: id(),
        user_id: id(),
        key_type: KeyType::Rsa4096,
        key_environment: KeyEnvironment::Hot,
        state: KeyState::Active,
        public_key: vec![7; 32],
        public_key_sha256: [7; 32],
        sealed: store::held_keys::Kept::new(Vec::new()),
        split_id: None,
        binding: None,
        signature: String::new(),
        signed_payload: None,
        signed_fields: None,
        kid: None,
        assignment_slot: None,
        customer_id: Some(text.to_owned()),
        customer_name: None,
        package_id: None,
        package_name: None,
        verification_id: None,
        supersedes: None,
        assigned_at: before(72),
        acl_id: Some(id()),
    }
}

#[test]
fn lists_are_listed_and_none_says_what_one_is_for() {
    let elements = both("acls", |text| {
        view::list(&visitor(Role::Owner, text), &[(acl(text), document(text)), (acl("Cold"), document("Bo"))])
    });
    assert_eq!(links(&elements, "/control/acls/new").len(), 1);
    let none = keep("acls-none", view::list(&visitor(Role::Owner, "Ada"), &[]));
    assert!(none[0].text.contains("No list yet") && links(&none, "/control/acls/new").len() == 1);
    let read = keep("acls-read", view::list(&visitor(Role::Auditor, "Ada"), &[]));
    assert!(links(&read, "/control/acls/new").is_empty() && links(&read, "/owners").is_empty());
}

#[test]
fn a_list_offers_what_its_state_and_its_reader_allow() {
    let render = |role: Role, text: &str, states: &[ChangeState], is_running: bool| {
        let shown = ShownAcl {
            acl: acl(text),
            document: document(text),
            keys: vec![key(text)],
            changes: states.iter().map(|state| change(text, *state)).collect(),
            is_running,
        };
        view::show(&visitor(role, text), &shown)
    };
    let offers = |elements: &[super::super::look::well_formed::Element]| {
        ["/attach", "/change"].map(|deed| {
            elements.iter().any(|element| {
                let target = element.attributes.get("href").or(element.attributes.get("action"));
                target.is_some_and(|target| target.ends_with(deed))
            })
        })
    };
    let ended = [ChangeState::Applied, ChangeState::Declined, ChangeState::Expired];
    assert_eq!(offers(&both("acl", |text| render(Role::Owner, text, &ended, false))), [true, true]);
    for (name, role, states, is_running, offered) in [
        ("acl-member", Role::Member, &ended[..], false, [false, true]),
        ("acl-read", Role::Auditor, &ended[..], false, [false, false]),
        ("acl-voted-on", Role::Owner, &[ChangeState::Open][..], false, [true, false]),
        ("acl-waits", Role::Owner, &[ChangeState::Waiting][..], false, [true, false]),
        ("acl-runs", Role::Owner, &[][..], true, [true, false]),
    ] {
        assert_eq!(offers(&keep(name, render(role, "Treasury", states, is_running))), offered, "{name}");
    }
}

#[test]
fn a_change_is_shown_with_its_votes_and_whoever_may_votes() {
    let render = |text: &str, state, outcome, may_vote: bool, was_vetoed: bool| {
        let vote =
            Vote { change_id: id(), person_id: id(), approve: true, ballot: Vec::new(), voted_at: before(1) };
        let shown = ShownChange {
            acl: acl(text),
            current: document(text),
            change: change(text, state),
            next: document(text),
            votes: vec![Cast { vote, counts: false }],
            outcome,
            to_sign: may_vote.then(|| [to_sign(text), to_sign(text)]),
            vetoes: was_vetoed
                .then(|| Veto { change_id: id(), person_id: id(), ballot: Vec::new(), stopped_at: before(1) })
                .into_iter()
                .collect(),
            to_stop: (state == ChangeState::Waiting && !was_vetoed).then(|| to_sign(text)),
        };
        view::change(&visitor(Role::Member, text), &shown)
    };
    let voters = both("change", |text| render(text, ChangeState::Open, Outcome::Open, true, false));
    assert_eq!(voters.iter().filter(|element| element.attributes.contains_key("data-options")).count(), 2);
    let stop =
        both("change-to-stop", |text| render(text, ChangeState::Waiting, Outcome::Approved, false, false));
    assert_eq!(stop.iter().filter(|element| element.attributes.contains_key("data-options")).count(), 1);
    for (state, outcome, was_vetoed, told) in [
        (ChangeState::Open, Outcome::Approved, false, "follows in a moment"),
        (ChangeState::Waiting, Outcome::Approved, true, "takes effect after"),
        (ChangeState::Applied, Outcome::Approved, false, "The list is this now"),
        (ChangeState::Declined, Outcome::Declined, false, "stays as it was"),
        (ChangeState::Declined, Outcome::Approved, true, "A member with a veto stopped it"),
        (ChangeState::Expired, Outcome::Expired, false, "Not enough said yes"),
    ] {
        let name = format!("change-{state}{}", if was_vetoed { "-vetoed" } else { "" });
        let elements = keep(&name, render("Treasury", state, outcome, false, was_vetoed));
        assert!(elements[0].text.contains(told), "{told}");
        assert!(!elements.iter().any(|element| element.attributes.contains_key("data-options")));
    }
}

#[test]
fn what_an_owner_signs_stands_on_the_page() {
    both("sign-list", |text| view::sign_list(&visitor(Role::Owner, text), text, &to_sign(text)));
    both("sign-keys", |text| {
        let attaching = Attaching { name: text.to_owned(), keys: vec![id()], to_sign: to_sign(text) };
        view::sign_attachment(&visitor(Role::Owner, text), OTHER, &attaching)
    });
    both("sign-owners", |text| {
        view::owners(&visitor(Role::Owner, text), &RosterStands::ToBeSigned(to_sign(text)))
    });
    both("owners", |text| {
        let owner = Owner { person_id: OTHER.to_owned(), name: text.to_owned(), keys: vec![signing_key()] };
        let (env, tenant_id) = (Env::Sandbox, OTHER.to_owned());
        let roster = Roster {
            env,
            tenant_id,
            version: 1,
            prev_hash: None,
            owners: vec![owner.clone()],
            officers: vec![owner],
        };
        view::owners(&visitor(Role::Owner, text), &RosterStands::Holds(roster))
    });
}

#[test]
fn the_form_of_a_list_holds_what_was_filled_in_and_says_what_is_wrong() {
    let candidates = |text: &str| {
        let mut other = visitor(Role::Member, text).person;
        other.id = OTHER.parse().unwrap();
        let me = visitor(Role::Owner, text).person;
        vec![
            Candidate { person: me, keys: vec![signing_key()] },
            Candidate { person: other, keys: Vec::new() },
        ]
    };
    let render = |text: &str, of: Option<&Acl>, refusal: Option<&Refusal>| {
        let filled = Filled::new(DraftAcl::of(&document(text)));
        form::page(&visitor(Role::Owner, text), &candidates(text), &filled, of, refusal)
    };
    let elements = both("acl-new", |text| render(text, None, None));
    assert!(elements[0].text.contains("Has no passkey that counts yet"));
    both("acl-change", |text| render(text, Some(&acl(text)), None));
    both("acl-faults", |text| {
        let fields =
            ["name", "rule", "number", "members", "window_days", "delay_hot_hours", "delay_cold_hours"];
        let faults = fields.map(|name| (name.to_owned(), vec![text.to_owned()]));
        let mut refusal = Refusal::field("name", "must be given");
        refusal.fields = BTreeMap::from(faults);
        render(text, None, Some(&refusal))
    });
    let refusal = Refusal::new(Kind::Conflict, "change-open", "a change is open");
    let elements = keep("acl-refused", render("Treasury", Some(&acl("Treasury")), Some(&refusal)));
    assert!(elements[0].text.contains("change is open"));
}
