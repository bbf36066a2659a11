//! Every page of Control that one gets to by a link, as an owner sees it.

use super::stage::{Stage, look_at};

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
