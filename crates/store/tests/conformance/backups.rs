//! Backups.

use domain::backup::{BackupKind, BackupState};
use domain::ids::BackupId;
use domain::key::KeyState;
use domain::verification::InquiryState;
use store::backups::{self, Backup};
use store::{Db, StoreError, Tx, keys, verifications};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    a_backup_is_found_as_it_was_inserted,
    a_repeated_store_is_one_backup,
    an_approval_confirms_what_was_stored_under_it,
    a_decline_deletes_what_was_stored_under_it,
    confirmed_data_comes_newest_first_with_its_key,
    a_backup_needs_its_key,
    damage_touches_confirmed_data_alone,
    a_store_and_an_approval_at_once_leave_nothing_unconfirmed,
}

async fn seed_key(db: &Db) {
    seed(db).await;
    write(db, |tx| keys::of(&id(1)).insert(tx, &key(1, None))).await;
}

async fn insert(db: &Db, backup: Backup) -> bool {
    write(db, move |tx| backups::of(&id(1)).insert(tx, &backup)).await
}

async fn find(db: &Db, number: u64) -> Option<Backup> {
    read(db, move |rx| backups::of(&id(1)).find(rx, &id(number))).await
}

fn unconfirmed(number: u64, name: &str) -> Backup {
    Backup { state: BackupState::Unconfirmed, verification_id: Some(inquiry(name)), ..backup(number) }
}

async fn a_backup_is_found_as_it_was_inserted(bench: &Bench) {
    let db = bench.open().await;
    seed_key(&db).await;
    assert!(insert(&db, backup(1)).await);
    assert!(find(&db, 1).await == Some(backup(1)));
    assert!(read(&db, |rx| backups::of(&id(2)).find(rx, &id(1))).await.is_none(), "another tenant's");
    let tag = backup(1).repeat_tag.expect("a tag");
    assert!(read(&db, move |rx| backups::of(&id(1)).find_by_repeat_tag(rx, &tag)).await == Some(backup(1)));
    assert!(read(&db, move |rx| backups::of(&id(2)).find_by_repeat_tag(rx, &tag)).await.is_none());
    let with_key = read(&db, |rx| backups::of(&id(1)).find_with_key(rx, &id(1))).await.expect("found");
    assert!(with_key.backup == backup(1) && with_key.key.key_sealed == key(1, None).sealed);
    assert!(read(&db, |rx| backups::of(&id(2)).find_with_key(rx, &id(1))).await.is_none());
}

async fn a_repeated_store_is_one_backup(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed_key(&db).await;
    let tag = backup(1).repeat_tag;
    let won = race([&db, &other], 64, |n| {
        let backup = Backup { repeat_tag: tag, ..backup(100 + n) };
        move |tx| backups::of(&id(1)).insert(tx, &backup)
    })
    .await;
    assert_eq!(wins(&won), 1);
    assert_eq!(read(&db, |rx| backups::of(&id(1)).count_of_user(rx, &id(1))).await, 1);
    assert!(insert(&db, Backup { repeat_tag: None, ..backup(1) }).await, "without a tag nothing is a repeat");
    assert!(insert(&db, Backup { repeat_tag: None, ..backup(2) }).await);
}

async fn an_approval_confirms_what_was_stored_under_it(bench: &Bench) {
    let db = bench.open().await;
    seed_key(&db).await;
    for backup in [unconfirmed(2, "inq_1"), unconfirmed(1, "inq_1"), unconfirmed(3, "inq_2"), backup(4)] {
        assert!(insert(&db, backup).await);
    }
    let confirm = |tenant: u64| {
        move |tx: &mut Tx<'_>| backups::of(&id(tenant)).confirm_of_verification(tx, &inquiry("inq_1"), at(90))
    };
    assert!(write(&db, confirm(2)).await.is_empty(), "another tenant's");
    let confirmed = write(&db, confirm(1)).await;
    let told: Vec<_> = confirmed.iter().map(|row| (row.id.clone(), row.item_key.as_deref())).collect();
    assert_eq!(told, [(id(1), Some("item 1")), (id(2), Some("item 2"))]);
    assert!(confirmed.iter().all(|row| row.key_id == id(1) && row.kind == BackupKind::Data));
    assert!(write(&db, confirm(1)).await.is_empty(), "once");
    let first = find(&db, 1).await.expect("found");
    assert_eq!((first.state, first.updated_at), (BackupState::Confirmed, at(90)));
    assert_eq!(find(&db, 3).await.map(|row| row.state), Some(BackupState::Unconfirmed));
}

async fn a_decline_deletes_what_was_stored_under_it(bench: &Bench) {
    let db = bench.open().await;
    seed_key(&db).await;
    let under = |number, state| Backup { state, ..unconfirmed(number, "inq_1") };
    for backup in [unconfirmed(1, "inq_1"), under(2, BackupState::Confirmed), unconfirmed(3, "inq_2")] {
        assert!(insert(&db, backup).await);
    }
    let deleted = write(&db, |tx| {
        backups::of(&id(1)).delete_unconfirmed_of_verification(tx, &inquiry("inq_1"), at(90))
    })
    .await;
    assert_eq!(deleted.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), [id::<BackupId>(1)]);
    let gone = find(&db, 1).await.expect("the row stays");
    assert_eq!(gone.state, BackupState::Deleted);
    assert!(gone.ciphertext.is_none() && gone.checksum_sealed.is_none() && gone.record.is_none());
    assert!(gone.repeat_tag.is_none(), "so that the item can be stored anew");
    assert!(find(&db, 2).await == Some(under(2, BackupState::Confirmed)));
    assert!(find(&db, 3).await == Some(unconfirmed(3, "inq_2")));
    assert_eq!(read(&db, |rx| backups::of(&id(1)).count_of_user(rx, &id(1))).await, 2);
}

async fn confirmed_data_comes_newest_first_with_its_key(bench: &Bench) {
    let db = bench.open().await;
    seed_key(&db).await;
    let stored = |number, ms| Backup { stored_at: at(ms), ..backup(number) };
    for row in [stored(1, 30), stored(2, 10), stored(3, 20), stored(4, 20), unconfirmed(5, "inq_1")] {
        assert!(insert(&db, row).await);
    }
    assert!(insert(&db, Backup { kind: BackupKind::File, ciphertext: None, ..backup(6) }).await);
    let list = |limit| {
        move |rx: &mut store::Rx<'_>| backups::of(&id(1)).list_confirmed_data_of_user(rx, &id(1), limit)
    };
    let all = read(&db, list(50)).await;
    let ids: Vec<BackupId> = all.iter().map(|row| row.backup.id.clone()).collect();
    assert_eq!(ids, [id(1), id(4), id(3), id(2)]);
    assert!(all[0].backup == stored(1, 30) && all[0].key.key_state == KeyState::Active);
    assert_eq!(read(&db, list(2)).await.len(), 2);
    let other = |rx: &mut store::Rx<'_>| backups::of(&id(2)).list_confirmed_data_of_user(rx, &id(1), 50);
    assert!(read(&db, other).await.is_empty(), "another tenant's");
    let again = read(&db, |rx| backups::of(&id(1)).list_by_ids(rx, &[id(3), id(77), id(1)])).await;
    let ids: Vec<BackupId> = again.into_iter().map(|row| row.backup.id).collect();
    assert_eq!(ids, [id(3), id(1)], "in the order asked for");
}

async fn a_backup_needs_its_key(bench: &Bench) {
    let db = bench.open().await;
    seed_key(&db).await;
    let stray = |tx: &mut Tx<'_>| backups::of(&id(1)).insert(tx, &Backup { key_id: id(99), ..backup(1) });
    assert!(matches!(db.write("stray", stray).await, Err(StoreError::Other { .. })));
}

async fn damage_touches_confirmed_data_alone(bench: &Bench) {
    let db = bench.open().await;
    seed_key(&db).await;
    insert(&db, backup(1)).await;
    insert(&db, unconfirmed(2, "inq_1")).await;
    let damage =
        |number| move |tx: &mut Tx<'_>| backups::of(&id(1)).set_damaged(tx, &id(number), b"broken", at(95));
    assert!(write(&db, damage(1)).await);
    assert!(!write(&db, damage(2)).await && !write(&db, damage(3)).await);
    assert_eq!(find(&db, 1).await.and_then(|row| row.ciphertext), Some(b"broken".to_vec()));
}

/// A store on an open inquiry, and the approval of that inquiry, at the same moment: whoever comes second must
/// see what the first one did.
async fn a_store_and_an_approval_at_once_leave_nothing_unconfirmed(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed_key(&db).await;
    for round in 0..20 {
        let name = format!("inq_{round}");
        let (stored, approved, made) = (name.clone(), name.clone(), name.clone());
        write(&db, move |tx| verifications::of(&id(1)).insert(tx, &verification(&made))).await;
        let store = db.write("store", move |tx| -> Result<bool, StoreError> {
            let found = verifications::of(&id(1)).find_locked(tx, &inquiry(&stored))?;
            let open = found.is_some_and(|found| found.state == InquiryState::Created);
            let state = if open { BackupState::Unconfirmed } else { BackupState::Confirmed };
            // Wide enough for the approval to slip in, if it could.
            std::thread::sleep(std::time::Duration::from_millis(2));
            backups::of(&id(1)).insert(tx, &Backup { state, ..unconfirmed(1000 + round, &stored) })
        });
        let approve = other.write("approve", move |tx| -> Result<bool, StoreError> {
            let (name, from) = (inquiry(&approved), InquiryState::Created);
            let won =
                verifications::of(&id(1)).set_approved(tx, &name, from, &approval(at(60), b""), at(60))?;
            backups::of(&id(1)).confirm_of_verification(tx, &name, at(60))?;
            Ok(won)
        });
        let (store, approve) = tokio::join!(store, approve);
        assert!(store.expect("stores") && approve.expect("approves"));
        let state = find(&db, 1000 + round).await.map(|row| row.state);
        assert_eq!(state, Some(BackupState::Confirmed), "round {round}");
    }
}
