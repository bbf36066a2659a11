//! What the enclave signed of what it saw: checked, downloaded, and verified away from the service.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::record::{Record, Seen};
use domain::audit::hex;
use domain::credential::TenantKind;
use testkit::device::secret;
use testkit::{Answer, App};

use super::approvals::{Stage, link, vote};

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Verifies a JWS of ES256 and prints its payload.
const PYTHON: &str = r#"
import base64, json, sys
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives import hashes
record, jwks = json.load(sys.stdin)
raw = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
number = lambda data: int.from_bytes(data, "big")
header, payload, signature = record.split(".")
kid = json.loads(raw(header))["kid"]
jwk = next(key for key in jwks["keys"] if key["kid"] == kid)
key = ec.EllipticCurvePublicNumbers(number(raw(jwk["x"])), number(raw(jwk["y"])), ec.SECP256R1()).public_key()
bits = raw(signature)
der = utils.encode_dss_signature(number(bits[:32]), number(bits[32:]))
key.verify(der, (header + "." + payload).encode(), ec.ECDSA(hashes.SHA256()))
sys.stdout.buffer.write(raw(payload))
"#;

/// The record of a download.
async fn verified(app: &App, answer: &Answer) -> Record {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "application/jose"),
        "{}",
        answer.text()
    );
    assert!(answer.header("content-disposition").starts_with("attachment; filename="));
    verified_text(app, &answer.text()).await
}

/// A record, verified by the keys that the service publishes.
async fn verified_text(app: &App, text: &str) -> Record {
    let jwks = app.partner().get("/.well-known/jwks.json").await.ok();
    let both = serde_json::json!([text, jwks]).to_string();
    let record = Record::verify(text.as_bytes(), &serde_json::from_value(jwks).unwrap()).unwrap();
    let foreign = testkit::foreign::python(PYTHON, &[], both.as_bytes());
    assert_eq!(foreign, record.payload.as_bytes(), "by another implementation");
    record
}

async fn a_check_leaves_a_record_that_anybody_verifies(app: App) {
    let partner = app.partner();
    let key = partner.assigned("user-1", "acme").await;
    let item = key.device().item("seed", &secret("wallet"));
    let stored = partner.try_store_data(&key, &item).await.ok();
    let id = stored["backup_id"].as_str().unwrap();
    let mut owner = app.person("owner").await;
    let auditor = app.person("auditor").await;
    for path in [format!("/control/backups/{id}"), format!("/control/keys/{}", key.key_id)] {
        let record = format!("{path}/record.jws");
        assert_eq!(owner.get(&record).await.status, 404, "nothing was signed yet");
        assert!(!owner.open(&path).await.text().contains("record.jws"));
        let checked = owner.post(&format!("{path}/check"), &[]).await.text();
        assert!(checked.contains("Checked just now: it is whole.") && checked.contains(&record), "{checked}");
        assert!(auditor.get(&path).await.text().contains(&record), "who reads takes it too");
        let first = auditor.get(&record).await;
        let stranger = app.person_of(TenantKind::Retail, "owner").await;
        assert_eq!(stranger.get(&record).await.status, 404);
        owner.post(&format!("{path}/check"), &[]).await;
        assert_ne!(auditor.get(&record).await.body, first.body, "the last one");
        let record = verified(&app, &first).await;
        assert_eq!(record.env, "sandbox");
        let public = testkit::device::unhex(&key.public_key);
        match record.seen {
            Seen::Key(seen) => {
                assert_eq!((seen.key_id, seen.public_key_sha256), (key.key_id.clone(), sha256(&public)));
            }
            Seen::Backup(_, seen) => {
                assert_eq!((seen.backup_id.as_str(), seen.item_key.as_str()), (id, ""));
                assert_eq!(seen.ciphertext_sha256, sha256(&item.ciphertext));
                assert_eq!(seen.checksum.as_deref(), Some(item.checksum.as_str()));
            }
            Seen::Release(_) => unreachable!("nothing was released"),
        }
    }
}

#[tokio::test]
async fn a_check_leaves_a_record_that_anybody_verifies_on_sqlite() {
    a_check_leaves_a_record_that_anybody_verifies(App::start().await).await;
}

#[tokio::test]
async fn a_check_leaves_a_record_that_anybody_verifies_on_postgres() {
    a_check_leaves_a_record_that_anybody_verifies(App::on_postgres().await).await;
}

#[tokio::test]
async fn a_file_and_what_is_broken_have_none() {
    let app = App::start().await;
    let partner = app.partner();
    let key = partner.assigned("user-1", "acme").await;
    let file = key.device().encrypt(b"what the file holds");
    let file = partner.try_store_file(&key, &file, &serde_json::Value::Null).await.ok();
    let item = partner.try_store_data(&key, &key.device().item("", &secret("a"))).await.ok();
    let mut owner = app.person("owner").await;
    let path =
        |stored: &serde_json::Value| format!("/control/backups/{}", stored["backup_id"].as_str().unwrap());
    let page = owner.open(&path(&file)).await;
    assert_eq!(page.status, 200);
    let checked = owner.post(&format!("{}/check", path(&file)), &[]).await.text();
    assert!(checked.contains("does not look into files") && !checked.contains("record.jws"), "{checked}");
    let damaged = serde_json::json!({ "backup_id": item["backup_id"] });
    partner.post("/v1/sandbox/damage", &damaged).await.ok();
    let checked = owner.post(&format!("{}/check", path(&item)), &[]).await.text();
    assert!(checked.contains("signs nothing about this") && !checked.contains("record.jws"), "{checked}");
    for stored in [file, item] {
        assert_eq!(owner.get(&format!("{}/record.jws", path(&stored))).await.status, 404);
    }
}

#[tokio::test]
async fn a_release_leaves_a_record_of_exactly_what_is_downloaded() {
    let mut stage = Stage::new().await;
    let path = stage.ask_and_prove().await;
    let record = format!("{path}/record.jws");
    assert_eq!(stage.second.get(&record).await.status, 404);
    vote(&mut stage.first, &path, "yes").await;
    vote(&mut stage.second, &path, "yes").await;
    assert!(stage.second.open(&path).await.text().contains(&record));
    let signed = verified(&stage.app, &stage.second.get(&record).await).await;
    let request = stage.second.get(&format!("{path}/request")).await.ok();
    let intent = boundary::intent::preimage(request["intent"].as_str().unwrap().as_bytes());
    let package = link(&mut stage.first, &path).await;
    let got = stage.first.get(&package).await;
    let Seen::Release(release) = signed.seen else { unreachable!("a release") };
    assert_eq!((release.output_sha256, release.intent_hash), (sha256(&got.body), sha256(&intent)));
    assert_eq!((release.parts, release.delivery), (1, 1));
    let stranger = stage.app.person_of(TenantKind::Retail, "owner").await;
    assert_eq!(stranger.get(&record).await.status, 404);
}

#[tokio::test]
async fn a_users_recovery_brings_a_record_of_exactly_what_it_gives_back() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    let key = retail.key("user-1", &id).await;
    let items: Vec<_> = ["seed", "pin"].iter().map(|name| key.device().item(name, &secret(name))).collect();
    retail.store("user-1", &id, &key, &items).await;
    let certificate = app.fixture.recipient.certificate.clone();
    for delivery in 1..=2 {
        let answer = retail.recover("user-1", &id, &certificate).await.ok();
        let record = verified_text(&app, answer["release_record"].as_str().unwrap()).await;
        let words = record.words().join("\n");
        assert!(words.contains("this user's recovery") && !words.contains("people signed"), "{words}");
        let mut given = answer["backup"].as_array().unwrap().clone();
        given.sort_by_key(|item| item["backup_id"].as_str().unwrap().to_owned());
        let messages =
            given.iter().map(|item| STANDARD.decode(item["item_value"].as_str().unwrap()).unwrap());
        let Seen::Release(release) = record.seen else { unreachable!("a release") };
        assert_eq!(release.output_sha256, sha256(&messages.collect::<Vec<_>>().concat()));
        assert_eq!((release.is_retail, release.parts, release.delivery), (true, 2, delivery));
        assert_eq!(record.env, "sandbox");
    }
    // Of what does not go out there is none.
    let stored = retail.approved("user-2").await;
    let key = retail.key("user-2", &stored).await;
    let backup = retail.store("user-2", &stored, &key, &[key.device().item("seed", &secret("a"))]).await;
    retail.post("/v1/sandbox/damage", &serde_json::json!({ "backup_id": backup[0] })).await.ok();
    let answer = retail.recover("user-2", &stored, &certificate).await.ok();
    assert_eq!((answer["backup"][0]["error"].is_string(), answer.get("release_record")), (true, None));
}
