//! The same store again: by a client that lost its answer, or by two at once.

use serde_json::json;
use testkit::App;
use testkit::device::secret;

#[tokio::test]
async fn the_same_store_again_answers_the_same_ids() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    let key = retail.key("user-1", &id).await;
    let items = [key.device().item("a", &secret("a")), key.device().item("b", &secret("b"))];
    let first = retail.try_store("user-1", &id, &key, &items).await.ok();
    let before = app.census();
    app.clock.advance(std::time::Duration::from_secs(5));
    let mut upper = items.clone();
    upper[0].checksum = upper[0].checksum.to_uppercase();
    for again in [&items, &upper] {
        let again = retail.try_store("user-1", &id, &key, again).await.ok();
        let ids = |answer: &serde_json::Value| {
            [answer["backup"][0]["backup_id"].clone(), answer["backup"][1]["backup_id"].clone()]
        };
        assert_eq!(ids(&again), ids(&first));
        assert_eq!(
            again["metadata"]["stored_at"], first["metadata"]["stored_at"],
            "when it was first stored"
        );
    }
    assert_eq!(app.census(), before, "nothing more was written");
}

#[tokio::test]
async fn what_differs_in_any_part_is_another_backup() {
    let app = App::start().await;
    let retail = app.retail();
    let (id, other) = (retail.approved("user-1").await, retail.approved("user-1").await);
    let (key, second) = (retail.key("user-1", &id).await, retail.key("user-1", &id).await);
    let item = key.device().item("a", &secret("a"));
    let renamed = testkit::device::Item { name: "b".to_owned(), ..item.clone() };
    let mut ids = retail.store("user-1", &id, &key, std::slice::from_ref(&item)).await;
    ids.extend(retail.store("user-1", &id, &key, &[renamed]).await);
    ids.extend(retail.store("user-1", &other, &key, &[item]).await);
    ids.extend(retail.store("user-1", &id, &key, &[key.device().item("a", &secret("a"))]).await);
    ids.extend(retail.store("user-1", &id, &second, &[second.device().item("a", &secret("a"))]).await);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

async fn the_same_store_at_once_is_one_backup(app: App) {
    let (retail, partner) = (app.retail(), app.partner());
    let id = retail.approved("user-1").await;
    let key = retail.key("user-1", &id).await;
    let items = [key.device().item("a", &secret("a")), key.device().item("b", &secret("b"))];
    let body = testkit::store_body("user-1", &id, &key, &items);
    let given = partner.assigned("user-1", "customer-1").await;
    let data = testkit::data_body(&given, &given.device().item("", &secret("c")));
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (retail, partner, body, data) = (retail.clone(), partner.clone(), body.clone(), data.clone());
        calls.spawn(async move {
            let stored = retail.post("/v1/backup/store", &body).await.ok();
            let kept = partner.post("/v1/partner/secure/data", &data).await.ok();
            json!([stored["backup"], kept["backup_id"]])
        });
    }
    let mut answers = calls.join_all().await;
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(app.census()["backups"], 3);
    let stored =
        app.events(&retail).await.into_iter().filter(|event| event["type"] == "backup.stored").count();
    assert_eq!(stored, 2, "told once each");
}

#[tokio::test]
async fn the_same_store_at_once_is_one_backup_on_sqlite() {
    the_same_store_at_once_is_one_backup(App::start().await).await;
}

#[tokio::test]
async fn the_same_store_at_once_is_one_backup_on_postgres() {
    the_same_store_at_once_is_one_backup(App::on_postgres().await).await;
}
