//! Ceremonies of the offline enclave, by its own program on files: COLD keys are made, checked under and released from.

mod answers;
pub mod moves;
mod reseals;
mod restored;

use std::path::PathBuf;

use boundary::cold::{ANSWER_FILE, File, REQUEST_FILE};
use boundary::message::KeyType;
use boundary::wire::Wire as _;
use serde_json::{Value, json};
use server::admin::{Exported, Imported, Order};
use testkit::{App, Given, program};

use crate::control::approvals::{EVERYBODY, Stage, attach, link, make_list, vote};
use crate::control::recoveries::unpack;

/// The folder that is carried.
fn carried(app: &App) -> PathBuf {
    let folder = app.folder().join("carried");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub async fn export(app: &App, keys: &[KeyType]) -> Exported {
    export_after(app, keys, None).await.unwrap()
}

/// The same, behind answers that the database does not know of.
async fn export_after(app: &App, keys: &[KeyType], after: Option<&[u8]>) -> Result<Exported, String> {
    let text = std::fs::read_to_string(&app.fixture.offline_key).unwrap();
    let offline = testkit::device::unhex(text.lines().next().unwrap()).try_into().unwrap();
    let admin = app.admin().await;
    let order = Order { offline, keys: keys.to_vec(), reseal: false, after: after.map(<[u8]>::to_vec) };
    let exported = admin.export_bundle(&order).await.map_err(|error| error.to_string());
    admin.close().await;
    exported
}

/// The offline enclave's answers.
pub fn answer(app: &App, bundle: &[u8]) -> Vec<u8> {
    try_answer(app, bundle).unwrap_or_else(|code| unreachable!("it ended with {code:?}"))
}

/// The same, or how it ended.
fn try_answer(app: &App, bundle: &[u8]) -> Result<Vec<u8>, Option<i32>> {
    let folder = carried(app);
    std::fs::write(folder.join(REQUEST_FILE), bundle).unwrap();
    let mut command = program();
    command.args(["batch", "--env", "sandbox", "--state"]).arg(&app.fixture.offline);
    let status = command.arg("--in").arg(&folder).arg("--out").arg(&folder).status().unwrap();
    if status.success() { Ok(std::fs::read(folder.join(ANSWER_FILE)).unwrap()) } else { Err(status.code()) }
}

pub async fn import(app: &App, file: &[u8]) -> Result<Imported, String> {
    let admin = app.admin().await;
    let imported = admin.import_answers(file).await.map_err(|error| error.to_string());
    admin.close().await;
    imported
}

/// A whole ceremony.
pub async fn hold(app: &App, keys: &[KeyType]) -> Imported {
    let exported = export(app, keys).await;
    let imported = import(app, &answer(app, &exported.file)).await.unwrap();
    assert_eq!(imported.sequence, exported.sequence);
    assert!(imported.lines.len() >= exported.entries, "{:?}", imported.lines);
    imported
}

pub async fn cold_key(app: &App, user: &str) -> Given {
    let mut body = testkit::assign_body(user, "customer-1");
    body["key_environment"] = json!("COLD");
    Given::of(app.partner().assign(&body).await.ok())
}

async fn check_of(app: &App, key: &Given, item: &testkit::device::Item) -> Value {
    let stored = app.partner().try_store_data(key, item).await.ok();
    stored["metadata"]["check"].clone()
}

async fn what_was_stored_is_checked_and_keys_come_in(app: App) {
    let key = cold_key(&app, "user-1").await;
    let good = key.device().item("seed", b"abandon ability able");
    let mut wrong = key.device().item("other", b"about above absent");
    wrong.checksum = "0f".repeat(32);
    for item in [&good, &wrong] {
        assert_eq!(check_of(&app, &key, item).await, "unverified-cold");
    }
    let before = app.place.rows("pool_keys WHERE key_environment = 'COLD'");
    let exported = export(&app, &[KeyType::Ed25519, KeyType::Secp256k1]).await;
    assert_eq!((exported.sequence, exported.entries), (1, 4), "two keys in one, whose it is, two checks");
    let answers = answer(&app, &exported.file);
    // Whoever carries it changes nothing.
    for at in (0..answers.len()).step_by(101) {
        let mut bad = answers.clone();
        bad[at] ^= 1;
        import(&app, &bad).await.unwrap_err();
    }
    assert_eq!(check_of(&app, &key, &good).await, "unverified-cold");
    let imported = import(&app, &answers).await.unwrap();
    assert!(!imported.is_repeated && imported.lines[0].contains("2 keys"), "{:?}", imported.lines);
    assert_eq!(app.place.rows("pool_keys WHERE key_environment = 'COLD'"), before + 2);
    assert_eq!(app.place.rows("offline_requests"), 0, "what was told is not told again");
    let of_state = |state: &str| app.place.rows(&format!("backups WHERE check_state = '{state}'"));
    let states = ["verified", "check-failed", "unverified-cold"].map(of_state);
    assert_eq!(states, [1, 1, 0]);
    for (action, result) in [("backup.verified", "ok"), ("backup.check-failed", "failed")] {
        let log = app.partner().get(&format!("/v1/audit?action={action}")).await.ok();
        let entry = &log["data"][0];
        assert_eq!(entry["result"], result, "{log}");
        assert!(entry["reason"].as_str().unwrap().starts_with("ceremony 1, record "), "{log}");
    }
    let again = import(&app, &answers).await.unwrap();
    assert!(again.is_repeated);
    assert_eq!(app.place.rows("pool_keys WHERE key_environment = 'COLD'"), before + 2);
    assert_eq!(app.partner().audit("&action=backup.verified").await.len(), 1, "it is written down once");
    // It was all applied, and the process died before that was written down.
    app.place.run("UPDATE offline_bundles SET answered_at = NULL");
    let unfinished = import(&app, &answers).await.unwrap();
    assert_eq!((unfinished.is_repeated, unfinished.keys), (false, 0), "{:?}", unfinished.lines);
    // What was given out meanwhile does not come back into the pool.
    app.place.run("DELETE FROM pool_keys WHERE key_environment = 'COLD'");
    import(&app, &answers).await.unwrap();
    assert_eq!(app.place.rows("pool_keys WHERE key_environment = 'COLD'"), 0);

    // A bundle that was displaced by another of its number cannot be answered after that one.
    let displaced = export(&app, &[KeyType::Ed25519]).await;
    let second = export(&app, &[KeyType::Ed25519]).await;
    assert_eq!((displaced.sequence, second.sequence), (2, 2));
    import(&app, &answer(&app, &second.file)).await.unwrap();
    let third = export(&app, &[KeyType::Ed25519]).await;
    assert_eq!(third.sequence, 3);
    let mut foreign = File::from_bytes(&answer(&app, &third.file)).unwrap();
    app.place.run("DELETE FROM offline_bundles WHERE sequence = 3");
    let error = import(&app, &foreign.to_bytes()).await.unwrap_err();
    assert!(error.contains("did not export"), "{error}");
    foreign.parts.clear();
    import(&app, &foreign.to_bytes()).await.unwrap_err();
}

#[tokio::test]
async fn what_was_stored_is_checked_and_keys_come_in_on_sqlite() {
    Box::pin(what_was_stored_is_checked_and_keys_come_in(App::start().await)).await;
}

#[tokio::test]
async fn what_was_stored_is_checked_and_keys_come_in_on_postgres() {
    Box::pin(what_was_stored_is_checked_and_keys_come_in(App::on_postgres().await)).await;
}

#[tokio::test]
async fn what_people_approved_is_released_by_the_offline_enclave() {
    let app = App::start().await;
    let key = cold_key(&app, "user-1").await;
    let plaintext = testkit::device::secret("wallet");
    let stored = app.partner().try_store_data(&key, &key.device().item("seed", &plaintext)).await.ok();
    let backup = stored["backup_id"].as_str().unwrap().to_owned();
    let mut owner = app.person("owner").await;
    let (first, second) = (app.person("member-1").await, app.person("member-2").await);
    let acl = make_list(&mut owner, &EVERYBODY, &[]).await;
    attach(&mut owner, &acl, &key.key_id).await;
    let mut stage = Stage { app, owner, first, second, key, backup, plaintext, acl };
    let path = stage.ask_and_prove().await;
    vote(&mut stage.first, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    assert!(!stage.first.open(&path).await.text().contains("It is ready"));
    // The first ceremony brings over whose key it is and by whom it is guarded, and checks the backup; the recovery
    // waits until that is done.
    let told = hold(&stage.app, &[]).await.lines;
    assert_eq!(told.len(), 5, "binding, owners, list, attachment, check: {told:?}");
    assert!(told.iter().all(|line| line.ends_with(": taken") || line.ends_with(": verified")), "{told:?}");
    let told = hold(&stage.app, &[]).await.lines;
    assert!(told.len() == 1 && told[0].ends_with("released: ready for download"), "{told:?}");
    assert!(stage.first.open(&path).await.text().contains("It is ready"));
    let package = link(&mut stage.first, &path).await;
    let got = stage.first.get(&package).await;
    let folder = unpack(&stage.app, &got.body);
    assert_eq!(std::fs::read(folder.join("data").join(&stage.backup)).unwrap(), stage.plaintext);
    assert_eq!(stage.logged("recovery.released").await.len(), 1);
    let none = stage.app.admin().await;
    let order = Order { offline: [0; 32], keys: Vec::new(), reseal: false, after: None };
    let error = none.export_bundle(&order).await.unwrap_err().to_string();
    assert!(error.contains("nothing waits"), "{error}");
}
