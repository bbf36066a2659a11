//! Webhook endpoints and deliveries.

use domain::ids::{EventId, WebhookId};
use domain::time::Timestamp;
use domain::webhook::{AttemptOutcome, DeliveryState, DisabledReason, EndpointState, EventFilter};
use store::events::Event;
use store::webhook_deliveries::{self, Attempt, Claim, Claimed};
use store::webhooks::{self, Endpoint};
use store::{Db, Rx, Tx};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    an_endpoint_is_found_changed_and_deleted_by_its_tenant_alone,
    a_tenant_has_ten_endpoints_whoever_is_first,
    a_secret_is_replaced_once,
    an_event_goes_to_each_endpoint_that_wants_it,
    of_two_claimers_one_gets_each_delivery,
    a_lapsed_lease_is_claimed_again_and_only_one_outcome_counts,
    failure_has_a_beginning_and_switching_off_parks,
    what_is_asked_for_again_begins_anew,
    what_is_on_its_way_is_counted_by_the_oldest,
    what_is_old_is_forgotten_unless_it_is_on_its_way,
}

fn endpoint(number: u64) -> Endpoint {
    Endpoint {
        id: id(number),
        url: format!("https://example.com/{number}"),
        description: String::new(),
        events: EventFilter::default(),
        state: EndpointState::Enabled,
        disabled_reason: None,
        secret: vec![1, 2, 3],
        previous_secret: None,
        previous_until: None,
        failing_since: None,
        created_at: at(10),
        updated_at: at(10),
    }
}

fn event(number: u64, r#type: &str) -> Event {
    Event {
        id: id(number),
        r#type: r#type.to_owned(),
        body: format!("{{\"n\":{number}}}"),
        created_at: at(20),
    }
}

async fn with_endpoint(bench: &Bench) -> Db {
    let db = bench.open().await;
    seed(&db).await;
    assert!(write(&db, |tx| webhooks::of(&id(1)).insert(tx, &endpoint(1))).await);
    db
}

async fn an_endpoint_is_found_changed_and_deleted_by_its_tenant_alone(bench: &Bench) {
    let db = with_endpoint(bench).await;
    assert!(write(&db, |tx| webhooks::of(&id(1)).insert(tx, &endpoint(2))).await);
    let find = |tenant: u64| move |rx: &mut Rx<'_>| webhooks::of(&id(tenant)).find(rx, &id(1));
    assert!(read(&db, find(1)).await == Some(endpoint(1)));
    assert!(read(&db, find(2)).await.is_none());
    assert!(read(&db, |rx| webhooks::find_any(rx, &id(1))).await.is_some_and(|any| any.tenant_id == id(1)));
    let changed = || Endpoint {
        url: "https://other.example".to_owned(),
        description: "é".to_owned(),
        events: EventFilter::of(&["key.assigned".to_owned()]).expect("known"),
        state: EndpointState::Disabled,
        disabled_reason: Some(DisabledReason::Asked),
        updated_at: at(11),
        ..endpoint(1)
    };
    let set = |tenant: u64| move |tx: &mut Tx<'_>| webhooks::of(&id(tenant)).set(tx, &changed());
    assert!(!write(&db, set(2)).await && write(&db, set(1)).await);
    assert!(read(&db, find(1)).await == Some(changed()));
    let list = |before: Option<WebhookId>, limit| {
        move |rx: &mut Rx<'_>| webhooks::of(&id(1)).list(rx, before.as_ref(), limit)
    };
    assert!(read(&db, list(None, 9)).await == [endpoint(2), changed()], "newest first");
    assert!(read(&db, list(Some(id(2)), 9)).await == [changed()]);
    assert!(read(&db, list(None, 1)).await == [endpoint(2)]);
    write(&db, |tx| store::events::of(&id(1)).append_for(tx, &event(9, "x"), &id(1))).await;
    let delete = |tenant: u64| move |tx: &mut Tx<'_>| webhooks::of(&id(tenant)).delete(tx, &id(1));
    assert!(!write(&db, delete(2)).await && write(&db, delete(1)).await && !write(&db, delete(1)).await);
    let left = read(&db, |rx| webhook_deliveries::of(&id(1)).list(rx, &id(1), None, 9)).await;
    assert!(left.is_empty() && read(&db, find(1)).await.is_none());
}

async fn a_tenant_has_ten_endpoints_whoever_is_first(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed(&db).await;
    let won =
        race([&db, &other], 32, |n| move |tx| webhooks::of(&id(1)).insert(tx, &endpoint(100 + n))).await;
    assert_eq!(wins(&won), 10);
    assert_eq!(read(&db, |rx| webhooks::of(&id(1)).list(rx, None, 99)).await.len(), 10);
    assert!(write(&db, |tx| webhooks::of(&id(2)).insert(tx, &endpoint(200))).await, "another tenant's ten");
}

async fn a_secret_is_replaced_once(bench: &Bench) {
    let (db, other) = (with_endpoint(bench).await, bench.open().await);
    let rotate = |n: u64| {
        move |tx: &mut Tx<'_>| {
            let new = Endpoint {
                secret: vec![9, n.to_le_bytes()[0]],
                previous_secret: Some(vec![1, 2, 3]),
                previous_until: Some(at(99)),
                ..endpoint(1)
            };
            webhooks::of(&id(1)).set_secret(tx, &new, &[1, 2, 3])
        }
    };
    assert_eq!(wins(&race([&db, &other], 16, rotate).await), 1);
    let found = read(&db, |rx| webhooks::of(&id(1)).find(rx, &id(1))).await.expect("found");
    assert_eq!((found.secret[0], found.previous_until), (9, Some(at(99))));
    assert_eq!(found.previous_secret, Some(vec![1, 2, 3]));
}

async fn an_event_goes_to_each_endpoint_that_wants_it(bench: &Bench) {
    let db = with_endpoint(bench).await;
    write(&db, |tx| {
        let only = |types: &[&str]| {
            EventFilter::of(&types.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).expect("known")
        };
        let narrow = Endpoint { events: only(&["backup.deleted", "key.assigned"]), ..endpoint(2) };
        let other = Endpoint { events: only(&["key.rotated"]), ..endpoint(3) };
        let off = Endpoint { state: EndpointState::Disabled, ..endpoint(4) };
        for endpoint in [narrow, other, off] {
            webhooks::of(&id(1)).insert(tx, &endpoint)?;
        }
        webhooks::of(&id(2)).insert(tx, &endpoint(5))?;
        store::events::of(&id(1)).append(tx, &event(1, "key.assigned"))?;
        store::events::of(&id(1)).append(tx, &event(2, "key"))?;
        store::events::of(&id(1)).append(tx, &event(3, "backup.stored"))
    })
    .await;
    for (endpoint, expected) in [(1, vec![3, 2, 1]), (2, vec![1]), (3, vec![]), (4, vec![]), (5, vec![])] {
        let found =
            read(&db, move |rx| webhook_deliveries::of(&id(1)).list(rx, &id(endpoint), None, 9)).await;
        let found: Vec<EventId> = found.into_iter().map(|delivery| delivery.event_id).collect();
        assert_eq!(found, expected.into_iter().map(id).collect::<Vec<EventId>>(), "endpoint {endpoint}");
    }
    let due = read(&db, |rx| webhook_deliveries::list_due(rx, None, at(20), 9)).await;
    assert_eq!(due.iter().map(|due| due.id.clone()).collect::<Vec<_>>(), [id(1), id(2)]);
    assert_eq!(read(&db, |rx| webhook_deliveries::list_due(rx, Some(&id(1)), at(20), 9)).await.len(), 1);
    assert_eq!(read(&db, |rx| webhook_deliveries::list_due(rx, None, at(19), 9)).await, []);
}

fn claim(
    owner: &'static str,
    now: Timestamp,
    until: Timestamp,
    limit: i64,
) -> impl Fn(&mut Tx<'_>) -> Result<Vec<Claimed>, store::StoreError> + Send + 'static {
    move |tx| {
        let claim = Claim { endpoint: &id(1), owner, limit, now, lease_until: until };
        webhook_deliveries::claim(tx, &claim)
    }
}

async fn of_two_claimers_one_gets_each_delivery(bench: &Bench) {
    let (db, other) = (with_endpoint(bench).await, bench.open().await);
    write(&db, |tx| (1..=60).try_for_each(|n| store::events::of(&id(1)).append(tx, &event(n, "x")))).await;
    let claimed = race([&db, &other], 40, |_| claim("a", at(30), at(60), 4)).await;
    let mut ids: Vec<_> = claimed.iter().flatten().map(|claimed| claimed.event_id.clone()).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "one was claimed twice");
    let rest = write(&db, claim("b", at(30), at(60), 99)).await;
    assert_eq!(count + rest.len(), 60);
    let first = claimed.iter().flatten().find(|claimed| claimed.event_id == id(7)).expect("claimed");
    assert_eq!((first.body.as_str(), first.tries, first.round_from), ("{\"n\":7}", 0, 0));
    assert_eq!(write(&db, claim("b", at(59), at(90), 99)).await, []);
    let given_back = write(&db, |tx| webhook_deliveries::release_lease(tx, "a")).await;
    assert_eq!(given_back, count as u64);
    assert_eq!(write(&db, claim("c", at(30), at(60), 99)).await.len(), count);
}

fn attempt(event: u64, number: i64, outcome: AttemptOutcome) -> Attempt {
    Attempt { event_id: id(event), number, began_at: at(40), duration_ms: 5, outcome, answer_code: Some(500) }
}

fn tried(
    tenant: u64,
    number: i64,
    state: DeliveryState,
    due: i64,
) -> impl Fn(&mut Tx<'_>) -> Result<bool, store::StoreError> + Send + 'static {
    move |tx| {
        let attempt = attempt(7, number, AttemptOutcome::Refused);
        webhook_deliveries::of(&id(tenant)).set_tried(tx, &id(1), &attempt, (state, at(due)), at(41))
    }
}

async fn a_lapsed_lease_is_claimed_again_and_only_one_outcome_counts(bench: &Bench) {
    let (db, other) = (with_endpoint(bench).await, bench.open().await);
    write(&db, |tx| store::events::of(&id(1)).append(tx, &event(7, "x"))).await;
    assert_eq!(write(&db, claim("a", at(30), at(60), 9)).await.len(), 1);
    assert_eq!(write(&db, claim("b", at(59), at(90), 9)).await.len(), 0);
    assert_eq!(write(&db, claim("b", at(60), at(90), 9)).await.len(), 1, "lapsed");
    assert!(!write(&db, tried(2, 1, DeliveryState::Pending, 70)).await, "another tenant's");
    let outcomes = race([&db, &other], 16, |_| tried(1, 1, DeliveryState::Pending, 70)).await;
    assert_eq!(wins(&outcomes), 1);
    assert_eq!(write(&db, claim("a", at(69), at(99), 9)).await.len(), 0, "not due");
    let again = write(&db, claim("a", at(70), at(99), 9)).await;
    assert_eq!((again.len(), again[0].tries), (1, 1));
    assert!(write(&db, tried(1, 2, DeliveryState::Delivered, 70)).await);
    assert_eq!(write(&db, claim("a", at(999), at(9999), 9)).await.len(), 0, "done");
    let attempts =
        read(&db, |rx| webhook_deliveries::of(&id(1)).list_attempts(rx, &id(1), &id(7), &id(7))).await;
    assert_eq!(attempts, [attempt(7, 1, AttemptOutcome::Refused), attempt(7, 2, AttemptOutcome::Refused)]);
    let theirs =
        read(&db, |rx| webhook_deliveries::of(&id(2)).list_attempts(rx, &id(1), &id(7), &id(7))).await;
    assert_eq!(theirs, []);
}

async fn failure_has_a_beginning_and_switching_off_parks(bench: &Bench) {
    let db = with_endpoint(bench).await;
    let fail = |ms| move |tx: &mut Tx<'_>| webhooks::of(&id(1)).set_failing(tx, &id(1), at(ms));
    assert_eq!(write(&db, fail(50)).await, Some(at(50)));
    assert_eq!(write(&db, fail(60)).await, Some(at(50)));
    write(&db, |tx| webhooks::of(&id(1)).set_well(tx, &id(1))).await;
    assert_eq!(write(&db, fail(70)).await, Some(at(70)));
    write(&db, |tx| store::events::of(&id(1)).append(tx, &event(7, "x"))).await;
    let off = |tenant: u64| {
        move |tx: &mut Tx<'_>| {
            webhooks::of(&id(tenant)).set_disabled(tx, &id(1), DisabledReason::Failing, at(80))
        }
    };
    assert!(!write(&db, off(2)).await && write(&db, off(1)).await && !write(&db, off(1)).await);
    assert_eq!(write(&db, |tx| webhook_deliveries::of(&id(1)).park_all(tx, &id(1), at(80))).await, 1);
    let found = read(&db, |rx| webhooks::of(&id(1)).find(rx, &id(1))).await.expect("found");
    assert_eq!(
        (found.state, found.disabled_reason),
        (EndpointState::Disabled, Some(DisabledReason::Failing))
    );
    assert_eq!(write(&db, claim("a", at(999), at(9999), 9)).await.len(), 0, "parked");
}

async fn what_is_asked_for_again_begins_anew(bench: &Bench) {
    let db = with_endpoint(bench).await;
    write(&db, |tx| store::events::of(&id(1)).append(tx, &event(7, "x"))).await;
    let anew = |tenant: u64, event: u64, ms| {
        move |tx: &mut Tx<'_>| webhook_deliveries::of(&id(tenant)).set_anew(tx, &id(1), &id(event), at(ms))
    };
    assert!(write(&db, tried(1, 1, DeliveryState::Pending, 700)).await);
    assert!(write(&db, anew(1, 7, 100)).await, "sooner");
    let find = |rx: &mut Rx<'_>| webhook_deliveries::of(&id(1)).find(rx, &id(1), &id(7));
    let found = read(&db, find).await.expect("found");
    assert_eq!((found.tries, found.round_from, found.due_at), (1, 0, at(100)));
    assert_eq!((found.r#type.as_str(), found.created_at), ("x", at(20)));
    assert!(write(&db, tried(1, 2, DeliveryState::Parked, 100)).await);
    assert!(!write(&db, anew(2, 7, 200)).await && !write(&db, anew(1, 8, 200)).await);
    assert!(write(&db, anew(1, 7, 200)).await);
    let found = read(&db, find).await.expect("found");
    assert_eq!((found.state, found.tries, found.round_from), (DeliveryState::Pending, 2, 2));
    assert_eq!(write(&db, claim("a", at(200), at(300), 9)).await.len(), 1);
}

async fn what_is_on_its_way_is_counted_by_the_oldest(bench: &Bench) {
    let db = with_endpoint(bench).await;
    let waiting = async || read(&db, store::backlog::find).await.waiting;
    assert_eq!((waiting().await.deliveries, waiting().await.oldest_pending), (0, None));
    for (number, at) in [(1, at(20)), (2, at(30)), (3, at(40))] {
        let event = Event { created_at: at, ..event(number, "key.assigned") };
        write(&db, move |tx| store::events::of(&id(1)).append(tx, &event)).await;
    }
    assert_eq!((waiting().await.deliveries, waiting().await.oldest_pending), (3, Some(at(20))));
    let attempt = Attempt {
        event_id: id(1),
        number: 1,
        began_at: at(50),
        duration_ms: 1,
        outcome: AttemptOutcome::Acknowledged,
        answer_code: Some(200),
    };
    write(&db, move |tx| {
        let next = (DeliveryState::Delivered, at(50));
        webhook_deliveries::of(&id(1)).set_tried(tx, &id(1), &attempt, next, at(50))
    })
    .await;
    assert_eq!((waiting().await.deliveries, waiting().await.oldest_pending), (2, Some(at(30))));
}

async fn what_is_old_is_forgotten_unless_it_is_on_its_way(bench: &Bench) {
    let db = with_endpoint(bench).await;
    for number in [7, 8, 9] {
        let event =
            Event { created_at: at(20 + i64::try_from(number).expect("small")), ..event(number, "x") };
        write(&db, move |tx| store::events::of(&id(1)).append(tx, &event)).await;
    }
    assert!(write(&db, tried(1, 1, DeliveryState::Parked, 70)).await, "7 was tried");
    let forget = |until_ms, limit| move |tx: &mut Tx<'_>| store::events::delete_old(tx, at(until_ms), limit);
    assert_eq!(write(&db, forget(26, 9)).await, 0, "too young");
    assert_eq!(write(&db, forget(99, 9)).await, 1, "the others are on their way");
    let left = read(&db, |rx| store::events::of(&id(1)).list_after(rx, None, 9)).await;
    assert_eq!(left.into_iter().map(|event| event.id).collect::<Vec<_>>(), [id(8), id(9)]);
    assert!(read(&db, |rx| webhook_deliveries::of(&id(1)).find(rx, &id(1), &id(7))).await.is_none());
    assert_eq!(write(&db, |tx| webhook_deliveries::of(&id(1)).park_all(tx, &id(1), at(80))).await, 2);
    assert_eq!(write(&db, forget(99, 1)).await, 1, "a portion");
    assert_eq!(write(&db, forget(99, 9)).await, 1);
}
