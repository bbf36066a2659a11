//! A tenant that begins anew.

use domain::backup::BackupKind;
use domain::ids::TenantId;
use store::audit::{self, AuditEntry, Hash};
use store::backups::Backup;
use store::checkpoints::{self, Checkpoint};
use store::signed_records::{self, SignedRecord};
use store::{Db, Tx, backups, inventory, keys, recoveries, reset, users, verifications};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    a_reset_takes_one_tenants_rows_and_no_others,
}

/// Gives the tenant a user, an inquiry, a key, a backup, a recovery and an entry of the log; what refers to what
/// would forbid to delete them in another order.
async fn fill(db: &Db, tenant: TenantId, number: u64) {
    write(db, move |tx| {
        let name = format!("inq_{number}");
        let user_id = users::of(&tenant).ensure(tx, &user(number, "anna"))?.id;
        let mut check = verification(&name);
        let mut customer_key = key(number, None);
        let (mut stored, mut released) = (backup(number), recovery(number, &name));
        check.user_id = user_id.clone();
        customer_key.user_id = user_id.clone();
        stored.user_id = user_id.clone();
        stored.key_id = customer_key.id.clone();
        released.user_id = user_id;
        verifications::of(&tenant).insert(tx, &check)?;
        keys::of(&tenant).insert(tx, &customer_key)?;
        backups::of(&tenant).insert(tx, &stored)?;
        recoveries::of(&tenant).insert(tx, &released)?;
        let kept = |record: &str| SignedRecord { about: "key".into(), record: record.into(), made_at: at(9) };
        ["older", "newer"]
            .iter()
            .try_for_each(|record| signed_records::of(&tenant).set_last(tx, &kept(record)))?;
        audit::of(&tenant).append(tx, &entry(number))?;
        let hash = |_: &AuditEntry, _: i64, _: Option<&Hash>| [7; 32];
        audit::of(&tenant).sequence_pending(tx, 10, &hash)?.expect("a head of ours");
        let note = "note".to_owned();
        let made = Checkpoint { size: 1, root: [7; 32], note, made_at: at(9), peaks: None, cosigner: None };
        checkpoints::of(&tenant).insert(tx, &made)
    })
    .await;
}

/// Whether the tenant's user, key, backup and the head of his log are there.
async fn has(db: &Db, tenant: TenantId, number: u64) -> (bool, bool, bool, i64) {
    read(db, move |rx| {
        Ok((
            users::of(&tenant).find_by_identifier(rx, "anna")?.is_some(),
            keys::of(&tenant).find(rx, &id(number))?.is_some(),
            backups::of(&tenant).find(rx, &id(number))?.is_some(),
            inventory::find_crown(rx, &tenant)?.0.seq,
        ))
    })
    .await
}

async fn a_reset_takes_one_tenants_rows_and_no_others(bench: &Bench) {
    let db = bench.open().await;
    write(&db, |tx| [1, 2].iter().try_for_each(|number| store::tenants::insert(tx, &tenant(*number)))).await;
    for number in [1, 2] {
        fill(&db, id(number), number).await;
    }
    let file = |tx: &mut Tx<'_>| {
        let stored = Backup { kind: BackupKind::File, key_id: id(1), repeat_tag: None, ..backup(7) };
        backups::of(&id(1)).insert(tx, &stored)
    };
    assert!(write(&db, file).await);
    for number in [1, 2] {
        write(&db, move |tx| {
            let tenant = id(number);
            let log = checkpoints::of(&tenant);
            let made = log.find(tx, 1)?.expect("a checkpoint");
            log.set_cosigned(tx, &made, &made, at(99))?;
            log.set_forked(tx, at(1), at(99))
        })
        .await;
    }
    assert_eq!(write(&db, |tx| reset::forget(tx, &id(1))).await, [id(7)], "its files");
    assert_eq!(read(&db, checkpoints::count_forked).await, 1, "the neighbour's");
    assert_eq!(has(&db, id(1), 1).await, (false, false, false, 0));
    assert_eq!(has(&db, id(2), 2).await, (true, true, true, 1));
    let record = |number: u64| read(&db, move |rx| signed_records::of(&id(number)).find(rx, "key"));
    assert_eq!(record(1).await, None);
    assert_eq!(record(2).await.map(|kept| kept.record).as_deref(), Some("newer"), "the last one");
    let last = |number: u64| read(&db, move |rx| checkpoints::of(&id(number)).find_last(rx));
    assert_eq!((last(1).await.is_some(), last(2).await.is_some()), (false, true));
    fill(&db, id(1), 1).await;
    assert_eq!(has(&db, id(1), 1).await, (true, true, true, 1));
    let to_cosign = read(&db, |rx| checkpoints::list_to_cosign(rx, at(98), 9, 9)).await;
    assert_eq!(to_cosign, [id(1)], "nothing of the new log was signed");
    let hash = |_: &AuditEntry, _: i64, _: Option<&Hash>| [7; 32];
    let log_of = |number: u64| write(&db, move |tx| audit::of(&id(number)).sequence_pending(tx, 1, &hash));
    let logs = (log_of(1).await.expect("a head of ours").log, log_of(2).await.expect("a head of ours").log);
    assert_eq!(logs, (2, 1), "another log, which grows from nothing");
}
