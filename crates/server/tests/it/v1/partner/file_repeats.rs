//! The same file more than once.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Actor, Answer, App, Form, Given, Plan};

use super::secure_file::bytes;

const PATH: &str = "/v1/partner/secure/file";

async fn store(actor: &Actor, key: &Given, file: &[u8], name: &str) -> String {
    let stored = actor.try_store_file(key, file, &json!({"original_filename": name})).await.ok();
    stored["backup_id"].as_str().unwrap().to_owned()
}

async fn named(actor: &Actor, name: &str, form: &Form) -> Answer {
    let call = actor.call(&Method::POST, PATH).header("idempotency-key", name);
    call.raw(&form.content_type(), form.whole()).send().await
}

#[tokio::test]
async fn the_same_bytes_key_and_name_are_one_backup() {
    for app in [App::start().await, Plan::default().on_postgres().in_bucket().start().await] {
        let partner = app.partner();
        let key = partner.assigned("user-1", "customer-1").await;
        let other_key = partner.assigned("user-2", "customer-1").await;
        let (file, mut other_file) = (bytes(1, 50_000), bytes(1, 50_000));
        other_file[49_999] ^= 1;
        let first = store(&partner, &key, &file, "a").await;
        let before = app.census();
        let again = json!({"description": "another", "original_filename": "a"});
        let answer = partner.try_store_file(&key, &file, &again).await.ok();
        assert_eq!(answer["backup_id"], first);
        assert_eq!(app.census(), before, "nothing more was written");
        let mut all = vec![first];
        all.push(store(&partner, &key, &file, "b").await);
        all.push(store(&partner, &key, &other_file, "a").await);
        all.push(store(&partner, &other_key, &file, "a").await);
        let nameless = partner.try_store_file(&key, &file, &Value::Null).await.ok();
        all.push(nameless["backup_id"].as_str().unwrap().to_owned());
        let files = app.files().await;
        assert_eq!(files.len(), 5);
        assert!(all.iter().all(|id| files.contains(id)), "each has its file: {all:?}");

        // What waits for its deletion is not answered again.
        let path = format!("/v1/partner/backups/{}", all[0]);
        partner.call(&Method::DELETE, &path).send().await.ok();
        assert!(!all.contains(&store(&partner, &key, &file, "a").await));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_at_once_one_is_kept() {
    for app in [App::start().await, Plan::default().on_postgres().in_bucket().start().await] {
        let partner = app.partner();
        let key = partner.assigned("user-1", "customer-1").await;
        for round in 0..3 {
            let file = bytes(round, 200_000);
            let mut calls = tokio::task::JoinSet::new();
            for _ in 0..6 {
                let (partner, key, file) = (partner.clone(), key.clone(), file.clone());
                calls.spawn(async move { store(&partner, &key, &file, "a").await });
            }
            let ids = calls.join_all().await;
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        }
        assert_eq!(app.place.rows("backups"), 3);
        assert_eq!(app.files().await.len(), 3, "the others' files were removed");
        let events = app.events(&partner).await;
        assert_eq!(events.iter().filter(|event| event["type"] == "backup.stored").count(), 3);
    }
}

#[tokio::test]
async fn a_named_upload_is_compared_by_what_it_says() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    let file = bytes(1, 120_000);
    let metadata = json!({"original_filename": "a"}).to_string();
    let form = |boundary: &str| Form::new(boundary).text("public_key", &key.public_key);
    let first = named(&partner, "n", &form("one").file(&file).text("metadata", &metadata)).await;
    first.ok();
    let before = app.census();
    // Another boundary, another order, a part that nobody asked for.
    let again = Form::new("two").text("metadata", &metadata).text("x", "y").file(&file);
    let again = named(&partner, "n", &again.text("public_key", &key.public_key)).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!((first.header("idempotent-replay"), again.header("idempotent-replay")), ("", "true"));
    assert_eq!(again.header("content-type"), "application/json");
    for form in [
        form("one").file(&bytes(2, 120_000)).text("metadata", &metadata),
        form("one").file(&file).text("metadata", "{}"),
        form("one").file(&file),
        Form::new("one").text("public_key", "abab").file(&file).text("metadata", &metadata),
        Form::new("one").file(&file).text("metadata", &metadata),
        form("one").text("metadata", &metadata),
    ] {
        named(&partner, "n", &form).await.refused(422, "idempotency-mismatch");
    }
    let other = partner.call(&Method::POST, "/v1/partner/keys").header("idempotency-key", "n");
    let other = other.json(&testkit::assign_body("user-9", "customer-1")).send().await;
    other.refused(422, "idempotency-mismatch");
    assert_eq!(app.census(), before, "nothing was done again");

    // A refusal of what it says is kept; what cannot be read says nothing.
    let bad = Form::new("one").text("public_key", "xx").file(&file);
    let first = named(&partner, "bad", &bad).await;
    assert_eq!(first.faults(), ["public_key"]);
    let again = named(&partner, "bad", &bad).await;
    assert_eq!((again.body, again.headers["idempotent-replay"].as_bytes()), (first.body, &b"true"[..]));
    let large = form("one").file(&vec![0; 10_485_761]);
    for _ in 0..2 {
        let answer = named(&partner, "large", &large).await;
        answer.refused(413, "file-too-large");
        assert_eq!(answer.header("idempotent-replay"), "");
    }
    named(&partner, "large", &form("one").file(&file)).await.ok();
    let none = partner.call(&Method::POST, PATH).header("idempotency-key", "none");
    none.raw("application/json", "{}").send().await.refused(415, "content-type");
}

#[tokio::test]
async fn of_two_named_at_once_one_runs() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    let form = Form::of(&key, &bytes(1, 300_000), &Value::Null);
    let (first, second) = tokio::join!(named(&partner, "n", &form), named(&partner, "n", &form));
    let statuses = [first.status, second.status];
    assert!(statuses.contains(&200), "{statuses:?}");
    for answer in [first, second] {
        if answer.status != 200 {
            answer.refused(409, "idempotency-in-progress");
        }
    }
    assert_eq!((app.place.rows("backups"), app.files().await.len()), (1, 1));
}
