//! Every page of Control that one gets to by a link, as an owner sees it.

use std::time::Duration;

use serde_json::json;

use super::stage::{Stage, look_at};

const BETWEEN_CALLS: Duration = Duration::from_millis(150);

const PAGES: [(&str, &str); 22] = [
    ("home", "/control"),
    ("account", "/control/account"),
    ("factors", "/control/account/factors"),
    ("prove", "/control/prove"),
    ("lists-none", "/control/acls"),
    ("list-new", "/control/acls/new"),
    ("recoveries-none", "/control/recoveries"),
    ("backups", "/control/backups"),
    ("keys", "/control/keys"),
    ("log", "/control/log"),
    ("log-verified", "/control/log/verify"),
    ("notices-none", "/control/notices"),
    ("settings", "/control/settings"),
    ("signing-keys", "/control/settings/signing-keys"),
    ("limits", "/control/settings/limits"),
    ("reset", "/control/settings/reset"),
    ("webhooks", "/control/settings/webhooks"),
    ("webhook-new", "/control/settings/webhooks/new"),
    ("credentials", "/control/settings/credentials"),
    ("credential-new", "/control/settings/credentials/new"),
    ("zone", "/control/zone"),
    ("outbox", "/control/outbox"),
];

#[tokio::test]
async fn an_owner_looks_at_everything() {
    let stage = Stage::new();
    let stored = stage.store("captain", "HOT", b"abandon ability able about above absent").await;
    let owner = stage.signed_in("owner@").await;
    for (name, path) in PAGES {
        owner.go(&stage.at(path)).await;
        look_at(&owner, name).await;
    }
    for (name, path) in [
        ("backup", format!("/control/backups/{}", stored.backup)),
        ("key", format!("/control/keys/{}", stored.key)),
    ] {
        owner.go(&stage.at(&path)).await;
        look_at(&owner, name).await;
    }
    owner.go(&stage.at("/control/no-such-page")).await;
    owner.picture("error").await;
    assert_eq!(owner.barriers().await, [""; 0], "error");
}

/// More than a page holds of what grows by itself, and the pages that only something that is there has.
#[tokio::test]
async fn an_owner_looks_at_pages_that_are_full() {
    let stage = Stage::new();
    let stored = stage.store("captain", "HOT", b"abandon ability able about above absent").await;
    let owner = stage.signed_in("owner@").await;
    for number in 1..=60 {
        let named = json!({ "name": format!("exporter of branch {number}"), "scopes": ["audit"] });
        stage.sandbox.post("partner", "/v1/credentials", &named).await;
        // No faster than a caller may go on for long.
        tokio::time::sleep(BETWEEN_CALLS).await;
    }
    // Nobody listens there any more, so that its deliveries fail and are tried again.
    let left = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let left = left.expect("an address");
    let target = json!({
        "url": format!("http://{left}/hooks/holdfast/long-enough-to-need-more-than-one-line-on-a-phone"),
        "description": "Bookkeeping of the branch offices",
    });
    let webhook = stage.sandbox.post("partner", "/v1/webhooks", &target).await;
    let webhook = webhook["id"].as_str().expect("a webhook");
    for _ in 0..3 {
        stage.sandbox.post("partner", &format!("/v1/webhooks/{webhook}/test"), &json!({})).await;
    }
    for (name, path) in [
        ("credentials-many", "/control/settings/credentials"),
        ("log-many", "/control/log"),
        ("outbox-many", "/control/outbox"),
        ("notices-many", "/control/notices"),
        ("webhooks-one", "/control/settings/webhooks"),
    ] {
        owner.go(&stage.at(path)).await;
        look_at(&owner, name).await;
    }
    for (name, of) in [("log-older", "/control/log"), ("notices-older", "/control/notices")] {
        owner.go(&stage.at(of)).await;
        owner.press("Older").await;
        look_at(&owner, name).await;
    }
    owner.go(&stage.at("/control/settings/credentials")).await;
    owner.press("Revoke").await;
    look_at(&owner, "credential-revoke").await;
    let path = format!("/control/settings/webhooks/{webhook}");
    for (name, more) in [("webhook", ""), ("webhook-edit", "/edit"), ("webhook-secret", "/rotate-secret")] {
        owner.go(&stage.at(&format!("{path}{more}"))).await;
        look_at(&owner, name).await;
    }
    for (name, path) in [
        ("backup-checked", format!("/control/backups/{}", stored.backup)),
        ("key-checked", format!("/control/keys/{}", stored.key)),
    ] {
        owner.go(&stage.at(&path)).await;
        owner.press("Check now").await;
        owner.wait_for("it is whole").await;
        look_at(&owner, name).await;
    }
}
