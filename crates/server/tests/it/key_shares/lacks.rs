//! Stores that fail in the middle, hang, or have something that they should not, and rounds that do not end well.

use std::path::Path;
use std::time::Duration;

use domain::ids::{KeyId, SplitId};
use domain::limits::ORPHAN_LOOK_MAX;
use serde_json::json;
use server::edge::chance::SystemChance;
use server::edge::clock::Clock as _;
use server::key_shares::{KeySharesAt, SharesAt};
use store::held_keys::Held;
use testkit::device::secret;
use testkit::{App, Plan};

use super::layouts::{folder, lay_out};
use super::{ROUND, drawn_from, file_of, held, named, new_key, remake, set_held, until};

/// How often a store was asked for a share and did not answer.
async fn away(app: &App) -> i64 {
    app.scrape().await.sum("key_share_lacks_total", &["lack=\"away\""])
}

/// How many keys of the stock were spent.
async fn bound(app: &App) -> i64 {
    app.scrape().await.sum("enclave_calls_total", &["request=\"bind\""])
}

async fn lacking(app: &App) -> i64 {
    app.scrape().await.sum("held_keys", &["held=\"lacking\""])
}

/// As a disk that is not there.
fn take_away(folder: &Path) {
    std::fs::rename(folder, folder.with_extension("aside")).unwrap();
    std::fs::write(folder, "no folder").unwrap();
}

fn bring_back(folder: &Path) {
    std::fs::remove_file(folder).unwrap();
    std::fs::rename(folder.with_extension("aside"), folder).unwrap();
}

#[tokio::test]
async fn a_store_that_fails_while_it_keeps_a_share_leaves_no_key_without() {
    let app = Plan::default().in_shares().start().await;
    new_key(&app).await;
    // Its last word was a good one, and counts still.
    take_away(&app.folder().join("shares-a"));
    let before = bound(&app).await;
    let body = json!({"user_identifier": "user-2", "key_type": "rsa4096"});
    app.institution().post("/v1/keys", &body).await.refused(503, "unavailable");
    assert_eq!(app.place.rows("customer_keys"), 1, "a row names only what is kept");
    assert_eq!(bound(&app).await, before + 1);
    // From then on that is known, and no further key is spent.
    app.institution().post("/v1/keys", &body).await.refused(503, "unavailable");
    assert_eq!(bound(&app).await, before + 1);
}

#[tokio::test]
async fn a_store_that_hangs_is_given_up_and_asked_last_for_a_while() {
    let mut app = Plan::default().in_shares().in_bucket().start().await;
    let bucket = SharesAt::Bucket(app.s3.as_ref().unwrap().bucket.clone(), "first".to_owned());
    let places = vec![SharesAt::Database, bucket, folder(&app, "shares-a")];
    lay_out(&mut app, 2, places).await;
    let key = new_key(&app).await;
    let assigned = app.partner().assigned("user-2", "customer-1").await;
    let [seed, more] = ["seed", "more"].map(|name| assigned.device().item(name, &secret(name)));
    app.s3.as_ref().unwrap().pause();
    assert_eq!(drawn_from(&app, &key).await, "2 of 3", "without it");
    assert_eq!(away(&app).await, 1);
    // Whoever needs two shares has them without asking it.
    app.partner().try_store_data(&assigned, &seed).await.ok();
    assert_eq!(away(&app).await, 1);
    app.clock.advance(Duration::from_secs(11));
    app.partner().try_store_data(&assigned, &more).await.ok();
    assert_eq!(away(&app).await, 2, "it may be back by then");
    // Nor is a key spent that it could not keep a share of.
    app.s3.as_mut().unwrap().kill();
    app.clock.advance(Duration::from_secs(11));
    let before = bound(&app).await;
    let body = json!({"user_identifier": "user-3", "key_type": "rsa4096"});
    app.institution().post("/v1/keys", &body).await.refused(503, "unavailable");
    assert_eq!(bound(&app).await, before);
}

#[tokio::test]
async fn what_does_not_belong_beside_shares_and_a_row_without_its_own_are_made_good() {
    let app = Plan::default().in_shares().start().await;
    let key = new_key(&app).await;
    let file = file_of(&app.folder().join("shares-a"), &key);
    let older = std::fs::read(&file).unwrap();
    std::fs::write(&file, [older.as_slice(), b"more"].concat()).unwrap();
    assert_eq!(drawn_from(&app, &key).await, "3 of 3", "the share itself holds");
    assert_eq!(remake(&app, None).await.remade, 1);
    // A share of the splitting of before, and nothing else: no disk that is not there leaves that.
    let Held::InShares(split, _) = held(&app).await.remove(0).held() else { unreachable!("it is split") };
    std::fs::write(file.with_file_name(split.as_str()), older).unwrap();
    app.clock.advance(ROUND);
    until("it is mended", async || drawn_from(&app, &key).await == "3 of 3").await;
    let was = held(&app).await.remove(0).held();
    let Held::InShares(split, _) = was.clone() else { unreachable!("it is split") };
    set_held(&app, was, Held::InShares(split, Vec::new())).await;
    assert_eq!(drawn_from(&app, &key).await, "2 of 3");
    app.clock.advance(ROUND);
    until("it is shown", async || lacking(&app).await == 1).await;
    assert_eq!(remake(&app, Some("database")).await.remade, 1);
    assert_eq!(drawn_from(&app, &key).await, "3 of 3");
}

#[tokio::test]
async fn while_keys_are_not_to_be_split_only_a_wish_for_all_puts_one_together() {
    let mut app = Plan::default().in_shares().start().await;
    let key = new_key(&app).await;
    std::fs::write(file_of(&app.folder().join("shares-a"), &key), "changed").unwrap();
    let places = app.settings().key_shares.places.clone();
    let a = places[1].name();
    app.settings().key_shares = KeySharesAt { split: None, places };
    app.stop_service().await;
    app.start_service().await.unwrap();
    until("a look", async || lacking(&app).await == 1).await;
    assert_eq!(remake(&app, Some(&a)).await.remade, 0);
    assert_eq!(drawn_from(&app, &key).await, "2 of 3", "nobody has put it into its row");
    let done = remake(&app, None).await;
    assert_eq!((done.remade, done.whole), (1, 1));
    // What is not to keep anything may be away.
    take_away(&app.folder().join("shares-a"));
    app.clock.advance(Duration::from_secs(11));
    new_key(&app).await;
    assert_eq!(app.place.rows("customer_keys WHERE split_id IS NULL"), 2);
}

#[tokio::test]
async fn a_look_that_a_store_cut_short_is_done_again() {
    let mut app = Plan::default().in_shares().start().await;
    let places = ["shares-a", "shares-b", "shares-c"].map(|name| folder(&app, name));
    let a = places[0].name();
    lay_out(&mut app, 2, [vec![SharesAt::Database], places.to_vec()].concat()).await;
    let key = new_key(&app).await;
    std::fs::write(file_of(&app.folder().join("shares-a"), &key), "changed").unwrap();
    let (admin, b) = (app.admin().await, app.folder().join("shares-b"));
    take_away(&b);
    let before = away(&app).await;
    app.clock.advance(ROUND);
    until("a look", async || away(&app).await > before).await;
    assert_eq!(lacking(&app).await, 0, "what half a look found is not shown");
    let error = admin.remake_key_shares(Some("database"), |_| ()).await.unwrap_err().to_string();
    assert!(error.contains("a store of key shares"), "{error}");
    assert!(admin.remake_key_shares(Some(&a), |_| ()).await.is_err());
    admin.close().await;
    assert_eq!(drawn_from(&app, &key).await, "2 of 4", "nothing was made while it was away");
    bring_back(&b);
    until("it is mended", async || drawn_from(&app, &key).await == "4 of 4").await;
}

#[tokio::test]
async fn what_an_assignment_left_behind_is_swept_after_a_week() {
    let app = Plan::default().in_shares().start().await;
    let (partner, tenant) = (app.partner(), app.tenant_of(&app.partner()).await);
    partner.assigned("user-1", "customer-1").await;
    let folder = app.folder().join("shares-a").join(tenant.as_str());
    let now = app.clock.now();
    let key = KeyId::new(now, &mut SystemChance);
    let split = SplitId::new(now, &mut SystemChance);
    // Of a process that died between the stores and the row, and of one that died while it wrote.
    std::fs::create_dir_all(folder.join(key.as_str())).unwrap();
    let (left, half) =
        (folder.join(key.as_str()).join(split.as_str()), folder.join(format!("{key}/{split}#1")));
    std::fs::write(&left, "left").unwrap();
    // And more than are looked at at once.
    for _ in 0..ORPHAN_LOOK_MAX {
        let other = KeyId::new(now, &mut SystemChance);
        std::fs::create_dir(folder.join(other.as_str())).unwrap();
        std::fs::write(folder.join(other.as_str()).join(split.as_str()), "left").unwrap();
    }
    std::fs::write(&half, "ha").unwrap();
    app.clock.advance(Duration::from_hours(6 * 24));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(left.exists() && half.exists());
    app.clock.advance(Duration::from_hours(2 * 24));
    until("it is swept", async || !left.exists() && !half.exists()).await;
    let named = named(&app).await;
    until("all are", async || app.shares().await == [named.clone(), named.clone()]).await;
    assert_eq!(named.len(), 1);
}
