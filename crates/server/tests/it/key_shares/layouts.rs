//! Where the settings have shares go, and what becomes of keys when the settings, or an operator, would have it otherwise.

use domain::entropy::Entropy as _;
use domain::ids::KeyId;
use domain::limits::SHARES_LOOK_KEYS;
use server::edge::chance::SystemChance;
use server::edge::clock::Clock as _;
use server::key_shares::{KeySharesAt, SharesAt};
use store::StoreError;
use store::held_keys::Kept;
use store::key_shares::Split;
use store::keys::{self, CustomerKey};
use testkit::{App, Plan};

use super::{drawn_from, empty, named, new_key, remake, some_keys};

/// Has keys be split so from now on, a share to each place.
pub async fn lay_out(app: &mut App, threshold: u8, places: Vec<SharesAt>) {
    let split = Some(Split { threshold, total: u8::try_from(places.len()).unwrap() });
    app.settings().key_shares = KeySharesAt { split, places };
    app.stop_service().await;
    app.start_service().await.unwrap();
}

pub fn folder(app: &App, name: &str) -> SharesAt {
    SharesAt::Folder(app.folder().join(name))
}

#[tokio::test]
async fn a_store_that_is_named_twice_keeps_two_shares_of_each_key() {
    let mut app = Plan::default().in_shares().start().await;
    let [a, b] = ["shares-a", "shares-b"].map(|name| folder(&app, name));
    lay_out(&mut app, 3, vec![SharesAt::Database, a.clone(), b.clone(), a.clone(), b]).await;
    let key = new_key(&app).await;
    assert_eq!(drawn_from(&app, &key).await, "5 of 5");
    empty(&app.folder().join("shares-a"));
    assert_eq!(drawn_from(&app, &key).await, "3 of 5");
    assert_eq!(remake(&app, Some(&a.name())).await.remade, 1);
    assert_eq!(drawn_from(&app, &key).await, "5 of 5");
}

#[tokio::test]
async fn shares_that_all_lie_in_the_database_are_put_together_when_no_place_is_named_any_more() {
    let mut app = Plan::default().in_shares().start().await;
    lay_out(&mut app, 2, vec![SharesAt::Database, SharesAt::Database]).await;
    let key = new_key(&app).await;
    assert_eq!(drawn_from(&app, &key).await, "2 of 2");
    app.settings().key_shares = KeySharesAt { split: None, places: Vec::new() };
    app.stop_service().await;
    app.start_service().await.unwrap();
    let done = remake(&app, None).await;
    assert_eq!((done.remade, done.whole), (1, 1));
    assert_eq!(app.place.rows("customer_keys WHERE split_id IS NULL"), 1);
}

#[tokio::test]
async fn two_prefixes_of_a_bucket_are_two_stores() {
    let mut app = Plan::default().in_shares().in_bucket().start().await;
    let bucket = app.s3.as_ref().unwrap().bucket.clone();
    let below = |prefix: &str| SharesAt::Bucket(bucket.clone(), prefix.to_owned());
    let places = vec![SharesAt::Database, below("one"), below("two")];
    lay_out(&mut app, 2, places).await;
    let key = new_key(&app).await;
    assert_eq!(drawn_from(&app, &key).await, "3 of 3");
}

#[tokio::test]
async fn another_threshold_or_another_order_is_brought_to_every_key() {
    let mut app = Plan::default().in_shares().start().await;
    let [a, b, c] = ["shares-a", "shares-b", "shares-c"].map(|name| folder(&app, name));
    let places = vec![SharesAt::Database, a.clone(), b.clone(), c.clone()];
    lay_out(&mut app, 2, places.clone()).await;
    let key = new_key(&app).await;
    assert_eq!(remake(&app, None).await.remade, 0, "it is as the settings say");
    for (what, threshold, places) in
        [("threshold", 3, places), ("order", 3, vec![SharesAt::Database, b, a, c])]
    {
        lay_out(&mut app, threshold, places).await;
        assert_eq!(drawn_from(&app, &key).await, "4 of 4", "as it was split before");
        assert_eq!(remake(&app, None).await.remade, 1, "another {what}");
        assert_eq!(remake(&app, None).await.remade, 0, "another {what}, again");
    }
}

#[tokio::test]
async fn what_one_store_lacks_is_made_anew_for_that_one_alone() {
    let app = Plan::default().in_shares().start().await;
    let ([a, b], key) = (["shares-a", "shares-b"].map(|name| folder(&app, name).name()), new_key(&app).await);
    empty(&app.folder().join("shares-a"));
    assert_eq!(remake(&app, Some(&b)).await.remade, 0, "nothing is the matter with that one");
    let admin = app.admin().await;
    let error = admin.remake_key_shares(Some("/elsewhere"), |_| ()).await.unwrap_err().to_string();
    assert!(error.contains("/elsewhere") && error.contains(&a), "{error}");
    admin.close().await;
    assert_eq!(drawn_from(&app, &key).await, "2 of 3", "untouched until now");
    assert_eq!(remake(&app, Some(&a)).await.remade, 1);
    assert_eq!(drawn_from(&app, &key).await, "3 of 3");
}

#[tokio::test]
async fn of_two_that_split_all_keys_at_once_one_wins_each_and_no_share_is_left_over() {
    let mut app = Plan::default().in_shares().start().await;
    let wished = std::mem::take(&mut app.settings().key_shares);
    app.stop_service().await;
    app.start_service().await.unwrap();
    let keys = some_keys(&app).await;
    app.settings().key_shares = wished;
    app.stop_service().await;
    app.start_service().await.unwrap();
    let (first, second) = (app.admin().await, app.admin().await);
    let (one, two) =
        tokio::join!(first.remake_key_shares(None, |_| ()), second.remake_key_shares(None, |_| ()));
    assert_eq!(one.unwrap().remade + two.unwrap().remade, 6);
    first.close().await;
    second.close().await;
    let named = named(&app).await;
    assert_eq!((named.len(), app.shares().await), (6, vec![named.clone(), named]));
    for key in &keys {
        assert_eq!(drawn_from(&app, key).await, "3 of 3");
    }
}

#[tokio::test]
async fn all_keys_are_gone_through_however_many_there_are() {
    let app = Plan::default().in_shares().start().await;
    let (tenant, given) = (app.tenant_of(&app.institution()).await, new_key(&app).await);
    let (owner, id) = (tenant.clone(), given.key_id.parse::<KeyId>().unwrap());
    let found = app.db.read("find_key", move |rx| keys::of(&owner).find(rx, &id));
    let found = found.await.unwrap_or_else(|error: StoreError| unreachable!("{error}")).unwrap();
    // More than are looked at at once: rows that nobody opens.
    let now = app.clock.now();
    let copies: Vec<_> = (0..SHARES_LOOK_KEYS)
        .map(|_| {
            let id = KeyId::new(now, &mut SystemChance);
            let mut public_key_sha256 = [0; 32];
            SystemChance.fill(&mut public_key_sha256);
            let sealed = Kept::new(vec![7]);
            CustomerKey { id, public_key_sha256, sealed, split_id: None, ..found.clone() }
        })
        .collect();
    let written = app.db.write("insert_keys", move |tx| {
        copies.iter().try_for_each(|key| keys::of(&tenant).insert(tx, key).map(drop))
    });
    written.await.unwrap_or_else(|error: StoreError| unreachable!("{error}"));
    let done = remake(&app, None).await;
    let whole = u64::try_from(SHARES_LOOK_KEYS).unwrap();
    assert_eq!((done.keys, done.remade, done.complete), (whole + 1, whole, whole + 1));
}
