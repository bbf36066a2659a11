//! Lists, and deletions that wait.

use domain::backup::BackupState;
use domain::key::KeyState;
use store::backups::{self, Backup};
use store::keys::{self, CustomerKey};
use store::listings::{self, BackupFilter, KeyFilter, Seen};
use store::{Db, deletions};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    keys_come_newest_first_and_page_by_page,
    backups_come_newest_first_and_page_by_page,
    a_deletion_waits_for_its_time_and_can_be_taken_back,
    a_file_is_an_orphan_when_no_row_points_at_it,
}

async fn keys_of(db: &Db, filter: KeyFilter, after: Option<Seen>, limit: i64) -> Vec<String> {
    let keys = read(db, move |rx| listings::of(&id(1)).list_keys(rx, &filter, after.as_ref(), limit)).await;
    keys.into_iter().map(|key| key.id.to_string()).collect()
}

fn names(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(|number| id::<domain::ids::KeyId>(*number).to_string()).collect()
}

async fn keys_come_newest_first_and_page_by_page(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| {
        for number in 1..=4 {
            // The second and the third at one instant.
            let assigned_at = at([0, 3, 5, 5, 9][usize::try_from(number).unwrap_or(0)]);
            let supersedes = (number == 4).then(|| id(1));
            keys::of(&id(1)).insert(tx, &CustomerKey { assigned_at, supersedes, ..key(number, None) })?;
        }
        keys::of(&id(1)).set_state(tx, &id(1), KeyState::Active, KeyState::Superseded)
    })
    .await;
    assert_eq!(keys_of(&db, KeyFilter::default(), None, 9).await, names(&[4, 3, 2, 1]));
    assert_eq!(keys_of(&db, KeyFilter::default(), None, 2).await, names(&[4, 3]));
    let seen = Seen { at: at(5), id: names(&[3]).remove(0) };
    assert_eq!(keys_of(&db, KeyFilter::default(), Some(seen), 9).await, names(&[2, 1]));
    let superseded = KeyFilter { state: Some(KeyState::Superseded), ..KeyFilter::default() };
    assert_eq!(keys_of(&db, superseded, None, 9).await, names(&[1]));
    let nobody = KeyFilter { user_identifier: Some("bert".to_owned()), ..KeyFilter::default() };
    assert!(keys_of(&db, nobody, None, 9).await.is_empty());
    let first = read(&db, |rx| listings::of(&id(1)).find_key(rx, &id(1))).await.expect("found");
    assert_eq!((first.superseded_by, first.user_identifier.as_str()), (Some(id(4)), "anna"));
    assert!(read(&db, |rx| listings::of(&id(2)).find_key(rx, &id(1))).await.is_none(), "another tenant's");
    assert!(read(&db, |rx| listings::of(&id(2)).list_key_acts(rx, &id(1), 9)).await.is_empty());
}

async fn fill(db: &Db) {
    seed(db).await;
    write(db, |tx| {
        keys::of(&id(1)).insert(tx, &key(1, None))?;
        for number in 1..=3 {
            let stored_at = at(i64::try_from(number).unwrap_or(0));
            backups::of(&id(1)).insert(tx, &Backup { stored_at, ..backup(number) })?;
        }
        Ok(())
    })
    .await;
}

async fn backups_come_newest_first_and_page_by_page(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    let list = |tenant: u64, filter: BackupFilter, after: Option<Seen>| {
        read(&db, move |rx| listings::of(&id(tenant)).list_backups(rx, &filter, after.as_ref(), 2))
    };
    let page = list(1, BackupFilter::default(), None).await;
    assert!(page.iter().map(|row| row.id.clone()).eq([id(3), id(2)]));
    let seen = Seen { at: page[1].stored_at, id: page[1].id.to_string() };
    let page = list(1, BackupFilter::default(), Some(seen)).await;
    assert!(page.iter().map(|row| row.id.clone()).eq([id(1)]));
    assert_eq!((page[0].customer_id.as_deref(), page[0].delete_after), (Some("customer"), None));
    let other = BackupFilter { key_id: Some(id(2)), ..BackupFilter::default() };
    assert!(list(1, other, None).await.is_empty());
    assert!(list(2, BackupFilter::default(), None).await.is_empty(), "another tenant's");
    let key = read(&db, |rx| listings::of(&id(1)).find_key(rx, &id(1))).await.expect("found");
    assert_eq!(key.backups, 3);
}

async fn a_deletion_waits_for_its_time_and_can_be_taken_back(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    let ask = |tenant: u64| {
        write(&db, move |tx| deletions::of(&id(tenant)).set_pending(tx, &id(1), at(100), at(50)))
    };
    assert!(!ask(2).await, "another tenant's");
    assert!(ask(1).await);
    assert!(!ask(1).await, "once is enough");
    let due = |now: i64| read(&db, move |rx| deletions::list_due(rx, at(now), 9));
    assert!(due(99).await.is_empty());
    assert_eq!(due(100).await.len(), 1);
    assert!(write(&db, |tx| deletions::of(&id(1)).set_deleted(tx, &id(1), at(99))).await.is_none());
    assert!(write(&db, |tx| deletions::of(&id(1)).set_restored(tx, &id(1), at(99))).await);
    assert!(write(&db, |tx| deletions::of(&id(1)).set_deleted(tx, &id(1), at(100))).await.is_none());
    assert!(due(i64::MAX / 2).await.is_empty());
    assert!(ask(1).await);
    assert!(write(&db, |tx| deletions::of(&id(1)).set_deleted(tx, &id(1), at(100))).await.is_some());
    assert!(!write(&db, |tx| deletions::of(&id(1)).set_restored(tx, &id(1), at(101))).await);
    let gone = read(&db, |rx| backups::of(&id(1)).find(rx, &id(1))).await.expect("its row stays");
    assert!(gone.state == BackupState::Deleted && gone.ciphertext.is_none() && gone.record.is_none());
    assert!(gone.checksum_sealed.is_none() && gone.repeat_tag.is_none());
}

async fn a_file_is_an_orphan_when_no_row_points_at_it(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    let orphan =
        |tenant: u64, number: u64| read(&db, move |rx| backups::of(&id(tenant)).is_orphan(rx, &id(number)));
    assert!(!orphan(1, 1).await && orphan(1, 77).await);
    assert!(orphan(2, 1).await, "another tenant's row is not its own");
    assert!(!orphan(99, 77).await, "nobody knows this tenant");
    write(&db, |tx| deletions::of(&id(1)).set_pending(tx, &id(1), at(100), at(50))).await;
    assert!(!orphan(1, 1).await, "it can still be restored");
    write(&db, |tx| deletions::of(&id(1)).set_deleted(tx, &id(1), at(100))).await;
    assert!(orphan(1, 1).await);
}
