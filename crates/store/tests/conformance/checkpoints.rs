//! The trees over the logs, and their checkpoints.

use domain::audit::tree::{Hash, Tree, leaf};
use store::audit::{self, AuditEntry, Grown};
use store::checkpoints::{self, Checkpoint};
use store::{Db, StoreError};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    a_tree_grows_on_where_it_was_left,
    the_last_checkpoint_is_found_and_due_when_old,
    nothing_of_an_undone_round_is_kept,
    the_enclave_signs_when_it_is_time_and_no_sooner,
    a_fork_is_noted_until_it_is_mended,
}

fn hash(entry: &AuditEntry, seq: i64, _prev: Option<&Hash>) -> Hash {
    leaf(format!("{} {seq}", entry.id).as_bytes())
}

/// What the tree of so many entries is.
fn tree(size: u64) -> Tree {
    let mut tree = Tree::default();
    (1..=size).for_each(|at| tree.push(hash(&entry(at), at.try_into().expect("small"), None)));
    tree
}

async fn append(db: &Db, numbers: std::ops::RangeInclusive<u64>) {
    write(db, move |tx| numbers.clone().try_for_each(|number| audit::of(&id(1)).append(tx, &entry(number))))
        .await;
}

async fn grow(db: &Db, limit: i64) -> Grown {
    write(db, move |tx| audit::of(&id(1)).sequence_pending(tx, limit, &hash)).await.expect("a head of ours")
}

fn checkpoint(size: i64, ms: i64) -> Checkpoint {
    let (note, peaks) = (format!("note {size}"), Some(vec![7; 32]));
    Checkpoint { size, root: [7; 32], note, made_at: at(ms), peaks, cosigner: None }
}

async fn keep(db: &Db, checkpoint: Checkpoint) {
    write(db, move |tx| {
        audit::of(&id(1)).sequence_pending(tx, 0, &hash)?.expect("a head of ours");
        checkpoints::of(&id(1)).insert(tx, &checkpoint)
    })
    .await;
}

async fn a_tree_grows_on_where_it_was_left(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    append(&db, 1..=9).await;
    assert_eq!(grow(&db, 4).await.tree, tree(4));
    // Another process, which knows nothing but the rows.
    let other = bench.open().await;
    let grown = grow(&other, 100).await;
    assert_eq!((grown.size(), grown.entries.len(), grown.log), (9, 5, 1));
    assert_eq!(grown.tree, tree(9));
    assert_eq!(grow(&db, 100).await.tree, tree(9), "nothing new, the same tree");
}

async fn the_last_checkpoint_is_found_and_due_when_old(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let last = || read(&db, |rx| checkpoints::of(&id(1)).find_last(rx));
    let due = |ms: i64| read(&db, move |rx| checkpoints::list_due(rx, at(ms), 9));
    assert_eq!((last().await, due(99).await), (None, vec![]));
    append(&db, 1..=5).await;
    assert_eq!(due(99).await, [], "nothing is numbered");
    grow(&db, 3).await;
    assert_eq!(due(0).await, [id(1)], "numbered and not covered");
    keep(&db, checkpoint(3, 10)).await;
    assert_eq!((last().await, due(99).await), (Some(checkpoint(3, 10)), vec![]));
    let grown = grow(&db, 3).await;
    assert_eq!(grown.checkpoint, Some((3, at(10))));
    assert_eq!((due(9).await, due(10).await), (vec![], vec![id(1)]));
    keep(&db, checkpoint(5, 20)).await;
    assert_eq!(last().await, Some(checkpoint(5, 20)));
    assert_eq!(read(&db, |rx| checkpoints::of(&id(2)).find_last(rx)).await, None, "each has its own");
    let again = db.write("keep", |tx| checkpoints::of(&id(1)).insert(tx, &checkpoint(5, 30))).await;
    assert!(again.is_err(), "of one size there is one");
}

async fn nothing_of_an_undone_round_is_kept(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    append(&db, 1..=3).await;
    let undone: Result<(), StoreError> = db
        .write("grow", |tx| {
            audit::of(&id(1)).sequence_pending(tx, 3, &hash)?.expect("a head of ours");
            checkpoints::of(&id(1)).insert(tx, &checkpoint(3, 10))?;
            Err(StoreError::Busy)
        })
        .await;
    assert!(undone.is_err());
    assert_eq!(read(&db, |rx| checkpoints::of(&id(1)).find_last(rx)).await, None);
    let grown = grow(&db, 9).await;
    assert_eq!((grown.size(), grown.checkpoint), (3, None), "entries and checkpoint stand or fall together");
}

fn cosigned(of: &Checkpoint) -> Checkpoint {
    Checkpoint { note: format!("{} twice", of.note), cosigner: Some("key".to_owned()), ..of.clone() }
}

async fn sign(db: &Db, size: i64, next_ms: i64) {
    write(db, move |tx| {
        let before = checkpoints::of(&id(1)).find(tx, size)?.expect("it is there");
        checkpoints::of(&id(1)).set_cosigned(tx, &before, &cosigned(&before), at(next_ms))
    })
    .await;
}

async fn the_enclave_signs_when_it_is_time_and_no_sooner(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let due = |ms: i64| read(&db, move |rx| checkpoints::list_to_cosign(rx, at(ms), 4, 9));
    let last = || read(&db, |rx| checkpoints::of(&id(1)).find_cosigned(rx));
    keep(&db, checkpoint(0, 10)).await;
    assert_eq!(due(99).await, [], "an empty log");
    append(&db, 1..=9).await;
    grow(&db, 9).await;
    keep(&db, checkpoint(2, 10)).await;
    assert_eq!((due(0).await, last().await), (vec![id(1)], None), "the first at once");
    sign(&db, 2, 50).await;
    assert_eq!((due(99).await, last().await), (vec![], Some(cosigned(&checkpoint(2, 10)))));
    keep(&db, checkpoint(5, 20)).await;
    assert_eq!((due(49).await, due(50).await), (vec![], vec![id(1)]), "by time");
    keep(&db, checkpoint(6, 20)).await;
    assert_eq!(due(49).await, [id(1)], "by entries");
    sign(&db, 6, 70).await;
    keep(&db, checkpoint(7, 30)).await;
    assert_eq!(due(60).await, []);
    write(&db, |tx| checkpoints::of(&id(1)).set_cosign_now(tx)).await;
    assert_eq!(due(60).await, [id(1)], "at once");
    // An earlier one that is signed late puts nothing back, and what is no longer there is not kept.
    sign(&db, 5, 90).await;
    assert_eq!(last().await.map(|last| last.size), Some(6));
    let (six, other) = (cosigned(&checkpoint(6, 20)), cosigned(&checkpoint(9, 20)));
    write(&db, move |tx| checkpoints::of(&id(1)).set_cosigned(tx, &other, &other, at(1))).await;
    assert_eq!((last().await, due(60).await), (Some(six), vec![id(1)]));
    let hashes = read(&db, |rx| audit::of(&id(1)).list_leaves(rx, 2, 5)).await;
    assert_eq!(hashes, [3, 4, 5].map(|at| hash(&entry(at), at.try_into().expect("small"), None)));
}

async fn a_fork_is_noted_until_it_is_mended(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    append(&db, 1..=9).await;
    grow(&db, 9).await;
    keep(&db, checkpoint(9, 10)).await;
    let forked = || read(&db, checkpoints::count_forked);
    let due = |ms: i64| read(&db, move |rx| checkpoints::list_to_cosign(rx, at(ms), 4, 9));
    assert_eq!(forked().await, 0);
    write(&db, |tx| checkpoints::of(&id(1)).set_forked(tx, at(20), at(80))).await;
    assert_eq!((forked().await, due(79).await, due(80).await), (1, vec![], vec![id(1)]));
    sign(&db, 9, 90).await;
    assert_eq!(forked().await, 0);
}
