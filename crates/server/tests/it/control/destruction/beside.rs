//! A destruction beside all else that goes on: ceremonies that move backups, recoveries that are being asked for,
//! deliveries that are repeated.

use std::sync::{Mutex, mpsc};

use domain::credential::TenantKind;
use domain::destruction::DestructionState;
use domain::key::KeyState;
use store::{StoreError, destructions, keys};

use super::*;
use crate::ceremonies::moves::{key_of, rotated, state, store};
use crate::ceremonies::{answer, cold_key, export, hold, import};
use crate::control::approvals::attach;

/// So long that a call has come to the enclave, which does not answer.
const UNDER_WAY: Duration = Duration::from_millis(400);

/// A key held offline with a backup and a file, and the one that replaced it, to which a ceremony will move both.
struct Rotated {
    old: Given,
    new: Given,
    backup: String,
    file: String,
}

async fn rotated_offline(app: &App) -> Rotated {
    let partner = app.partner();
    let old = cold_key(app, "user-3").await;
    let backup = store(&partner, &old, &secret("a")).await;
    let file = partner.try_store_file(&old, &old.device().encrypt(b"a file"), &Value::Null).await.ok();
    let file = file["backup_id"].as_str().unwrap().to_owned();
    hold(app, &[]).await;
    let new = rotated(app, &old).await;
    Rotated { old, new, backup, file }
}

fn set_state(app: &App, key: &Given, state: &str) {
    app.place.run(&format!("UPDATE customer_keys SET state = '{state}' WHERE id = '{}'", key.key_id));
}

/// The same, as the service writes it.
async fn become_of(app: &App, key: &Given, from: KeyState, to: KeyState) {
    let (tenant, id) = (app.tenant_of(&app.partner()).await, key.key_id.parse().unwrap());
    let set = app.db.write("become", move |tx| keys::of(&tenant).set_state(tx, &id, from, to)).await;
    assert!(set.unwrap_or_else(|error: StoreError| unreachable!("{error}")));
}

#[tokio::test]
async fn a_key_to_which_a_ceremony_will_move_backups_is_not_destroyed() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let Rotated { old, new, .. } = rotated_offline(&stage.app).await;
    // Neither the next one nor the one after it.
    let newest = rotated(&stage.app, &new).await;
    assert_eq!(ask(&mut stage.owner, &newest.key_id, "30").await.status, 409);
    stage.refused("key.destruction-refused", "moves-need-key").await;
    for _ in 0..2 {
        hold(&stage.app, &[]).await;
    }
    assert_eq!(state(&stage.app, &newest).await, ("active".to_owned(), 2));
    let count = ask(&mut stage.owner, &newest.key_id, "30").await;
    assert_eq!(count.status, 303, "all of it is here, and the page says so: {}", count.text());

    // Asked again when it is confirmed, and at the end.
    become_of(&stage.app, &old, KeyState::Superseded, KeyState::Superseding).await;
    assert_eq!(confirm(&mut stage.second, &newest.key_id).await.status, 409);
    stage.refused("key.destruction-refused", "moves-need-key").await;
    assert_eq!(stage.logged("key.destruction-refused").await.len(), 2);
    become_of(&stage.app, &old, KeyState::Superseding, KeyState::Superseded).await;
    assert_eq!(confirm(&mut stage.second, &newest.key_id).await.status, 303);
    become_of(&stage.app, &old, KeyState::Superseded, KeyState::Superseding).await;
    hasten(&mut stage, &newest.key_id).await;
    stays(&stage.app, &newest.key_id).await;
    let page = stage.owner.open(&page_of(&newest.key_id)).await.text();
    assert!(page.contains("until they have moved, it is not destroyed"), "{page}");
    become_of(&stage.app, &old, KeyState::Superseding, KeyState::Superseded).await;
    until_status(&stage.app, &newest.key_id, "destroyed").await;
}

async fn nothing_moves_to_a_key_that_is_destroyed_or_will_be(app: App) {
    let Rotated { old, new, backup, file } = rotated_offline(&app).await;
    let answers = answer(&app, &export(&app, &[]).await.file);
    let stays = async || {
        assert_eq!(state(&app, &old).await, ("superseding".to_owned(), 2));
        for id in [&backup, &file] {
            assert_eq!(key_of(&app, id).await, old.key_id);
        }
    };
    for becomes in ["destroy-pending", "destroyed"] {
        set_state(&app, &new, becomes);
        let lines = import(&app, &answers).await.unwrap().lines;
        let told = lines.iter().find(|line| line.contains(&backup)).unwrap();
        assert!(told.contains("is destroyed, or will be"), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains(&format!("{}: ", old.key_id))), "{lines:?}");
        stays().await;
        // Nor does it leave for that key.
        let none = app.admin().await;
        let order = server::admin::Order { offline: [0; 32], keys: Vec::new(), reseal: false, after: None };
        let error = none.export_bundle(&order).await.unwrap_err().to_string();
        assert!(error.contains("nothing waits"), "{becomes}: {error}");
        none.close().await;
    }
    // Stopped, it goes on.
    set_state(&app, &new, "active");
    import(&app, &answers).await.unwrap();
    assert_eq!(state(&app, &old).await, ("superseded".to_owned(), 0));
    assert_eq!(key_of(&app, &backup).await, new.key_id);
}

#[tokio::test]
async fn nothing_moves_to_a_key_that_is_destroyed_or_will_be_on_sqlite() {
    Box::pin(nothing_moves_to_a_key_that_is_destroyed_or_will_be(App::start().await)).await;
}

#[tokio::test]
async fn nothing_moves_to_a_key_that_is_destroyed_or_will_be_on_postgres() {
    Box::pin(nothing_moves_to_a_key_that_is_destroyed_or_will_be(App::on_postgres().await)).await;
}

/// Its private half, and with it those of the keys that it replaced, is what such a recovery gives out.
#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_names_no_key_that_was_destroyed_while_it_was_asked_for() {
    let mut stage = Stage::new().await;
    let partner = stage.app.partner();
    let old = partner.assigned("user-5", "customer-1").await;
    attach(&mut stage.owner, &stage.acl, &old.key_id).await;
    let new = rotated(&stage.app, &old).await;
    let certificate = stage.app.fixture.recipient.certificate.clone();
    let asked = [("keys", new.key_id.as_str()), ("reason", "x"), ("certificate", certificate.as_str())];
    // It has looked at the keys, and waits for the enclave.
    stage.app.enclave.pause();
    let refused = {
        let (call, meanwhile) = (stage.first.post("/control/recoveries", &asked), async {
            tokio::time::sleep(UNDER_WAY).await;
            set_state(&stage.app, &old, "destroyed");
            stage.app.enclave.resume();
        });
        tokio::join!(call, meanwhile).0
    };
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains(&format!("{} was destroyed", old.key_id)), "{}", refused.text());
    stage.refused("recovery.refused", "key-destroyed").await;
    assert_eq!(stage.app.place.rows("control_recoveries"), 0);
    // Asked for again, it is left out.
    let again = stage.first.post("/control/recoveries", &asked).await;
    assert_eq!(again.status, 303, "{}", again.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_and_destroyed_since_is_not_delivered_again() {
    let mut app = App::start().await;
    let (retail, user, certificate) = (app.retail(), "user-1", app.fixture.recipient.certificate.clone());
    let check = retail.approved(user).await;
    let mut keys = Vec::new();
    for name in ["a", "b"] {
        let key = retail.key(user, &check).await;
        retail.store(user, &check, &key, &[key.device().item(name, &secret(name))]).await;
        keys.push(key);
    }
    let first = retail.recover(user, &check, &certificate).await.ok();
    assert_eq!(first["backup"].as_array().unwrap().len(), 2);
    destroy_of(&mut app, TenantKind::Retail, &keys[0].key_id).await;
    let again = retail.recover(user, &check, &certificate).await;
    let refused = again.refused(403, "verification-used");
    assert!(refused.to_string().contains("destroyed"), "{refused}");
    // What is left comes under another check.
    let next = retail.approved(user).await;
    let left = retail.recover(user, &next, &certificate).await.ok();
    assert_eq!(left["backup"].as_array().unwrap().len(), 1);
    assert_eq!(left["backup"][0]["item_key"], "b");
}

/// Has two owners of a tenant of that kind destroy a key.
async fn destroy_of(app: &mut App, kind: TenantKind, key: &str) {
    let mut owner = app.person_of(kind, "owner").await;
    let path = path_of(&owner, "member-2@").await;
    assert_eq!(owner.post(&format!("{path}/role"), &[("role", "owner")]).await.status, 303);
    let mut second = app.person_of(kind, "member-2").await;
    assert_eq!(ask(&mut owner, key, "30").await.status, 303);
    assert_eq!(confirm(&mut second, key).await.status, 303);
    assert_eq!(owner.post(&format!("{}/hasten", page_of(key)), &[]).await.status, 303);
    for _ in 0..100 {
        if one(app, &format!("customer_keys WHERE id = '{key}' AND state = 'destroyed'")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!("the key is not destroyed");
}

/// Until it is destroyed, what a key guards is as recoverable as before, and so it is guarded; then there is nothing left.
#[tokio::test(flavor = "multi_thread")]
async fn what_will_be_destroyed_goes_under_a_list_with_what_replaced_it_and_what_is_destroyed_does_not() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let partner = stage.app.partner();
    let mut keys = Vec::new();
    for user in ["user-6", "user-7"] {
        let old = partner.assigned(user, "customer-1").await;
        let new = rotated(&stage.app, &old).await;
        ask_and_confirm(&mut stage, &old.key_id).await;
        keys.push((old.key_id, new.key_id));
    }
    let [(waiting, heir), (gone, survivor)] = [keys[0].clone(), keys[1].clone()];
    hasten(&mut stage, &gone).await;
    until_status(&stage.app, &gone, "destroyed").await;
    let path = format!("/control/acls/{}/attach", stage.acl);
    for (id, told) in [(&waiting, "stop its destruction first"), (&gone, "there is nothing left to guard")] {
        let refused = stage.owner.post(&path, &[("keys", id)]).await;
        assert!(refused.status == 409 && refused.text().contains(told), "{}", refused.text());
    }
    for id in [&heir, &survivor] {
        attach(&mut stage.owner, &stage.acl, id).await;
    }
    let under =
        |id: &str| one(&stage.app, &format!("customer_keys WHERE id = '{id}' AND acl_id = '{}'", stage.acl));
    assert_eq!([&waiting, &heir, &gone, &survivor].map(|id| under(id)), [true, true, false, true]);
    // Stopped, it gives back what it guards with the one that replaced it.
    assert_eq!(stop(&mut stage.owner, &waiting).await.status, 303);
    let package = recover_key(&mut stage, &heir).await;
    let folder = unpack(&stage.app, &stage.first.get(&package).await.body);
    for id in [&waiting, &heir] {
        assert!(folder.join("keys").join(format!("{id}.pem")).exists(), "{id}");
    }
}

/// Signed for while a key was there that is destroyed since: nothing is put under the list that is not what was signed.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_destroyed_while_an_owner_signs_is_put_under_no_list() {
    let mut stage = two_owners(App::start().await, &EVERYBODY).await;
    let old = stage.app.partner().assigned("user-6", "customer-1").await;
    let new = rotated(&stage.app, &old).await;
    let path = format!("/control/acls/{}/attach", stage.acl);
    let page = stage.owner.post(&path, &[("keys", &new.key_id)]).await;
    set_state(&stage.app, &old, "destroyed");
    let attached = format!("{path}ed");
    assert_eq!(sign_page(&mut stage.owner, &page, &attached).await.status, 409);
    let under = format!("customer_keys WHERE acl_id = '{}'", stage.acl);
    assert_eq!(stage.app.place.rows(&under), 1, "the stage's own");
    attach(&mut stage.owner, &stage.acl, &new.key_id).await;
}

/// What keeps a key is in the rows of those before and after it: which are as the service wrote them, or it stands still.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_key_before_or_after_it_that_somebody_wrote_destroys_nothing() {
    let edits = [
        // Nothing would wait to move to it.
        ("OLD", "UPDATE customer_keys SET state = 'superseded' WHERE id = 'OLD'"),
        ("OLD", "UPDATE customer_keys SET state = 'destroyed' WHERE id = 'OLD'"),
        ("OLD", "DELETE FROM backups WHERE key_id = 'OLD'; DELETE FROM customer_keys WHERE id = 'OLD'"),
        ("OLDEST", "UPDATE customer_keys SET supersedes = id WHERE id = 'OLDEST'"),
        // Nothing that replaced it would guard files.
        ("NEW", "UPDATE customer_keys SET supersedes = NULL WHERE id = 'NEW'"),
        ("NEW", "UPDATE customer_keys SET user_id = 'x' WHERE id = 'NEW'"),
        ("NEW", "UPDATE customer_keys SET customer_id = 'x' WHERE id = 'NEW'"),
        ("NEWEST", "UPDATE customer_keys SET supersedes = NULL WHERE id = 'NEWEST'"),
        ("NEWEST", "UPDATE customer_keys SET user_id = 'x' WHERE id = 'NEWEST'"),
    ];
    for (whose, edit) in edits {
        let mut stage = two_owners(App::start().await, &EVERYBODY).await;
        let oldest = stage.key.clone();
        let old = rotated(&stage.app, &oldest).await;
        let key = rotated(&stage.app, &old).await;
        let new = rotated(&stage.app, &key).await;
        let newest = rotated(&stage.app, &new).await;
        ask_and_confirm(&mut stage, &key.key_id).await;
        if edit.contains("superseded'") {
            become_of(&stage.app, &old, KeyState::Superseded, KeyState::Superseding).await;
        }
        let ids = [("OLDEST", &oldest), ("OLD", &old), ("NEWEST", &newest), ("NEW", &new)];
        let edit = ids.iter().fold(edit.to_owned(), |edit, (name, key)| edit.replace(name, &key.key_id));
        stage.app.place.run(&format!("PRAGMA foreign_keys = OFF; {edit}"));
        hasten(&mut stage, &key.key_id).await;
        stays(&stage.app, &key.key_id).await;
        stage.refused("key.destruction-halted", "rows-changed").await;
        assert!(one(&stage.app, "key_destructions WHERE state = 'halted'"), "{whose}: {edit}");
    }
}

/// Whoever stops the destruction and whoever sends the private half out do so one after the other: on two connections, of
/// which one has not yet ended when the other one begins.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_goes_out_just_as_its_destruction_is_stopped_is_closed() {
    let mut stage = two_owners(App::on_postgres().await, &EVERYBODY).await;
    let key = stage.key.key_id.clone();
    let file = stage.key.device().encrypt(b"what the file holds");
    stage.app.partner().try_store_file(&stage.key, &file, &Value::Null).await.ok();
    ask_and_confirm(&mut stage, &key).await;
    let certificate = stage.app.fixture.recipient.certificate.clone();
    let asked = [("keys", key.as_str()), ("reason", "an heir"), ("certificate", &certificate)];
    let path = stage.first.post("/control/recoveries", &asked).await.header("location").to_owned();
    let page = stage.first.open(&path).await.text();
    stage.play(&page, "approve_inquiry").await;
    assert_eq!(vote(&mut stage.owner, &path, "yes").await.status, 303);
    // What stops it has been written, and is not there for anybody else yet.
    let (tenant, id, now) =
        (stage.app.tenant_of(&stage.app.partner()).await, key.parse().unwrap(), stage.app.clock.now());
    let ((written, has_written), (go_on, may_go_on)) = (mpsc::channel(), mpsc::channel());
    let may_go_on = Mutex::new(may_go_on);
    let stopping = stage.app.db.write("stop", move |tx| {
        keys::of(&tenant).set_state(tx, &id, KeyState::DestroyPending, KeyState::Active)?;
        let states = (DestructionState::Pending, DestructionState::Stopped);
        destructions::of(&tenant).set_state(tx, &id, states, Some(now))?;
        written.send(()).unwrap();
        may_go_on.lock().unwrap().recv().unwrap();
        Ok::<_, StoreError>(())
    });
    let place = stage.app.place.clone();
    let letting = async {
        let mut looks = 0;
        while place.all_rows("pg_stat_activity WHERE wait_event_type = 'Lock'") == 0 {
            assert!(looks < 100, "whoever sends it out waits for nobody");
            looks += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        go_on.send(()).unwrap();
    };
    let voting = async {
        tokio::task::block_in_place(|| has_written.recv().unwrap());
        tokio::join!(vote(&mut stage.second, &path, "yes"), letting).0
    };
    let (stopped, voted) = tokio::join!(stopping, voting);
    stopped.unwrap_or_else(|error| unreachable!("{error}"));
    assert_eq!(voted.status, 303, "{}", voted.text());
    wait_for(&stage, &path, "It is ready").await;
    assert_eq!(status(&stage.app, &key).await, "released");
}
