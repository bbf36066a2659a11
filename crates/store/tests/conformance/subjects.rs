//! What makes the names under which the logs speak of people, and how far the enclave's own log had come.

use store::audit_subjects::{self, Subject};
use store::enclave_marks::{self, EnclaveMark};
use store::{Db, reset};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    somebody_has_one_salt_in_each_log_until_he_is_erased,
    of_two_who_come_first_one_salt_stays,
    a_reset_takes_the_salts_of_one_log,
    a_mark_gives_way_to_a_later_one_and_to_whoever_knew_it,
}

fn subject(finder: u8, salt: u8) -> Subject {
    Subject { finder: [finder; 32], salt: vec![salt, 0, 255], created_at: at(salt.into()) }
}

async fn ensure(db: &Db, tenant: u64, new: Subject) -> Subject {
    write(db, move |tx| audit_subjects::of(&id(tenant)).ensure(tx, &new)).await
}

async fn find(db: &Db, tenant: u64, finder: u8) -> Option<Subject> {
    read(db, move |rx| audit_subjects::of(&id(tenant)).find(rx, &[finder; 32])).await
}

async fn somebody_has_one_salt_in_each_log_until_he_is_erased(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    assert_eq!(find(&db, 1, 7).await, None);
    assert_eq!(ensure(&db, 1, subject(7, 1)).await, subject(7, 1));
    assert_eq!(ensure(&db, 1, subject(7, 2)).await, subject(7, 1), "his own stays");
    assert_eq!(ensure(&db, 1, subject(8, 3)).await, subject(8, 3));
    assert_eq!(ensure(&db, 2, subject(7, 4)).await, subject(7, 4));
    let delete = |tenant: u64| write(&db, move |tx| audit_subjects::of(&id(tenant)).delete(tx, &[7; 32]));
    assert!(delete(1).await);
    assert!(!delete(1).await, "he is erased");
    let left = [find(&db, 1, 7).await, find(&db, 1, 8).await, find(&db, 2, 7).await];
    assert_eq!(left, [None, Some(subject(8, 3)), Some(subject(7, 4))], "and nobody else");
    assert_eq!(ensure(&db, 1, subject(7, 5)).await, subject(7, 5), "who comes again is somebody new");
}

async fn of_two_who_come_first_one_salt_stays(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed(&db).await;
    let got = race([&db, &other], 16, |number| {
        let new = subject(7, number.to_le_bytes()[0]);
        move |tx: &mut store::Tx<'_>| audit_subjects::of(&id(1)).ensure(tx, &new)
    })
    .await;
    let kept = find(&db, 1, 7).await.expect("one");
    assert!(got.iter().all(|one| *one == kept), "{got:?}");
}

async fn a_reset_takes_the_salts_of_one_log(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    for tenant in [1, 2] {
        ensure(&db, tenant, subject(7, 1)).await;
    }
    write(&db, |tx| reset::forget(tx, &id(1))).await;
    assert_eq!((find(&db, 1, 7).await, find(&db, 2, 7).await), (None, Some(subject(7, 1))));
}

async fn a_mark_gives_way_to_a_later_one_and_to_whoever_knew_it(bench: &Bench) {
    let db = bench.open().await;
    let mark = |sequence: i64, mark: u8| EnclaveMark { sequence, mark: vec![mark], kept_at: at(sequence) };
    let set = |new: EnclaveMark, shown: Option<&'static [u8]>| {
        write(&db, move |tx| enclave_marks::set(tx, &new, shown))
    };
    let kept = || async { read(&db, enclave_marks::find).await };
    assert_eq!(kept().await, None);
    assert!(set(mark(5, 1), None).await);
    assert!(!set(mark(5, 2), None).await && !set(mark(4, 2), Some(&[2])).await, "neither later nor his");
    assert_eq!(kept().await, Some(mark(5, 1)));
    assert!(set(mark(6, 3), None).await, "later");
    assert_eq!(kept().await, Some(mark(6, 3)));
    assert!(set(mark(2, 4), Some(&[3])).await, "the enclave was shown the one before, and said so");
    assert_eq!(kept().await, Some(mark(2, 4)));
}
