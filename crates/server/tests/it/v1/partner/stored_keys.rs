//! `GET /v1/partner/keys` and one of them.

use std::time::Duration;

use domain::credential::{Scope, TenantKind};
use serde_json::{Value, json};
use testkit::{Actor, App, assign_body};

fn ids(page: &Value, name: &str) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|row| row[name].as_str().unwrap().to_owned()).collect()
}

async fn listed(actor: &Actor, query: &str) -> Vec<String> {
    ids(&actor.get(&format!("/v1/partner/keys?{query}")).await.ok(), "key_id")
}

async fn assign(actor: &Actor, user: &str, customer: &str, change: &Value) -> String {
    let mut body = assign_body(user, customer);
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    actor.assign(&body).await.ok()["key_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_lost_answer_is_found_again() {
    for app in [App::start().await, App::on_postgres().await] {
        let partner = app.partner();
        let mut body = assign_body("user-1", "customer-1");
        body["sign_with"] = json!(["user_id", "key_id"]);
        let assigned = partner.assign(&body).await.ok();
        let key = testkit::Given {
            key_id: assigned["key_id"].as_str().unwrap().to_owned(),
            public_key: assigned["public_key"].as_str().unwrap().to_owned(),
            answer: assigned.clone(),
        };
        partner.try_store_data(&key, &key.device().item("", b"one")).await.ok();
        let shown = partner.get(&format!("/v1/partner/keys/{}", key.key_id)).await.ok();
        for name in [
            "key_id",
            "public_key",
            "signature",
            "signed_payload",
            "signed_fields",
            "customer_id",
            "package_id",
            "metadata",
            "key_environment",
            "key_type",
            "assigned_at",
            "kid",
        ] {
            assert_eq!(shown[name], assigned[name], "{name}");
        }
        assert_eq!((&shown["status"], &shown["user_identifier"]), (&json!("active"), &json!("user-1")));
        assert_eq!((&shown["backups_count"], &shown["supersedes"]), (&json!(1), &Value::Null));
        let history = shown["history"].as_array().unwrap();
        assert_eq!((history.len(), history[0]["action"].as_str()), (1, Some("key.assigned")), "{shown}");
        let listed = partner.get("/v1/partner/keys").await.ok();
        let mut in_list = shown.clone();
        in_list.as_object_mut().unwrap().remove("history");
        assert_eq!(listed["data"], json!([in_list]));
        assert_eq!(listed["next_cursor"], Value::Null);
    }
}

#[tokio::test]
async fn filters_narrow_and_pages_go_newest_first() {
    for app in [App::start().await, App::on_postgres().await] {
        let partner = app.partner();
        let mut made = Vec::new();
        for (at, change) in [
            json!({}),
            json!({"key_type": "ed25519"}),
            json!({"key_environment": "COLD"}),
            json!({"package": {"package_id": "package-2"}}),
            json!({}),
        ]
        .iter()
        .enumerate()
        {
            // Two of them in the same millisecond.
            app.clock.advance(Duration::from_millis(u64::from(at != 1)));
            let user = if at == 4 { "user-2" } else { "user-1" };
            made.push(assign(&partner, user, &format!("customer-{at}"), change).await);
        }
        // Ids are older than assignments: within a millisecond they alone decide.
        let mut newest: Vec<_> = made.iter().rev().cloned().collect();
        newest[3..].sort_by(|a, b| b.cmp(a));
        assert_eq!(listed(&partner, "").await, newest);
        assert_eq!(listed(&partner, "user_identifier=user-2").await, [made[4].clone()]);
        assert_eq!(listed(&partner, "customer_id=customer-1").await, [made[1].clone()]);
        assert_eq!(listed(&partner, "package_id=package-2").await, [made[3].clone()]);
        assert_eq!(listed(&partner, "key_environment=COLD").await, [made[2].clone()]);
        assert_eq!(listed(&partner, "status=active").await.len(), 5);
        assert!(listed(&partner, "status=superseded").await.is_empty());
        assert!(listed(&partner, "status=active&user_identifier=user-3").await.is_empty());
        for limit in 1..=6 {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = partner.get(&format!("/v1/partner/keys?limit={limit}{cursor}")).await.ok();
                seen.extend(ids(&page, "key_id"));
                let Some(next) = page["next_cursor"].as_str() else { break };
                assert_eq!(page["data"].as_array().unwrap().len(), limit);
                cursor = format!("&cursor={next}");
            }
            assert_eq!(seen, newest, "{limit} at a time");
        }
    }
}

#[tokio::test]
async fn what_is_no_query_is_named() {
    let app = App::start().await;
    let partner = app.partner();
    for user in ["user-1", "user-2"] {
        partner.assigned(user, "customer-1").await;
    }
    let page = partner.get("/v1/partner/keys?limit=1").await.ok();
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    let other = app.new_tenant(TenantKind::Partner, &[Scope::Partner]).await;
    for (actor, query, fault) in [
        (&partner, "limit=0".to_owned(), "limit"),
        (&partner, "limit=201".to_owned(), "limit"),
        (&partner, "limit=x".to_owned(), "limit"),
        (&partner, "cursor=".to_owned(), "cursor"),
        (&partner, "cursor=s1".to_owned(), "cursor"),
        (&partner, format!("cursor={cursor}0"), "cursor"),
        (&partner, format!("cursor=1{cursor}"), "cursor"),
        (&partner, "user_identifier=a%00b".to_owned(), "user_identifier"),
        (&partner, "status=Active".to_owned(), "status"),
        (&partner, "key_environment=hot".to_owned(), "key_environment"),
        (&other, format!("cursor={cursor}"), "cursor"),
    ] {
        assert_eq!(actor.get(&format!("/v1/partner/keys?{query}")).await.faults(), [fault], "{query}");
    }
    let wrong_list = partner.get(&format!("/v1/partner/backups?cursor={cursor}")).await;
    assert_eq!(wrong_list.faults(), ["cursor"]);
    assert_eq!(partner.get("/v1/partner/keys?limit=0&status=x").await.faults(), ["limit", "status"]);
    partner.get(&format!("/v1/partner/keys?limit=200&cursor={cursor}")).await.ok();
}

#[tokio::test]
async fn unknown_foreign_and_malformed_ids_are_answered_alike() {
    let app = App::start().await;
    let other = app.new_tenant(TenantKind::Partner, &[Scope::Partner]).await;
    let foreign = other.assigned("user-1", "customer-1").await;
    let partner = app.partner();
    let unknown = partner.get("/v1/partner/keys/00000000-0000-7000-8000-000000000000").await;
    unknown.refused(404, "not-found");
    for id in [foreign.key_id.as_str(), "x", "%ff", "..%2f", &foreign.key_id.to_uppercase()] {
        let answer = partner.get(&format!("/v1/partner/keys/{id}")).await;
        assert_eq!(answer.face(), unknown.face(), "{id}");
    }
    assert!(listed(&partner, "").await.is_empty(), "another tenant's");
    assert_eq!(listed(&other, "").await, [foreign.key_id]);
}
