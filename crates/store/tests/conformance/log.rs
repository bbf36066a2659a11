//! Events and the audit log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use store::audit::{self, AuditEntry, Filter, Grown, Hash, Head, Sequenced};
use store::events::{self, Event};
use store::{Db, Tx};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    events_come_in_the_order_of_their_birth,
    entries_are_shown_once_they_have_their_place,
    the_chain_has_no_gap_and_no_fork_with_two_sequencers,
    entries_are_found_by_each_filter,
    tenants_with_pending_entries_are_listed,
}

fn event(number: u64) -> Event {
    Event {
        id: id(number),
        r#type: "key.assigned".to_owned(),
        body: "{\"data\":{}}".to_owned(),
        created_at: at(8),
    }
}

async fn events_come_in_the_order_of_their_birth(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    write(&db, |tx| [3, 1, 2].iter().try_for_each(|number| events::of(&id(1)).append(tx, &event(*number))))
        .await;
    assert_eq!(read(&db, |rx| events::of(&id(1)).list_after(rx, None, 2)).await, [event(1), event(2)]);
    assert_eq!(read(&db, |rx| events::of(&id(1)).list_after(rx, Some(&id(2)), 9)).await, [event(3)]);
    assert_eq!(read(&db, |rx| events::of(&id(2)).list_after(rx, None, 9)).await, []);
}

/// A hash that shows everything it was made of.
fn hash(entry: &AuditEntry, seq: i64, prev: Option<&Hash>) -> Hash {
    let mut out = [0; 32];
    let prev = prev.map_or(0, |prev| u64::from_be_bytes(prev[..8].try_into().expect("eight")));
    let number = u64::from_str_radix(&entry.id.as_str()[24..], 16).expect("a number");
    let mixed = prev.wrapping_mul(31).wrapping_add(number).wrapping_mul(31).wrapping_add(seq.unsigned_abs());
    out[..8].copy_from_slice(&mixed.to_be_bytes());
    out
}

async fn append(db: &Db, entry: AuditEntry) {
    write(db, move |tx| audit::of(&id(1)).append(tx, &entry)).await;
}

async fn grow(db: &Db, limit: i64) -> Grown {
    write(db, move |tx| audit::of(&id(1)).sequence_pending(tx, limit, &hash)).await.expect("a head of ours")
}

async fn sequence(db: &Db, limit: i64) -> usize {
    grow(db, limit).await.entries.len()
}

async fn list(db: &Db, filter: Filter) -> Vec<Sequenced> {
    read(db, move |rx| audit::of(&id(1)).list(rx, &filter, (0, i64::MAX), 1000)).await
}

/// The places of those from there on, the last first.
async fn latest(db: &Db, last_seq: i64) -> Vec<i64> {
    let found =
        read(db, move |rx| audit::of(&id(1)).list_latest(rx, &Filter::default(), last_seq, 1000)).await;
    found.iter().map(|entry| entry.seq).collect()
}

async fn entries_are_shown_once_they_have_their_place(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let full = AuditEntry {
        key_id: Some(id(1)),
        backup_id: Some(id(2)),
        recovery_id: Some(id(3)),
        verification_id: Some(inquiry("inq_1")),
        customer_id: Some("c".to_owned()),
        package_id: Some("p".to_owned()),
        reason: Some("why".to_owned()),
        ..entry(1)
    };
    append(&db, full.clone()).await;
    append(&db, entry(2)).await;
    append(&db, entry(3)).await;
    assert!(list(&db, Filter::default()).await.is_empty());
    assert_eq!(grow(&db, 0).await.head, Head { seq: 0, entry_hash: None });
    assert_eq!(sequence(&db, 2).await, 2);
    let first = hash(&full, 1, None);
    let second = hash(&entry(2), 2, Some(&first));
    let shown = list(&db, Filter::default()).await;
    assert_eq!(shown[0], Sequenced { seq: 1, prev_hash: None, entry_hash: first, entry: full });
    assert_eq!(shown[1], Sequenced { seq: 2, prev_hash: Some(first), entry_hash: second, entry: entry(2) });
    assert_eq!(shown.len(), 2);
    assert_eq!((sequence(&db, 2).await, sequence(&db, 2).await), (1, 0));
    let head = Head { seq: 3, entry_hash: Some(hash(&entry(3), 3, Some(&second))) };
    assert_eq!(grow(&db, 2).await.head, head);
    let page = async |from: i64, to: i64, limit: i64| {
        let found =
            read(&db, move |rx| audit::of(&id(1)).list(rx, &Filter::default(), (from, to), limit)).await;
        found.iter().map(|entry| entry.seq).collect::<Vec<_>>()
    };
    assert_eq!(
        (page(1, 3, 1).await, page(1, 3, 9).await, page(0, 2, 9).await),
        (vec![2], vec![2, 3], vec![1, 2])
    );
    assert_eq!((latest(&db, 3).await, latest(&db, 2).await), (vec![3, 2, 1], vec![2, 1]));
    assert!(read(&db, |rx| audit::of(&id(2)).list(rx, &Filter::default(), (0, 9), 9)).await.is_empty());
}

async fn the_chain_has_no_gap_and_no_fork_with_two_sequencers(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed(&db).await;
    let done = Arc::new(AtomicBool::new(false));
    let sequencers: Vec<_> = [&db, &other]
        .map(|db| {
            let (db, done) = (db.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut given = 0;
                loop {
                    let last = done.load(Ordering::SeqCst);
                    let round = sequence(&db, 7).await;
                    given += round;
                    if last && round == 0 {
                        return given;
                    }
                }
            })
        })
        .into();
    race([&db, &other], 200, |n| move |tx: &mut Tx<'_>| audit::of(&id(1)).append(tx, &entry(n + 1))).await;
    done.store(true, Ordering::SeqCst);
    let mut given = 0;
    for sequencer in sequencers {
        given += sequencer.await.expect("no panic");
    }
    let chain = list(&db, Filter::default()).await;
    assert_eq!((chain.len(), given), (200, 200));
    let mut prev = None;
    for (link, seq) in chain.iter().zip(1..) {
        assert_eq!((link.seq, link.prev_hash), (seq, prev));
        assert_eq!(link.entry_hash, hash(&link.entry, seq, prev.as_ref()));
        prev = Some(link.entry_hash);
    }
}

async fn entries_are_found_by_each_filter(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let text = |text: &str| Some(text.to_owned());
    append(&db, AuditEntry { customer_id: text("c"), time: at(10), ..entry(1) }).await;
    append(&db, AuditEntry { package_id: text("p"), time: at(20), ..entry(2) }).await;
    append(&db, AuditEntry { key_id: Some(id(5)), time: at(30), ..entry(3) }).await;
    append(&db, AuditEntry { backup_id: Some(id(6)), time: at(40), ..entry(4) }).await;
    append(&db, AuditEntry { action: "backup.stored".to_owned(), time: at(50), ..entry(5) }).await;
    sequence(&db, 100).await;
    let any = Filter::default;
    for (filter, seqs) in [
        (any(), vec![1, 2, 3, 4, 5]),
        (Filter { customer_id: text("c"), ..any() }, vec![1]),
        (Filter { package_id: text("p"), ..any() }, vec![2]),
        (Filter { key_id: Some(id(5)), ..any() }, vec![3]),
        (Filter { backup_id: Some(id(6)), ..any() }, vec![4]),
        (Filter { action: text("backup.stored"), ..any() }, vec![5]),
        (Filter { from: Some(at(20)), to: Some(at(40)), ..any() }, vec![2, 3]),
        (Filter { customer_id: text("c"), package_id: text("p"), ..any() }, vec![]),
    ] {
        let found: Vec<_> = list(&db, filter.clone()).await.iter().map(|entry| entry.seq).collect();
        assert_eq!(found, seqs, "{filter:?}");
    }
}

async fn tenants_with_pending_entries_are_listed(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let pending = |rx: &mut store::Rx<'_>| audit::waiting::list_owners(rx, 10);
    assert_eq!(read(&db, pending).await, []);
    append(&db, entry(1)).await;
    write(&db, |tx| audit::of(&id(2)).append(tx, &entry(2))).await;
    assert_eq!(read(&db, pending).await, [id(1), id(2)]);
    sequence(&db, 10).await;
    assert_eq!(read(&db, pending).await, [id(2)]);
}
