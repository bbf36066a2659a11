//! Private keys in shares: what goes on while stores are away, lost or changed, and how they come back.

mod lacks;
mod layouts;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::examination::failures;
use domain::credential::TenantKind;
use serde_json::{Value, json};
use server::admin::Remade;
use server::key_shares::KeySharesAt;
use store::StoreError;
use store::held_keys::{self, Held, HeldKey};
use testkit::device::secret;
use testkit::{Actor, App, Given, Plan};

/// A little more than the time between two looks at all shares.
const ROUND: Duration = Duration::from_hours(7);
/// A little more than what nobody needs is kept for.
const WEEK: Duration = Duration::from_hours(8 * 24);

async fn on_each_engine() -> [App; 2] {
    let plan = Plan::default().in_shares();
    [plan.on_sqlite().start().await, plan.on_postgres().in_bucket().start().await]
}

/// A key of an institution's user.
async fn new_key(app: &App) -> Given {
    let body = json!({"user_identifier": "user-1", "key_type": "rsa4096"});
    Given::of(app.institution().post("/v1/keys", &body).await.ok())
}

/// What the check of a key says: the words behind its verdict, which is that it is valid.
async fn checked(app: &App, key: &Given) -> String {
    let answer = app.institution().get(&format!("/v1/keys/{}/verify", key.key_id)).await.ok();
    assert_eq!(answer["is_key_valid"], true, "{answer}");
    let message = answer["message"].as_str().unwrap();
    message.strip_prefix("Key is valid").unwrap().to_owned()
}

/// From how many shares the check could draw.
async fn drawn_from(app: &App, key: &Given) -> String {
    let said = checked(app, key).await;
    said.rsplit_once("drawn from ").unwrap_or_else(|| unreachable!("{said:?}")).1.to_owned()
}

async fn held(app: &App) -> Vec<HeldKey> {
    let listed = app.db.read("list_held", |rx| held_keys::list_held(rx, None, 1_000));
    listed.await.unwrap_or_else(|error: StoreError| unreachable!("{error}"))
}

/// Where the shares of all keys have to be, by their rows.
async fn named(app: &App) -> BTreeSet<String> {
    let named = held(app).await.into_iter().filter_map(|key| match key.held() {
        Held::InShares(split, _) => Some(format!("{}/{}/{split}", key.tenant_id, key.id)),
        Held::Whole(_) => None,
    });
    named.collect()
}

/// Writes past the service how the key is held that is held so.
async fn set_held(app: &App, was: Held, becomes: Held) {
    let found = held(app).await.into_iter().find(|key| key.held() == was).unwrap();
    let set = app.db.write("set_held", move |tx| {
        let long_ago = domain::time::Timestamp::from_ms(1);
        held_keys::of(&found.tenant_id).set_held(tx, &found.id, (&was, &becomes), long_ago)
    });
    assert!(set.await.unwrap_or_else(|error: StoreError| unreachable!("{error}")));
}

async fn remake(app: &App, store: Option<&str>) -> Remade {
    let admin = app.admin().await;
    let done = admin.remake_key_shares(store, |_| ()).await.unwrap();
    admin.close().await;
    done
}

/// Waits until `is_so`.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..150 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!("{what}");
}

/// The file with the shares of a key in a folder; there must be one.
fn file_of(folder: &Path, key: &Given) -> PathBuf {
    let tenant = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let splits = tenant.flat_map(|tenant| std::fs::read_dir(tenant.join(&key.key_id)).into_iter().flatten());
    let files: Vec<_> = splits.map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

fn empty(folder: &Path) {
    std::fs::remove_dir_all(folder).unwrap();
    std::fs::create_dir(folder).unwrap();
}

#[tokio::test]
async fn a_key_lies_in_shares_and_does_what_a_whole_one_does() {
    for app in on_each_engine().await {
        let (retail, partner) = (app.retail(), app.partner());
        let id = retail.approved("user-1").await;
        let key = retail.key("user-1", &id).await;
        retail.store("user-1", &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
        let recovered = retail.recover("user-1", &id, &app.fixture.recipient.certificate).await.ok();
        assert_eq!(recovered["backup"].as_array().unwrap().len(), 1, "{recovered}");
        let old = partner.assigned("user-2", "customer-1").await;
        partner.try_store_data(&old, &old.device().item("seed", &secret("seed"))).await.ok();
        let rotated = partner.post(&format!("/v1/partner/keys/{}/rotate", old.key_id), &json!({})).await;
        rotated.ok();
        let institutions = new_key(&app).await;
        assert_eq!(drawn_from(&app, &institutions).await, "3 of 3");
        // Each key is in each store once, nothing else is, and no row has what the enclave sealed.
        let named = named(&app).await;
        assert_eq!(named.len(), 4);
        assert_eq!(app.shares().await, [named.clone(), named]);
        assert_eq!(app.place.rows("customer_keys WHERE split_id IS NULL"), 0);
    }
}

#[tokio::test]
async fn a_check_draws_its_shares_by_chance_and_says_which() {
    let app = Plan::default().in_shares().start().await;
    let key = new_key(&app).await;
    let mut said = BTreeSet::new();
    // That one of three pairs never comes in 80 draws: once in 10^13.
    for _ in 0..80 {
        said.insert(checked(&app, &key).await);
    }
    let pairs = ["1 and 2", "1 and 3", "2 and 3"];
    let all = pairs.map(|pair| format!("; rebuilt from its shares {pair}, drawn from 3 of 3"));
    assert_eq!(said, BTreeSet::from(all));
}

#[tokio::test]
async fn an_emptied_store_stops_nothing_and_is_made_anew() {
    for app in on_each_engine().await {
        let (retail, folder) = (app.retail(), app.folder().join("shares-a"));
        let id = retail.approved("user-1").await;
        let key = retail.key("user-1", &id).await;
        retail.store("user-1", &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
        let checked = new_key(&app).await;
        empty(&folder);
        retail.recover("user-1", &id, &app.fixture.recipient.certificate).await.ok();
        retail.store("user-1", &id, &key, &[key.device().item("more", &secret("more"))]).await;
        assert_eq!(drawn_from(&app, &checked).await, "2 of 3");
        let lacks = |scrape: testkit::Scrape| scrape.sum("key_share_lacks_total", &["lack=\"missing\""]);
        assert!(lacks(app.scrape().await) >= 3, "counted");
        // What is missing may be a disk that is not mounted: nobody makes it anew by himself.
        app.clock.advance(ROUND);
        until("it is shown", async || app.scrape().await.sum("held_keys", &["held=\"lacking\""]) == 2).await;
        assert!(app.shares().await[0].is_empty());
        let told = failures(&app).await;
        let is_lacking =
            |text: &String| text.starts_with("customer_keys ") && text.ends_with("drawn from 2 of 3");
        assert!(told.len() == 2 && told.iter().all(is_lacking), "{told:?}");
        let done = remake(&app, Some(folder.to_str().unwrap())).await;
        assert_eq!((done.keys, done.remade, done.complete), (2, 2, 2));
        assert_eq!(drawn_from(&app, &checked).await, "3 of 3");
        assert_eq!(failures(&app).await, [""; 0]);
        // Done again there is nothing to do.
        assert_eq!(remake(&app, None).await.remade, 0);
        app.clock.advance(ROUND);
        until("it is shown", async || app.scrape().await.sum("held_keys", &["held=\"complete\""]) == 2).await;
        // The shares of before go once no older database needs them.
        app.clock.advance(WEEK);
        let named = named(&app).await;
        until("they are swept", async || app.shares().await == [named.clone(), named.clone()]).await;
        assert_eq!(drawn_from(&app, &checked).await, "3 of 3");
    }
}

#[tokio::test]
async fn with_too_few_shares_the_answer_is_503_and_never_wrong() {
    let app = Plan::default().in_shares().start().await;
    let (partner, key) = (app.partner(), new_key(&app).await);
    let (retail, folders) = (app.retail(), ["shares-a", "shares-b"].map(|name| app.folder().join(name)));
    let id = retail.approved("user-1").await;
    let own = retail.key("user-1", &id).await;
    retail.store("user-1", &id, &own, &[own.device().item("seed", &secret("seed"))]).await;
    let assigned = partner.assigned("user-2", "customer-1").await;
    let aside = folders.each_ref().map(|folder| folder.with_extension("aside"));
    for (folder, aside) in folders.iter().zip(&aside) {
        std::fs::rename(folder, aside).unwrap();
        std::fs::create_dir(folder).unwrap();
    }
    let verify = format!("/v1/keys/{}/verify", key.key_id);
    app.institution().get(&verify).await.refused(503, "key-shares-lacking");
    let item = assigned.device().item("seed", &secret("seed"));
    partner.try_store_data(&assigned, &item).await.refused(503, "key-shares-lacking");
    let certificate = &app.fixture.recipient.certificate;
    retail.recover("user-1", &id, certificate).await.refused(503, "key-shares-lacking");
    let done = remake(&app, None).await;
    assert_eq!((done.lost, done.remade), (3, 0), "nothing is made of too little");
    // One store back is enough.
    std::fs::remove_dir_all(&folders[1]).unwrap();
    std::fs::rename(&aside[1], &folders[1]).unwrap();
    assert_eq!(drawn_from(&app, &key).await, "2 of 3");
    partner.try_store_data(&assigned, &item).await.ok();
    retail.recover("user-1", &id, certificate).await.ok();
}

#[tokio::test]
async fn a_store_that_is_away_lets_keys_be_read_and_none_be_assigned() {
    let app = Plan::default().in_shares().start().await;
    let (partner, key, folder) = (app.partner(), new_key(&app).await, app.folder().join("shares-a"));
    let admin = app.admin().await;
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "no folder").unwrap();
    assert_eq!(drawn_from(&app, &key).await, "2 of 3");
    let bound = async || app.scrape().await.sum("enclave_calls_total", &["request=\"bind\""]);
    let (stock, before) = (app.place.rows("pool_keys"), bound().await);
    // Its last good word counts for ten seconds.
    app.clock.advance(Duration::from_secs(11));
    for _ in 0..3 {
        let refused = partner.assign(&testkit::assign_body("user-2", "customer-1")).await;
        let body = refused.refused(503, "unavailable");
        assert!(body["message"].as_str().unwrap().contains("a store of key shares"), "{body}");
    }
    assert_eq!(bound().await, before, "no key of the pool was bound for nothing");
    let error = admin.remake_key_shares(None, |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("a store of key shares"), "{error}");
    admin.close().await;
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    app.clock.advance(Duration::from_secs(11));
    partner.assigned("user-2", "customer-1").await;
    assert_eq!((app.place.rows("pool_keys"), bound().await), (stock - 1, before + 1));
}

#[tokio::test]
async fn a_changed_share_is_passed_over_and_mended() {
    let app = Plan::default().in_shares().start().await;
    let key = new_key(&app).await;
    let file = file_of(&app.folder().join("shares-a"), &key);
    let whole = std::fs::read(&file).unwrap();
    // Every byte is tried beside the splitting itself; here the ones of each part of the envelope, and some more.
    for at in (0..120).step_by(13).chain((120..whole.len()).step_by(211)).chain([whole.len() - 1]) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(&file, &changed).unwrap();
        assert_eq!(drawn_from(&app, &key).await, "2 of 3", "byte {at}");
    }
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(drawn_from(&app, &key).await, "2 of 3", "cut");
    let shares = app.scrape().await.sum("key_share_lacks_total", &["lack=\"damaged\""]);
    assert!(shares > 10, "counted");
    app.clock.advance(ROUND);
    until("it is mended", async || drawn_from(&app, &key).await == "3 of 3").await;
    // The row's own share, too.
    let was = held(&app).await.remove(0).held();
    let Held::InShares(split, mut bytes) = was.clone() else { unreachable!("it is split") };
    bytes[0] ^= 1;
    set_held(&app, was, Held::InShares(split, bytes)).await;
    assert_eq!(drawn_from(&app, &key).await, "2 of 3");
    app.clock.advance(ROUND);
    until("it is mended", async || drawn_from(&app, &key).await == "3 of 3").await;
}

#[tokio::test]
async fn a_share_of_another_key_or_of_an_older_splitting_is_none() {
    let app = Plan::default().in_shares().start().await;
    let (key, other, folder) = (new_key(&app).await, new_key(&app).await, app.folder().join("shares-a"));
    let (file, foreign) = (file_of(&folder, &key), file_of(&folder, &other));
    let older = std::fs::read(&file).unwrap();
    let first = held(&app).await;
    std::fs::copy(&foreign, &file).unwrap();
    assert_eq!(drawn_from(&app, &key).await, "2 of 3", "of another key");
    assert_eq!(remake(&app, None).await.remade, 1);
    assert_eq!(drawn_from(&app, &key).await, "3 of 3");
    // The same key, split again since: its share in the place of the new one.
    let now = held(&app).await.into_iter().find(|held| held.id.as_str() == key.key_id).unwrap();
    let Held::InShares(split, _) = now.held() else { unreachable!("it is split") };
    std::fs::write(file.with_file_name(split.as_str()), &older).unwrap();
    assert_eq!(drawn_from(&app, &key).await, "2 of 3", "of an older splitting");
    // In the row, too: what a row of before has does not go with what its splitting is now.
    let was = first.into_iter().find(|held| held.id == now.id).unwrap().held().columns().0;
    let becomes = Held::of(was, Some(split));
    set_held(&app, now.held(), becomes).await;
    let verify = format!("/v1/keys/{}/verify", key.key_id);
    app.institution().get(&verify).await.refused(503, "key-shares-lacking");
}

#[tokio::test]
async fn a_database_that_comes_back_older_finds_its_shares() {
    let app = Plan::default().in_shares().start().await;
    let key = new_key(&app).await;
    let before = held(&app).await.remove(0);
    app.clock.advance(WEEK);
    std::fs::write(file_of(&app.folder().join("shares-b"), &key), "changed").unwrap();
    app.clock.advance(ROUND);
    until("it is mended", async || drawn_from(&app, &key).await == "3 of 3").await;
    // Two more looks, which sweep.
    for _ in 0..2 {
        app.clock.advance(ROUND);
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let now = held(&app).await.remove(0);
    set_held(&app, now.held(), before.held()).await;
    assert_eq!(drawn_from(&app, &key).await, "2 of 3", "of before, less the changed one");
}

/// Keys of each of the kinds of tenants.
async fn some_keys(app: &App) -> Vec<Given> {
    let mut keys = Vec::new();
    for number in 0..3 {
        keys.push(new_key(app).await);
        app.partner().assigned(&format!("user-{number}"), "customer-1").await;
    }
    keys
}

#[tokio::test]
async fn what_was_whole_is_split_and_put_together_again_when_that_is_wished() {
    for mut app in [
        Plan::default().in_shares().on_sqlite().start().await,
        Plan::default().in_shares().on_postgres().in_bucket().start().await,
    ] {
        let wished = std::mem::take(&mut app.settings().key_shares);
        app.stop_service().await;
        app.start_service().await.unwrap();
        let keys = some_keys(&app).await;
        assert_eq!(checked(&app, &keys[0]).await, "", "whole");
        app.settings().key_shares = wished.clone();
        app.stop_service().await;
        app.start_service().await.unwrap();
        assert_eq!(checked(&app, &keys[0]).await, "", "a whole one is read as before");
        let whole = |scrape: testkit::Scrape| scrape.sum("held_keys", &["held=\"whole\""]);
        until("no look splits one unasked", async || whole(app.scrape().await) == 6).await;
        let done = remake(&app, None).await;
        assert_eq!((done.keys, done.remade, done.complete, done.whole), (6, 6, 6, 0));
        for key in &keys {
            assert_eq!(drawn_from(&app, key).await, "3 of 3");
        }
        let named = named(&app).await;
        assert_eq!((named.len(), app.shares().await), (6, vec![named.clone(), named]));
        // Off again: what is split is read, what is new is whole, and the command puts all together.
        app.settings().key_shares = KeySharesAt { split: None, ..wished };
        app.stop_service().await;
        app.start_service().await.unwrap();
        assert_eq!(drawn_from(&app, &keys[1]).await, "3 of 3");
        let new = new_key(&app).await;
        assert_eq!(checked(&app, &new).await, "", "a new one is whole");
        let done = remake(&app, None).await;
        assert_eq!((done.keys, done.remade, done.complete, done.whole), (7, 6, 0, 7));
        for key in &keys {
            assert_eq!(checked(&app, key).await, "");
        }
        assert_eq!(app.shares().await[0].len(), 6, "for a database that comes back older");
        app.clock.advance(WEEK);
        until("the shares go", async || app.shares().await.iter().all(BTreeSet::is_empty)).await;
        assert_eq!(checked(&app, &keys[2]).await, "");
    }
}

#[tokio::test]
async fn a_cold_key_is_split_as_any_other() {
    let app = Plan::default().in_shares().start().await;
    let actor: Actor = app.actor(TenantKind::Institution, testkit::KeyRole::Full);
    let body = json!({"user_identifier": "user-1", "key_type": "rsa4096", "key_environment": "COLD"});
    let made: Value = actor.post("/v1/keys", &body).await.ok();
    let named = named(&app).await;
    assert!(named.iter().next().unwrap().contains(made["key_id"].as_str().unwrap()));
    assert_eq!(app.shares().await, [named.clone(), named]);
}
