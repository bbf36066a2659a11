//! Audit entries that wait for their places: the service's own get them, and nobody else's.

use domain::audit::tree::{Hash, leaf};
use domain::ids::{EntryId, TenantId};
use store::audit::waiting::{self, Waiting};
use store::audit::{self, AuditEntry, Filter, Grown};
use store::{Db, backlog};

use crate::fixture::*;
use crate::support::{Bench, server_keys};

crate::on_both_engines! {
    what_the_service_did_not_write_gets_no_place_and_holds_up_nothing,
    every_value_of_an_entry_is_under_its_tag,
    an_entry_that_was_taken_out_of_its_place_gets_none_again,
    entries_of_nobody_begin_no_log_and_hold_up_nobody,
    what_waited_before_is_sealed_once_asked,
}

const COLUMNS: &str = "time, actor, actor_type, action, key_id, backup_id, recovery_id, verification_id, customer_id, \
                       package_id, result, reason, request_id";

fn hash(entry: &AuditEntry, _seq: i64, _prev: Option<&Hash>) -> Hash {
    leaf(entry.id.as_str().as_bytes())
}

async fn append(db: &Db, entry: AuditEntry) {
    write(db, move |tx| audit::of(&id(1)).append(tx, &entry)).await;
}

async fn sequence(db: &Db, limit: i64) -> Grown {
    write(db, move |tx| audit::of(&id(1)).sequence_pending(tx, limit, &hash)).await.expect("a head of ours")
}

fn ids(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(|number| id::<EntryId>(*number).to_string()).collect()
}

/// The ids of those that have their places, in their order.
async fn numbered(db: &Db) -> Vec<String> {
    let found = read(db, |rx| audit::of(&id(1)).list(rx, &Filter::default(), (0, i64::MAX), 99)).await;
    found.into_iter().map(|found| found.entry.id.to_string()).collect()
}

/// Those that wait, and whether they were refused and are the service's.
async fn waits(db: &Db) -> Vec<(String, bool, bool)> {
    let (mut found, mut after) = (Vec::new(), None::<Waiting>);
    loop {
        let from = after.take();
        let page = read(db, move |rx| waiting::list(rx, server_keys().row_key(), from.as_ref(), 2)).await;
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        found.extend(page);
    }
    found.into_iter().map(|found| (found.id, found.is_refused, found.entry.is_some())).collect()
}

/// How many wait that will get their places, and how many that were refused one.
async fn counted(db: &Db) -> (i64, i64) {
    let waiting = read(db, backlog::find).await.waiting;
    (waiting.audit_entries, waiting.audit_entries_refused)
}

async fn what_the_service_did_not_write_gets_no_place_and_holds_up_nothing(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    for number in [10, 20, 30, 40] {
        append(&db, entry(number)).await;
    }
    let [forged, copied, unread, changed] = [5, 6, 7, 20].map(|number| id::<EntryId>(number).to_string());
    let (tenant, one): (TenantId, EntryId) = (id(1), id(10));
    bench.raw(&format!(
        "INSERT INTO audit_entries (id, tenant_id, {COLUMNS}) SELECT '{forged}', tenant_id, {COLUMNS} \
         FROM audit_entries WHERE id = '{one}'"
    ));
    bench.raw(&format!(
        "INSERT INTO audit_entries (id, tenant_id, tag, {COLUMNS}) SELECT '{copied}', tenant_id, tag, {COLUMNS} \
         FROM audit_entries WHERE id = '{one}'"
    ));
    bench.raw(&format!(
        "INSERT INTO audit_entries (id, tenant_id, time, actor, actor_type, action, key_id, result, request_id) \
         VALUES ('{unread}', '{tenant}', 1, 'x', 'x', 'x', 'no id of a key', 'ok', 'x')"
    ));
    bench.raw(&format!("UPDATE audit_entries SET actor = 'nobody' WHERE id = '{changed}'"));
    assert_eq!(counted(&db).await, (7, 0));
    let bad = waits(&db).await.into_iter().filter(|(.., is_ours)| !is_ours).map(|(id, ..)| id);
    assert_eq!(bad.collect::<Vec<_>>(), ids(&[5, 6, 7, 20]), "told before a sequencer came");
    // Fewer at once than stand before the first good one.
    assert_eq!(sequence(&db, 2).await.refused, ids(&[5, 6]));
    let grown = sequence(&db, 2).await;
    assert_eq!((grown.refused, grown.entries), (ids(&[7]), vec![entry(10)]));
    let grown = sequence(&db, 9).await;
    assert_eq!((grown.size(), grown.refused), (3, ids(&[20])));
    assert_eq!(numbered(&db).await, ids(&[10, 30, 40]));
    assert_eq!(counted(&db).await, (0, 4));
    let left: Vec<_> = ids(&[5, 6, 7, 20]).into_iter().map(|id| (id, true, false)).collect();
    assert_eq!(waits(&db).await, left, "they are where they were");
    assert_eq!(read(&db, |rx| waiting::list_owners(rx, 9)).await, [], "nobody looks at them again");
    bench.raw(&format!("UPDATE audit_entries SET actor = 'credential 1' WHERE id = '{changed}'"));
    assert_eq!(waits(&db).await[3], (changed, true, true), "put back as it was, it is the service's");
}

async fn every_value_of_an_entry_is_under_its_tag(bench: &Bench) {
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
    append(&db, full).await;
    let other: EntryId = id(9);
    let edits = [
        format!("id = '{other}'"),
        format!("tenant_id = '{}'", id::<TenantId>(2)),
        "time = time + 1".to_owned(),
        "actor = 'x'".to_owned(),
        "actor_type = 'service'".to_owned(),
        "action = 'x'".to_owned(),
        format!("key_id = '{other}'"),
        format!("backup_id = '{other}'"),
        format!("recovery_id = '{other}'"),
        "verification_id = 'inq_2'".to_owned(),
        "customer_id = NULL".to_owned(),
        "customer_id = ''".to_owned(),
        "customer_id = package_id, package_id = customer_id".to_owned(),
        "package_id = 'x'".to_owned(),
        "result = 'failed'".to_owned(),
        "reason = NULL".to_owned(),
        "request_id = 'x'".to_owned(),
        "tag = NULL".to_owned(),
    ];
    let ours = (id::<EntryId>(1).to_string(), false, true);
    let whole = format!("id, tenant_id, tag, {COLUMNS}");
    bench.raw(&format!("CREATE TABLE kept AS SELECT {whole} FROM audit_entries"));
    for edit in edits {
        assert_eq!(waits(&db).await, std::slice::from_ref(&ours));
        bench.raw(&format!("UPDATE audit_entries SET {edit}"));
        let told = waits(&db).await;
        assert!(matches!(&told[..], [(_, false, false)]), "{edit}: {told:?}");
        bench.raw(&format!(
            "DELETE FROM audit_entries; INSERT INTO audit_entries ({whole}) SELECT {whole} FROM kept"
        ));
    }
    assert_eq!(sequence(&db, 9).await.entries.len(), 1, "as it was written it gets its place");
}

async fn an_entry_that_was_taken_out_of_its_place_gets_none_again(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    append(&db, entry(1)).await;
    append(&db, entry(2)).await;
    sequence(&db, 9).await;
    assert_eq!(bench.texts("SELECT id FROM audit_entries WHERE tag IS NOT NULL"), [""; 0], "none is left");
    bench.raw(&format!(
        "UPDATE audit_entries SET seq = NULL, prev_hash = NULL, entry_hash = NULL WHERE id = '{}'",
        id::<EntryId>(1)
    ));
    let grown = sequence(&db, 9).await;
    assert_eq!((grown.size(), grown.entries.len(), grown.refused), (2, 0, ids(&[1])));
    assert_eq!(numbered(&db).await, ids(&[2]), "its place stays empty, which the chain tells");
}

async fn entries_of_nobody_begin_no_log_and_hold_up_nobody(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    append(&db, entry(1)).await;
    for (number, owner) in [(2, "0"), (3, "00000000-0000-7000-8000-0000000000ff")] {
        bench.raw(&format!(
            "INSERT INTO audit_entries (id, tenant_id, time, actor, actor_type, action, result, request_id) \
             VALUES ('{}', '{owner}', 1, 'x', 'x', 'x', 'ok', 'x')",
            id::<EntryId>(number)
        ));
    }
    assert_eq!(read(&db, |rx| waiting::list_owners(rx, 1)).await, [id(1)]);
    sequence(&db, 9).await;
    assert_eq!(read(&db, |rx| waiting::list_owners(rx, 9)).await, []);
    assert_eq!(counted(&db).await, (2, 2), "they are told of all the same");
    assert_eq!(waits(&db).await.len(), 2);
}

async fn what_waited_before_is_sealed_once_asked(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    for number in 1..=4 {
        append(&db, entry(number)).await;
    }
    bench.raw(&format!("UPDATE audit_entries SET tag = NULL WHERE id <> '{}'", id::<EntryId>(2)));
    bench.raw(&format!("UPDATE audit_entries SET actor = 'x' WHERE id = '{}'", id::<EntryId>(2)));
    assert_eq!(sequence(&db, 2).await.refused, ids(&[1, 2]), "nothing is sealed by itself");
    let adopt = |tx: &mut store::Tx<'_>| waiting::adopt(tx, server_keys().row_key());
    assert_eq!(write(&db, adopt).await, 3);
    assert_eq!(write(&db, adopt).await, 0, "what has a tag keeps it");
    let grown = sequence(&db, 9).await;
    assert_eq!(grown.entries.iter().map(|entry| entry.id.to_string()).collect::<Vec<_>>(), ids(&[1, 3, 4]));
    assert_eq!(
        waits(&db).await,
        [(id::<EntryId>(2).to_string(), true, false)],
        "a tag that does not fit stays"
    );
}
