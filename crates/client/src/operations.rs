//! Every operation of the service's document has its method here, under the name that both clients give it.

use std::collections::BTreeMap;
use std::time::Duration;

use api::stored::{BackupList, KeyList};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::canned::{Canned, answer};
use crate::{AuditFilter, CallOptions, Client, Error, Paging, SetupFault};

fn read(path: &str) -> Value {
    let path = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The document's operations that are an integrator's: id to method, path and whether it reads an `Idempotency-Key`.
/// `/v1/providers` is what an identity provider calls, with its own signature and no credential of ours.
fn documented() -> BTreeMap<String, (String, String, bool)> {
    let document = read("docs/reference/openapi.json");
    let mut found = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/v1/") || path.starts_with("/v1/providers/") {
            continue;
        }
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
            let is_named = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
            let id = operation["operationId"].as_str().unwrap().to_owned();
            found.insert(id, (method.to_uppercase(), path.clone(), is_named));
        }
    }
    found
}

fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| text + &word[..1].to_uppercase() + &word[1..])
}

/// Makes each call, and says by which method.
macro_rules! calls {
    ($client:expr; $($id:ident: $group:ident.$method:ident($($given:expr),*);)*) => {{
        let mut made = Vec::new();
        $(
            // What the canned answer is worth to the call does not matter here.
            let _ = $client.$group().$method($($given),*).await;
            made.push((stringify!($id), format!("{}.{}", camel(stringify!($group)), camel(stringify!($method)))));
        )*
        made
    }};
}

/// One call of each method, with ids that say their place in the path.
async fn call_each(client: &Client) -> Vec<(&'static str, String)> {
    let user = json!({ "user_identifier": "u", "verification_id": "v", "gpg_public_key": "k", "action": "a",
        "public_key": "00", "backup": [], "data": "AAAA", "checksum": "00", "key_type": "rsa4096",
        "key_environment": "HOT", "organisation": { "customer_id": "c" }, "package": { "package_id": "p" },
        "backup_id": "b", "name": "n", "scopes": [], "issuer": "i", "jwks_uri": "j", "audience": "a", "url": "u" });
    let (paging, entries) = (Paging::default(), AuditFilter::default());
    calls! { client;
        start: retail.start_verification(&of(user.clone()));
        status: retail.verification_status("v");
        simulate: retail.simulate(&of(user.clone()));
        generate: retail.generate_key(&of(user.clone()));
        store: retail.store_backup(&of(user.clone()));
        recover: retail.recover(&of(user.clone()));
        assign_key: partner.assign_key(&of(user.clone()));
        list_keys: partner.list_keys(&KeyList::default());
        read_key: partner.read_key("key_id");
        rotate_key: partner.rotate_key("key_id", &of(json!({})));
        store_data: partner.store_data(&of(user.clone()));
        store_file: partner.store_file("00", vec![1], None);
        list_backups: partner.list_backups(&BackupList::default());
        read_backup: partner.read_backup("backup_id");
        delete_backup: partner.delete_backup("backup_id");
        restore_backup: partner.restore_backup("backup_id");
        new_key: institution.new_key(&of(user.clone()));
        list_own_keys: institution.list_keys(&KeyList::default());
        read_own_key: institution.read_key("key_id");
        rotate_own_key: institution.rotate_key("key_id", &of(json!({})));
        verify_key: institution.verify_key("key_id");
        store_own_data: institution.store_data(&of(user.clone()));
        store_own_file: institution.store_file("00", vec![1], None);
        list_own_backups: institution.list_backups(&BackupList::default());
        read_own_backup: institution.read_backup("backup_id");
        verify_backup: institution.verify_backup("backup_id");
        delete_own_backup: institution.delete_backup("backup_id");
        restore_own_backup: institution.restore_backup("backup_id");
        list: audit.page(&entries, &paging);
        checkpoint: audit.checkpoint();
        export: audit.export(&entries);
        create_credential: credentials.create(&of(user.clone()));
        list_credentials: credentials.list(&paging);
        revoke_credential: credentials.revoke("id");
        exchange_token: credentials.exchange_token();
        freeze: credentials.freeze(&of(json!({})));
        read_freeze: credentials.read_freeze();
        read_issuer: credentials.read_issuer();
        set_issuer: credentials.set_issuer(&of(user.clone()));
        delete_issuer: credentials.delete_issuer();
        create_webhook: webhooks.create(&of(user.clone()));
        list_webhooks: webhooks.list(&paging);
        read_webhook: webhooks.read("id");
        update_webhook: webhooks.update("id", &of(json!({})));
        delete_webhook: webhooks.delete("id");
        rotate_webhook_secret: webhooks.rotate_secret("id");
        test_webhook: webhooks.test("id");
        list_deliveries: webhooks.list_deliveries("id", &paging);
        redeliver: webhooks.redeliver("id", "delivery_id");
        ceremony: sandbox.ceremony();
        damage: sandbox.damage(&of(user.clone()));
        reset: sandbox.reset();
    }
}

#[tokio::test]
async fn each_operation_below_v1_has_its_method_and_each_method_its_operation() {
    let documented = documented();
    let server = Canned::with(vec![answer(200, &[], "[]"); documented.len()]).await;
    let client = Client::new(&server.base, "topsecret").unwrap();
    let made = call_each(&client).await;
    let names: BTreeMap<_, _> = made.iter().map(|(id, name)| ((*id).to_owned(), name.clone())).collect();
    assert_eq!(names, of(read("testdata/methods.json")), "the names of the TypeScript client");
    assert_eq!(names.keys().collect::<Vec<_>>(), documented.keys().collect::<Vec<_>>());
    let seen = server.seen();
    assert_eq!(seen.len(), made.len());
    for ((id, _), request) in made.iter().zip(&seen) {
        let (method, path, is_named) = &documented[*id];
        let line = request.lines().next().unwrap_or_default();
        let expected = format!("{method} {} HTTP/1.1", path.replace(['{', '}'], ""));
        assert_eq!(line.replace("?verification_id=v", ""), expected, "{id}");
        assert_eq!(request.contains("\r\nidempotency-key: "), *is_named, "{id}");
        assert!(request.contains("\r\nauthorization: Bearer topsecret\r\n"), "{id}");
    }
}

#[tokio::test]
async fn a_call_is_made_as_its_caller_says() {
    let server = Canned::with(vec![answer(200, &[], "{}"); 3]).await;
    let client = Client::new(&server.base, "k").unwrap();
    let options = CallOptions {
        idempotency_key: Some("deed-7".into()),
        request_id: Some("mine.1".into()),
        ..CallOptions::default()
    };
    let named = client.with(options);
    let _ = named.sandbox().reset().await;
    let _ = named.webhooks().read("id").await;
    let _ = client.sandbox().reset().await;
    let seen = server.seen();
    assert!(
        seen[0].contains("\r\nidempotency-key: deed-7\r\n")
            && seen[0].contains("\r\nx-request-id: mine.1\r\n")
    );
    assert!(
        !seen[1].contains("idempotency-key") && seen[1].contains("\r\nx-request-id: mine.1\r\n"),
        "a read"
    );
    assert!(!seen[2].contains("deed-7") && !seen[2].contains("mine.1"), "another call");

    for bad in ["", "a\nb", &"a".repeat(256)] {
        let named = client.with(CallOptions { idempotency_key: Some(bad.into()), ..CallOptions::default() });
        let fault = named.sandbox().reset().await.unwrap_err();
        assert!(matches!(fault, Error::Setup(SetupFault::Option("idempotency_key"))), "{bad:?}: {fault}");
    }
    let named = client.with(CallOptions { request_id: Some("a\nb".into()), ..CallOptions::default() });
    let fault = named.webhooks().read("id").await.unwrap_err();
    assert!(matches!(fault, Error::Setup(SetupFault::Option("request_id"))), "{fault}");
    assert_eq!(server.seen().len(), 3, "nothing was sent");
}

#[tokio::test]
async fn a_call_may_take_as_long_as_its_caller_says() {
    // Takes the connection, and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()), "k").unwrap();
    let hurried =
        client.with(CallOptions { timeout: Some(Duration::from_millis(1)), ..CallOptions::default() });
    let fault = hurried.webhooks().delete("id").await.unwrap_err();
    assert!(matches!(&fault, Error::Transport { source, .. } if source.is_timeout()), "{fault:?}");
}

#[tokio::test]
async fn each_call_of_a_deed_has_a_name_of_its_own() {
    let key = r#"{"key_id":"k","public_key":"00","signature":"","customer_id":"c","package_id":"p","metadata":{},
        "key_environment":"HOT","key_type":"rsa4096","assigned_at":"","kid":"x"}"#;
    let server = Canned::with(vec![answer(200, &[], key), answer(200, &[], "{}")]).await;
    let client = Client::new(&server.base, "k").unwrap();
    let named = client.with(CallOptions { idempotency_key: Some("deed-7".into()), ..CallOptions::default() });
    let secret = crate::Secret::from("a");
    let request = crate::PartnerBackupRequest {
        user_identifier: "u",
        secret: &secret,
        organisation: of(json!({ "customer_id": "c" })),
        package: of(json!({ "package_id": "p" })),
        key_environment: "HOT",
        metadata: None,
        user_id: None,
    };
    named.partner().backup(&request).await.unwrap_err();
    let retail = [("a", &secret)];
    let request = crate::BackupRequest { items: &retail, ..Default::default() };
    named.backup(&request).await.unwrap_err();
    let seen = server.seen();
    let acts: Vec<_> = seen.iter().filter(|request| request.contains("\r\nidempotency-key: ")).collect();
    assert!(acts.len() >= 2 && acts.iter().all(|request| !request.contains("deed-7")), "{acts:?}");
}
