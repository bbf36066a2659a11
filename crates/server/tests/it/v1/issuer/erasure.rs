//! Somebody for whom an issuer's tokens spoke is erased from the audit log: nothing leads to him any more, and the log is
//! verified as before.

use domain::credential::{Scope, TenantKind};
use serde_json::{Value, json};
use server::doctor::{Verdict, examine};
use testkit::{Actor, App, Plan, assign_body};

use super::super::audit_checkpoint::{checkpoint, export, judge, verify};
use super::idp::{Idp, Key};

const NAME: &str = "7d1f0c52-6a0e-4f0b-9c55-5b1f3c2ea901";
const OTHER: &str = "7d1f0c52-6a0e-4f0b-9c55-5b1f3c2ea902";

/// A partner with an issuer, and what it signs with.
struct Stage {
    app: App,
    tenant: Actor,
    id: String,
    key: Key,
    _idp: Idp,
}

impl Stage {
    async fn set(app: App) -> Self {
        let tenant = app.new_tenant(TenantKind::Partner, Scope::ALL).await;
        let (key, id) = (Key::new("a"), app.tenant_of(&tenant).await.to_string());
        let idp = Idp::with(&[&key]).await;
        idp.register(&tenant).await;
        Self { app, tenant, id, key, _idp: idp }
    }

    /// The caller for whom a token of this name speaks.
    fn caller(&self, name: &str) -> Actor {
        let token = self.key.token(&self.app, &json!({"scope": "partner keys audit", "sub": name}));
        self.app.anonymous().with_key(Some(&token))
    }

    /// Takes a key in that name; says what the log calls whoever did.
    async fn act(&self, name: &str, user: &str) -> String {
        self.caller(name).assign(&assign_body(user, "customer-1")).await.ok();
        let entry = self.tenant.audit("&action=key.assigned").await.pop().unwrap();
        assert_eq!(entry["actor_type"], "user_credentials");
        entry["actor"].as_str().unwrap().to_owned()
    }

    async fn find(&self, name: &str) -> Option<String> {
        self.app.admin().await.find_subject(&self.id, name).await.unwrap()
    }

    /// Both verifiers find the log whole, and the examination finds nothing wrong.
    async fn is_whole(&self, since: Option<&Value>) -> Value {
        let made = checkpoint(&self.tenant).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (key, note, log) = (text(&made["key"]), text(&made["note"]), export(&self.tenant).await);
        let since = since.map(|older| text(&older["note"]));
        verify(&key, &log, &note, since.as_deref()).unwrap();
        assert_eq!(judge(&key, &[(log, note, since)]), [json!({"ok": true, "size": made["size"]})]);
        let admin = self.app.admin().await;
        let found = examine(&admin, &mut |_, _, _| {}).await.unwrap();
        let wrong: Vec<_> = found.iter().filter(|line| line.verdict == Verdict::Failure).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        made
    }
}

async fn who_is_erased_is_named_by_nothing(app: App) {
    let stage = Stage::set(app).await;
    let (called, other) = (stage.act(NAME, "user-1").await, stage.act(OTHER, "user-2").await);
    assert_ne!(called, other);
    assert_eq!(stage.act(NAME, "user-3").await, called, "one person, one name in the log");
    assert_eq!(stage.find(NAME).await, Some(called.clone()), "with the salt it is told who that is");
    assert!(!export(&stage.tenant).await.contains(NAME));
    let before = stage.is_whole(None).await;
    let admin = stage.app.admin().await;
    let erased = admin.erase_subject(&stage.id, NAME).await.unwrap().expect("erased");
    assert_eq!((&erased.pseudonym, erased.named_in_keys), (&called, 0));
    assert_eq!(stage.find(NAME).await, None);
    assert_eq!(admin.erase_subject(&stage.id, NAME).await.unwrap(), None, "there is nothing of him");
    let entry = stage.tenant.audit("&action=person.erased").await.pop().unwrap();
    assert_eq!((&entry["reason"], &entry["actor_type"]), (&json!(called), &json!("operator")));
    stage.is_whole(Some(&before)).await;
    assert_eq!(stage.find(OTHER).await, Some(other), "nobody else is");
    // Who comes again is somebody new.
    let again = stage.act(NAME, "user-4").await;
    assert_ne!(again, called);
    assert_eq!(stage.find(NAME).await, Some(again));
    stage.is_whole(Some(&before)).await;
}

#[tokio::test]
async fn who_is_erased_is_named_by_nothing_on_sqlite() {
    Box::pin(who_is_erased_is_named_by_nothing(Plan::default().on_sqlite().start().await)).await;
}

#[tokio::test]
async fn who_is_erased_is_named_by_nothing_on_postgres() {
    Box::pin(who_is_erased_is_named_by_nothing(App::on_postgres().await)).await;
}

#[tokio::test]
async fn the_same_name_in_two_logs_is_two_people() {
    let stage = Stage::set(Plan::default().on_sqlite().start().await).await;
    let called = stage.act(NAME, "user-1").await;
    let stranger = stage.app.tenant_of(&stage.app.partner()).await.to_string();
    let admin = stage.app.admin().await;
    assert_eq!(admin.find_subject(&stranger, NAME).await.unwrap(), None);
    assert_eq!(admin.erase_subject(&stranger, NAME).await.unwrap(), None);
    assert_eq!(stage.find(NAME).await, Some(called));
}

/// Who has the database cannot have the log call one what it called another.
#[tokio::test]
async fn the_salt_of_one_is_not_anothers() {
    let stage = Stage::set(Plan::default().on_sqlite().start().await).await;
    let called = [stage.act(NAME, "user-1").await, stage.act(OTHER, "user-2").await];
    let salt = "(SELECT salt FROM audit_subjects ORDER BY finder LIMIT 1)";
    stage.app.place.run(&format!("UPDATE audit_subjects SET salt = {salt}"));
    let admin = stage.app.admin().await;
    let mut opened = Vec::new();
    for (name, called) in [NAME, OTHER].into_iter().zip(called) {
        opened.extend(admin.find_subject(&stage.id, name).await.ok().map(|found| (found, Some(called))));
    }
    let [(found, called)] = &opened[..] else { unreachable!("one of the two: {opened:?}") };
    assert_eq!(found, called, "whose salt it is");
}

/// What a caller has the enclave sign is his own; that it names somebody is said when that one is erased.
#[tokio::test]
async fn a_statement_that_names_him_is_told_of() {
    let stage = Stage::set(Plan::default().on_sqlite().start().await).await;
    for (name, user) in [(OTHER, "user-1"), (NAME, "user-2"), (OTHER, "user-3")] {
        let mut body = assign_body(user, "customer-1");
        body["sign_with"] = json!(["key_id", "pulled_by_id"]);
        let signed = stage.caller(name).assign(&body).await.ok()["signed_payload"].clone();
        let signed: Value = serde_json::from_str(signed.as_str().unwrap()).unwrap();
        assert_eq!(signed["pulled_by_id"], name);
    }
    let admin = stage.app.admin().await;
    for (name, keys) in [(OTHER, 2), (NAME, 1)] {
        let erased = admin.erase_subject(&stage.id, name).await.unwrap().expect("erased");
        assert_eq!(erased.named_in_keys, keys, "{name}");
    }
}

/// The log as it was before names were hidden: it is verified as it is.
#[tokio::test]
async fn entries_from_before_are_as_they_were() {
    let stage = Stage::set(Plan::default().on_sqlite().start().await).await;
    stage.act(NAME, "user-1").await;
    stage.app.place.run(&format!(
        "INSERT INTO audit_entries (id, tenant_id, time, actor, actor_type, action, result, request_id) VALUES \
         ('01890000-0000-7000-8000-0000000000ff', '{}', 1, '{OTHER}', 'user_credentials', 'key.assigned', 'ok', 'r')",
        stage.id
    ));
    stage.app.seal_entries().await;
    let before = stage.is_whole(None).await;
    assert!(export(&stage.tenant).await.contains(OTHER), "it names whom it named");
    stage.app.admin().await.erase_subject(&stage.id, NAME).await.unwrap().expect("erased");
    stage.is_whole(Some(&before)).await;
}
