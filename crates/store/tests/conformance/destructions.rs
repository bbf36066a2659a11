//! Destructions of keys: of one key one at a time, moved on only from where they stand.

use domain::backup::{BackupKind, BackupState};
use domain::destruction::DestructionState::{self, Asked, Done, Erasing, Lapsed, Pending, Stopped};
use domain::ids::KeyId;
use domain::key::KeyState;
use store::audit::{AuditEntry, Hash};
use store::backups::{self, Backup};
use store::destructions::{self, Destruction};
use store::held_keys::{self, Held};
use store::row_seals::check_row;
use store::rows::Table;
use store::{Db, keys};

use crate::fixture::*;
use crate::support::{Bench, server_keys};

crate::on_both_engines! {
    a_key_has_one_destruction_at_a_time,
    what_is_due_is_listed_and_confirmed_once,
    a_destroyed_key_has_nothing_left_and_guards_nothing,
    a_slot_stays_taken_while_its_key_may_come_back,
    one_row_is_compared_with_its_seal,
    what_went_out_is_noted_while_the_days_run,
    the_log_is_asked_for_what_was_done_about_it,
}

fn asked(key: u64) -> Destruction {
    Destruction {
        key_id: id(key),
        state: Asked,
        key_state: KeyState::Active,
        reason: "gone".to_owned(),
        days: 30,
        asked_by: id(50),
        confirmed_by: None,
        due_at: at(100),
        asked_at: at(10),
        confirmed_at: None,
        ended_at: None,
    }
}

async fn fill(db: &Db) {
    seed(db).await;
    write(db, |tx| {
        keys::of(&id(1)).insert(tx, &key(1, Some("c")))?;
        keys::of(&id(1)).insert(tx, &key(2, None)).map(drop)
    })
    .await;
}

async fn insert(db: &Db, destruction: Destruction) -> bool {
    write(db, move |tx| destructions::of(&id(1)).insert(tx, &destruction)).await
}

async fn step(db: &Db, from: DestructionState, to: DestructionState) -> bool {
    write(db, move |tx| destructions::of(&id(1)).set_state(tx, &id(1), (from, to), Some(at(70)))).await
}

async fn confirm(db: &Db, tenant: u64) -> bool {
    write(db, move |tx| {
        let key = (&id(1), KeyState::Active);
        destructions::of(&id(tenant)).set_confirmed(tx, key, &id(51), at(200), at(20))
    })
    .await
}

async fn set_key(db: &Db, from: KeyState, to: KeyState) -> bool {
    write(db, move |tx| keys::of(&id(1)).set_state(tx, &id(1), from, to)).await
}

async fn a_key_has_one_destruction_at_a_time(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    assert!(insert(&db, asked(1)).await && insert(&db, asked(2)).await);
    let found = read(&db, |rx| destructions::of(&id(1)).find(rx, &id(1))).await;
    assert_eq!(found, Some(asked(1)));
    assert_eq!(read(&db, |rx| destructions::of(&id(2)).find(rx, &id(1))).await, None, "another tenant's");
    let later = Destruction { reason: "again".to_owned(), asked_at: at(60), ..asked(1) };
    assert!(!insert(&db, later.clone()).await, "there is one");
    assert!(!step(&db, Pending, Stopped).await, "it is not there");
    assert!(step(&db, Asked, Lapsed).await);
    assert!(insert(&db, later.clone()).await);
    let found = write(&db, |tx| destructions::of(&id(1)).find_locked(tx, &id(1))).await;
    assert_eq!(found, Some(later.clone()), "nothing of the one before");
    assert!(confirm(&db, 1).await);
    assert!(!insert(&db, later.clone()).await);
    for (from, to) in [(Pending, Erasing), (Erasing, Done)] {
        assert!(step(&db, from, to).await);
        assert!(!insert(&db, later.clone()).await, "{to}: for good");
    }
}

async fn what_is_due_is_listed_and_confirmed_once(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    insert(&db, asked(1)).await;
    insert(&db, Destruction { due_at: at(90), ..asked(2) }).await;
    let due = async |now: i64, limit: i64| -> Vec<(KeyId, DestructionState)> {
        read(&db, move |rx| {
            let due = destructions::list_due(rx, at(now), limit)?;
            let keys = due.into_iter().map(|due| due.key_id.parse().expect("an id"));
            keys.map(|key| Ok((destructions::of(&id(1)).find(rx, &key)?.expect("it").state, key)))
                .map(|found| found.map(|(state, key)| (key, state)))
                .collect()
        })
        .await
    };
    assert_eq!(due(89, 9).await, []);
    assert_eq!(due(100, 9).await, [(id(2), Asked), (id(1), Asked)]);
    assert_eq!(due(100, 1).await, [(id(2), Asked)]);
    assert!(!confirm(&db, 2).await, "another tenant's");
    assert!(confirm(&db, 1).await && !confirm(&db, 1).await);
    assert_eq!(due(199, 9).await, [(id(2), Asked)]);
    assert_eq!(due(200, 9).await, [(id(2), Asked), (id(1), Pending)]);
    let found = read(&db, |rx| destructions::of(&id(1)).find(rx, &id(1))).await.expect("one");
    assert_eq!((found.confirmed_by, found.confirmed_at), (Some(id(51)), Some(at(20))));
    assert!(write(&db, |tx| destructions::of(&id(1)).set_due(tx, &id(1), at(30))).await);
    assert!(!write(&db, |tx| destructions::of(&id(1)).set_due(tx, &id(2), at(30))).await, "not confirmed");
    assert_eq!(due(30, 9).await, [(id(1), Pending)]);
    step(&db, Pending, Erasing).await;
    assert_eq!(due(30, 9).await, [(id(1), Erasing)]);
    step(&db, Erasing, Done).await;
    assert_eq!(due(30, 9).await, []);
    // A row that does not read hides no other.
    bench.raw("UPDATE key_destructions SET asked_by = 'nobody' WHERE state = 'asked'");
    let found = read(&db, |rx| destructions::list_due(rx, at(100), 9)).await;
    assert_eq!(found.into_iter().map(|due| due.key_id).collect::<Vec<_>>(), [id::<KeyId>(2).to_string()]);
}

async fn a_destroyed_key_has_nothing_left_and_guards_nothing(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    write(&db, |tx| {
        for (number, state) in
            [(1, BackupState::Confirmed), (2, BackupState::Unconfirmed), (3, BackupState::DeletePending)]
        {
            backups::of(&id(1)).insert(tx, &Backup { state, ..backup(number) })?;
        }
        let file = Backup { kind: BackupKind::File, ciphertext: None, record: None, ..backup(4) };
        backups::of(&id(1)).insert(tx, &file)?;
        backups::of(&id(1)).insert(tx, &Backup { key_id: id(2), ..backup(5) })?;
        let (sealed, split) = Held::InShares(id(7), vec![8, 9]).columns();
        let was = Held::of(sealed, split);
        held_keys::of(&id(1)).set_held(tx, &id(1), (&Held::Whole(vec![2; 2400]), &was), at(4))
    })
    .await;
    let destroy =
        async || write(&db, |tx| destructions::of(&id(1)).set_key_destroyed(tx, &id(1), at(50))).await;
    assert!(!destroy().await, "nobody said so");
    set_key(&db, KeyState::Active, KeyState::DestroyPending).await;
    assert!(!write(&db, |tx| destructions::of(&id(2)).set_key_destroyed(tx, &id(1), at(50))).await);
    assert!(destroy().await && !destroy().await);
    let key = read(&db, |rx| keys::of(&id(1)).find(rx, &id(1))).await.expect("its tombstone");
    assert!(key.sealed.is_nothing() && key.split_id.is_none() && key.public_key == vec![1; 550]);
    assert_eq!(key.state, KeyState::Destroyed);
    let held = read(&db, |rx| held_keys::list_held(rx, None, 9)).await;
    assert_eq!(held.into_iter().map(|held| held.id).collect::<Vec<_>>(), [id(2)], "there is nothing to hold");
    assert_eq!(read(&db, held_keys::count_whole).await, 1);
    assert_eq!(read(&db, |rx| destructions::of(&id(1)).count_files(rx, &id(1))).await, 1);
    let gone = write(&db, |tx| destructions::of(&id(1)).set_backups_deleted(tx, &id(1), at(51))).await;
    let mut gone: Vec<domain::ids::BackupId> = gone.into_iter().map(|gone| gone.id).collect();
    gone.sort();
    assert_eq!(gone, [id(1), id(2), id(3), id(4)]);
    for number in 1..=4 {
        let found = read(&db, move |rx| backups::of(&id(1)).find(rx, &id(number))).await.expect("its row");
        let is_bare = found.ciphertext.is_none() && found.record.is_none() && found.checksum_sealed.is_none();
        assert!(is_bare && found.state == BackupState::Deleted, "{number}");
    }
    let other = read(&db, |rx| backups::of(&id(1)).find(rx, &id(5))).await.expect("another key's");
    assert!(other.state == BackupState::Confirmed && other.ciphertext.is_some());
    assert_eq!(read(&db, |rx| destructions::of(&id(1)).count_files(rx, &id(1))).await, 0);
    assert_eq!(read(&db, |rx| destructions::of(&id(1)).list_files(rx, &id(1))).await, [id(4)]);
}

async fn a_slot_stays_taken_while_its_key_may_come_back(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    let in_slot = async || {
        let found = read(&db, |rx| keys::of(&id(1)).find_active_in_slot(rx, &id(1), "c")).await;
        found.map(|key| key.state)
    };
    insert(&db, asked(1)).await;
    confirm(&db, 1).await;
    set_key(&db, KeyState::Active, KeyState::DestroyPending).await;
    assert_eq!(in_slot().await, Some(KeyState::DestroyPending));
    write(&db, |tx| destructions::of(&id(1)).set_key_destroyed(tx, &id(1), at(50))).await;
    assert_eq!(in_slot().await, None);
    // A key that was replaced comes back as that, and another one has its slot.
    write(&db, |tx| {
        keys::of(&id(1)).insert(tx, &key(3, Some("c")))?;
        keys::of(&id(1)).set_state(tx, &id(3), KeyState::Active, KeyState::Superseded)?;
        keys::of(&id(1)).insert(tx, &key(4, Some("c")))?;
        let superseded = Destruction { key_state: KeyState::Superseded, ..asked(3) };
        destructions::of(&id(1)).insert(tx, &superseded)?;
        keys::of(&id(1)).set_state(tx, &id(3), KeyState::Superseded, KeyState::DestroyPending)
    })
    .await;
    assert_eq!(in_slot().await, Some(KeyState::Active));
}

async fn one_row_is_compared_with_its_seal(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    insert(&db, asked(1)).await;
    let check = async |table: &'static str| {
        let row_key = server_keys().row_key().clone();
        let table = Table::find_sealed(table).expect("a table");
        let key: KeyId = id(1);
        read(&db, move |rx| check_row(rx, &row_key, table, &[&key])).await.map(|finding| finding.fault)
    };
    assert_eq!(check("customer_keys").await, None);
    assert_eq!(check("key_destructions").await, None);
    bench.raw("UPDATE key_destructions SET due_at = 1");
    let changed = |column| Some(store::row_seals::Fault::Changed(vec![column]));
    assert_eq!(check("key_destructions").await, changed("due_at"));
    assert_eq!(check("customer_keys").await, None);
    confirm(&db, 1).await;
    assert_eq!(check("key_destructions").await, None, "the service wrote that column anew");
    bench.raw("UPDATE key_destructions SET asked_by = 'x'");
    assert_eq!(check("key_destructions").await, changed("asked_by"));
    bench.raw("DELETE FROM row_seals");
    assert_eq!(check("customer_keys").await, Some(store::row_seals::Fault::Unsealed));
}

async fn what_went_out_is_noted_while_the_days_run(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    let note = async || write(&db, |tx| destructions::of(&id(1)).set_released(tx, &id(1))).await;
    insert(&db, asked(1)).await;
    assert!(!note().await, "the key is what its own row says");
    confirm(&db, 1).await;
    assert!(!write(&db, |tx| destructions::of(&id(2)).set_released(tx, &id(1))).await, "another tenant's");
    assert!(note().await && !note().await);
    let found = read(&db, |rx| destructions::of(&id(1)).find(rx, &id(1))).await.expect("one");
    assert_eq!(found.key_state, KeyState::Released);
    for over in [Stopped, Lapsed] {
        insert(&db, asked(2)).await;
        let end = move |tx: &mut store::Tx<'_>| {
            destructions::of(&id(1)).set_state(tx, &id(2), (Asked, over), Some(at(70)))
        };
        assert!(write(&db, end).await);
        assert!(!write(&db, |tx| destructions::of(&id(1)).set_released(tx, &id(2))).await, "{over}");
    }
}

async fn the_log_is_asked_for_what_was_done_about_it(bench: &Bench) {
    let db = bench.open().await;
    fill(&db).await;
    write(&db, |tx| {
        for (number, action, key, result) in [
            (1, "key.destruction-requested", 1, "ok"),
            (2, "key.assigned", 1, "ok"),
            (3, "key.destruction-confirmed", 1, "refused"),
            (4, "key.destruction-confirmed", 2, "ok"),
            (5, "key.destruction-confirmed", 1, "ok"),
        ] {
            let entry = AuditEntry {
                key_id: Some(id(key)),
                action: action.to_owned(),
                result: result.to_owned(),
                ..entry(number)
            };
            store::audit::of(&id(1)).append(tx, &entry)?;
        }
        Ok(())
    })
    .await;
    let acts = async |limit| {
        let row_key = server_keys().row_key().clone();
        let of = (id(1), "key.destruction-%");
        let acts = read(&db, move |rx| {
            store::audit::of(&id(1)).list_proven(rx, (&row_key, &hash), (&of.0, of.1), limit)
        });
        let acts = acts.await?;
        Some(
            acts.into_iter()
                .map(|act| (act.entry.action, act.before.map(|link| link.seq)))
                .collect::<Vec<_>>(),
        )
    };
    let said = |place: Option<i64>| {
        let requested = ("key.destruction-requested".to_owned(), place);
        Some(vec![("key.destruction-confirmed".to_owned(), place.map(|seq| seq + 4)), requested])
    };
    assert_eq!(acts(9).await, said(None), "they wait, each with its tag");
    assert_eq!(acts(1).await.map(|acts| acts.len()), Some(1));
    bench.raw("UPDATE audit_entries SET actor = 'x' || actor WHERE action = 'key.destruction-requested'");
    assert_eq!(acts(9).await, None, "it was altered while it waited");
    bench.raw("UPDATE audit_entries SET actor = substr(actor, 2) WHERE action = 'key.destruction-requested'");
    write(&db, |tx| store::audit::of(&id(1)).sequence_pending(tx, 99, &hash).map(drop)).await;
    assert_eq!(acts(9).await, said(Some(0)), "each at its place");
    bench.raw("UPDATE audit_heads SET seq = seq - 1");
    assert_eq!(acts(9).await, None, "the last of them is behind the head");
    bench.raw("UPDATE audit_heads SET seq = seq + 1");
    bench.raw("UPDATE audit_entries SET actor = 'x' || actor WHERE action = 'key.destruction-requested'");
    assert_eq!(acts(9).await, None, "it is not what was hashed");
    assert_eq!(acts(1).await.map(|acts| acts.len()), Some(1), "the other one is");
}

fn hash(entry: &AuditEntry, seq: i64, before: Option<&Hash>) -> Hash {
    let text = format!("{seq} {before:?} {entry:?}");
    let mut hash = [0_u8; 32];
    for (at, byte) in text.bytes().enumerate() {
        hash[at % 32] = hash[at % 32].wrapping_mul(31) ^ byte;
    }
    hash
}
