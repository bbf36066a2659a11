//! Inquiries, and what providers send about them.

use domain::ids::TenantId;
use domain::verification::InquiryState;
use store::provider_events::{self, EventState, ProviderEvent};
use store::verifications::{self, Verification};
use store::{OfTenant, Tx};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    an_inquiry_is_found_as_it_was_inserted,
    an_inquiry_moves_from_where_it_is_and_once,
    an_approval_keeps_its_admission,
    the_latest_inquiry_of_a_user_is_his_newest,
    a_window_is_closed_once_and_only_of_an_approval,
    the_overdue_are_those_nobody_finished,
    an_event_is_kept_once,
    an_event_is_judged_once,
    what_is_judged_and_old_is_forgotten,
    waiting_events_are_counted_by_inquiry,
}

async fn an_inquiry_is_found_as_it_was_inserted(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| verifications::of(&id(1)).insert(tx, &verification("inq_1"))).await;
    let find = |tenant: u64| {
        move |rx: &mut store::Rx<'_>| verifications::of(&id(tenant)).find(rx, &inquiry("inq_1"))
    };
    assert!(read(&db, find(1)).await == Some(verification("inq_1")));
    assert!(read(&db, find(2)).await.is_none(), "another tenant's");
    let locked = |tenant: u64| {
        move |tx: &mut Tx<'_>| verifications::of(&id(tenant)).find_locked(tx, &inquiry("inq_1"))
    };
    assert!(write(&db, locked(1)).await == Some(verification("inq_1")));
    assert!(write(&db, locked(2)).await.is_none());
    let any = read(&db, |rx| verifications::find_any(rx, &inquiry("inq_1"))).await;
    assert!(any == Some(OfTenant { tenant_id: id(1), row: verification("inq_1") }));
    assert!(read(&db, |rx| verifications::find_any(rx, &inquiry("inq_2"))).await.is_none());
}

async fn an_inquiry_moves_from_where_it_is_and_once(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed(&db).await;
    write(&db, |tx| verifications::of(&id(1)).insert(tx, &verification("inq_1"))).await;
    let step = |tenant: u64, from, to| {
        move |tx: &mut Tx<'_>| {
            verifications::of(&id(tenant)).set_state(tx, &inquiry("inq_1"), from, to, at(40))
        }
    };
    let (created, pending, failed) = (InquiryState::Created, InquiryState::Pending, InquiryState::Failed);
    assert!(!write(&db, step(2, created, pending)).await, "another tenant's");
    assert!(!write(&db, step(1, pending, failed)).await, "not where it is");
    assert_eq!(wins(&race([&db, &other], 16, |_| step(1, created, pending)).await), 1);
    let found = read(&db, |rx| verifications::of(&id(1)).find(rx, &inquiry("inq_1"))).await.expect("found");
    assert_eq!((found.state, found.updated_at), (pending, at(40)));
}

async fn an_approval_keeps_its_admission(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| verifications::of(&id(1)).insert(tx, &verification("inq_1"))).await;
    let approve = |from| {
        move |tx: &mut Tx<'_>| {
            verifications::of(&id(1)).set_approved(
                tx,
                &inquiry("inq_1"),
                from,
                &approval(at(60), b"word"),
                at(61),
            )
        }
    };
    assert!(!write(&db, approve(InquiryState::Completed)).await);
    assert!(write(&db, approve(InquiryState::Created)).await);
    assert!(!write(&db, approve(InquiryState::Created)).await, "final");
    let approved = Verification {
        state: InquiryState::Approved,
        approved_at: Some(at(60)),
        updated_at: at(61),
        admission: Some(b"word".to_vec()),
        ..verification("inq_1")
    };
    let list = read(&db, |rx| verifications::of(&id(1)).list_approved_of_user(rx, &id(1), 5)).await;
    assert!(list == [approved]);
    assert!(read(&db, |rx| verifications::of(&id(2)).list_approved_of_user(rx, &id(1), 5)).await.is_empty());
}

async fn the_latest_inquiry_of_a_user_is_his_newest(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    for (name, created_at) in [("inq_1", at(40)), ("inq_3", at(60)), ("inq_2", at(50))] {
        let row = Verification { created_at, ..verification(name) };
        write(&db, move |tx| verifications::of(&id(1)).insert(tx, &row)).await;
    }
    let latest = |tenant: u64, user: u64| {
        move |rx: &mut store::Rx<'_>| verifications::of(&id(tenant)).find_latest_of_user(rx, &id(user))
    };
    assert!(read(&db, latest(1, 1)).await.is_some_and(|latest| latest.id == inquiry("inq_3")));
    assert!(read(&db, latest(1, 2)).await.is_none(), "another user's");
    assert!(read(&db, latest(2, 1)).await.is_none(), "another tenant's");
}

async fn a_window_is_closed_once_and_only_of_an_approval(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| verifications::of(&id(1)).insert(tx, &verification("inq_1"))).await;
    let close = |tx: &mut Tx<'_>| verifications::of(&id(1)).set_window_closed(tx, &inquiry("inq_1"), at(70));
    assert!(!write(&db, close).await, "not approved");
    write(&db, |tx| {
        verifications::of(&id(1)).set_approved(
            tx,
            &inquiry("inq_1"),
            InquiryState::Created,
            &approval(at(60), b""),
            at(60),
        )
    })
    .await;
    assert!(write(&db, close).await);
    assert!(!write(&db, close).await);
    let found = read(&db, |rx| verifications::of(&id(1)).find(rx, &inquiry("inq_1"))).await.expect("found");
    assert_eq!((found.window_closed_at, found.admission), (Some(at(70)), Some(Vec::new())));
}

async fn the_overdue_are_those_nobody_finished(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| {
        let owner: TenantId = id(1);
        let all = verifications::of(&owner);
        for (name, state, made) in [
            ("created", InquiryState::Created, 2),
            ("pending", InquiryState::Pending, 1),
            ("completed", InquiryState::Completed, 0),
            ("approved", InquiryState::Approved, 0),
            ("young", InquiryState::Created, 11),
        ] {
            all.insert(tx, &Verification { state, created_at: at(made), ..verification(name) })?;
        }
        Ok(())
    })
    .await;
    let overdue = |limit| move |rx: &mut store::Rx<'_>| verifications::list_overdue(rx, at(10), limit);
    let names: Vec<_> =
        read(&db, overdue(9)).await.into_iter().map(|found| found.row.id.to_string()).collect();
    assert_eq!(names, ["pending", "created"], "oldest first");
    assert_eq!(read(&db, overdue(1)).await.len(), 1);
}

fn event(id: &str, received: i64) -> ProviderEvent {
    ProviderEvent {
        provider: "persona".to_owned(),
        id: id.to_owned(),
        tenant_id: None,
        verification_id: None,
        signature: "t=1,v1=ab".to_owned(),
        body: b"{\"a\": 1}\n".to_vec(),
        state: EventState::Received,
        received_at: at(received),
    }
}

async fn an_event_is_kept_once(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    let keep = |tx: &mut Tx<'_>| provider_events::insert(tx, &event("evt_1", 5));
    assert_eq!(wins(&race([&db, &other], 16, |_| keep).await), 1);
    assert!(read(&db, |rx| provider_events::find(rx, "persona", "evt_1")).await == Some(event("evt_1", 5)));
    assert!(read(&db, |rx| provider_events::find(rx, "other", "evt_1")).await.is_none());
}

async fn an_event_is_judged_once(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed(&db).await;
    write(&db, |tx| {
        provider_events::insert(tx, &event("late", 9))?;
        provider_events::insert(tx, &event("early", 1))?;
        provider_events::insert(tx, &event("ignored", 2))
    })
    .await;
    // Somebody kept other bytes under the id before; what was judged stays.
    let judged =
        ProviderEvent { body: b"{}".to_vec(), signature: "t=2,v1=cd".to_owned(), ..event("early", 5) };
    let claim = |_| {
        let judged = judged.clone();
        move |tx: &mut Tx<'_>| {
            let first = provider_events::insert_locked(tx, &judged)? != EventState::Applied;
            if first {
                provider_events::set_applied(tx, &judged, &id(1), &inquiry("inq_1"))?;
            }
            Ok(first)
        }
    };
    assert_eq!(wins(&race([&db, &other], 16, claim).await), 1);
    let ignore =
        |name: &'static str| move |tx: &mut Tx<'_>| provider_events::set_ignored(tx, "persona", name);
    assert!(write(&db, ignore("ignored")).await);
    assert!(!write(&db, ignore("ignored")).await, "judged before");
    assert!(!write(&db, ignore("early")).await, "what was applied stays so");
    assert!(read(&db, |rx| provider_events::list_received(rx, 9)).await == [event("late", 9)]);
    let early = read(&db, |rx| provider_events::find(rx, "persona", "early")).await.expect("found");
    let about = Some(inquiry("inq_1"));
    let (tenant_id, state) = (Some(id(1)), EventState::Applied);
    assert!(
        early == ProviderEvent { state, tenant_id, verification_id: about, received_at: at(1), ..judged }
    );
    let fate =
        |name: &'static str| move |tx: &mut Tx<'_>| provider_events::insert_locked(tx, &event(name, 3));
    assert_eq!(write(&db, fate("ignored")).await, EventState::Ignored);
    assert_eq!(write(&db, fate("new")).await, EventState::Received);
}

async fn what_is_judged_and_old_is_forgotten(bench: &Bench) {
    let db = bench.open().await;
    for (name, received) in [("waits", 1), ("old", 2), ("young", 9)] {
        write(&db, move |tx| provider_events::insert(tx, &event(name, received))).await;
    }
    for judged in ["old", "young"] {
        assert!(write(&db, move |tx| provider_events::set_ignored(tx, "persona", judged)).await);
    }
    let forget = |limit| move |tx: &mut Tx<'_>| provider_events::delete_old(tx, at(8), limit);
    assert_eq!(write(&db, forget(0)).await, 0, "a portion");
    assert_eq!(write(&db, forget(9)).await, 1);
    for (name, stays) in [("waits", true), ("old", false), ("young", true)] {
        let found = read(&db, move |rx| provider_events::find(rx, "persona", name)).await;
        assert_eq!(found.is_some(), stays, "{name}");
    }
}

async fn waiting_events_are_counted_by_inquiry(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| {
        for (name, about) in [("a", "inq_1"), ("b", "inq_1"), ("c", "inq_2"), ("done", "inq_1")] {
            let about = Some(inquiry(about));
            provider_events::insert(tx, &ProviderEvent { verification_id: about, ..event(name, 1) })?;
        }
        provider_events::set_ignored(tx, "persona", "done")
    })
    .await;
    let count = |provider: &'static str, name: &'static str| {
        move |rx: &mut store::Rx<'_>| provider_events::count_received(rx, provider, &inquiry(name))
    };
    assert_eq!(read(&db, count("persona", "inq_1")).await, 2);
    assert_eq!(read(&db, count("persona", "inq_2")).await, 1);
    assert_eq!(read(&db, count("simulator", "inq_1")).await, 0);
}
