//! From the first call to the last, as in the contract's own words.

use serde_json::{Value, json};
use testkit::device::{CANARY, checksum, secret, unbase64};
use testkit::{App, Cluster};

/// The OpenPGP message of a recovered item.
pub fn message(item: &Value) -> Vec<u8> {
    assert_eq!(item["recovery_package"]["algorithm"], "gpg", "{item}");
    assert_eq!(item["recovery_package"]["data"], item["item_value"], "both editions");
    unbase64(item["item_value"].as_str().unwrap())
}

/// Whether a file of the app's folder holds these bytes.
pub fn holds(folder: &std::path::Path, needle: &[u8]) -> Option<std::path::PathBuf> {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let found = if path.is_dir() {
            holds(&path, needle)
        } else {
            // A socket is not read.
            let bytes = std::fs::read(&path).unwrap_or_default();
            bytes.windows(needle.len()).any(|window| window == needle).then_some(path)
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

async fn a_user_loses_the_phone(app: App) {
    let (retail, user) = (app.retail(), "user-1");
    let enrolment = retail.approved(user).await;
    let key = retail.key(user, &enrolment).await;
    assert_eq!(key.public_key.len(), 1_100);
    let device = key.device();
    let (seed, note) = (secret("seed"), secret("note"));
    let items = [device.item("seed", &seed), device.item("note", &note)];
    let ids = retail.store(user, &enrolment, &key, &items).await;

    let recovery = retail.approved(user).await;
    let answer = retail.recover(user, &recovery, &app.fixture.recipient.certificate).await.ok();
    assert_eq!((&answer["user_identifier"], &answer["verification_id"]), (&json!(user), &json!(recovery)));
    let gpg = app.fixture.recipient.gpg();
    let backup = answer["backup"].as_array().unwrap();
    assert_eq!(backup.len(), 2);
    for (name, plaintext, id) in [("seed", &seed, &ids[0]), ("note", &note, &ids[1])] {
        let item = backup.iter().find(|item| item["item_key"] == name).unwrap();
        assert_eq!((&item["backup_item_key"], &item["backup_id"]), (&json!(name), &json!(id)));
        assert_eq!(item["item_checksum"], checksum(plaintext));
        assert_eq!(item["original_size"], plaintext.len().to_string());
        assert!(item["recovery_id"].is_string() && item["metadata"]["recovered_at"].is_string(), "{item}");
        assert_eq!(gpg.decrypt(&message(item)), *plaintext);
    }
    let folders = [Some(app.folder()), app.cluster.as_ref().map(Cluster::folder)];
    let found = |needle: &[u8]| folders.iter().flatten().find_map(|folder| holds(folder, needle));
    assert!(found(recovery.as_bytes()).is_some(), "the search finds what is there");
    assert_eq!(found(CANARY.as_bytes()), None, "plaintext on the disk");
    assert_eq!(found(retail.api_key.unwrap().as_bytes()), None, "an API key on the disk");
}

#[tokio::test]
async fn a_user_loses_the_phone_on_sqlite() {
    a_user_loses_the_phone(App::start().await).await;
}

#[tokio::test]
async fn a_user_loses_the_phone_on_postgres() {
    a_user_loses_the_phone(App::on_postgres().await).await;
}

#[tokio::test]
async fn a_partner_assigns_a_key_and_stores_under_it() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "customer-1").await;
    for (name, value) in [
        ("customer_id", "customer-1"),
        ("package_id", "package-1"),
        ("key_environment", "HOT"),
        ("key_type", "rsa4096"),
    ] {
        assert_eq!(key.answer[name], value);
    }
    assert_eq!(key.answer["metadata"], json!({"customer_name": "Exempel AB", "package_name": "Basic"}));
    assert!(key.answer.get("signed_payload").is_none(), "nothing more was asked to be signed");
    let plaintext = secret("wallet");
    let item = key.device().item("", &plaintext);
    let mut body = testkit::data_body(&key, &item);
    body["metadata"] = json!({"description": "the wallet of Ö", "of": ["any", 1, null]});
    body["padding_type"] = json!("OAEP");
    let stored = partner.post("/v1/partner/secure/data", &body).await.ok();
    assert_eq!(stored["checksum"], checksum(&plaintext));
    assert_eq!((&stored["data_size"], &stored["backup_type"]), (&json!(512), &json!("data")));
    let metadata = stored["metadata"].as_object().unwrap();
    assert_eq!(
        (&metadata["description"], &metadata["of"]),
        (&json!("the wallet of Ö"), &json!(["any", 1, null]))
    );
    assert!(metadata["stored_at"].is_string() && !metadata.contains_key("check"), "{metadata:?}");
}
