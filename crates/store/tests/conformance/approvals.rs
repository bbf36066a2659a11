//! Lists, their changes, and recoveries that people decide on.

use domain::approval::{ChangeState, ControlState};
use domain::ids::{AclId, KeyId, PersonId};
use domain::key::KeyEnvironment;
use domain::time::Timestamp;
use store::acl_changes::{self, Change};
use store::acls::{self, Version};
use store::control_recoveries::{self, ControlRecovery, Package};
use store::freezes::{self, TenantFreeze};
use store::policies::{self, Policy};
use store::recovery_links::{self, Link};
use store::rosters::{self, Roster};
use store::{Db, Tx, control_votes, keys, reset, users, verifications};

use crate::fixture::*;
use crate::support::Bench;

crate::on_both_engines! {
    a_roster_grows_version_by_version,
    a_policy_is_found_by_what_is_newest_and_by_its_hash,
    a_later_freeze_takes_the_place_of_an_earlier_one,
    a_freeze_ends_once_its_time_is_over,
    a_list_is_read_in_the_version_in_force,
    a_list_has_one_open_change,
    changes_that_may_move_are_listed,
    a_person_votes_once_on_a_change,
    a_veto_is_kept_once_and_names_what_it_stopped,
    a_key_is_under_one_list_for_good,
    a_key_has_one_recovery_that_runs,
    a_recovery_moves_from_where_it_stands,
    a_person_votes_once_on_a_recovery_and_may_stop_it,
    recoveries_are_listed,
    a_package_has_its_days,
    a_link_is_used_once_by_its_person_and_in_time,
    a_person_is_checked_as_a_user_of_his_own,
    a_reset_ends_lists_and_recoveries,
}

fn version(list: u64, number: i64) -> Version {
    Version {
        acl_id: id(list),
        version: number,
        document: format!("{{\"version\":{number}}}"),
        hash: [u8::try_from(number).unwrap_or(0); 32],
        created_at: at(number * 10),
    }
}

fn change(number: u64, state: ChangeState) -> Change {
    Change {
        id: id(number),
        acl_id: id(1),
        version: 2,
        document: "{\"version\":2}".to_owned(),
        hash: [2; 32],
        state,
        asked_by: id(70),
        window_ends_at: at(100),
        effective_at: None,
        created_at: at(20),
        updated_at: at(20),
    }
}

fn recovery_of(number: u64) -> ControlRecovery {
    ControlRecovery {
        id: id(number),
        acl_id: id(1),
        acl_version: 1,
        asked_by: id(70),
        reason: "the phone is lost".to_owned(),
        key_environment: KeyEnvironment::Hot,
        state: ControlState::Requested,
        why: None,
        backups: "[]".to_owned(),
        verification_id: None,
        ticket: vec![1],
        certificate: vec![2],
        gpg_fingerprint: "ABCD".to_owned(),
        subkey_fingerprint: "EF01".to_owned(),
        intent: vec![3],
        intent_hash: [4; 32],
        window_ends_at: at(100),
        check_ends_at: Some(at(50)),
        release_at: None,
        keep_until: None,
        package_sha256: None,
        package_size: None,
        created_at: at(30),
        updated_at: at(30),
    }
}

/// The tenants, user 1 of the first, list 1, and keys 1 and 2, of which the first is under the list.
async fn begin(db: &Db) {
    seed(db).await;
    write(db, |tx| {
        acls::of(&id(1)).insert(tx, "Treasury", &version(1, 1))?;
        keys::of(&id(1)).insert(tx, &key(1, None))?;
        keys::of(&id(1)).insert(tx, &key(2, None))?;
        keys::of(&id(1)).set_acl(tx, &id(1), &id(1)).map(drop)
    })
    .await;
}

async fn a_roster_grows_version_by_version(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    seed(&db).await;
    let roster = |version: i64| Roster {
        version,
        document: "{}".to_owned(),
        hash: [u8::try_from(version).unwrap_or(0); 32],
        created_at: at(1),
    };
    assert!(read(&db, |rx| rosters::of(&id(1)).find_newest(rx)).await.is_none());
    let won = race([&db, &other], 8, |_| move |tx| rosters::of(&id(1)).insert(tx, &roster(1))).await;
    assert_eq!(wins(&won), 1);
    assert!(write(&db, move |tx| rosters::of(&id(1)).insert(tx, &roster(2))).await);
    assert_eq!(read(&db, |rx| rosters::of(&id(1)).find_newest(rx)).await, Some(roster(2)));
    assert!(read(&db, |rx| rosters::of(&id(2)).find_newest(rx)).await.is_none(), "another tenant's");
}

fn policy(version: i64) -> Policy {
    Policy {
        version,
        document: format!("{{\"version\":{version}}}"),
        hash: [u8::try_from(version).unwrap_or(0); 32],
        effective_at: at(version * 100),
        created_at: at(version * 10),
    }
}

async fn a_policy_is_found_by_what_is_newest_and_by_its_hash(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    begin(&db).await;
    let newest = |tenant| read(&db, move |rx| policies::of(&id(tenant)).list_newest(rx));
    assert_eq!(newest(1).await, []);
    let won = race([&db, &other], 8, |_| move |tx| policies::of(&id(1)).insert(tx, &policy(1))).await;
    assert_eq!(wins(&won), 1);
    assert_eq!(newest(1).await, [policy(1)]);
    for version in [2, 3] {
        assert!(write(&db, move |tx| policies::of(&id(1)).insert(tx, &policy(version))).await);
    }
    assert_eq!(newest(1).await, [policy(3), policy(2)]);
    assert_eq!(newest(2).await, [], "another tenant's");
    let of_hash = |tenant, byte| read(&db, move |rx| policies::of(&id(tenant)).find_by_hash(rx, &[byte; 32]));
    assert_eq!(of_hash(1, 1).await, Some(policy(1)));
    assert_eq!(of_hash(1, 4).await, None);
    assert_eq!(of_hash(2, 1).await, None, "another tenant's");
}

async fn a_later_freeze_takes_the_place_of_an_earlier_one(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    begin(&db).await;
    let freeze = |number: i64, until: Option<i64>| TenantFreeze {
        number,
        frozen_until: until.map(Timestamp::from_ms),
        changed_by: format!("person {number}"),
        changed_at: Timestamp::from_ms(number),
    };
    let found = |tenant| read(&db, move |rx| freezes::of(&id(tenant)).find(rx));
    assert_eq!(found(1).await, None);
    let set = move |freeze: TenantFreeze| move |tx: &mut Tx<'_>| freezes::of(&id(1)).set(tx, &freeze);
    let won = race([&db, &other], 8, |_| set(freeze(2, Some(9_000)))).await;
    assert_eq!(wins(&won), 1);
    assert!(!write(&db, set(freeze(1, Some(99_000)))).await, "an earlier one");
    assert_eq!(found(1).await, Some(freeze(2, Some(9_000))));
    assert!(write(&db, set(freeze(3, None))).await);
    assert_eq!(found(1).await, Some(freeze(3, None)));
    assert_eq!(found(2).await, None, "another tenant's");
}

async fn a_freeze_ends_once_its_time_is_over(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    begin(&db).await;
    let freeze = |until| TenantFreeze {
        number: 2,
        frozen_until: Some(Timestamp::from_ms(until)),
        changed_by: "person".into(),
        changed_at: Timestamp::from_ms(1),
    };
    let row = freeze(9_000);
    write(&db, move |tx| freezes::of(&id(1)).set(tx, &row)).await;
    let over = |now| read(&db, move |rx| freezes::list_over(rx, Timestamp::from_ms(now), 10));
    assert_eq!(over(8_999).await, []);
    let found = over(9_000).await;
    assert_eq!((found.len(), &found[0].tenant_id, &found[0].row), (1, &id(1), &freeze(9_000)));
    let end = |tenant, number, now| {
        move |tx: &mut Tx<'_>| freezes::of(&id(tenant)).end(tx, number, "service", Timestamp::from_ms(now))
    };
    assert!(!write(&db, end(1, 2, 8_999)).await, "before its time");
    assert!(!write(&db, end(1, 1, 9_000)).await, "another one");
    assert!(!write(&db, end(2, 2, 9_000)).await, "another tenant's");
    assert_eq!(wins(&race([&db, &other], 8, |_| end(1, 2, 9_000)).await), 1);
    assert_eq!(over(9_000).await, []);
}

async fn a_list_is_read_in_the_version_in_force(bench: &Bench) {
    let db = bench.open().await;
    begin(&db).await;
    let found = read(&db, |rx| acls::of(&id(1)).find(rx, &id(1))).await.expect("found");
    assert_eq!((found.name.as_str(), found.version, found.hash), ("Treasury", 1, [1; 32]));
    let next = |number| move |tx: &mut Tx<'_>| acls::of(&id(1)).set_version(tx, "Vault", &version(1, number));
    assert!(!write(&db, next(3)).await, "not the next");
    assert!(write(&db, next(2)).await);
    assert!(!write(&db, next(2)).await, "it is there");
    let found = read(&db, |rx| acls::of(&id(1)).list(rx, 10)).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].document.as_str()), ("Vault", "{\"version\":2}"));
    assert_eq!(write(&db, |tx| acls::of(&id(1)).find_locked(tx, &id(1))).await.as_ref(), Some(&found[0]));
    let versions = read(&db, |rx| acls::of(&id(1)).list_versions(rx, &id(1))).await;
    assert_eq!(versions, [version(1, 1), version(1, 2)]);
    assert!(read(&db, |rx| acls::of(&id(2)).find(rx, &id(1))).await.is_none(), "another tenant's");
}

async fn a_list_has_one_open_change(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    begin(&db).await;
    let open = |number| {
        move |tx: &mut Tx<'_>| acl_changes::of(&id(1)).insert(tx, &change(number, ChangeState::Open))
    };
    let won = race([&db, &other], 16, |n| open(40 + n)).await;
    assert_eq!(wins(&won), 1);
    let first = read(&db, |rx| acl_changes::of(&id(1)).find_open(rx, &id(1))).await.expect("open");
    let (found, name) = (first.clone(), first.id.clone());
    assert_eq!(read(&db, move |rx| acl_changes::of(&id(1)).find(rx, &name)).await, Some(found));
    let step = |tenant: u64, from, to, when| {
        let name = first.id.clone();
        move |tx: &mut Tx<'_>| acl_changes::of(&id(tenant)).set_state(tx, &name, (from, to), when, at(60))
    };
    let (waiting, applied) = (ChangeState::Waiting, ChangeState::Applied);
    assert!(!write(&db, step(2, ChangeState::Open, waiting, None)).await, "another tenant's");
    assert!(write(&db, step(1, ChangeState::Open, waiting, Some(at(90)))).await);
    assert!(!write(&db, open(60)).await, "one that waits to take effect is open too");
    assert!(!write(&db, step(1, ChangeState::Open, applied, None)).await, "not where it stood");
    assert!(write(&db, step(1, waiting, applied, Some(at(90)))).await);
    assert!(write(&db, open(60)).await);
    assert_eq!(read(&db, |rx| acl_changes::of(&id(1)).list_of_acl(rx, &id(1), 10)).await.len(), 2);
    let locked = write(&db, |tx| acl_changes::of(&id(1)).find_locked(tx, &id(60))).await;
    assert_eq!(locked, Some(change(60, ChangeState::Open)));
}

async fn changes_that_may_move_are_listed(bench: &Bench) {
    let db = bench.open().await;
    begin(&db).await;
    write(&db, |tx| acl_changes::of(&id(1)).insert(tx, &change(40, ChangeState::Open))).await;
    let open = |rx: &mut store::Rx<'_>| acl_changes::list_open(rx, 10);
    let found = read(&db, open).await;
    assert_eq!((found.len(), &found[0].tenant_id, &found[0].row.id), (1, &id(1), &id(40)));
    let step = |from, to| {
        move |tx: &mut Tx<'_>| {
            acl_changes::of(&id(1)).set_state(tx, &id(40), (from, to), Some(at(200)), at(60))
        }
    };
    write(&db, step(ChangeState::Open, ChangeState::Waiting)).await;
    assert_eq!(read(&db, open).await.len(), 1);
    write(&db, step(ChangeState::Waiting, ChangeState::Declined)).await;
    assert_eq!(read(&db, open).await, []);
}

async fn a_person_votes_once_on_a_change(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    begin(&db).await;
    write(&db, |tx| acl_changes::of(&id(1)).insert(tx, &change(40, ChangeState::Open))).await;
    let vote = |n: u64| {
        move |tx: &mut Tx<'_>| {
            let vote = acl_changes::Vote {
                change_id: id(40),
                person_id: id(71),
                approve: n.is_multiple_of(2),
                ballot: n.to_be_bytes().to_vec(),
                voted_at: at(31),
            };
            acl_changes::of(&id(1)).insert_vote(tx, &vote)
        }
    };
    assert_eq!(wins(&race([&db, &other], 8, vote).await), 1);
    let votes = read(&db, |rx| acl_changes::of(&id(1)).list_votes(rx, &id(40))).await;
    assert_eq!(votes.len(), 1);
    assert_eq!(votes[0].approve, votes[0].ballot[7].is_multiple_of(2), "one vote, whole");
    assert!(read(&db, |rx| acl_changes::of(&id(2)).list_votes(rx, &id(40))).await.is_empty());
}

async fn a_veto_is_kept_once_and_names_what_it_stopped(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    begin(&db).await;
    write(&db, |tx| acl_changes::of(&id(1)).insert(tx, &change(40, ChangeState::Open))).await;
    let veto = |n: u64| {
        move |tx: &mut Tx<'_>| {
            let ballot = n.to_be_bytes().to_vec();
            let veto = acl_changes::Veto { change_id: id(40), person_id: id(71), ballot, stopped_at: at(31) };
            acl_changes::of(&id(1)).insert_veto(tx, &veto)
        }
    };
    let hash = change(40, ChangeState::Open).hash;
    let stopped = move |tenant: u64, hash: [u8; 32]| {
        move |rx: &mut store::Rx<'_>| acl_changes::of(&id(tenant)).find_stopped(rx, &id(1), &hash)
    };
    assert_eq!(wins(&race([&db, &other], 8, veto).await), 1);
    assert_eq!(read(&db, |rx| acl_changes::of(&id(1)).list_vetoes(rx, &id(40))).await.len(), 1);
    assert!(read(&db, |rx| acl_changes::of(&id(2)).list_vetoes(rx, &id(40))).await.is_empty());
    assert_eq!(read(&db, stopped(1, hash)).await, None, "it is not over");
    let end = |tx: &mut Tx<'_>| {
        let states = (ChangeState::Open, ChangeState::Declined);
        acl_changes::of(&id(1)).set_state(tx, &id(40), states, None, at(60))
    };
    write(&db, end).await;
    assert_eq!(read(&db, stopped(1, hash)).await.map(|change| change.id), Some(id(40)));
    assert_eq!(read(&db, stopped(1, [0xee; 32])).await, None, "another hash");
    assert_eq!(read(&db, stopped(2, hash)).await, None, "another tenant's");
}

async fn a_key_is_under_one_list_for_good(bench: &Bench) {
    let db = bench.open().await;
    begin(&db).await;
    write(&db, |tx| acls::of(&id(1)).insert(tx, "Other", &version(2, 1))).await;
    let attach = |tenant: u64, number: u64, list: u64| {
        move |tx: &mut Tx<'_>| keys::of(&id(tenant)).set_acl(tx, &id(number), &id(list))
    };
    assert!(!write(&db, attach(1, 1, 2)).await, "it is under list 1");
    assert!(!write(&db, attach(2, 2, 2)).await, "another tenant's");
    assert!(write(&db, attach(1, 2, 2)).await);
    let under = |list: u64| {
        move |rx: &mut store::Rx<'_>| {
            let keys = keys::of(&id(1)).list_of_acl(rx, &id(list), 10)?;
            Ok(keys.into_iter().map(|key| (key.id, key.acl_id)).collect::<Vec<_>>())
        }
    };
    let expected = |number: u64, list: u64| [(id::<KeyId>(number), Some(id::<AclId>(list)))];
    assert_eq!(read(&db, under(1)).await, expected(1, 1));
    assert_eq!(read(&db, under(2)).await, expected(2, 2));
}

async fn a_key_has_one_recovery_that_runs(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    begin(&db).await;
    let begin = |n: u64| {
        move |tx: &mut Tx<'_>| {
            let held = control_recoveries::of(&id(1)).insert(tx, &recovery_of(50 + n), &[id(2), id(1)])?;
            Ok(held.is_none())
        }
    };
    let won = race([&db, &other], 8, begin).await;
    assert_eq!(wins(&won), 1);
    let running = |number: u64| {
        move |rx: &mut store::Rx<'_>| control_recoveries::of(&id(1)).find_running_of_key(rx, &id(number))
    };
    let name = read(&db, running(1)).await.expect("runs");
    assert_eq!(read(&db, running(2)).await.as_ref(), Some(&name));
    let of_list = |tenant: u64, list: u64| {
        move |rx: &mut store::Rx<'_>| control_recoveries::of(&id(tenant)).find_running_of_acl(rx, &id(list))
    };
    assert_eq!(read(&db, of_list(1, 1)).await.as_ref(), Some(&name));
    assert_eq!(read(&db, of_list(1, 2)).await, None);
    assert_eq!(read(&db, of_list(2, 1)).await, None, "another tenant's");
    let keys = name.clone();
    let keys = read(&db, move |rx| control_recoveries::of(&id(1)).list_keys(rx, &keys)).await;
    assert_eq!(keys, [id(1), id(2)]);
    write(&db, move |tx| {
        let step = (ControlState::Requested, ControlState::Declined);
        control_recoveries::of(&id(1)).set_state(tx, &name, step, Some("vetoed"), at(40))
    })
    .await;
    assert_eq!(read(&db, running(1)).await, None);
    assert!(write(&db, begin(20)).await, "its keys are free");
}

async fn a_recovery_moves_from_where_it_stands(bench: &Bench) {
    let db = bench.open().await;
    begin(&db).await;
    write(&db, |tx| control_recoveries::of(&id(1)).insert(tx, &recovery_of(50), &[id(1)])).await;
    let found = read(&db, |rx| control_recoveries::of(&id(1)).find(rx, &id(50))).await.expect("found");
    assert!(found == recovery_of(50), "what was written");
    assert!(write(&db, |tx| control_recoveries::of(&id(2)).find_locked(tx, &id(50))).await.is_none());
    let step = |from, to| {
        move |tx: &mut Tx<'_>| control_recoveries::of(&id(1)).set_state(tx, &id(50), (from, to), None, at(40))
    };
    assert!(!write(&db, step(ControlState::Approved, ControlState::Preparing)).await);
    assert!(write(&db, step(ControlState::Requested, ControlState::Approved)).await);
    write(&db, |tx| control_recoveries::of(&id(1)).set_release_at(tx, &id(50), at(90), at(41))).await;
    let found =
        write(&db, |tx| control_recoveries::of(&id(1)).find_locked(tx, &id(50))).await.expect("found");
    assert_eq!(
        (found.state, found.release_at, found.updated_at),
        (ControlState::Approved, Some(at(90)), at(41))
    );
    let held = |rx: &mut store::Rx<'_>| control_recoveries::of(&id(1)).find_running_of_key(rx, &id(1));
    assert!(read(&db, held).await.is_some(), "it holds its key until it is packed");
    write(&db, step(ControlState::Approved, ControlState::Ready)).await;
    assert!(read(&db, held).await.is_none());
}

async fn a_person_votes_once_on_a_recovery_and_may_stop_it(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    begin(&db).await;
    write(&db, |tx| {
        verifications::of(&id(1)).insert(tx, &verification("inq_v"))?;
        control_recoveries::of(&id(1)).insert(tx, &recovery_of(50), &[id(1)])
    })
    .await;
    let vote = |_: u64| {
        move |tx: &mut Tx<'_>| {
            let vote = control_votes::Vote {
                recovery_id: id(50),
                person_id: id(71),
                approve: true,
                ballot: vec![1],
                verification_id: Some(inquiry("inq_v")),
                check_ends_at: Some(at(80)),
                voted_at: at(31),
            };
            control_votes::of(&id(1)).insert(tx, &vote)
        }
    };
    assert_eq!(wins(&race([&db, &other], 8, vote).await), 1);
    let of_check = |tenant: u64| {
        move |rx: &mut store::Rx<'_>| control_votes::of(&id(tenant)).find_of_check(rx, &inquiry("inq_v"))
    };
    let found = read(&db, of_check(1)).await.expect("found");
    assert_eq!((&found.recovery_id, &found.person_id, found.approve), (&id(50), &id::<PersonId>(71), true));
    assert!(read(&db, of_check(2)).await.is_none(), "another tenant's");
    let stop = |person: u64| {
        move |tx: &mut Tx<'_>| {
            control_votes::of(&id(1)).set_rejected(tx, (&id(50), &id(person)), &[9], at(33))
        }
    };
    assert!(!write(&db, stop(72)).await, "he has not voted");
    assert!(write(&db, stop(71)).await);
    assert!(!write(&db, stop(71)).await, "a no is final");
    let votes = read(&db, |rx| control_votes::of(&id(1)).list(rx, &id(50))).await;
    let told: Vec<_> = votes.iter().map(|vote| (vote.approve, vote.ballot.clone(), vote.voted_at)).collect();
    assert_eq!(told, [(false, vec![9], at(33))]);
}

async fn recoveries_are_listed(bench: &Bench) {
    let db = bench.open().await;
    begin(&db).await;
    write(&db, |tx| {
        verifications::of(&id(1)).insert(tx, &verification("inq_r"))?;
        for number in [50, 51, 52] {
            let verification_id = (number == 51).then(|| inquiry("inq_r"));
            let row = ControlRecovery { verification_id, ..recovery_of(number) };
            control_recoveries::of(&id(1)).insert(tx, &row, &[])?;
        }
        Ok(())
    })
    .await;
    let numbers = |rows: Vec<ControlRecovery>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let page = read(&db, |rx| control_recoveries::of(&id(1)).list(rx, None, 2)).await;
    assert_eq!(numbers(page), [id(52), id(51)]);
    let page = read(&db, |rx| control_recoveries::of(&id(1)).list(rx, Some(&id(51)), 2)).await;
    assert_eq!(numbers(page), [id(50)]);
    assert!(read(&db, |rx| control_recoveries::of(&id(2)).list(rx, None, 2)).await.is_empty());
    let after = |after: Option<u64>| {
        move |rx: &mut store::Rx<'_>| {
            let after = after.map(id);
            control_recoveries::list_in_state(rx, ControlState::Requested, after.as_ref(), 2)
        }
    };
    let first: Vec<_> = read(&db, after(None)).await.into_iter().map(|found| found.row.id).collect();
    assert_eq!(first, [id(50), id(51)]);
    assert_eq!(read(&db, after(Some(51))).await.len(), 1);
    let of_check = |tenant: u64| {
        move |rx: &mut store::Rx<'_>| control_recoveries::of(&id(tenant)).find_of_check(rx, &inquiry("inq_r"))
    };
    assert_eq!(read(&db, of_check(1)).await.map(|found| found.id), Some(id(51)));
    assert!(read(&db, of_check(2)).await.is_none());
}

async fn a_package_has_its_days(bench: &Bench) {
    let db = bench.open().await;
    begin(&db).await;
    let package = Package { sha256: [5; 32], size: 1_234, keep_until: at(500) };
    write(&db, move |tx| {
        control_recoveries::of(&id(1)).insert(tx, &recovery_of(50), &[id(1)])?;
        control_recoveries::of(&id(1)).set_package(tx, &id(50), &package)
    })
    .await;
    let found = read(&db, |rx| control_recoveries::of(&id(1)).find(rx, &id(50))).await.expect("found");
    assert_eq!((found.package_sha256, found.package_size), (Some([5; 32]), Some(1_234)));
    let old = |ms| move |rx: &mut store::Rx<'_>| control_recoveries::list_with_old_package(rx, at(ms), 10);
    assert!(read(&db, old(499)).await.is_empty());
    assert_eq!(read(&db, old(500)).await.len(), 1);
    let gone =
        |ms| move |tx: &mut Tx<'_>| control_recoveries::of(&id(1)).set_package_gone(tx, &id(50), at(ms));
    assert!(!write(&db, gone(499)).await);
    assert!(write(&db, gone(500)).await);
    assert!(!write(&db, gone(500)).await);
    assert!(read(&db, old(500)).await.is_empty());
}

async fn a_link_is_used_once_by_its_person_and_in_time(bench: &Bench) {
    let (db, other) = (bench.open().await, bench.open().await);
    begin(&db).await;
    let link = |number: u8| Link {
        token_hash: [number; 32],
        recovery_id: id(50),
        person_id: id(70),
        expires_at: at(100),
        used_at: None,
        created_at: at(50),
    };
    write(&db, move |tx| {
        control_recoveries::of(&id(1)).insert(tx, &recovery_of(50), &[id(1)])?;
        recovery_links::of(&id(1)).insert(tx, &link(1))?;
        recovery_links::of(&id(1)).insert(tx, &link(2))
    })
    .await;
    let take = |number: u8, tenant: u64, person: u64, ms| {
        move |tx: &mut Tx<'_>| {
            recovery_links::of(&id(tenant)).set_used(tx, &[number; 32], &id(person), at(ms))
        }
    };
    assert!(!write(&db, take(1, 1, 71, 60)).await, "another person");
    assert!(!write(&db, take(1, 2, 70, 60)).await, "another tenant");
    assert!(!write(&db, take(3, 1, 70, 60)).await, "unknown");
    assert!(!write(&db, take(2, 1, 70, 100)).await, "too late");
    assert_eq!(wins(&race([&db, &other], 8, |_| take(1, 1, 70, 60)).await), 1);
    let found = read(&db, |rx| recovery_links::of(&id(1)).find(rx, &[1; 32])).await;
    assert_eq!(found, Some(Link { used_at: Some(at(60)), ..link(1) }));
}

async fn a_person_is_checked_as_a_user_of_his_own(bench: &Bench) {
    let db = bench.open().await;
    seed(&db).await;
    let person: PersonId = id(70);
    let who = person.clone();
    let made = write(&db, move |tx| users::of(&id(1)).ensure_person(tx, &user(8, "\u{1f}p"), &who)).await;
    let who = person.clone();
    let again = write(&db, move |tx| users::of(&id(1)).ensure_person(tx, &user(9, "\u{1f}p"), &who)).await;
    assert_eq!((&made, &made.id), (&again, &id(8)));
    let find = |tenant: u64, number: u64| {
        move |rx: &mut store::Rx<'_>| users::of(&id(tenant)).find_person(rx, &id(number))
    };
    assert_eq!(read(&db, find(1, 8)).await, Some(person));
    assert_eq!(read(&db, find(1, 1)).await, None, "a user of the tenant's");
    assert_eq!(read(&db, find(2, 8)).await, None, "another tenant's");
}

async fn a_reset_ends_lists_and_recoveries(bench: &Bench) {
    let db = bench.open().await;
    begin(&db).await;
    write(&db, |tx| {
        rosters::of(&id(1)).insert(
            tx,
            &Roster { version: 1, document: "{}".to_owned(), hash: [1; 32], created_at: at(1) },
        )?;
        policies::of(&id(1)).insert(tx, &policy(1))?;
        acl_changes::of(&id(1)).insert(tx, &change(40, ChangeState::Open))?;
        let vote = acl_changes::Vote {
            change_id: id(40),
            person_id: id(71),
            approve: true,
            ballot: vec![1],
            voted_at: at(31),
        };
        acl_changes::of(&id(1)).insert_vote(tx, &vote)?;
        verifications::of(&id(1)).insert(tx, &verification("inq_r"))?;
        let row = ControlRecovery { verification_id: Some(inquiry("inq_r")), ..recovery_of(50) };
        control_recoveries::of(&id(1)).insert(tx, &row, &[id(1)])?;
        let vote = control_votes::Vote {
            recovery_id: id(50),
            person_id: id(71),
            approve: true,
            ballot: vec![1],
            verification_id: Some(inquiry("inq_r")),
            check_ends_at: None,
            voted_at: at(31),
        };
        control_votes::of(&id(1)).insert(tx, &vote)?;
        let link = Link {
            token_hash: [1; 32],
            recovery_id: id(50),
            person_id: id(70),
            expires_at: at(100),
            used_at: None,
            created_at: at(50),
        };
        recovery_links::of(&id(1)).insert(tx, &link)
    })
    .await;
    assert_eq!(write(&db, |tx| reset::list_packages(tx, &id(1))).await, [id(50)].into());
    write(&db, |tx| reset::forget(tx, &id(1)).map(drop)).await;
    assert!(read(&db, |rx| acls::of(&id(1)).find(rx, &id(1))).await.is_none());
    assert!(read(&db, |rx| control_recoveries::of(&id(1)).find(rx, &id(50))).await.is_none());
    assert!(read(&db, |rx| rosters::of(&id(1)).find_newest(rx)).await.is_none());
    assert!(read(&db, |rx| policies::of(&id(1)).list_newest(rx)).await.is_empty());
    begin_again(&db).await;
}

async fn begin_again(db: &Db) {
    write(db, |tx| acls::of(&id(1)).insert(tx, "Treasury", &version(1, 1))).await;
}
