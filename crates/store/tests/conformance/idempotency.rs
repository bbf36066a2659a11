//! Calls named by their caller.

use domain::idempotency::CallState;
use store::idempotency::{self, Claim};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    a_name_is_claimed_once_and_keeps_its_answer,
    a_name_that_is_freed_or_old_is_claimed_again,
    a_run_that_never_ends_is_given_up,
    sixty_four_at_once_claim_a_name_once,
    sixty_four_at_once_take_over_once,
    what_is_old_is_deleted_in_portions,
}

fn claim(owner: &str, now_ms: i64) -> Claim {
    Claim {
        key_hash: [1; 32],
        fingerprint: [2; 32],
        owner: owner.to_owned(),
        lease_until: at(now_ms + 100),
        expires_at: at(now_ms + 1_000),
        now: at(now_ms),
    }
}

/// Claims, and says what stood in the way.
async fn claims(db: &store::Db, tenant: u64, claim: Claim) -> Option<idempotency::NamedCall> {
    write(db, move |tx| idempotency::of(&id(tenant)).claim(tx, &claim)).await
}

async fn answers(db: &store::Db, owner: &'static str, answer: &'static [u8]) -> bool {
    write(db, move |tx| {
        idempotency::of(&id(1)).set_answer(tx, (&[1; 32], owner), CallState::Answered, answer)
    })
    .await
}

async fn a_name_is_claimed_once_and_keeps_its_answer(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    assert_eq!(claims(&db, 1, claim("a", 0)).await, None);
    let running = claims(&db, 1, claim("b", 99)).await.expect("claimed");
    assert_eq!((running.state, running.answer, running.fingerprint), (CallState::Running, None, [2; 32]));
    assert_eq!(claims(&db, 2, claim("c", 0)).await, None, "another tenant's name is another name");
    assert!(!answers(&db, "b", b"not b's").await);
    assert!(answers(&db, "a", b"200").await);
    assert!(!answers(&db, "a", b"again").await, "an answer stays");
    assert!(!write(&db, |tx| idempotency::of(&id(1)).free(tx, (&[1; 32], "a"))).await);
    let kept = claims(&db, 1, claim("d", 999)).await.expect("kept");
    assert_eq!((kept.state, kept.answer), (CallState::Answered, Some(b"200".to_vec())));
    let found = read(&db, |rx| idempotency::of(&id(2)).find(rx, &[1; 32])).await.expect("there");
    assert_eq!(found.state, CallState::Running);
}

async fn a_name_that_is_freed_or_old_is_claimed_again(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    assert_eq!(claims(&db, 1, claim("a", 0)).await, None);
    assert!(!write(&db, |tx| idempotency::of(&id(1)).free(tx, (&[1; 32], "b"))).await);
    assert!(write(&db, |tx| idempotency::of(&id(1)).free(tx, (&[1; 32], "a"))).await);
    assert_eq!(claims(&db, 1, claim("b", 1)).await, None);
    assert!(answers(&db, "b", b"200").await);
    assert!(claims(&db, 1, claim("c", 1_000)).await.is_some());
    let other = Claim { fingerprint: [3; 32], ..claim("d", 1_001) };
    assert_eq!(claims(&db, 1, other).await, None, "a day later it is another call's");
    let found = read(&db, |rx| idempotency::of(&id(1)).find(rx, &[1; 32])).await.expect("there");
    assert_eq!((found.state, found.answer, found.fingerprint), (CallState::Running, None, [3; 32]));
}

async fn a_run_that_never_ends_is_given_up(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    assert_eq!(claims(&db, 1, claim("a", 0)).await, None);
    let other = Claim { fingerprint: [3; 32], ..claim("b", 100) };
    assert!(claims(&db, 1, other).await.is_some(), "another call does not take the name over");
    assert_eq!(claims(&db, 1, claim("b", 100)).await, None);
    assert!(!answers(&db, "a", b"late").await, "the first run comes too late");
    assert!(answers(&db, "b", b"200").await);
}

async fn sixty_four_at_once_claim_a_name_once(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed(&db).await;
    let work = |n: u64| {
        let claim = claim(&format!("run {n}"), 0);
        move |tx: &mut store::Tx<'_>| Ok(idempotency::of(&id(1)).claim(tx, &claim)?.is_none())
    };
    assert_eq!(wins(&race([&db, &other], 64, work).await), 1);
}

async fn sixty_four_at_once_take_over_once(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed(&db).await;
    assert_eq!(claims(&db, 1, claim("dead", 0)).await, None);
    let work = |n: u64| {
        let claim = claim(&format!("run {n}"), 100);
        move |tx: &mut store::Tx<'_>| Ok(idempotency::of(&id(1)).claim(tx, &claim)?.is_none())
    };
    assert_eq!(wins(&race([&db, &other], 64, work).await), 1);
}

async fn what_is_old_is_deleted_in_portions(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    for number in 0..5_u8 {
        let named = Claim { key_hash: [number; 32], ..claim("a", i64::from(number)) };
        assert_eq!(claims(&db, 1, named).await, None);
    }
    let delete = |now_ms: i64, limit: i64| {
        move |tx: &mut store::Tx<'_>| idempotency::delete_old(tx, at(now_ms), limit)
    };
    assert_eq!(write(&db, delete(999, 10)).await, 0);
    assert_eq!(write(&db, delete(1_003, 3)).await, 3, "the oldest");
    assert_eq!(write(&db, delete(1_003, 3)).await, 1);
    assert!(read(&db, |rx| idempotency::of(&id(1)).find(rx, &[3; 32])).await.is_none());
    assert!(read(&db, |rx| idempotency::of(&id(1)).find(rx, &[4; 32])).await.is_some());
}
