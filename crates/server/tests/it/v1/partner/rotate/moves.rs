//! What moves, and what it looks like afterwards.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::device::secret;
use testkit::{App, assign_body};

use super::*;
use crate::story::message;

#[tokio::test]
async fn all_that_a_key_guards_answers_to_the_new_one() {
    // More than one batch on either engine.
    for (app, many) in [(App::start().await, 250), (App::on_postgres().await, 70)] {
        let actor = tenant(&app).await;
        for (number, count) in [0, 1, many].into_iter().enumerate() {
            let user = format!("user-{number}");
            let old = actor.assigned(&user, "customer-1").await;
            let mut backups = Vec::new();
            for at in 0..count {
                backups.push(store(&actor, &old, &format!("{number} {at}")).await);
            }
            let file = put_file(&app, &old, u32::try_from(number).unwrap());
            let before = app.census();
            let new = rotated(&actor, &old).await;
            for name in
                ["customer_id", "package_id", "metadata", "key_environment", "key_type", "kid", "assigned_at"]
            {
                assert_eq!(new.answer[name], old.answer[name], "{name}");
            }
            assert_ne!((&new.key_id, &new.public_key), (&old.key_id, &old.public_key));
            for backup in &backups {
                assert!(is_whole(&actor, backup).await, "{backup} of {count}");
                assert_eq!(key_of(&actor, backup).await, new.key_id);
            }
            assert_eq!(key_of(&actor, &file).await, new.key_id, "a file answers to the new key too");
            let (was, is) = (shown(&actor, &old.key_id).await, shown(&actor, &new.key_id).await);
            assert_eq!(
                (&was["status"], &was["superseded_by"], &was["backups_count"]),
                (&json!("superseded"), &json!(new.key_id), &json!(0))
            );
            assert_eq!(
                (&is["status"], &is["supersedes"], &is["backups_count"]),
                (&json!("active"), &json!(old.key_id), &json!(count + 1))
            );
            assert_eq!(was["public_key"], old.public_key, "it stays readable");
            assert_eq!(acts(&actor, &old.key_id).await, ["key.assigned", "key.superseded"]);
            assert_eq!(acts(&actor, &new.key_id).await, ["key.rotated"]);
            // One key from the pool, one key more, two entries, one event: and nothing else.
            let mut after = app.census();
            for (table, more) in
                [("pool_keys", -1), ("customer_keys", 1), ("audit_entries", 2), ("events", 1)]
            {
                *after.get_mut(table).unwrap() -= more;
            }
            assert_eq!(after, before);
            superseded_by(&actor.try_store_data(&old, &old.device().item("", b"late")).await, &new.key_id);
            superseded_by(&rotate(&actor, &old.key_id).await, &new.key_id);
            assert!(is_whole(&actor, &store(&actor, &new, "new").await).await);
            let assigned = actor.assign(&assign_body(&user, "customer-1")).await;
            assigned.refused(409, "key-already-assigned");
        }
    }
}

#[tokio::test]
async fn the_event_and_the_entries_name_both_keys() {
    let app = App::start().await;
    let actor = tenant(&app).await;
    let old = actor.assigned("user-1", "customer-1").await;
    let new = rotated(&actor, &old).await;
    let events = app.events(&actor).await;
    let event = events.last().unwrap();
    assert_eq!(event["type"], "key.rotated");
    let expected = json!({
        "key_id": new.key_id, "supersedes": old.key_id, "user_identifier": "user-1", "key_environment": "HOT",
        "customer_id": "customer-1", "package_id": "package-1",
    });
    assert_eq!(event["data"], expected);
    for (action, key, reason) in [
        ("key.superseded", &old, format!("superseded by {}", new.key_id)),
        ("key.rotated", &new, format!("supersedes {}", old.key_id)),
    ] {
        let entries = actor.audit(&format!("&action={action}")).await;
        assert_eq!(entries.len(), 1, "{action}");
        assert_eq!(
            (&entries[0]["key_id"], &entries[0]["reason"], &entries[0]["customer_id"]),
            (&json!(key.key_id), &json!(reason), &json!("customer-1"))
        );
    }
}

/// What waits for its deletion can be restored, and then must open.
#[tokio::test]
async fn what_waits_for_its_deletion_moves_and_what_is_gone_does_not() {
    for app in [App::start().await, App::on_postgres().await] {
        let actor = tenant(&app).await;
        let key = actor.assigned("user-1", "customer-1").await;
        let (waiting, gone) = (store(&actor, &key, "a").await, store(&actor, &key, "b").await);
        actor.call(&Method::DELETE, &format!("/v1/backups/{waiting}")).send().await.ok();
        app.place.run(&format!(
            "UPDATE backups SET state = 'deleted', ciphertext = NULL, record = NULL, checksum_sealed = NULL \
             WHERE id = '{gone}'"
        ));
        let new = rotated(&actor, &key).await;
        actor.call(&Method::POST, &format!("/v1/backups/{waiting}/restore")).send().await.ok();
        assert!(is_whole(&actor, &waiting).await);
        assert_eq!(key_of(&actor, &waiting).await, new.key_id);
        assert_eq!(key_of(&actor, &gone).await, key.key_id);
    }
}

#[tokio::test]
async fn a_chain_carries_everything_to_its_end() {
    let app = App::start().await;
    let actor = tenant(&app).await;
    let first = actor.assigned("user-1", "customer-1").await;
    let mut backups = vec![store(&actor, &first, "of the first").await];
    let second = rotated(&actor, &first).await;
    backups.push(store(&actor, &second, "of the second").await);
    let third = rotated(&actor, &second).await;
    backups.push(store(&actor, &third, "of the third").await);
    let file = put_file(&app, &third, 1);
    let last = rotated(&actor, &third).await;
    for backup in &backups {
        assert!(is_whole(&actor, backup).await);
        assert_eq!(key_of(&actor, backup).await, last.key_id);
    }
    assert_eq!(key_of(&actor, &file).await, last.key_id);
    // Each names the one that replaced it, and not the last of all.
    for (key, successor) in [(&first, &second), (&second, &third), (&third, &last)] {
        superseded_by(&rotate(&actor, &key.key_id).await, &successor.key_id);
        assert_eq!(shown(&actor, &key.key_id).await["superseded_by"], successor.key_id);
    }
    assert_eq!(acts(&actor, &second.key_id).await, ["key.rotated", "key.superseded"]);
}

/// More than one rotation could bring about: each costs no more than the one before.
#[tokio::test]
async fn there_is_no_last_rotation() {
    let app = App::start().await;
    let actor = tenant(&app).await;
    let mut key = actor.assigned("user-1", "customer-1").await;
    let (backup, file) = (store(&actor, &key, "a").await, put_file(&app, &key, 1));
    for _ in 0..20 {
        key = rotated(&actor, &key).await;
    }
    assert!(is_whole(&actor, &backup).await);
    assert_eq!(key_of(&actor, &file).await, key.key_id);
}

/// Each device's bytes come back, to the first delivery, to one after a rotation, and under the next check.
#[tokio::test]
async fn a_retail_user_gets_the_same_bytes() {
    for app in [App::start().await, App::on_postgres().await] {
        let actor = tenant(&app).await;
        let (recipient, gpg) = (&app.fixture.recipient, app.fixture.recipient.gpg());
        let check = actor.start("user-1").await;
        let key = actor.key("user-1", &check).await;
        let device = key.device();
        let plain: Vec<_> = ["seed", "shard"].map(|name| (name, secret(name))).into();
        let items: Vec<_> = plain.iter().map(|(name, plain)| device.item(name, plain)).collect();
        let ids = actor.store("user-1", &check, &key, &items).await;
        // Still unconfirmed.
        let second = rotated(&actor, &key).await;
        actor.simulate(&check, "approve_inquiry").await.ok();
        let whole = |answer: &Value| {
            let found = answer["backup"].as_array().unwrap();
            assert_eq!(found.len(), 2, "{answer}");
            for item in found {
                let name = item["item_key"].as_str().unwrap();
                let (_, plain) = plain.iter().find(|(known, _)| *known == name).unwrap();
                assert_eq!(gpg.decrypt(&message(item)), *plain, "{name}");
                assert!(ids.iter().any(|id| item["backup_id"] == *id), "the ids stay");
            }
        };
        whole(&actor.recover("user-1", &check, &recipient.certificate).await.ok());
        let third = rotated(&actor, &second).await;
        whole(&actor.recover("user-1", &check, &recipient.certificate).await.ok());
        rotated(&actor, &third).await;
        whole(&actor.recover("user-1", &check, &recipient.certificate).await.ok());
        let used = actor.recover("user-1", &check, &recipient.certificate).await;
        used.refused(403, "verification-used");
        let next = actor.approved("user-1").await;
        whole(&actor.recover("user-1", &next, &recipient.certificate).await.ok());
        let stale = actor.try_store("user-1", &next, &third, &[third.device().item("more", b"x")]).await;
        stale.refused(409, "key-superseded");
    }
}

/// A COLD key's material is opened offline only: it stays where it is until a ceremony moves it.
#[tokio::test]
async fn a_cold_key_keeps_its_backups_until_the_ceremony() {
    for app in [App::start().await, App::on_postgres().await] {
        let actor = tenant(&app).await;
        let mut body = assign_body("user-1", "customer-1");
        body["key_environment"] = json!("COLD");
        let answer = actor.assign(&body).await.ok();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        let old = Given { key_id: text("key_id"), public_key: text("public_key"), answer: answer.clone() };
        let (backup, file) = (store(&actor, &old, "a").await, put_file(&app, &old, 1));
        let new = rotated(&actor, &old).await;
        assert_eq!(new.answer["key_environment"], "COLD");
        let (was, is) = (shown(&actor, &old.key_id).await, shown(&actor, &new.key_id).await);
        assert_eq!(
            (&was["status"], &was["superseded_by"], &was["backups_count"]),
            (&json!("superseding"), &json!(new.key_id), &json!(2))
        );
        assert_eq!((&is["status"], &is["backups_count"]), (&json!("active"), &json!(0)));
        for backup in [&backup, &file] {
            assert_eq!(key_of(&actor, backup).await, old.key_id);
        }
        superseded_by(&actor.try_store_data(&old, &old.device().item("", b"late")).await, &new.key_id);
        superseded_by(&rotate(&actor, &old.key_id).await, &new.key_id);
        store(&actor, &new, "b").await;
        let listed = actor.get("/v1/partner/keys?status=superseding").await.ok();
        assert_eq!(listed["data"][0]["key_id"], old.key_id);
    }
}

#[tokio::test]
async fn each_kind_rotates_and_signs_what_is_asked() {
    let app = App::start().await;
    let actor = tenant(&app).await;
    for key_type in ["rsa4096", "secp256k1", "ed25519"] {
        let body = json!({"user_identifier": "user-1", "key_type": key_type});
        let old = actor.post("/v1/keys", &body).await.ok();
        let path = format!("/v1/keys/{}/rotate", old["key_id"].as_str().unwrap());
        let fault = actor.post(&path, &json!({"sign_with": ["external_customer_id"]})).await;
        assert_eq!(fault.faults(), ["sign_with"], "it is filed under no organisation");
        assert_eq!(
            actor.post(&path, &json!({"sign_with": ["key_id", "key_id"]})).await.faults(),
            ["sign_with"]
        );
        let new = actor.post(&path, &json!({"sign_with": ["key_id", "user_id"]})).await.ok();
        assert_eq!((&new["key_type"], &new["supersedes"]), (&json!(key_type), &old["key_id"]));
        assert!(new.get("customer_id").is_none(), "{new}");
        assert_eq!(new["signed_fields"], json!(["key_id", "user_id"]));
        assert!(new["signed_payload"].as_str().unwrap().contains(new["key_id"].as_str().unwrap()));
        let verdict = actor.get(&format!("/v1/keys/{}/verify", new["key_id"].as_str().unwrap())).await.ok();
        assert_eq!(verdict["is_key_valid"], true);
    }
}

/// Whoever lost the answer is told where it is; whoever named the call is given it again.
#[tokio::test]
async fn a_lost_answer_is_found_again() {
    let app = App::start().await;
    let actor = tenant(&app).await;
    let old = actor.assigned("user-1", "customer-1").await;
    let path = format!("/v1/partner/keys/{}/rotate", old.key_id);
    let call = || actor.call(&Method::POST, &path).header("idempotency-key", "once").json(&json!({}));
    let first = call().send().await;
    let again = call().send().await;
    assert_eq!((again.ok(), again.header("idempotent-replay")), (first.ok(), "true"));
    let refused = rotate(&actor, &old.key_id).await.refused(409, "key-superseded");
    let successor = refused["errors"]["superseded_by"][0].as_str().unwrap();
    let found = shown(&actor, successor).await;
    for name in ["key_id", "public_key", "signature", "kid", "assigned_at", "supersedes"] {
        assert_eq!(found[name], first.ok()[name], "{name}");
    }
}
