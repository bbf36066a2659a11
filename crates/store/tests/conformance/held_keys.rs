//! Where private halves are held, and how that changes.

use domain::ids::{KeyId, SplitId, TenantId};
use store::held_keys::{self, Held, Kept};
use store::keys::{self, CustomerKey};
use store::{Db, tenants};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    a_private_half_is_held_otherwise_only_by_who_knows_how_it_is,
    of_two_that_hold_it_otherwise_one_wins,
    all_private_halves_are_listed_in_order,
    a_splitting_is_an_orphan_once_nobody_needs_it,
}

fn whole() -> Held {
    Held::Whole(vec![2; 2400])
}

fn in_shares(split: u64) -> Held {
    Held::InShares(id(split), vec![8, 9])
}

async fn held(db: &Db, key: u64) -> Held {
    read(db, move |rx| keys::of(&id(1)).find(rx, &id(key))).await.expect("a key").held()
}

async fn set(db: &Db, was: Held, becomes: Held, now: i64) -> bool {
    write(db, move |tx| held_keys::of(&id(1)).set_held(tx, &id(1), (&was, &becomes), at(now))).await
}

async fn with_key(bench: &Bench) -> Db {
    let db = bench.open().await;
    write(&db, |tx| {
        tenants::insert(tx, &tenant(1))?;
        store::users::of(&id(1)).ensure(tx, &user(1, "u"))?;
        keys::of(&id(1)).insert(tx, &key(1, None))
    })
    .await;
    db
}

async fn a_private_half_is_held_otherwise_only_by_who_knows_how_it_is(bench: &Bench) {
    let db = with_key(bench).await;
    write(&db, |tx| keys::of(&id(1)).insert(tx, &key(3, None))).await;
    assert!(held(&db, 1).await == whole());
    assert!(set(&db, whole(), in_shares(7), 10).await);
    assert!(held(&db, 1).await == in_shares(7));
    assert!(held(&db, 3).await == whole(), "another key, whatever it holds");
    for other in [whole(), in_shares(8), Held::InShares(id(7), vec![8]), Held::Whole(vec![8, 9])] {
        assert!(!set(&db, other, whole(), 11).await, "held otherwise");
    }
    assert!(
        !write(&db, |tx| held_keys::of(&id(2)).set_held(tx, &id(1), (&in_shares(7), &whole()), at(12))).await
    );
    assert!(held(&db, 1).await == in_shares(7));
    assert!(set(&db, in_shares(7), whole(), 13).await);
    assert!(held(&db, 1).await == whole());
}

async fn of_two_that_hold_it_otherwise_one_wins(bench: &Bench) {
    let (db, other) = (with_key(bench).await, bench.open().await);
    let won = race([&db, &other], 16, |n| {
        move |tx: &mut store::Tx<'_>| {
            held_keys::of(&id(1)).set_held(tx, &id(1), (&whole(), &in_shares(100 + n)), at(1))
        }
    })
    .await;
    assert_eq!(won.into_iter().filter(|won| *won).count(), 1);
}

async fn all_private_halves_are_listed_in_order(bench: &Bench) {
    let db = with_key(bench).await;
    write(&db, |tx| {
        tenants::insert(tx, &tenant(2))?;
        store::users::of(&id(2)).ensure(tx, &user(2, "v"))?;
        let (sealed, split_id) = in_shares(7).columns();
        let second = CustomerKey { user_id: id(2), sealed, split_id, ..key(2, None) };
        keys::of(&id(2)).insert(tx, &second)?;
        keys::of(&id(1)).insert(tx, &key(3, None))
    })
    .await;
    let page =
        |after: Option<KeyId>, limit| read(&db, move |rx| held_keys::list_held(rx, after.as_ref(), limit));
    let first = page(None, 2).await;
    let listed: Vec<(TenantId, KeyId)> =
        first.iter().map(|key| (key.tenant_id.clone(), key.id.clone())).collect();
    assert_eq!(listed, [(id(1), id(1)), (id(2), id(2))]);
    assert!(first[0].held() == whole() && first[1].held() == in_shares(7));
    assert_eq!(page(Some(id(2)), 2).await.len(), 1);
    assert!(page(Some(id(3)), 2).await.is_empty());
    assert_eq!(read(&db, held_keys::count_whole).await, 2);
    // As a row spells it, and back.
    let kept = Held::of(Kept::new(vec![1]), None);
    assert!(kept == Held::Whole(vec![1]));
}

async fn a_splitting_is_an_orphan_once_nobody_needs_it(bench: &Bench) {
    let db = with_key(bench).await;
    let orphan = |owner: u64, key: u64, split: u64, before: i64| {
        read(&db, move |rx| {
            let split: SplitId = id(split);
            held_keys::of(&id(owner)).is_split_orphan(rx, &id(key), &split, at(before))
        })
    };
    assert!(orphan(1, 1, 7, 100).await, "a key that was never held otherwise");
    assert!(orphan(1, 5, 7, 100).await, "a key that is not there");
    assert!(!orphan(9, 5, 7, 100).await, "a tenant of another database");
    assert!(set(&db, whole(), in_shares(7), 50).await);
    assert!(!orphan(1, 1, 7, 100).await, "its row names it");
    assert!(orphan(1, 5, 7, 100).await, "another key's row does");
    write(&db, |tx| tenants::insert(tx, &tenant(2))).await;
    assert!(orphan(2, 1, 7, 100).await, "another tenant's row does");
    assert!(orphan(1, 1, 6, 100).await && !orphan(1, 1, 6, 50).await, "replaced too lately");
    assert!(set(&db, in_shares(7), whole(), 60).await);
    assert!(orphan(1, 1, 7, 61).await && !orphan(1, 1, 7, 60).await);
}
