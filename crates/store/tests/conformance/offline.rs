//! What waits for a ceremony, and the bundles that have left.

use domain::backup::{BackupKind, BackupState, CheckState};
use domain::key::KeyEnvironment;
use store::backups::Backup;
use store::keys::CustomerKey;
use store::offline::{self, ColdRecord, OfflineBundle, OfflineRequest};
use store::{OfTenant, backups, reset};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    what_is_to_be_told_is_told_in_order_until_it_is_taken,
    what_waits_for_its_check_is_checked_once,
    one_bundle_of_each_number_is_answered,
    a_record_made_offline_is_listed_and_replaced_as_it_was_read,
}

fn request(number: u64) -> OfflineRequest {
    OfflineRequest { id: id(number), entry: vec![4, 0, 255], made_at: at(1) }
}

async fn what_is_to_be_told_is_told_in_order_until_it_is_taken(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| {
        offline::of(&id(1)).append(tx, &request(3))?;
        offline::of(&id(2)).append(tx, &request(2))?;
        offline::of(&id(1)).append(tx, &request(1))
    })
    .await;
    let told = read(&db, |rx| offline::list(rx, 2)).await;
    let ids: Vec<_> = told.iter().map(|told| (told.tenant_id.clone(), told.row.id.clone())).collect();
    assert_eq!(ids, [(id(1), id(1)), (id(2), id(2))]);
    assert!(told[1].row == request(2));
    // Another tenant's stays.
    write(&db, |tx| offline::of(&id(2)).delete(tx, &id(1))).await;
    assert_eq!(read(&db, |rx| offline::list(rx, 9)).await.len(), 3);
    write(&db, |tx| offline::of(&id(1)).delete(tx, &id(1))).await;
    assert_eq!(read(&db, |rx| offline::list(rx, 9)).await.len(), 2);
    write(&db, |tx| reset::forget(tx, &id(2))).await;
    let left = read(&db, |rx| offline::list(rx, 9)).await;
    assert_eq!(left.iter().map(|left| left.row.id.clone()).collect::<Vec<_>>(), [id(3)]);
}

async fn what_waits_for_its_check_is_checked_once(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| {
        store::keys::of(&id(1)).insert(tx, &key(1, None))?;
        let waits =
            |number| Backup { check_state: CheckState::UnverifiedCold, record: None, ..backup(number) };
        for row in [
            waits(1),
            waits(2),
            Backup { kind: BackupKind::File, ..waits(3) },
            Backup { state: BackupState::Deleted, ..waits(4) },
            backup(5),
        ] {
            backups::of(&id(1)).insert(tx, &row)?;
        }
        Ok(())
    })
    .await;
    let waiting = || async {
        let found = read(&db, |rx| offline::list_unverified(rx, 9)).await;
        found.into_iter().map(|found| (found.tenant_id, found.row.id)).collect::<Vec<_>>()
    };
    assert_eq!(waiting().await, [(id(1), id(1)), (id(1), id(2))]);
    assert_eq!(read(&db, |rx| offline::list_unverified(rx, 1)).await.len(), 1);
    let check = |tenant: u64, number: u64, state, record: Option<&'static [u8]>| {
        let db = db.clone();
        async move {
            write(&db, move |tx| offline::of(&id(tenant)).set_checked(tx, &id(number), state, record, at(7)))
                .await
        }
    };
    assert!(!check(2, 1, CheckState::Verified, Some(&[1])).await, "another tenant's");
    assert!(!check(1, 4, CheckState::Verified, Some(&[1])).await, "deleted");
    assert!(check(1, 1, CheckState::Verified, Some(&[1])).await);
    assert!(!check(1, 1, CheckState::Failed, None).await, "it was checked");
    assert!(check(1, 2, CheckState::Failed, None).await);
    assert!(waiting().await.is_empty());
    let found = read(&db, |rx| backups::of(&id(1)).find(rx, &id(1))).await.expect("a backup");
    assert_eq!(
        (found.check_state, found.record, found.updated_at),
        (CheckState::Verified, Some(vec![1]), at(7))
    );
}

fn bundle(hash: u8, sequence: i64) -> OfflineBundle {
    OfflineBundle {
        hash: [hash; 32],
        sequence,
        offline: vec![9; 32],
        subjects: "make".to_owned(),
        made_at: at(3),
        answered_at: None,
    }
}

async fn one_bundle_of_each_number_is_answered(bench: &Bench) {
    let db = bench.open().await;
    write(&db, |tx| {
        [(1, 1), (2, 1), (3, 2)]
            .iter()
            .try_for_each(|&(hash, n)| offline::insert_bundle(tx, &bundle(hash, n)))
    })
    .await;
    assert_eq!(read(&db, offline::find_last_answered).await, None);
    assert!(write(&db, |tx| offline::set_answered(tx, &[2; 32], at(4))).await);
    assert!(!write(&db, |tx| offline::set_answered(tx, &[2; 32], at(5))).await, "once");
    let twice: Result<bool, store::StoreError> =
        db.write("twice", |tx| offline::set_answered(tx, &[1; 32], at(5))).await;
    assert!(twice.is_err(), "of two of one number one is answered");
    let answered = OfflineBundle { answered_at: Some(at(4)), ..bundle(2, 1) };
    assert_eq!(read(&db, offline::find_last_answered).await, Some(answered.clone()));
    assert_eq!(read(&db, |rx| offline::find_bundle(rx, &[2; 32])).await, Some(answered));
    assert_eq!(read(&db, |rx| offline::find_bundle(rx, &[7; 32])).await, None);
    assert!(write(&db, |tx| offline::set_answered(tx, &[3; 32], at(6))).await);
    assert_eq!(read(&db, offline::find_last_answered).await.map(|last| last.sequence), Some(2));
}

async fn a_record_made_offline_is_listed_and_replaced_as_it_was_read(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| {
        let cold = CustomerKey { key_environment: KeyEnvironment::Cold, ..key(1, None) };
        store::keys::of(&id(1)).insert(tx, &cold)?;
        store::keys::of(&id(1)).insert(tx, &key(2, None))?;
        for row in [
            backup(1),
            Backup { record: None, check_state: CheckState::UnverifiedCold, ..backup(2) },
            Backup { key_id: id(2), ..backup(3) },
            backup(4),
            Backup { state: BackupState::Deleted, ..backup(5) },
            backup(6),
        ] {
            backups::of(&id(1)).insert(tx, &row)?;
        }
        Ok(())
    })
    .await;
    let list = |last: String, limit: i64| read(&db, move |rx| offline::list_records(rx, &last, limit));
    let found: Vec<OfTenant<ColdRecord>> = list(String::new(), 9).await;
    let ids =
        |found: &[OfTenant<ColdRecord>]| found.iter().map(|found| found.row.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&found), [id(1), id(4), id(5), id(6)], "of a COLD key, and with a record");
    assert!(
        found
            .iter()
            .all(|found| found.tenant_id == id(1)
                && found.row.record == backup(1).record.expect("there is one"))
    );
    assert_eq!(ids(&list(id::<domain::ids::BackupId>(1).to_string(), 2).await), [id(4), id(5)]);

    let was = |number: u64, record: &[u8]| ColdRecord { id: id(number), record: record.to_vec() };
    let own = backup(1).record.expect("there is one");
    let set = |tenant: u64, was: ColdRecord| {
        write(&db, move |tx| offline::of(&id(tenant)).set_record(tx, &was, b"anew"))
    };
    assert!(!set(2, was(1, &own)).await, "another tenant's");
    assert!(!set(1, was(1, b"another")).await, "not what was read");
    assert!(set(1, was(1, &own)).await && !set(1, was(1, &own)).await);
    let unset = |tenant: u64, was: ColdRecord| {
        write(&db, move |tx| offline::of(&id(tenant)).set_unchecked(tx, &was, at(7)))
    };
    assert!(!unset(2, was(4, &own)).await, "another tenant's");
    assert!(!unset(1, was(4, b"another")).await, "not what was read");
    assert!(!unset(1, was(5, &own)).await, "deleted");
    assert!(unset(1, was(4, &own)).await && !unset(1, was(4, &own)).await);
    let find = |number: u64| read(&db, move |rx| backups::of(&id(1)).find(rx, &id(number)));
    let (first, fourth, sixth) = (
        find(1).await.expect("there is one"),
        find(4).await.expect("there is one"),
        find(6).await.expect("there is one"),
    );
    assert_eq!(
        (first.record.as_deref(), first.check_state),
        (Some(b"anew".as_slice()), CheckState::Verified)
    );
    assert_eq!((fourth.record, fourth.check_state), (None, CheckState::UnverifiedCold));
    assert!(sixth == backup(6), "nothing else has changed");
}
