//! The root log: a log of no tenant in the tables of the others.

use domain::audit::tree::{Hash, leaf};
use domain::ids::TenantId;
use store::audit::{self, AuditEntry};
use store::checkpoints::{self, Checkpoint};
use store::inventory::{self, Last};
use store::{Db, audit_witnesses};

use crate::fixture::*;
use crate::support::{Bench, Kind, server_keys};

crate::on_both_engines! {
    the_root_log_is_a_log_of_nobody,
    logs_that_were_there_before_begin_in_it,
}

fn hash(entry: &AuditEntry, _seq: i64, _prev: Option<&Hash>) -> Hash {
    leaf(entry.id.as_str().as_bytes())
}

fn checkpoint(origin: &str, size: i64) -> Checkpoint {
    let note = format!("{origin}\n{size}\nroot/{size}=\n\n\u{2014} name signature\n");
    Checkpoint { size, root: [7; 32], note, made_at: at(size), peaks: None, cosigner: None }
}

async fn keep(db: &Db, owner: &TenantId, made: Checkpoint) {
    let owner = owner.clone();
    write(db, move |tx| {
        audit::of(&owner).sequence_pending(tx, 9, &hash)?.expect("a head of ours");
        checkpoints::of(&owner).insert(tx, &made)
    })
    .await;
}

async fn the_root_log_is_a_log_of_nobody(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let (root_log, tenant): (TenantId, TenantId) = (TenantId::root_log(), id(1));
    for (owner, number) in [(&root_log, 1), (&tenant, 2)] {
        let of = owner.clone();
        write(&db, move |tx| audit::of(&of).append(tx, &entry(number))).await;
    }
    let pending = read(&db, |rx| audit::waiting::list_owners(rx, 9)).await;
    assert_eq!(pending, [root_log.clone(), tenant.clone()], "it is brought up to date as any");
    keep(&db, &root_log, checkpoint("root", 1)).await;
    keep(&db, &tenant, checkpoint("first", 1)).await;
    let due = read(&db, |rx| checkpoints::list_to_cosign(rx, at(99), 9, 9)).await;
    assert_eq!(due, [root_log.clone(), tenant.clone()]);
    let due = read(&db, |rx| audit_witnesses::list_due(rx, "witness", at(99), 9)).await;
    assert_eq!(due, [root_log.clone(), tenant.clone()]);
    let of = root_log.clone();
    write(&db, move |tx| audit_witnesses::of(&of).set_signed(tx, "witness", (1, "line"), at(99))).await;
    assert_eq!(read(&db, inventory::list_ownerless).await, [""; 0], "nobody is missing for it");
    let last = Last { tenant: tenant.to_string(), log: 1, size: 1, root: [7; 32] };
    assert_eq!(read(&db, inventory::list_lasts).await, [last], "those that it names");
    assert_eq!(read(&db, store::tenants::list_all).await.len(), 2, "it is no tenant");
}

async fn logs_that_were_there_before_begin_in_it(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    for size in [3, 5] {
        keep(&db, &id(1), checkpoint("first", size)).await;
    }
    keep(&db, &id(2), checkpoint("second/log-2", 4)).await;
    write(&db, |tx| audit::of(&id(1)).append(tx, &entry(1))).await;
    db.close().await;
    if bench.kind() == Kind::Postgres {
        for table in ["audit_entries", "audit_heads", "audit_checkpoints", "audit_witnesses"] {
            bench.raw(&format!("ALTER TABLE {table} ADD FOREIGN KEY (tenant_id) REFERENCES tenants (id)"));
        }
    }
    // Each step on the schema that it was written for.
    bench.raw("DROP TABLE key_destructions");
    bench.raw("DROP INDEX audit_entries_of_people");
    bench.raw("DROP INDEX audit_entries_waiting");
    bench.raw("DROP INDEX audit_heads_refused");
    bench.raw("CREATE INDEX audit_entries_pending ON audit_entries (tenant_id, id) WHERE seq IS NULL");
    for column in ["tag", "refused"] {
        bench.raw(&format!("ALTER TABLE audit_entries DROP COLUMN {column}"));
        bench.raw(&format!("ALTER TABLE audit_heads DROP COLUMN {column}"));
    }
    bench.raw("DELETE FROM schema_versions WHERE version >= 25");
    let db = bench.open().await;
    let adopt = |tx: &mut store::Tx<'_>| audit::waiting::adopt(tx, server_keys().row_key());
    assert_eq!(write(&db, adopt).await, 3, "they are sealed by the operator's word");
    let pending = |owner: TenantId| {
        move |rx: &mut store::Rx<'_>| {
            let found = audit::of(&owner).list_pending(rx, server_keys().row_key(), None, 9)?;
            Ok(found.into_iter().filter_map(|found| found.entry).collect::<Vec<AuditEntry>>())
        }
    };
    let named = read(&db, pending(TenantId::root_log())).await;
    let mut said: Vec<_> = named
        .iter()
        .map(|entry| {
            assert_eq!((entry.action.as_str(), entry.actor_type.as_str()), ("checkpoint.signed", "service"));
            (entry.actor.as_str(), entry.reason.as_deref().expect("a line"), entry.time)
        })
        .collect();
    said.sort_unstable();
    assert_eq!(said, [("first", "5 root/5=", at(5)), ("second/log-2", "4 root/4=", at(4))]);
    let left = read(&db, pending(id(1))).await;
    assert_eq!(left, [entry(1)], "what was there is there");
    assert_eq!(read(&db, |rx| checkpoints::of(&id(1)).find_last(rx)).await, Some(checkpoint("first", 5)));
}
