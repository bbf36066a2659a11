//! Every page of recoveries, rendered with samples: whole, usable by everyone, and hostile text kept as text.

use std::collections::BTreeMap;

use boundary::intent::{Flow, Intent, Recipient};
use domain::approval::{ControlState, Ending, PersonCheck};
use domain::backup::BackupState;
use domain::key::KeyEnvironment;
use domain::person::Role;
use domain::refusal::{Kind, Refusal};
use store::control_recoveries::ControlRecovery;
use store::control_votes::Vote;

use super::super::acls::sample_document;
use super::super::look::samples::{keep, visitor};
use super::super::look::well_formed::Element;
use super::super::view_tests::{backup, before, both, id, links};
use super::view;
use crate::flows::approvals::{RequestRecovery, ShownRecovery, ShownVote, ToSign};

fn intent(text: &str) -> Vec<u8> {
    let hash = "5a".repeat(32);
    let intent = Intent {
        flow: Flow::Control,
        env: boundary::Env::Sandbox,
        tenant_id: "t".to_owned(),
        user_tag: hash.clone(),
        verification_id: "inq_1".to_owned(),
        items: Vec::new(),
        keys: vec!["019aa4f0-1c2d-7e3f-8a4b-5c6d7e8f9a0d".to_owned()],
        acl_id: "a".to_owned(),
        reason: text.to_owned(),
        recipient: Recipient {
            openpgp_fpr: "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B".to_owned(),
            enc_subkey_fpr: "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B".to_owned(),
            cert_sha256: hash.clone(),
        },
        policy_hash: hash.clone(),
        policy_version: 2,
        requested_by: "p".to_owned(),
        session_nonce: hash,
        not_before_ms: before(3).ms(),
        expires_at_ms: before(-200).ms(),
    };
    intent.to_canonical().into_bytes()
}

fn recovery(text: &str, state: ControlState, why: Option<Ending>) -> ControlRecovery {
    let fingerprint = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B".to_owned();
    ControlRecovery {
        id: id(),
        acl_id: id(),
        acl_version: 2,
        asked_by: id(),
        reason: text.to_owned(),
        key_environment: KeyEnvironment::Hot,
        state,
        why: why.map(|why| why.to_string()),
        backups: "[]".to_owned(),
        verification_id: Some("inq_1".parse().unwrap()),
        ticket: Vec::new(),
        certificate: Vec::new(),
        gpg_fingerprint: fingerprint.clone(),
        subkey_fingerprint: fingerprint,
        intent: intent(text),
        intent_hash: [0x5a; 32],
        window_ends_at: before(-100),
        check_ends_at: Some(before(-20)),
        release_at: (state != ControlState::Requested).then(|| before(1)),
        keep_until: state.has_package().then(|| before(-160)),
        package_sha256: None,
        package_size: None,
        created_at: before(3),
        updated_at: before(2),
    }
}

fn shown(text: &str, state: ControlState, why: Option<Ending>) -> ShownRecovery {
    let vote = Vote {
        recovery_id: id(),
        person_id: id(),
        approve: true,
        ballot: Vec::new(),
        verification_id: Some("inq_2".parse().unwrap()),
        check_ends_at: Some(before(-20)),
        voted_at: before(1),
    };
    let check = PersonCheck::Waiting(before(-20));
    ShownRecovery {
        recovery: recovery(text, state, why),
        list: sample_document(text),
        votes: vec![ShownVote { vote, check, admission: None, is_removed: false }],
        backups: vec![backup(text, BackupState::Confirmed, KeyEnvironment::Hot)],
        check,
        admission: None,
        is_in_review: false,
        asked_by: text.to_owned(),
        intent_ends_at: before(-200),
    }
}

fn to_sign(text: &str) -> [ToSign; 2] {
    let of = || ToSign { document: text.to_owned(), hash: [0x5a; 32], options: text.to_owned() };
    [of(), of()]
}

fn passkey_forms(elements: &[Element]) -> usize {
    elements.iter().filter(|element| element.attributes.contains_key("data-options")).count()
}

#[test]
fn recoveries_are_listed_and_none_says_how_one_begins() {
    both("recoveries", |text| {
        let rows = [
            shown(text, ControlState::Requested, None),
            shown("Bo", ControlState::Declined, Some(Ending::Vetoed)),
        ];
        view::list(&visitor(Role::Member, text), &rows, true)
    });
    let none = keep("recoveries-none", view::list(&visitor(Role::Member, "Ada"), &[], false));
    assert!(none[0].text.contains("No recovery yet") && links(&none, "/recoveries/new").len() == 1);
    let read = keep("recoveries-read", view::list(&visitor(Role::Auditor, "Ada"), &[], false));
    assert!(links(&read, "/recoveries/new").is_empty());
}

#[test]
fn the_form_of_a_request_holds_what_was_filled_in_and_says_what_is_wrong() {
    let asked = |text: &str| RequestRecovery {
        backups: vec![text.to_owned()],
        keys: vec![text.to_owned()],
        reason: text.to_owned(),
        certificate: text.to_owned(),
    };
    both("recovery-new", |text| view::ask(&visitor(Role::Member, text), &asked(text), None));
    both("recovery-faults", |text| {
        let mut refusal = Refusal::field("reason", "must be given");
        let fields = ["backups", "keys", "reason", "certificate"];
        refusal.fields = BTreeMap::from(fields.map(|name| (name.to_owned(), vec![text.to_owned()])));
        view::ask(&visitor(Role::Member, text), &asked(text), Some(&refusal))
    });
    let refusal = Refusal::new(Kind::Conflict, "recovery-running", "another recovery is running");
    let page = view::ask(&visitor(Role::Member, "Ada"), &asked("x"), Some(&refusal));
    assert!(keep("recovery-refused", page)[0].text.contains("nother recovery is running"));
}

#[test]
fn a_recovery_that_is_voted_on_offers_the_vote_and_the_check() {
    let elements = both("recovery", |text| {
        let shown = shown(text, ControlState::Requested, None);
        view::show(&visitor(Role::Member, text), &shown, Some(&to_sign(text)), None)
    });
    assert_eq!((passkey_forms(&elements), links(&elements, "/identity/").len()), (2, 2));
    assert!(elements[0].text.contains("counts once the check has passed"));
    let mut reviewed = shown("x", ControlState::Requested, None);
    reviewed.is_in_review = true;
    reviewed.votes[0].is_removed = true;
    let elements = keep("recovery-review", view::show(&visitor(Role::Member, "Ada"), &reviewed, None, None));
    assert_eq!((passkey_forms(&elements), links(&elements, "/identity/").len()), (0, 0));
    assert!(elements[0].text.contains("an officer looks at it"));
    assert!(elements[0].text.contains("0 of the 2") && elements[0].text.contains("taken out of the team"));
}

#[test]
fn a_recovery_says_what_comes_next_wherever_it_stands() {
    let render = |state, why, to_sign: Option<&[ToSign; 2]>| {
        let shown = shown("x", state, why);
        let name = format!("recovery-{state}-{}", why.map_or("", Ending::as_str));
        keep(&name, view::show(&visitor(Role::Member, "Ada"), &shown, to_sign, None))
    };
    let stop = render(ControlState::Approved, None, Some(&to_sign("x")));
    assert!(passkey_forms(&stop) == 1 && links(&stop, "/stop").len() == 1);
    for state in [ControlState::Approved, ControlState::Preparing, ControlState::Downloaded] {
        assert_eq!(passkey_forms(&render(state, None, None)), 0, "{state}");
    }
    assert_eq!(links(&render(ControlState::Ready, None, None), "/link").len(), 1);
    let mut told: Vec<String> = Ending::ALL
        .iter()
        .map(|why| {
            let elements = render(ControlState::Expired, Some(*why), None);
            let next = elements.iter().find(|e| e.attributes.get("id").is_some_and(|id| id == "next"));
            next.unwrap().text.clone()
        })
        .collect();
    told.dedup();
    assert_eq!(told.len(), Ending::ALL.len(), "each ending in its own words: {told:?}");
}

#[test]
fn the_link_that_was_made_leads_to_the_package() {
    let elements = both("recovery-link", |text| view::link(&visitor(Role::Member, text), "r", "token"));
    assert_eq!(links(&elements, "/control/recoveries/r/package?token=token").len(), 1);
}
