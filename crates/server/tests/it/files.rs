//! The store of files beside its rows: what happens between the two, and what is swept.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::credential::{Scope, TenantKind};
use domain::ids::{BackupId, TenantId};
use domain::time::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use server::edge::chance::SystemChance;
use server::edge::clock::Clock as _;
use testkit::{Actor, App, Plan};

use crate::v1::partner::secure_file::bytes;

const DAY: Duration = Duration::from_hours(24);

async fn in_each_store() -> [App; 2] {
    [App::start().await, Plan::default().on_postgres().in_bucket().start().await]
}

async fn store(actor: &Actor, user: &str, seed: u64) -> String {
    let key = actor.assigned(user, "customer-1").await;
    let stored = actor.try_store_file(&key, &bytes(seed, 40_000), &Value::Null).await.ok();
    stored["backup_id"].as_str().unwrap().to_owned()
}

/// Puts a file into the store that the service knows nothing of.
async fn put(app: &App, tenant: &TenantId, backup: &BackupId, contents: &[u8]) {
    let path = app.folder().join("contents");
    std::fs::write(&path, contents).unwrap();
    let file = Arc::new(std::fs::File::open(path).unwrap());
    app.blobs().put(tenant, backup, &file, contents.len() as u64).await.unwrap();
}

fn born(at: Timestamp) -> BackupId {
    BackupId::new(at, &mut SystemChance)
}

/// Waits until the worker has come round and these files are all that is left.
async fn left(app: &App, wanted: &[&str]) {
    let mut wanted: Vec<_> = wanted.iter().map(|id| (*id).to_owned()).collect();
    wanted.sort();
    let mut files = Vec::new();
    for _ in 0..150 {
        files = app.files().await.into_iter().collect();
        if files == wanted {
            // And not fewer a little later.
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            assert_eq!(app.files().await.into_iter().collect::<Vec<_>>(), wanted);
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!("{files:?} are left instead of {wanted:?}");
}

#[tokio::test]
async fn a_deleted_backups_file_goes_with_it_and_not_before() {
    for app in in_each_store().await {
        let partner = app.partner();
        let (stays, goes) = (store(&partner, "user-1", 1).await, store(&partner, "user-2", 2).await);
        let path = format!("/v1/partner/backups/{goes}");
        partner.call(&Method::DELETE, &path).send().await.ok();
        app.clock.advance(DAY * 29);
        left(&app, &[&stays, &goes]).await;
        app.clock.advance(DAY);
        left(&app, &[&stays]).await;
        assert_eq!(partner.get(&path).await.ok()["status"], "deleted");
    }
}

#[tokio::test]
async fn what_no_row_points_at_is_swept_after_a_week() {
    for app in in_each_store().await {
        let partner = app.partner();
        let kept = store(&partner, "user-1", 1).await;
        let (tenant, now) = (app.tenant_of(&partner).await, app.clock.now());
        let stranger = TenantId::new(now, &mut SystemChance);
        let (orphan, foreign) = (born(now), born(now));
        put(&app, &tenant, &orphan, b"orphan").await;
        put(&app, &stranger, &foreign, b"of another database").await;
        let nobodys: BackupId = "00000000-0000-4000-8000-000000000000".parse().unwrap();
        put(&app, &tenant, &nobodys, b"not one of our ids").await;
        app.clock.advance(DAY * 7);
        let young = born(app.clock.now() - DAY);
        put(&app, &tenant, &young, b"young").await;
        let all = [&kept, orphan.as_str(), foreign.as_str(), nobodys.as_str(), young.as_str()];
        left(&app, &all).await;
        // A little more than a week, and the time between two sweeps.
        app.clock.advance(Duration::from_hours(7));
        left(&app, &[all[0], all[2], all[3], all[4]]).await;
        app.clock.advance(DAY * 7);
        left(&app, &[all[0], all[2], all[3]]).await;
    }
}

#[tokio::test]
async fn a_file_that_its_deletion_left_behind_is_swept() {
    let app = App::start().await;
    let partner = app.partner();
    let id = store(&partner, "user-1", 1).await;
    let path = format!("/v1/partner/backups/{id}");
    partner.call(&Method::DELETE, &path).send().await.ok();
    // Out of the way while the row goes.
    let folder = app.folder().join("data/files").join(app.tenant_of(&partner).await.as_str());
    let aside = app.folder().join("aside");
    std::fs::rename(&folder, &aside).unwrap();
    app.clock.advance(DAY * 30);
    for _ in 0..100 {
        if partner.get(&path).await.ok()["status"] == "deleted" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(partner.get(&path).await.ok()["status"], "deleted");
    std::fs::rename(&aside, &folder).unwrap();
    left(&app, &[&id]).await;
    app.clock.advance(Duration::from_hours(6));
    left(&app, &[]).await;
}

#[tokio::test]
async fn what_a_dead_process_was_writing_is_swept_after_a_week() {
    let app = App::start().await;
    let partner = app.partner();
    let kept = store(&partner, "user-1", 1).await;
    let folder = app.folder().join("data/files").join(app.tenant_of(&partner).await.as_str());
    let write = |name: String| -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, b"half").unwrap();
        path
    };
    let old = write(format!("{}#1", born(app.clock.now() - DAY * 7 - DAY)));
    let young = write(format!("{}#1", born(app.clock.now())));
    let other = write("notes#1".to_owned());
    assert_eq!(app.files().await.len(), 1, "nobody sees what is not finished");
    app.clock.advance(Duration::from_hours(6));
    for _ in 0..100 {
        if !old.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!old.exists() && young.exists() && other.exists());
    left(&app, &[&kept]).await;
}

/// A call that ends between its file and its row, since the database takes nothing more.
#[tokio::test]
async fn between_its_file_and_its_row_a_backup_is_not_there() {
    let app = Plan::default().on_sqlite().with_patience(Duration::from_secs(1)).start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    let file = bytes(1, 40_000);
    let lock = app.place.lock();
    partner.try_store_file(&key, &file, &Value::Null).await.refused(503, "unavailable");
    drop(lock);
    assert_eq!(app.files().await.len(), 1, "the file came first");
    assert_eq!(partner.get("/v1/partner/backups").await.ok()["data"], json!([]));
    let again = partner.try_store_file(&key, &file, &Value::Null).await.ok();
    assert_eq!((app.files().await.len(), app.place.rows("backups")), (2, 1));
    app.clock.advance(DAY * 7 + Duration::from_hours(6));
    left(&app, &[again["backup_id"].as_str().unwrap()]).await;
}

#[tokio::test]
async fn without_the_store_of_files_nothing_is_stored_and_the_rest_goes_on() {
    for mut app in in_each_store().await {
        let partner = app.partner();
        let key = partner.assigned("user-1", "customer-1").await;
        let folder = app.folder().join("data/files");
        if let Some(s3) = &mut app.s3 {
            s3.kill();
        } else {
            std::fs::remove_dir_all(&folder).unwrap();
            std::fs::write(&folder, b"in the way").unwrap();
        }
        let before = app.census();
        let answer = partner.try_store_file(&key, b"x", &Value::Null).await;
        answer.refused(503, "unavailable");
        assert!(answer.text().contains("store of files"), "{}", answer.text());
        assert_eq!(app.census(), before, "nothing was stored");
        let item = key.device().item("", &testkit::device::secret("a"));
        partner.try_store_data(&key, &item).await.ok();
        if app.s3.is_none() {
            std::fs::remove_file(&folder).unwrap();
            partner.try_store_file(&key, b"x", &Value::Null).await.ok();
        }
    }
}

#[tokio::test]
async fn without_room_for_uploads_nothing_is_stored() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    let uploads = app.folder().join("data/uploads");
    std::fs::remove_dir(&uploads).unwrap();
    partner.try_store_file(&key, b"x", &Value::Null).await.refused(503, "unavailable");
    std::fs::create_dir(&uploads).unwrap();
    partner.try_store_file(&key, b"x", &Value::Null).await.ok();
}

#[tokio::test]
async fn the_bucket_is_used_by_whom_it_knows_alone() {
    let mut app = Plan::default().in_bucket().start().await;
    let bucket = app.s3.as_ref().unwrap().bucket.clone();
    app.stop_service().await;
    let wrong = store::blob::Bucket { secret_key: "another".to_owned().into(), ..bucket };
    app.settings().files = store::blob::FilesAt::Bucket(wrong);
    app.start_service().await.unwrap();
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    partner.try_store_file(&key, b"x", &Value::Null).await.refused(503, "unavailable");
    assert_eq!(app.place.rows("backups"), 0);
}

#[tokio::test]
async fn a_reset_takes_the_tenants_files_and_no_others() {
    for app in in_each_store().await {
        let (partner, scopes) = (app.partner(), [Scope::Partner, Scope::Sandbox]);
        let neighbour = app.new_tenant(TenantKind::Partner, &scopes).await;
        store(&partner, "user-1", 1).await;
        let theirs = store(&neighbour, "user-1", 2).await;
        partner.call(&Method::POST, "/v1/sandbox/reset").send().await.ok();
        assert_eq!(app.files().await, [theirs].into());
    }
}
