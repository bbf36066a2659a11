//! The pool of keys, and keys that have an owner.

use std::collections::BTreeSet;

use domain::key::{KeyEnvironment, KeyState, KeyType};
use store::keys::{self, CustomerKey};
use store::pool::{self, Claim, PoolCount};
use store::{Db, StoreError, Tx};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    a_claim_sets_aside_the_oldest_that_are_free,
    a_lease_ends_by_time_and_by_release,
    claims_at_once_never_share_a_key,
    a_key_is_taken_once,
    a_key_is_adopted_once,
    a_customer_key_is_found_as_it_was_inserted,
    another_tenant_finds_no_key,
    one_active_key_per_slot,
    sixty_four_at_once_assign_one_key,
    a_key_changes_state_from_where_it_is,
}

fn claim(owner: &str, limit: i64, now: i64) -> Claim<'_> {
    Claim {
        owner,
        key_environment: KeyEnvironment::Hot,
        key_type: KeyType::Rsa4096,
        limit,
        now: at(now),
        lease_until: at(now + 1000),
    }
}

async fn fill(db: &Db, keys: u64) {
    write(db, move |tx| (1..=keys).try_for_each(|number| pool::insert(tx, &pool_key(number)))).await;
}

async fn count(db: &Db, now: i64) -> PoolCount {
    read(db, move |rx| pool::count(rx, KeyEnvironment::Hot, KeyType::Rsa4096, at(now))).await
}

async fn a_claim_sets_aside_the_oldest_that_are_free(bench: &Bench) {
    let db = bench.open().await;
    fill(&db, 5).await;
    write(&db, |tx| {
        let (other, cold) = (KeyType::Ed25519, KeyEnvironment::Cold);
        pool::insert(tx, &pool::PoolKey { key_type: other, ..pool_key(90) })?;
        pool::insert(tx, &pool::PoolKey { key_environment: cold, ..pool_key(91) })
    })
    .await;
    let first = write(&db, |tx| pool::claim_batch(tx, &claim("a", 2, 0))).await;
    let second = write(&db, |tx| pool::claim_batch(tx, &claim("b", 9, 0))).await;
    assert!(first == [pool_key(1), pool_key(2)], "the oldest, whole and in order");
    assert!(second == [pool_key(3), pool_key(4), pool_key(5)], "only of that kind");
    assert_eq!(count(&db, 0).await, PoolCount { unassigned: 5, free: 0 });
    assert!(write(&db, |tx| pool::claim_batch(tx, &claim("c", 9, 0))).await.is_empty());
}

async fn a_lease_ends_by_time_and_by_release(bench: &Bench) {
    let db = bench.open().await;
    fill(&db, 3).await;
    write(&db, |tx| pool::claim_batch(tx, &claim("a", 2, 0))).await;
    assert_eq!(count(&db, 999).await, PoolCount { unassigned: 3, free: 1 });
    assert_eq!(count(&db, 1000).await, PoolCount { unassigned: 3, free: 3 });
    let later = write(&db, |tx| pool::claim_batch(tx, &claim("b", 9, 1000))).await;
    assert_eq!(later.len(), 3);
    assert!(write(&db, |tx| pool::take(tx, &id(1), "a")).await.is_none(), "its lease went to another");
    assert_eq!(write(&db, |tx| pool::release_lease(tx, "b")).await, 3);
    assert_eq!(write(&db, |tx| pool::release_lease(tx, "b")).await, 0);
    assert_eq!(count(&db, 1001).await, PoolCount { unassigned: 3, free: 3 });
}

async fn claims_at_once_never_share_a_key(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    fill(&db, 40).await;
    let claims = race([&db, &other], 16, |n| {
        let owner = format!("process {n}");
        move |tx| pool::claim_batch(tx, &claim(&owner, 5, 0))
    })
    .await;
    let all: Vec<_> = claims.iter().flatten().map(|key| key.key_id.to_string()).collect();
    assert_eq!(all.len(), all.iter().collect::<BTreeSet<_>>().len(), "no key twice");
    assert!(claims.iter().all(|claim| claim.len() <= 5), "no more than asked for");
    // A claim passes over what another one holds at that moment, and so may get less than there is.
    let rest = write(&db, |tx| pool::claim_batch(tx, &claim("rest", 40, 0))).await;
    assert_eq!(all.len() + rest.len(), 40, "no key is lost");
}

async fn a_key_is_taken_once(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    fill(&db, 1).await;
    assert!(write(&db, |tx| pool::take(tx, &id(1), "a")).await.is_none(), "not claimed");
    write(&db, |tx| pool::claim_batch(tx, &claim("a", 1, 0))).await;
    let taken = race([&db, &other], 16, |_| |tx: &mut Tx<'_>| pool::take(tx, &id(1), "a")).await;
    assert_eq!(taken.iter().flatten().count(), 1);
    assert_eq!(count(&db, 0).await, PoolCount { unassigned: 0, free: 0 });
}

async fn a_key_is_adopted_once(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let adopt = |n| write(&db, move |tx| pool::adopt(tx, &pool_key(n)));
    assert!(adopt(1).await);
    assert!(!adopt(1).await, "it is in the pool");
    write(&db, |tx| keys::of(&id(1)).insert(tx, &key(2, None))).await;
    assert!(!adopt(2).await, "it has been given out");
    assert_eq!(count(&db, 0).await, PoolCount { unassigned: 1, free: 1 });
}

async fn a_customer_key_is_found_as_it_was_inserted(bench: &Bench) {
    let db = bench.open().await;
    let (tenant, user) = seed(&db).await;
    assert!(write(&db, |tx| keys::of(&id(1)).insert(tx, &key(1, Some("c")))).await);
    assert!(
        write(&db, |tx| keys::of(&id(1))
            .insert(tx, &CustomerKey { supersedes: Some(id(1)), ..key(2, None) }))
        .await
    );
    let found = read(&db, move |rx| {
        let keys = keys::of(&tenant);
        Ok([
            keys.find(rx, &id(1))?,
            keys.find_by_public_key_sha256(rx, &key(1, None).public_key_sha256)?,
            keys.find_active_in_slot(rx, &user, "c")?,
            keys.find_successor(rx, &user, &id(2))?,
        ])
    })
    .await;
    assert!(found[..3].iter().all(|found| *found == Some(key(1, Some("c")))));
    assert!(found[3].is_none());
    let (successor, list) = read(&db, |rx| {
        let owner = id(1);
        let keys = keys::of(&owner);
        Ok((keys.find_successor(rx, &id(1), &id(1))?, keys.list_of_user(rx, &id(1), 10)?))
    })
    .await;
    assert!(successor.is_some_and(|key| key.id == id(2)));
    let ids: Vec<_> = list.into_iter().map(|key| key.id).collect();
    assert_eq!(ids, [id(2), id(1)], "newest first");
    assert!(write(&db, |tx| keys::of(&id(1)).find_locked(tx, &id(1))).await == Some(key(1, Some("c"))));
}

async fn another_tenant_finds_no_key(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| keys::of(&id(1)).insert(tx, &key(1, Some("c")))).await;
    let found = write(&db, |tx| {
        let other = id(2);
        let keys = keys::of(&other);
        Ok([
            keys.find(tx, &id(1))?,
            keys.find_locked(tx, &id(1))?,
            keys.find_by_public_key_sha256(tx, &key(1, None).public_key_sha256)?,
            keys.find_active_in_slot(tx, &id(1), "c")?,
        ])
    })
    .await;
    assert!(found.iter().all(Option::is_none));
    let moved =
        |tx: &mut Tx<'_>| keys::of(&id(2)).set_state(tx, &id(1), KeyState::Active, KeyState::Released);
    assert!(!write(&db, moved).await);
}

async fn one_active_key_per_slot(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let insert = |key: CustomerKey| move |tx: &mut Tx<'_>| keys::of(&id(1)).insert(tx, &key);
    assert!(write(&db, insert(key(1, Some("c")))).await);
    assert!(!write(&db, insert(key(2, Some("c")))).await, "the slot is taken");
    assert!(write(&db, insert(key(3, Some("d")))).await, "another slot");
    assert!(write(&db, insert(key(4, None))).await && write(&db, insert(key(5, None))).await, "no slot");
    let twice = db.write("twice", insert(CustomerKey { id: id(6), ..key(1, Some("e")) })).await;
    assert!(
        matches!(twice, Err(StoreError::Other { .. })),
        "the same pair twice is no taken slot: {twice:?}"
    );
    let supersede =
        |tx: &mut Tx<'_>| keys::of(&id(1)).set_state(tx, &id(1), KeyState::Active, KeyState::Superseded);
    assert!(write(&db, supersede).await);
    assert!(write(&db, insert(key(2, Some("c")))).await, "the slot is free again");
}

async fn sixty_four_at_once_assign_one_key(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed(&db).await;
    let won =
        race([&db, &other], 64, |n| move |tx| keys::of(&id(1)).insert(tx, &key(100 + n, Some("c")))).await;
    assert_eq!(wins(&won), 1);
    assert_eq!(read(&db, |rx| keys::of(&id(1)).list_of_user(rx, &id(1), 100)).await.len(), 1);
}

async fn a_key_changes_state_from_where_it_is(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed(&db).await;
    write(&db, |tx| keys::of(&id(1)).insert(tx, &key(1, None))).await;
    let release =
        |tx: &mut Tx<'_>| keys::of(&id(1)).set_state(tx, &id(1), KeyState::Active, KeyState::Released);
    assert_eq!(wins(&race([&db, &other], 16, |_| release).await), 1);
    let state = read(&db, |rx| keys::of(&id(1)).find(rx, &id(1))).await.map(|key| key.state);
    assert_eq!(state, Some(KeyState::Released));
}
