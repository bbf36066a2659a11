//! What the enclave sealed, gone through to be sealed anew.

use domain::key::KeyEnvironment;
use store::backups::{self, Backup};
use store::keys::CustomerKey;
use store::reseals::{self, PLACES, Place, Reseal, SealedRow};
use store::{Db, keys, pool, verifications};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    every_place_is_listed_in_pages,
    a_seal_is_replaced_only_as_it_was_read,
    a_step_is_taken_once,
}

fn place(name: &str) -> &'static Place {
    PLACES.iter().find(|place| place.name == name).expect("a place")
}

async fn list(db: &Db, place: &'static Place, last_id: String, limit: i64) -> Vec<SealedRow> {
    read(db, move |rx| reseals::list_sealed(rx, place, &last_id, limit)).await
}

async fn fill(db: &Db) {
    seed(db).await;
    write(db, |tx| {
        for number in 1..=3 {
            keys::of(&id(1)).insert(tx, &key(number, None))?;
            backups::of(&id(1)).insert(tx, &backup(number))?;
            pool::insert(tx, &pool_key(number))?;
        }
        // The record of a COLD key's backup is no seal of the online enclave.
        keys::of(&id(1))
            .insert(tx, &CustomerKey { key_environment: KeyEnvironment::Cold, ..key(4, None) })?;
        backups::of(&id(1)).insert(tx, &Backup { key_id: id(4), ..backup(4) })?;
        verifications::of(&id(1)).insert(tx, &verification("v-1"))
    })
    .await;
}

async fn every_place_is_listed_in_pages(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    for place in &PLACES {
        let all = list(&db, place, String::new(), 9).await;
        let count = match place.name {
            "verifications.ticket" => 1,
            // None of them has one.
            "verifications.admission" | "control_recoveries.ticket" => 0,
            _ => 3,
        };
        assert_eq!(all.len(), count, "{}", place.name);
        let mut paged = Vec::new();
        while let [row] = &list(
            &db,
            place,
            paged.last().map_or(String::new(), |row: &SealedRow| row.id.clone()),
            1,
        )
        .await[..]
        {
            paged.push(row.clone());
        }
        assert!(paged == all, "{}", place.name);
    }
    let keys = list(&db, place("pool_keys.sealed"), String::new(), 9).await;
    assert_eq!(keys[0].sealed, pool_key(1).sealed);
}

async fn a_seal_is_replaced_only_as_it_was_read(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    for name in ["pool_keys.sealed", "verifications.ticket", "backups.record"] {
        let place = place(name);
        let was = list(&db, place, String::new(), 9).await;
        let set = |row: SealedRow| write(&db, move |tx| reseals::set_sealed(tx, place, &row, b"anew"));
        assert!(!set(SealedRow { sealed: b"another".to_vec(), ..was[0].clone() }).await, "{name}");
        assert!(!set(SealedRow { id: "another".to_owned(), ..was[0].clone() }).await, "{name}");
        assert!(set(was[0].clone()).await && !set(was[0].clone()).await, "{name}");
        let is = list(&db, place, String::new(), 9).await;
        assert_eq!(is[0].sealed, b"anew", "{name}");
        assert!(is[1..] == was[1..], "{name}: nothing else has changed");
    }
}

async fn a_step_is_taken_once(bench: &Bench) {
    let db = bench.open().await;
    let begun = |epoch: i64| Reseal {
        epoch,
        began_at: at(1),
        pass_began_at: at(2),
        due_at: at(3),
        place: 4,
        last_id: "five".to_owned(),
        moved: 6,
        moved_in_pass: 7,
        broken: 8,
        broken_in_pass: 9,
        finished_at: None,
    };
    let find = || read(&db, reseals::find_latest);
    assert!(find().await.is_none());
    for epoch in [2, 3] {
        assert!(write(&db, move |tx| reseals::insert(tx, &begun(epoch))).await);
        assert!(!write(&db, move |tx| reseals::insert(tx, &begun(epoch))).await);
    }
    assert!(find().await == Some(begun(3)), "the latest");
    let set = |was: Reseal, is: Reseal| write(&db, move |tx| reseals::set(tx, &was, &is));
    let next = Reseal { last_id: "six".to_owned(), finished_at: Some(at(10)), ..begun(3) };
    for other in [
        Reseal { last_id: "four".to_owned(), ..begun(3) },
        Reseal { place: 3, ..begun(3) },
        Reseal { pass_began_at: at(1), ..begun(3) },
    ] {
        assert!(!set(other, next.clone()).await, "it stands elsewhere");
    }
    assert!(set(begun(3), next.clone()).await && !set(begun(3), next.clone()).await);
    assert!(find().await == Some(next));
}
