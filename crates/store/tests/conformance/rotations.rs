//! Backups that move to another key.

use domain::backup::{BackupKind, BackupState};
use domain::ids::KeyId;
use domain::key::KeyState;
use domain::recovery::RecoveryState;
use store::backups::{self, Backup};
use store::keys::CustomerKey;
use store::rotations::{self, Wrapped};
use store::{Db, keys, recoveries, users, verifications};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    what_a_key_guards_is_listed_until_it_is_deleted,
    a_backup_moves_only_as_it_was_read,
    files_move_as_they_are,
    running_recoveries_are_those_of_the_user,
    keys_that_wait_for_a_ceremony_are_listed_the_oldest_first,
}

/// Two keys, and under the first of them data in each state, a file, and a file that is gone.
async fn fill(db: &Db) {
    seed(db).await;
    write(db, |tx| {
        keys::of(&id(1)).insert(tx, &key(1, None))?;
        keys::of(&id(1)).insert(tx, &key(2, None))?;
        for (number, state) in [
            (1, BackupState::Confirmed),
            (2, BackupState::Unconfirmed),
            (3, BackupState::DeletePending),
            (4, BackupState::Deleted),
        ] {
            backups::of(&id(1)).insert(tx, &Backup { state, ..backup(number) })?;
        }
        let file = Backup { kind: BackupKind::File, ciphertext: None, record: None, ..backup(5) };
        backups::of(&id(1)).insert(tx, &file)?;
        let gone = Backup { state: BackupState::Deleted, repeat_tag: None, id: id(7), ..file };
        backups::of(&id(1)).insert(tx, &gone)?;
        backups::of(&id(1)).insert(tx, &Backup { key_id: id(2), ..backup(6) })
    })
    .await;
}

async fn left(db: &Db, number: u64) -> i64 {
    read(db, move |rx| rotations::of(&id(1)).count_left(rx, &id(number))).await
}

async fn key_of(db: &Db, number: u64) -> Option<KeyId> {
    read(db, move |rx| backups::of(&id(1)).find(rx, &id(number))).await.map(|backup| backup.key_id)
}

async fn keys_that_wait_for_a_ceremony_are_listed_the_oldest_first(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| {
        for (number, state, ms) in [
            (1, KeyState::Superseding, 9),
            (2, KeyState::Superseding, 3),
            (3, KeyState::Superseded, 1),
            (4, KeyState::Active, 1),
            (5, KeyState::Released, 1),
        ] {
            keys::of(&id(1)).insert(tx, &CustomerKey { state, assigned_at: at(ms), ..key(number, None) })?;
        }
        Ok(())
    })
    .await;
    let listed = read(&db, |rx| rotations::list_superseding(rx, 9)).await;
    let ids: Vec<_> = listed.iter().map(|of| (of.tenant_id.clone(), of.row.id.clone())).collect();
    assert_eq!(ids, [(id(1), id(2)), (id(1), id(1))]);
    assert_eq!(read(&db, |rx| rotations::list_superseding(rx, 1)).await.len(), 1);
}

async fn what_a_key_guards_is_listed_until_it_is_deleted(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    let listed = read(&db, |rx| rotations::of(&id(1)).list_guarded(rx, &id(1))).await;
    let ids: Vec<_> = listed.iter().map(|item| item.id.clone()).collect();
    assert_eq!(ids, [id(1), id(2), id(3)], "in the order of their birth");
    let (first, stored) = (&listed[0], backup(1));
    assert_eq!(
        (&first.item_key, &first.ciphertext, &first.checksum_sealed, &first.record),
        (&stored.item_key, &stored.ciphertext, &stored.checksum_sealed, &stored.record)
    );
    assert_eq!((left(&db, 1).await, left(&db, 2).await, left(&db, 3).await), (4, 1, 0));
    let theirs = read(&db, |rx| {
        let (owner, key) = (id(2), id(1));
        let rotations = rotations::of(&owner);
        Ok((rotations.list_guarded(rx, &key)?.len(), rotations.count_left(rx, &key)?))
    });
    assert_eq!(theirs.await, (0, 0), "another tenant's");
}

async fn a_backup_moves_only_as_it_was_read(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    let was = |number: u64| {
        let Backup { ciphertext, record, .. } = backup(number);
        Wrapped { ciphertext: ciphertext.unwrap_or_default(), record: record.unwrap_or_default() }
    };
    let becomes = Wrapped { ciphertext: vec![5; 512], record: vec![6; 300] };
    let moved = |tenant: u64, number: u64, from: u64, was: Wrapped| {
        let becomes = becomes.clone();
        write(&db, move |tx| {
            let keys = (&id(from), &id(2));
            rotations::of(&id(tenant)).set_moved(tx, &id(number), keys, (&was, &becomes), at(50))
        })
    };
    let other = |bytes: &[u8]| [bytes, &[0]].concat();
    assert!(!moved(2, 1, 1, was(1)).await, "another tenant's");
    assert!(!moved(1, 1, 3, was(1)).await, "not under that key");
    assert!(!moved(1, 1, 1, Wrapped { ciphertext: other(&was(1).ciphertext), ..was(1) }).await, "changed");
    assert!(!moved(1, 1, 1, Wrapped { record: other(&was(1).record), ..was(1) }).await, "checked anew");
    assert!(!moved(1, 4, 1, was(4)).await, "deleted");
    assert!(!moved(1, 5, 1, was(5)).await, "a file");
    assert_eq!(key_of(&db, 1).await, Some(id(1)));
    for number in [1, 2, 3] {
        assert!(moved(1, number, 1, was(number)).await, "{number}");
        assert!(!moved(1, number, 1, was(number)).await, "moved before");
    }
    let now = read(&db, |rx| backups::of(&id(1)).find(rx, &id(2))).await.expect("found");
    let expected = Backup {
        key_id: id(2),
        state: BackupState::Unconfirmed,
        ciphertext: Some(becomes.ciphertext.clone()),
        record: Some(becomes.record.clone()),
        updated_at: at(50),
        ..backup(2)
    };
    assert!(now == expected, "nothing else has changed");
    assert_eq!((left(&db, 1).await, left(&db, 2).await), (1, 4), "the file is left");
}

async fn files_move_as_they_are(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    let moved = |tenant: u64| {
        write(&db, move |tx| rotations::of(&id(tenant)).set_files_moved(tx, (&id(1), &id(2)), at(50)))
    };
    assert_eq!(moved(2).await, 0, "another tenant's");
    assert_eq!((moved(1).await, moved(1).await), (1, 0));
    assert_eq!(key_of(&db, 5).await, Some(id(2)));
    for number in [1, 2, 3, 4, 7] {
        assert_eq!(key_of(&db, number).await, Some(id(1)), "{number}");
    }
}

async fn running_recoveries_are_those_of_the_user(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| {
        users::of(&id(1)).ensure(tx, &user(2, "bert"))?;
        for (number, name, owner, state) in [
            (1, "v-1", 1, RecoveryState::Releasing),
            (2, "v-2", 1, RecoveryState::Released),
            (3, "v-3", 1, RecoveryState::Failed),
            (4, "v-4", 2, RecoveryState::Releasing),
        ] {
            verifications::of(&id(1)).insert(tx, &verification(name))?;
            let recovery = recoveries::Recovery { user_id: id(owner), state, ..recovery(number, name) };
            recoveries::of(&id(1)).insert(tx, &recovery)?;
        }
        Ok(())
    })
    .await;
    let running = |tenant: u64, user: u64| {
        read(&db, move |rx| recoveries::of(&id(tenant)).list_running_of_user(rx, &id(user)))
    };
    let ids: Vec<_> = running(1, 1).await.into_iter().map(|recovery| recovery.id).collect();
    assert_eq!(ids, [id(1)]);
    assert!(running(2, 1).await.is_empty(), "another tenant's");
}
