//! The heads of logs: one that the service did not write ends its log until somebody looked.

use domain::audit::hex;
use domain::audit::tree::{Hash, Tree, leaf};
use domain::ids::{EntryId, TenantId};
use store::audit::heads::{self, Foreign, Found};
use store::audit::{self, AuditEntry, Grown};
use store::{Db, Rx, StoreError, Tx, backlog, checkpoints, reset};

use crate::fixture::*;
use crate::support::{Bench, Kind, server_keys};

crate::on_both_engines! {
    nothing_goes_on_from_a_link_that_somebody_added,
    every_value_of_a_head_is_under_its_tag,
    the_head_of_a_log_without_entries_needs_no_tag_and_says_nothing,
    a_numbered_entry_that_no_head_counts_is_told_and_covered_by_nothing,
    heads_from_before_are_sealed_once_asked,
}

fn hash(entry: &AuditEntry, seq: i64, _prev: Option<&Hash>) -> Hash {
    leaf(format!("{} {seq}", entry.id).as_bytes())
}

fn tree(size: u64) -> Tree {
    let mut tree = Tree::default();
    for at in 1..=size {
        tree.push(hash(&entry(at), at.try_into().expect("small"), None));
    }
    tree
}

async fn append(db: &Db, numbers: std::ops::RangeInclusive<u64>) {
    write(db, move |tx| numbers.clone().try_for_each(|number| audit::of(&id(1)).append(tx, &entry(number))))
        .await;
}

async fn grow(db: &Db) -> Result<Grown, Foreign> {
    write(db, |tx| audit::of(&id(1)).sequence_pending(tx, 2_000, &hash)).await
}

/// A log of so many entries, whose head is kept beside it.
async fn log(bench: &Bench, size: u64) -> Db {
    let db = bench.open().await;
    seed(&db).await;
    append(&db, 1..=size).await;
    grow(&db).await.expect("a head of ours");
    bench.raw("CREATE TABLE kept AS SELECT * FROM audit_heads");
    db
}

/// Bytes as the engine's statements spell them.
fn blob(bench: &Bench, bytes: &[u8]) -> String {
    let hex = hex(bytes);
    match bench.kind() {
        Kind::Sqlite => format!("x'{hex}'"),
        Kind::Postgres => format!("'\\x{hex}'::bytea"),
    }
}

fn put_back(bench: &Bench) {
    bench.raw("DELETE FROM audit_heads; INSERT INTO audit_heads SELECT * FROM kept");
}

/// The first tenant's head, as whoever looks at all of them finds it, two at a time.
async fn found(db: &Db) -> Found {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let from = after.clone();
        let page = read(db, move |rx| heads::list(rx, server_keys().row_key(), &from, 2)).await;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.owner);
        all.extend(page);
    }
    let ours: TenantId = id(1);
    let owners: Vec<_> = all.iter().map(|found| found.owner.clone()).collect();
    assert!(owners.is_sorted() && owners.contains(&TenantId::root_log().to_string()), "{owners:?}");
    all.into_iter().find(|found| found.owner == ours.as_str()).expect("it has one")
}

/// Whether it is the service's, whether it is marked, and whether there is more than it counts.
async fn state(db: &Db) -> (bool, bool, bool) {
    let Found { is_ours, is_refused, has_more, .. } = found(db).await;
    (is_ours, is_refused, has_more)
}

fn adopt(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    heads::adopt(tx, server_keys().row_key())
}

async fn nothing_goes_on_from_a_link_that_somebody_added(bench: &Bench) {
    let db = log(bench, 3).await;
    let (ours, forged): (TenantId, EntryId) = (id(1), id(99));
    let four = tree(4);
    let [peaks, last] = [four.peaks(), hash(&entry(4), 4, None).to_vec()].map(|bytes| blob(bench, &bytes));
    bench.raw(&format!(
        "INSERT INTO audit_entries (id, tenant_id, seq, prev_hash, entry_hash, time, actor, actor_type, action, result, \
         request_id) SELECT '{forged}', '{ours}', 4, entry_hash, {last}, 1, 'x', 'x', 'x', 'ok', 'x' FROM audit_heads; \
         UPDATE audit_heads SET seq = 4, entry_hash = {last}, peaks = {peaks}"
    ));
    assert_eq!(state(&db).await, (false, false, false), "told before a sequencer came");
    append(&db, 5..=5).await;
    let waits = |rx: &mut Rx<'_>| {
        let due = checkpoints::list_due(rx, at(99), 9)?;
        Ok((audit::waiting::list_owners(rx, 9)?, due, backlog::find(rx)?.waiting.foreign_logs))
    };
    assert_eq!(read(&db, waits).await, (vec![id(1)], vec![id(1)], 0));
    assert_eq!(grow(&db).await.expect_err("a foreign head"), Foreign { is_news: true });
    assert_eq!(
        grow(&db).await.expect_err("a foreign head"),
        Foreign { is_news: false },
        "it is told of once"
    );
    assert_eq!(read(&db, waits).await, (vec![], vec![], 1), "nobody looks at it again by himself");
    assert_eq!(read(&db, heads::count_refused).await, 1);
    assert_eq!(state(&db).await, (false, true, false));
    assert_eq!(bench.texts("SELECT id FROM audit_entries WHERE seq IS NULL"), [id::<EntryId>(5).as_str()]);
    put_back(bench);
    bench.raw(&format!(
        "DELETE FROM audit_entries WHERE id = '{forged}'; UPDATE audit_heads SET refused = TRUE"
    ));
    assert_eq!(state(&db).await, (true, true, false), "the mark alone is told of");
    let grown = grow(&db).await.expect("a head of ours");
    assert_eq!((grown.size(), grown.entries), (4, vec![entry(5)]), "as it was it goes on");
    assert_eq!(state(&db).await, (true, false, false));
}

async fn every_value_of_a_head_is_under_its_tag(bench: &Bench) {
    let db = log(bench, 3).await;
    bench.raw("CREATE TABLE early AS SELECT * FROM audit_heads");
    append(&db, 4..=4).await;
    grow(&db).await.expect("a head of ours");
    bench.raw("DELETE FROM kept; INSERT INTO kept SELECT * FROM audit_heads");
    let other: TenantId = id(2);
    let edits = [
        format!("tenant_id = '{other}'"),
        "seq = seq + 1".to_owned(),
        "seq = 0".to_owned(),
        "seq = 0, entry_hash = NULL, peaks = NULL".to_owned(),
        "entry_hash = NULL".to_owned(),
        "entry_hash = peaks".to_owned(),
        "entry_hash = (SELECT entry_hash FROM early)".to_owned(),
        "peaks = NULL".to_owned(),
        "peaks = entry_hash, entry_hash = peaks".to_owned(),
        "peaks = (SELECT peaks FROM early)".to_owned(),
        "log = 2".to_owned(),
        "tag = (SELECT tag FROM early)".to_owned(),
        "tag = NULL".to_owned(),
    ];
    for edit in edits {
        assert_eq!(state(&db).await, (true, false, false));
        bench.raw(&format!("UPDATE audit_heads SET {edit}"));
        let owner = if edit.contains("tenant_id") { other.clone() } else { id(1) };
        let of = owner.clone();
        let grown = write(&db, move |tx| audit::of(&of).sequence_pending(tx, 9, &hash)).await;
        assert_eq!(grown.expect_err("a foreign head"), Foreign { is_news: true }, "{edit}");
        let page = read(&db, |rx| heads::list(rx, server_keys().row_key(), "", 99)).await;
        let told = page.iter().find(|found| found.owner == owner.as_str()).expect("it is there");
        assert!(!told.is_ours && told.is_refused, "{edit}: {told:?}");
        put_back(bench);
    }
    assert_eq!(grow(&db).await.expect("a head of ours").tree, tree(4));
}

async fn the_head_of_a_log_without_entries_needs_no_tag_and_says_nothing(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    assert_eq!(state(&db).await, (true, false, false), "there is none");
    assert_eq!(grow(&db).await.expect("a head of ours").size(), 0);
    assert_eq!(state(&db).await, (true, false, false));
    bench.raw(&format!("UPDATE audit_heads SET peaks = {}", blob(bench, &[0])));
    assert_eq!(grow(&db).await.expect_err("a foreign head"), Foreign { is_news: true });
    assert_eq!(write(&db, adopt).await, 0, "nothing goes with it");
    bench.raw("UPDATE audit_heads SET peaks = NULL");
    append(&db, 1..=2).await;
    assert_eq!(grow(&db).await.expect("a head of ours").tree, tree(2));
    bench.raw("UPDATE audit_heads SET refused = TRUE");
    write(&db, |tx| reset::forget(tx, &id(1))).await;
    assert_eq!(state(&db).await, (true, false, false), "the next log begins without one");
    append(&db, 1..=1).await;
    let grown = grow(&db).await.expect("a head of ours");
    assert_eq!((grown.log, grown.tree), (2, tree(1)));
}

async fn a_numbered_entry_that_no_head_counts_is_told_and_covered_by_nothing(bench: &Bench) {
    let db = log(bench, 2).await;
    let (ours, forged): (TenantId, EntryId) = (id(1), id(99));
    for seq in [3, 0] {
        bench.raw(&format!(
            "INSERT INTO audit_entries (id, tenant_id, seq, entry_hash, time, actor, actor_type, action, result, \
             request_id) SELECT '{forged}', '{ours}', {seq}, entry_hash, 1, 'x', 'x', 'x', 'ok', 'x' FROM audit_heads"
        ));
        assert_eq!(state(&db).await, (true, false, true));
        let grown = grow(&db).await.expect("a head of ours");
        assert_eq!((grown.size(), grown.tree), (2, tree(2)), "the tree has nothing of it");
        bench.raw(&format!("UPDATE audit_entries SET seq = 3 WHERE id = '{forged}'"));
        append(&db, 3..=3).await;
        let taken: Result<Result<Grown, Foreign>, StoreError> =
            db.write("grow", |tx| audit::of(&id(1)).sequence_pending(tx, 9, &hash)).await;
        assert!(taken.is_err(), "its place is taken: {taken:?}");
        bench.raw(&format!("DELETE FROM audit_entries WHERE id IN ('{forged}', '{}')", id::<EntryId>(3)));
    }
    bench.raw("DELETE FROM audit_heads");
    assert_eq!(state(&db).await, (true, false, true), "a head that is gone counts none");
}

async fn heads_from_before_are_sealed_once_asked(bench: &Bench) {
    let db = log(bench, 1_203).await;
    bench.raw("UPDATE audit_heads SET tag = NULL, peaks = NULL");
    assert_eq!(
        grow(&db).await.expect_err("a foreign head"),
        Foreign { is_news: true },
        "nothing is sealed by itself"
    );
    assert_eq!((write(&db, adopt).await, write(&db, adopt).await), (1, 0));
    assert_eq!(state(&db).await, (true, false, false));
    append(&db, 1_204..=1_205).await;
    assert_eq!(grow(&db).await.expect("a head of ours").tree, tree(1_205), "its tree is made of its entries");
    // Neither what has a tag that does not fit, nor what is not made by the entries up to there and none behind.
    bench.raw("DELETE FROM kept; INSERT INTO kept SELECT * FROM audit_heads; CREATE TABLE log AS SELECT * FROM audit_entries");
    let other_peaks = blob(bench, &tree(1_207).peaks());
    for edit in [
        "audit_heads SET seq = seq - 1".to_owned(),
        "audit_heads SET tag = NULL, peaks = entry_hash".to_owned(),
        "audit_heads SET tag = NULL, peaks = NULL, seq = seq + 9".to_owned(),
        "audit_heads SET tag = NULL, peaks = NULL, seq = seq - 1, entry_hash = (SELECT entry_hash FROM audit_entries \
         WHERE seq = 1204)"
            .to_owned(),
        format!("audit_heads SET tag = NULL, seq = 1207, peaks = {other_peaks}"),
        "audit_heads SET tag = NULL, entry_hash = (SELECT entry_hash FROM audit_entries WHERE seq = 1204)".to_owned(),
        "audit_heads SET tag = NULL; UPDATE audit_entries SET entry_hash = prev_hash WHERE seq = 9".to_owned(),
        "audit_heads SET tag = NULL; UPDATE audit_entries SET entry_hash = NULL WHERE seq = 9".to_owned(),
        "audit_heads SET tag = NULL; DELETE FROM audit_entries WHERE seq = 1205".to_owned(),
        "audit_heads SET tag = NULL, peaks = NULL; DELETE FROM audit_entries WHERE seq = 9".to_owned(),
        "audit_heads SET tag = NULL, peaks = NULL; UPDATE audit_entries SET seq = 0 WHERE seq = 1".to_owned(),
    ] {
        put_back(bench);
        bench.raw("DELETE FROM audit_entries; INSERT INTO audit_entries SELECT * FROM log");
        bench.raw(&format!("UPDATE {edit}"));
        assert_eq!(write(&db, adopt).await, 0, "{edit}");
        assert!(!found(&db).await.is_ours, "{edit}");
    }
}
