//! Rotations against each other, against stores, and against whatever else changes a backup.

use std::time::Duration;

use testkit::device::secret;
use testkit::{App, Plan};
use tokio::task::JoinSet;

use super::*;

/// So long that a call has come to the enclave, which does not answer.
const UNDER_WAY: Duration = Duration::from_millis(400);

#[tokio::test]
async fn of_sixteen_at_once_one_wins() {
    for plan in [Plan::default(), Plan::default().on_postgres()] {
        let mut app = plan.start().await;
        let actor = tenant(&app).await;
        let second = app.second_service().await;
        let bases = [app.base(), format!("http://{}", second.address())];
        let key = actor.assigned("user-1", "customer-1").await;
        let backup = store(&actor, &key, "a").await;
        let mut calls = JoinSet::new();
        for at in 0..16 {
            let (actor, id) = (actor.at(&bases[at % 2]), key.key_id.clone());
            calls.spawn(async move { rotate(&actor, &id).await });
        }
        let answers = calls.join_all().await;
        let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(won.len(), 1);
        let new = won[0].ok()["key_id"].as_str().unwrap().to_owned();
        for lost in answers.iter().filter(|answer| answer.status != 200) {
            superseded_by(lost, &new);
        }
        assert!(is_whole(&actor, &backup).await);
        assert_eq!(key_of(&actor, &backup).await, new);
        let active = actor.get("/v1/partner/keys?status=active").await.ok();
        assert_eq!(active["data"].as_array().unwrap().len(), 1);
        assert_eq!(app.place.rows("customer_keys"), 2);
        second.stop().await;
    }
}

/// Whatever a store is answered, it is so: what was acknowledged opens under the key that is active in the end.
#[tokio::test]
async fn what_is_stored_meanwhile_moves_too() {
    for app in [App::start().await, App::on_postgres().await] {
        let actor = tenant(&app).await;
        let (mut acknowledged, mut refused) = (0, 0);
        for round in 0..4 {
            let key = actor.assigned(&format!("user-{round}"), "customer-1").await;
            for at in 0..round * 20 {
                store(&actor, &key, &format!("before {round} {at}")).await;
            }
            let mut stores = JoinSet::new();
            for writer in 0..3 {
                let (actor, key) = (actor.clone(), key.clone());
                stores.spawn(async move {
                    let mut ids = Vec::new();
                    loop {
                        let item = key.device().item("", &secret(&format!("{writer} {}", ids.len())));
                        let answer = actor.try_store_data(&key, &item).await;
                        if answer.status != 200 {
                            return (ids, answer);
                        }
                        ids.push(answer.ok()["backup_id"].as_str().unwrap().to_owned());
                    }
                });
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
            let mut answer = rotate(&actor, &key.key_id).await;
            while answer.status == 503 {
                answer.refused(503, "key-busy");
                answer = rotate(&actor, &key.key_id).await;
            }
            let new = answer.ok()["key_id"].as_str().unwrap().to_owned();
            for (ids, last) in stores.join_all().await {
                superseded_by(&last, &new);
                refused += 1;
                acknowledged += ids.len();
                for id in ids {
                    assert!(is_whole(&actor, &id).await, "{id} was acknowledged");
                    assert_eq!(key_of(&actor, &id).await, new);
                }
            }
            assert_eq!(shown(&actor, &key.key_id).await["backups_count"], 0);
        }
        println!("figure: stores_beside_rotations {acknowledged} stored, {refused} refused");
        assert!(acknowledged > 0 && refused > 0);
    }
}

/// Runs a rotation that is held up in the enclave while `meanwhile` changes the database.
async fn held_up(app: &App, actor: &Actor, key: &Given, meanwhile: &str) -> Answer {
    app.enclave.pause();
    let (caller, id) = (actor.clone(), key.key_id.clone());
    let call = tokio::spawn(async move { rotate(&caller, &id).await });
    tokio::time::sleep(UNDER_WAY).await;
    app.place.run(meanwhile);
    app.enclave.resume();
    call.await.unwrap()
}

#[tokio::test]
async fn what_changes_while_it_is_moved_is_seen() {
    for app in [App::start().await, App::on_postgres().await] {
        let actor = tenant(&app).await;
        let key = actor.assigned("user-1", "customer-1").await;
        let (one, two) = (store(&actor, &key, "1").await, store(&actor, &key, "2").await);
        let state = |state: &str, id: &str| format!("UPDATE backups SET state = '{state}' WHERE id = '{id}'");

        // As if it were stored just now.
        app.place.run(&state("deleted", &two));
        let answer = held_up(&app, &actor, &key, &state("confirmed", &two)).await;
        let second = Given { key_id: answer.ok()["key_id"].as_str().unwrap().to_owned(), ..key.clone() };
        for id in [&one, &two] {
            assert!(is_whole(&actor, id).await);
            assert_eq!(key_of(&actor, id).await, second.key_id);
        }

        // Deleted: it stays behind, and hinders nothing.
        let answer = held_up(&app, &actor, &second, &state("deleted", &two)).await;
        let third = Given { key_id: answer.ok()["key_id"].as_str().unwrap().to_owned(), ..key.clone() };
        assert!(is_whole(&actor, &one).await);
        assert_eq!(key_of(&actor, &one).await, third.key_id);
        assert_eq!(key_of(&actor, &two).await, second.key_id);

        // Damaged, or with another record: it is not covered up by what was made of it before.
        for column in ["ciphertext", "record"] {
            let other = format!("(SELECT {column} FROM backups WHERE id = '{two}')");
            let whole = format!("(SELECT {column} FROM kept)");
            app.place.run(&format!("CREATE TABLE kept AS SELECT {column} FROM backups WHERE id = '{one}'"));
            let damage = format!("UPDATE backups SET {column} = {other} WHERE id = '{one}'");
            let answer = held_up(&app, &actor, &third, &damage).await;
            let refused = answer.refused(409, "backup-damaged");
            assert_eq!(refused["errors"], json!({"backup_ids": [one]}), "{column}: {refused}");
            app.place
                .run(&format!("UPDATE backups SET {column} = {whole} WHERE id = '{one}'; DROP TABLE kept"));
        }

        // A recovery that was begun meanwhile comes first.
        let check = actor.approved("user-1").await;
        let retail = actor.key("user-1", &check).await;
        actor.store("user-1", &check, &retail, &[retail.device().item("a", b"a")]).await;
        actor.recover("user-1", &check, &app.fixture.recipient.certificate).await.ok();
        let begun = "UPDATE recoveries SET state = 'releasing'";
        held_up(&app, &actor, &retail, begun).await.refused(409, "recovery-running");

        let last = rotated(&actor, &third).await;
        assert!(is_whole(&actor, &one).await);
        assert_eq!(key_of(&actor, &one).await, last.key_id);
    }
}

/// A store that was checked under a key is not written when the key was replaced meanwhile.
#[tokio::test]
async fn a_store_that_comes_too_late_is_refused() {
    for app in [App::start().await, App::on_postgres().await] {
        let actor = tenant(&app).await;
        let partner = actor.assigned("user-1", "customer-1").await;
        let check = actor.approved("user-2").await;
        let retail = actor.key("user-2", &check).await;
        app.enclave.pause();
        let (first, second) = (actor.clone(), actor.clone());
        let (data, items) = (partner.device().item("", b"a"), [retail.device().item("a", b"a")]);
        let (one, two) = (partner.clone(), retail.clone());
        let calls = [
            tokio::spawn(async move { first.try_store_data(&one, &data).await }),
            tokio::spawn(async move { second.try_store("user-2", &check, &two, &items).await }),
        ];
        tokio::time::sleep(UNDER_WAY).await;
        app.place.run("UPDATE customer_keys SET state = 'superseded'");
        app.enclave.resume();
        for call in calls {
            call.await.unwrap().refused(409, "key-superseded");
        }
        assert_eq!(app.place.rows("backups"), 0);
    }
}

/// Nor is a file, however long it takes to its place; and nothing of it is left there.
#[tokio::test]
async fn a_file_that_comes_too_late_is_refused() {
    let app = Plan::default().in_bucket().start().await;
    let actor = tenant(&app).await;
    let key = actor.assigned("user-1", "customer-1").await;
    let bucket = app.s3.as_ref().unwrap();
    bucket.pause();
    let (caller, under) = (actor.clone(), key.clone());
    let call = tokio::spawn(async move { caller.try_store_file(&under, b"a file", &json!({})).await });
    tokio::time::sleep(UNDER_WAY).await;
    app.place.run("UPDATE customer_keys SET state = 'superseded'");
    bucket.resume();
    call.await.unwrap().refused(409, "key-superseded");
    assert_eq!((app.place.rows("backups"), app.files().await.len()), (0, 0));
}
