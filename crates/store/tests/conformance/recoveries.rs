//! Recoveries.

use domain::recovery::RecoveryState;
use store::recoveries::{self, Outcome, Recovery};
use store::{OfTenant, Tx};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    one_inquiry_serves_one_recovery,
    a_failed_recovery_uses_nothing_up,
    an_outcome_is_written_where_the_caller_saw_it,
    what_a_crash_left_open_is_listed,
}

async fn one_inquiry_serves_one_recovery(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed(&db).await;
    let won =
        race([&db, &other], 64, |n| move |tx| recoveries::of(&id(1)).insert(tx, &recovery(100 + n, "inq_1")))
            .await;
    assert_eq!(wins(&won), 1);
    let found = read(&db, |rx| recoveries::of(&id(1)).find_by_verification(rx, &inquiry("inq_1"))).await;
    let found = found.expect("found");
    assert!(found == Recovery { id: found.id.clone(), ..recovery(0, "inq_1") });
    let (mine, theirs) = read(&db, move |rx| {
        let recovery = &found.id;
        Ok((recoveries::of(&id(1)).find(rx, recovery)?, recoveries::of(&id(2)).find(rx, recovery)?))
    })
    .await;
    assert!(mine.is_some() && theirs.is_none());
    assert!(
        read(&db, |rx| recoveries::of(&id(2)).find_by_verification(rx, &inquiry("inq_1"))).await.is_none()
    );
}

fn outcome(state: RecoveryState, deliveries: i64) -> Outcome {
    Outcome { state, deliveries }
}

async fn a_failed_recovery_uses_nothing_up(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let begin = |number| move |tx: &mut Tx<'_>| recoveries::of(&id(1)).insert(tx, &recovery(number, "inq_1"));
    assert!(write(&db, begin(1)).await);
    let fail = |tx: &mut Tx<'_>| {
        let (was, becomes) = (outcome(RecoveryState::Releasing, 0), outcome(RecoveryState::Failed, 0));
        recoveries::of(&id(1)).set_outcome(tx, &id(1), was, becomes, at(80))
    };
    assert!(write(&db, fail).await);
    let find = |rx: &mut store::Rx<'_>| recoveries::of(&id(1)).find_by_verification(rx, &inquiry("inq_1"));
    assert!(read(&db, find).await.is_none());
    assert!(write(&db, begin(2)).await);
    assert!(read(&db, find).await == Some(recovery(2, "inq_1")));
}

async fn an_outcome_is_written_where_the_caller_saw_it(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed(&db).await;
    write(&db, |tx| recoveries::of(&id(1)).insert(tx, &recovery(1, "inq_1"))).await;
    let released = RecoveryState::Released;
    let step = |tenant: u64, was, becomes| {
        move |tx: &mut Tx<'_>| recoveries::of(&id(tenant)).set_outcome(tx, &id(1), was, becomes, at(80))
    };
    let begun = outcome(RecoveryState::Releasing, 0);
    assert!(!write(&db, step(2, begun, outcome(released, 1))).await, "another tenant's");
    assert!(write(&db, step(1, begun, outcome(released, 1))).await);
    // Two repeats at once may not both be the second delivery.
    let second = step(1, outcome(released, 1), outcome(released, 2));
    assert_eq!(wins(&race([&db, &other], 16, |_| second).await), 1);
    let found = read(&db, |rx| recoveries::of(&id(1)).find(rx, &id(1))).await.expect("found");
    assert_eq!((found.state, found.deliveries, found.updated_at), (released, 2, at(80)));
}

async fn what_a_crash_left_open_is_listed(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| {
        for (number, ms) in [(1, 30), (2, 10), (3, 99)] {
            let row = Recovery { updated_at: at(ms), ..recovery(number, &format!("inq_{number}")) };
            recoveries::of(&id(1)).insert(tx, &row)?;
        }
        let done = Recovery { state: RecoveryState::Released, updated_at: at(1), ..recovery(4, "inq_4") };
        recoveries::of(&id(1)).insert(tx, &done)
    })
    .await;
    let open = read(&db, |rx| recoveries::list_in_state(rx, RecoveryState::Releasing, at(50), 10)).await;
    let row = |number, ms, name| OfTenant {
        tenant_id: id(1),
        row: Recovery { updated_at: at(ms), ..recovery(number, name) },
    };
    assert!(open == [row(2, 10, "inq_2"), row(1, 30, "inq_1")], "oldest first");
}
