//! `/v1/partner/keys`: which key, for whom, and that of two rivals one wins.

use domain::credential::{Scope, TenantKind};
use serde_json::{Value, json};
use testkit::App;
use testkit::device::unhex;

fn of_kind(user: &str, key_type: &str, environment: &str) -> Value {
    let mut body = testkit::assign_body(user, "customer-1");
    (body["key_type"], body["key_environment"]) = (json!(key_type), json!(environment));
    body
}

#[tokio::test]
async fn each_kind_of_key_has_its_encoding() {
    let app = App::start().await;
    let partner = app.partner();
    for (at, (key_type, environment)) in [
        ("rsa4096", "HOT"),
        ("secp256k1", "HOT"),
        ("ed25519", "HOT"),
        ("rsa4096", "COLD"),
        ("secp256k1", "COLD"),
        ("ed25519", "COLD"),
    ]
    .into_iter()
    .enumerate()
    {
        let key = partner.assign(&of_kind(&format!("user-{at}"), key_type, environment)).await.ok();
        assert_eq!((&key["key_type"], &key["key_environment"]), (&json!(key_type), &json!(environment)));
        let text = key["public_key"].as_str().unwrap();
        assert_eq!(text, text.to_lowercase());
        let bytes = unhex(text);
        match key_type {
            "rsa4096" => assert!(bytes.len() == 550 && bytes.ends_with(&[2, 3, 1, 0, 1]), "{text}"),
            "secp256k1" => assert!(bytes.len() == 33 && [2, 3].contains(&bytes[0]), "{text}"),
            _ => assert_eq!(bytes.len(), 32, "{text}"),
        }
    }
    let mut first_edition = testkit::assign_body("user-9", "customer-1");
    first_edition.as_object_mut().unwrap().remove("key_type");
    assert_eq!(partner.assign(&first_edition).await.ok()["key_type"], "rsa4096", "when left out");
}

/// What is wrong, how to make it so, and the field that is named.
type Fault = (&'static str, fn(&mut Value), &'static str);

const FAULTS: [Fault; 13] = [
    ("another kind", |body| body["key_type"] = json!("rsa2048"), "key_type"),
    ("upper case", |body| body["key_type"] = json!("ED25519"), "key_type"),
    ("lower case", |body| body["key_environment"] = json!("hot"), "key_environment"),
    ("no environment", |body| body["key_environment"] = json!(null), "key_environment"),
    ("no organisation", |body| body["organisation"] = json!(null), "organisation"),
    ("an empty organisation", |body| body["organisation"] = json!({}), "organisation.customer_id"),
    ("an organisation's name", |body| body["organisation"] = json!("customer-1"), "organisation"),
    (
        "a long id",
        |body| body["organisation"]["customer_id"] = json!("c".repeat(256)),
        "organisation.customer_id",
    ),
    (
        "a control character",
        |body| body["organisation"]["customer_name"] = json!("a\nb"),
        "organisation.customer_name",
    ),
    ("no package", |body| body["package"] = json!(null), "package"),
    ("an empty package", |body| body["package"] = json!({"package_name": "x"}), "package.package_id"),
    ("an empty user", |body| body["user_identifier"] = json!(""), "user_identifier"),
    ("a field that is none", |body| body["sign_with"] = json!(["public_key"]), "sign_with"),
];

#[tokio::test]
async fn each_fault_is_named_by_its_path() {
    let app = App::start().await;
    let before = app.census();
    for (fault, make, field) in FAULTS {
        let mut body = testkit::assign_body("user-1", "customer-1");
        make(&mut body);
        assert_eq!(app.partner().assign(&body).await.faults(), [field], "{fault}");
    }
    assert_eq!(app.census(), before, "nothing was stored");
}

#[tokio::test]
async fn a_second_key_for_the_same_user_and_organisation_is_refused() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    let before = app.census();
    for (key_type, environment) in
        [("rsa4096", "HOT"), ("ed25519", "HOT"), ("rsa4096", "COLD"), ("secp256k1", "COLD")]
    {
        let mut body = of_kind("user-1", key_type, environment);
        body["package"] = json!({"package_id": "another"});
        let answer = partner.assign(&body).await;
        let refused = answer.refused(409, "key-already-assigned");
        assert_eq!(refused["message"], "Key already assigned for this user and organisation");
        assert!(
            !answer.text().contains(&key.key_id) && !answer.text().contains(&key.public_key),
            "given away"
        );
    }
    assert_eq!(app.census(), before, "no key was spent, nothing stored");
    partner.assigned("user-1", "customer-2").await;
    partner.assigned("user-2", "customer-1").await;
    partner.assigned("user-1", "Customer-1").await;
    let stranger = app.new_tenant(TenantKind::Partner, &[Scope::Partner]).await;
    stranger.assigned("user-1", "customer-1").await;
}

async fn of_many_at_once_one_wins(app: App) {
    let partner = app.partner();
    let before = app.census();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let partner = partner.clone();
        calls.spawn(async move { partner.assign(&of_kind("user-1", "ed25519", "HOT")).await });
    }
    let answers = calls.join_all().await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(won, 1);
    let lost: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    for answer in &lost {
        answer.refused(409, "key-already-assigned");
        assert_eq!(answer.face(), lost[0].face());
    }
    let after = app.census();
    assert_eq!(after["customer_keys"], before["customer_keys"] + 1);
    assert_eq!(after["pool_keys"], before["pool_keys"] - 1, "the losers spent none");
    assert_eq!((after["events"], after["users"]), (before["events"] + 1, before["users"] + 1));
}

#[tokio::test]
async fn of_many_at_once_one_wins_on_sqlite() {
    of_many_at_once_one_wins(App::start().await).await;
}

#[tokio::test]
async fn of_many_at_once_one_wins_on_postgres() {
    of_many_at_once_one_wins(App::on_postgres().await).await;
}

#[tokio::test]
async fn of_two_processes_one_wins_at_the_database() {
    let mut first = App::on_postgres().await;
    let second = first.second_service().await;
    let partner = first.partner();
    for round in 0..8 {
        let body = of_kind(&format!("user-{round}"), "rsa4096", "HOT");
        let other = partner.at(&format!("http://{}", second.address()));
        let (here, there) = tokio::join!(partner.assign(&body), other.assign(&body));
        let mut both = [here.status, there.status];
        both.sort_unstable();
        assert_eq!(both, [200, 409], "{} {}", here.text(), there.text());
    }
    second.stop().await;
    first.stop_service().await;
}

#[tokio::test]
async fn a_batch_of_cold_keys_adds_nothing_the_second_time() {
    let app = App::start().await;
    let before = app.census();
    assert_eq!(app.service().adopt_batch(&app.fixture.batch).await.unwrap(), 0);
    assert_eq!(app.census(), before, "they were in stock already");
    let empty = testkit::Plan::default().with_pool([0, 0, 0]).start().await;
    assert_eq!(empty.service().adopt_batch(&empty.fixture.batch).await.unwrap(), 10);
    assert_eq!(empty.census()["pool_keys"], 10);
    let mut forged = app.fixture.batch.clone();
    *forged.last_mut().unwrap() ^= 1;
    app.service().adopt_batch(&forged).await.unwrap_err();
    app.service().adopt_batch(b"").await.unwrap_err();
}
