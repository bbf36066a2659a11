//! Backups of rotated COLD keys: they are encrypted to the new key offline, and come back from there.

use std::time::Duration;

use api::jwks::Jwks;
use aws_lc_rs::digest;
use client::record::{Record, RecordFault, Seen, offline_key};
use domain::audit::hex;
use reqwest::Method;
use serde_json::Value;
use testkit::device::secret;
use testkit::{Actor, App, Given};

use super::{answer, cold_key, export, hold, import};
use crate::control::approvals::{EVERYBODY, Stage, attach, link, make_list, vote};
use crate::control::recoveries::unpack;

pub async fn store(actor: &Actor, key: &Given, plaintext: &[u8]) -> String {
    let stored = actor.try_store_data(key, &key.device().item("", plaintext)).await.ok();
    stored["backup_id"].as_str().unwrap().to_owned()
}

pub async fn rotated(app: &App, key: &Given) -> Given {
    let path = format!("/v1/partner/keys/{}/rotate", key.key_id);
    Given::of(app.partner().call(&Method::POST, &path).send().await.ok())
}

/// The state of a key, and how many backups it has.
pub async fn state(app: &App, key: &Given) -> (String, u64) {
    let shown = app.partner().get(&format!("/v1/partner/keys/{}", key.key_id)).await.ok();
    (shown["status"].as_str().unwrap().to_owned(), shown["backups_count"].as_u64().unwrap())
}

pub async fn key_of(app: &App, backup: &str) -> String {
    let shown = app.partner().get(&format!("/v1/partner/backups/{backup}")).await.ok();
    shown["key_id"].as_str().unwrap().to_owned()
}

/// The backups, or else the keys, that something was done to.
async fn logged(app: &App, action: &str) -> Vec<String> {
    let entries = app.partner().audit(&format!("&action={action}")).await;
    let about = |entry: &Value| entry["backup_id"].as_str().or(entry["key_id"].as_str()).unwrap().to_owned();
    entries.iter().map(about).collect()
}

/// Puts the record of another backup in the place of this one's, as whoever has the database can.
fn give_record(app: &App, to: &str, of: &str) {
    app.place.run(&format!(
        "UPDATE backups SET record = (SELECT record FROM kept_backups WHERE id = '{of}') WHERE id = '{to}'"
    ));
}

async fn what_a_rotated_key_guards_moves_in_a_ceremony(app: App) {
    let old = cold_key(&app, "user-1").await;
    let partner = app.partner();
    let mut backups = Vec::new();
    for name in ["a", "b", "c", "d"] {
        backups.push(store(&partner, &old, &secret(name)).await);
    }
    let [first, second, damaged, changed] = [0, 1, 2, 3].map(|at| backups[at].as_str());
    let file = partner.try_store_file(&old, &old.device().encrypt(b"a file"), &Value::Null).await.ok();
    let file = file["backup_id"].as_str().unwrap();
    hold(&app, &[]).await;
    // A moment later, so that it is known which of them came first.
    app.clock.advance(Duration::from_millis(1));
    let new = rotated(&app, &old).await;
    // A third: what it gets passes through the second.
    let newest = rotated(&app, &new).await;
    assert_eq!(
        (state(&app, &old).await, state(&app, &new).await.0),
        (("superseding".to_owned(), 5), "superseding".to_owned())
    );
    // The enclave's record of another backup does not vouch for this one.
    app.place.run("CREATE TABLE kept_backups AS SELECT id, record FROM backups");
    give_record(&app, damaged, first);
    let exported = export(&app, &[]).await;
    assert_eq!(exported.entries, 6, "whose the new keys are, and four backups");
    let answers = answer(&app, &exported.file);
    let before = app.census();
    for at in (0..answers.len()).step_by(answers.len() / 12) {
        let mut bad = answers.clone();
        bad[at] ^= 1;
        import(&app, &bad).await.unwrap_err();
    }
    assert_eq!(app.census(), before, "what was altered changes nothing");
    // What is not what left does not become what came of that.
    give_record(&app, changed, second);
    let lines = import(&app, &answers).await.unwrap().lines;
    let told = |backup: &str| lines.iter().find(|line| line.contains(backup)).unwrap().clone();
    for backup in [first, second] {
        assert!(told(backup).ends_with(&format!("moved to the key {}", new.key_id)), "{lines:?}");
        assert_eq!(key_of(&app, backup).await, new.key_id);
    }
    assert!(told(damaged).contains("does not open: it stays under"), "{lines:?}");
    assert!(told(changed).contains("changed since"), "{lines:?}");
    assert!(lines.last().unwrap().contains("1 files answer to the key"), "{lines:?}");
    for backup in [damaged, changed] {
        assert_eq!(key_of(&app, backup).await, old.key_id);
    }
    assert_eq!(
        (state(&app, &old).await, key_of(&app, file).await),
        (("superseding".to_owned(), 2), newest.key_id.clone())
    );
    assert_eq!(logged(&app, "backup.moved").await.len(), 2);
    assert_eq!(logged(&app, "backup.move-failed").await, [damaged]);
    let after = app.census();
    import(&app, &answers).await.unwrap();
    assert_eq!(logged(&app, "backup.moved").await.len(), 2, "again, nothing moves again");
    assert_eq!(app.census()["customer_keys"], after["customer_keys"]);

    // Put right, they go the same way; the first two go on to the third key meanwhile.
    give_record(&app, damaged, damaged);
    app.place.run("DROP TABLE kept_backups");
    app.place.run(&format!("DELETE FROM backups WHERE id = '{changed}'"));
    let lines = hold(&app, &[]).await.lines;
    assert_eq!(key_of(&app, first).await, newest.key_id, "{lines:?}");
    assert_eq!(
        (state(&app, &old).await, state(&app, &new).await),
        (("superseded".to_owned(), 0), ("superseding".to_owned(), 1))
    );
    let lines = hold(&app, &[]).await.lines;
    assert!(lines.last().unwrap().contains(&format!("answers to the key {}", newest.key_id)), "{lines:?}");
    assert_eq!(
        (state(&app, &new).await, state(&app, &newest).await),
        (("superseded".to_owned(), 0), ("active".to_owned(), 4))
    );
    assert_eq!(logged(&app, "key.moved").await.len(), 4, "twice files, twice all of it");
}

#[tokio::test]
async fn what_a_rotated_key_guards_moves_in_a_ceremony_on_sqlite() {
    Box::pin(what_a_rotated_key_guards_moves_in_a_ceremony(App::start().await)).await;
}

#[tokio::test]
async fn what_a_rotated_key_guards_moves_in_a_ceremony_on_postgres() {
    Box::pin(what_a_rotated_key_guards_moves_in_a_ceremony(App::on_postgres().await)).await;
}

/// The key goes under a list while what it replaced waits for the ceremony, or after it.
#[tokio::test]
async fn a_rotated_cold_key_goes_under_a_list_with_the_one_that_it_replaced() {
    for has_moved in [false, true] {
        let app = App::start().await;
        let old = cold_key(&app, "user-1").await;
        let plaintext = secret("wallet");
        let backup = store(&app.partner(), &old, &plaintext).await;
        let encrypted = old.device().encrypt(b"a file");
        let file = app.partner().try_store_file(&old, &encrypted, &Value::Null).await.ok();
        hold(&app, &[]).await;
        let new = rotated(&app, &old).await;
        if has_moved {
            hold(&app, &[]).await;
        }
        let was = if has_moved { ("superseded".to_owned(), 0) } else { ("superseding".to_owned(), 2) };
        assert_eq!(state(&app, &old).await, was);
        let mut owner = app.person("owner").await;
        let (first, second) = (app.person("member-1").await, app.person("member-2").await);
        let acl = make_list(&mut owner, &EVERYBODY, &[]).await;
        attach(&mut owner, &acl, &new.key_id).await;
        let mut stage = Stage { app, owner, first, second, key: new, backup, plaintext, acl };
        let mut attached = logged(&stage.app, "key.attached").await;
        attached.sort_unstable();
        let mut both = [old.key_id.clone(), stage.key.key_id.clone()];
        both.sort_unstable();
        assert_eq!(attached, both);
        let lines = hold(&stage.app, &[]).await.lines;
        assert!(!lines.iter().any(|line| line.contains("not taken")), "{lines:?}");
        assert_eq!(state(&stage.app, &old).await, ("superseded".to_owned(), 0));
        let data = stage.backup.clone();
        stage.backup = format!("{data} {}", file["backup_id"].as_str().unwrap());
        let path = stage.ask_and_prove().await;
        vote(&mut stage.first, &path, "yes").await;
        vote(&mut stage.second, &path, "yes").await;
        let lines = hold(&stage.app, &[]).await.lines;
        assert!(lines[0].ends_with("released: ready for download"), "{lines:?}");
        let package = link(&mut stage.first, &path).await;
        let folder = unpack(&stage.app, &stage.first.get(&package).await.body);
        assert_eq!(std::fs::read(folder.join("data").join(&data)).unwrap(), stage.plaintext);
        for key in &both {
            assert!(folder.join("keys").join(format!("{key}.pem")).exists(), "{key}");
        }
    }
}

#[tokio::test]
async fn what_moved_is_released_and_what_is_asked_for_does_not_move() {
    let app = App::start().await;
    let old = cold_key(&app, "user-1").await;
    let plaintext = secret("wallet");
    let backup = store(&app.partner(), &old, &plaintext).await;
    let encrypted = old.device().encrypt(b"a file");
    let file = app.partner().try_store_file(&old, &encrypted, &Value::Null).await.ok();
    let file = file["backup_id"].as_str().unwrap().to_owned();
    let mut owner = app.person("owner").await;
    let (first, second) = (app.person("member-1").await, app.person("member-2").await);
    let acl = make_list(&mut owner, &EVERYBODY, &[]).await;
    attach(&mut owner, &acl, &old.key_id).await;
    let mut stage = Stage { app, owner, first, second, key: old, backup, plaintext, acl };
    hold(&stage.app, &[]).await;
    let new = rotated(&stage.app, &stage.key).await;
    // The answers are on their way when somebody asks: what he signs stays what it is.
    let exported = export(&stage.app, &[]).await;
    assert_eq!(exported.entries, 2, "whose the new key is, and the backup");
    let answers = answer(&stage.app, &exported.file);
    let path = stage.ask_and_prove().await;
    let lines = import(&stage.app, &answers).await.unwrap().lines;
    assert!(lines[1].contains("a recovery of its key runs") && lines.len() == 2, "{lines:?}");
    let waits = stage.app.admin().await;
    let order = server::admin::Order { offline: [0; 32], keys: Vec::new(), reseal: false, after: None };
    let error = waits.export_bundle(&order).await.unwrap_err().to_string();
    assert!(error.contains("nothing waits"), "{error}");
    waits.close().await;
    vote(&mut stage.first, &path, "no").await;
    vote(&mut stage.second, &path, "no").await;
    let lines = import(&stage.app, &answers).await.unwrap().lines;
    assert!(lines[1].ends_with(&new.key_id) && lines[2].contains("all that it guarded"), "{lines:?}");

    let data = stage.backup.clone();
    stage.backup = format!("{data} {file}");
    let path = stage.ask_and_prove().await;
    vote(&mut stage.first, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    let lines = hold(&stage.app, &[]).await.lines;
    assert!(lines[0].ends_with("released: ready for download"), "{lines:?}");
    let package = link(&mut stage.first, &path).await;
    let got = stage.first.get(&package).await;
    // The record is the offline enclave's, and nobody believes it by the service's own keys.
    let record = stage.second.get(&format!("{path}/record.jws")).await;
    let known = std::fs::read_to_string(&stage.app.fixture.offline_key).unwrap();
    let known = Jwks { keys: vec![offline_key(&known).unwrap()] };
    let Seen::Release(released) = Record::verify(&record.body, &known).unwrap().seen else {
        unreachable!("a release")
    };
    let sha256 = digest::digest(&digest::SHA256, &got.body);
    assert_eq!((released.output_sha256, released.parts), (hex(sha256.as_ref()), 4));
    let published = stage.app.partner().get("/.well-known/jwks.json").await.ok();
    let published = serde_json::from_value(published).unwrap();
    assert!(matches!(Record::verify(&record.body, &published), Err(RecordFault::UnknownKey(_))));
    let folder = unpack(&stage.app, &got.body);
    assert_eq!(std::fs::read(folder.join("data").join(&data)).unwrap(), stage.plaintext);
    assert_eq!(std::fs::read(folder.join("files").join(&file)).unwrap(), encrypted);
    for key in [&stage.key.key_id, &new.key_id] {
        assert!(
            folder.join("keys").join(format!("{key}.pem")).exists(),
            "the file is of before the rotation"
        );
    }
    assert_eq!(key_of(&stage.app, &file).await, new.key_id);
}
