//! The page of a destruction, rendered with samples: whole, usable by everyone, and hostile text kept as text.

use std::collections::BTreeMap;

use domain::destruction::{DestructionState, Hold, Loss};
use domain::key::{KeyEnvironment, KeyState};
use domain::person::Role;
use domain::refusal::Refusal;
use store::destructions::Destruction;
use store::listings::ListedKey;

use super::super::look::samples::{keep, visitor};
use super::super::view_tests::{before, both, id, key, links};
use super::view;
use crate::flows::destruction::{AskDestruction, ShownDestruction};

fn destruction(text: &str, state: DestructionState) -> Destruction {
    let is_confirmed = !matches!(state, DestructionState::Asked | DestructionState::Lapsed);
    Destruction {
        key_id: id(),
        state,
        key_state: KeyState::Active,
        reason: text.to_owned(),
        days: 30,
        asked_by: "019aa4f0-1c2d-7e3f-8a4b-5c6d7e8f9a0c".parse().unwrap(),
        confirmed_by: is_confirmed.then(id),
        due_at: before(-700),
        asked_at: before(20),
        confirmed_at: is_confirmed.then(|| before(18)),
        ended_at: (!matches!(state, DestructionState::Asked | DestructionState::Pending)).then(|| before(1)),
    }
}

fn shown(text: &str, state: Option<DestructionState>) -> ShownDestruction {
    let key_state = match state {
        Some(state) if state.holds_key() => KeyState::DestroyPending,
        Some(DestructionState::Erasing | DestructionState::Done) => KeyState::Destroyed,
        _ => KeyState::Active,
    };
    let key = ListedKey { key_environment: KeyEnvironment::Cold, ..key(text, key_state) };
    let destruction = state.map(|state| destruction(text, state));
    let hold = (state == Some(DestructionState::Pending)).then_some(Hold::Recovery);
    let loss = hold.map(|_| Loss::Owners);
    let (asked_by, confirmed_by) = (text.to_owned(), Some(text.to_owned()));
    ShownDestruction { key, destruction, asked_by, confirmed_by, hold, loss, may_stop: true }
}

#[test]
fn each_reader_is_offered_what_he_may_do_about_it_and_nothing_else() {
    use DestructionState::{Asked, Done, Erasing, Halted, Lapsed, Pending, Stopped};
    let asked = AskDestruction { reason: String::new(), days: "30".to_owned() };
    let offers = |state: Option<DestructionState>, role| {
        let name = state.map_or("none", DestructionState::as_str);
        let page = view::show(&visitor(role, "Olivia"), &shown("seed", state), (&asked, None), None);
        let elements = keep(&format!("destruction-{name}-{role}"), page);
        let is_there = |deed: &str| links(&elements, deed).iter().any(|path| path.ends_with(deed));
        ["/destruction", "/confirm", "/stop", "/hasten"].map(is_there)
    };
    for (state, [ask, confirm, stop, hasten]) in [
        (None, [true, false, false, false]),
        (Some(Asked), [false, true, true, false]),
        (Some(Pending), [false, false, true, true]),
        (Some(Halted), [false, false, true, false]),
        (Some(Erasing), [false; 4]),
        (Some(Done), [false; 4]),
        (Some(Stopped), [true, false, false, false]),
        (Some(Lapsed), [true, false, false, false]),
    ] {
        assert_eq!(offers(state, Role::Owner), [ask, confirm, stop, hasten], "{state:?}");
        assert_eq!(offers(state, Role::Member), [false, false, stop, false], "{state:?}");
    }
    let fields = BTreeMap::from([("days".to_owned(), vec!["must be 7 to 30 days".to_owned()])]);
    let refusal = Refusal::invalid(fields);
    both("destruction-texts", |text| {
        let asked = AskDestruction { reason: text.to_owned(), days: text.to_owned() };
        view::show(&visitor(Role::Owner, text), &shown(text, None), (&asked, Some(&refusal)), None)
    });
    both("destruction-pending-texts", |text| {
        view::show(&visitor(Role::Owner, text), &shown(text, Some(Pending)), (&asked, None), None)
    });
}
