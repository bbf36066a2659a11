//! What the enclave checks before anything is stored: four causes of a failure, one answer.

use std::fs;

use serde_json::json;
use testkit::device::{checksum, secret, unhex};
use testkit::foreign::openssl;
use testkit::{Actor, App, Given};

/// The public key as OpenSSL reads it.
fn pem(app: &App, key: &Given) -> String {
    let path = app.folder().join("key.der");
    fs::write(&path, unhex(&key.public_key)).unwrap();
    openssl(app.folder(), &["pkey", "-pubin", "-inform", "DER", "-in", "key.der", "-out", "key.pem"], b"");
    "key.pem".to_owned()
}

/// RSA encryption by OpenSSL with these options.
fn encrypt(app: &App, pem: &str, options: &[&str], plaintext: &[u8]) -> Vec<u8> {
    let mut args = vec!["pkeyutl", "-encrypt", "-pubin", "-inkey", pem];
    for option in options {
        args.extend(["-pkeyopt", option]);
    }
    openssl(app.folder(), &args, plaintext)
}

const OAEP: &str = "rsa_padding_mode:oaep";

/// Ciphertexts and checksums that do not go together, each for another reason.
fn wrong_items(app: &App, key: &Given, other: &Given) -> Vec<(&'static str, Vec<u8>, String)> {
    let (pem, device, plaintext) = (pem(app, key), key.device(), secret("seed"));
    let (good, sum) = (device.encrypt(&plaintext), checksum(&plaintext));
    let mut bent = good.clone();
    bent[300] ^= 1;
    let sha1 = [OAEP, "rsa_oaep_md:sha1", "rsa_mgf1_md:sha1"];
    let mixed = [OAEP, "rsa_oaep_md:sha256", "rsa_mgf1_md:sha1"];
    let labelled = [OAEP, "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256", "rsa_oaep_label:00"];
    vec![
        ("checksum of the ciphertext", good.clone(), checksum(&good)),
        ("checksum of another item", good.clone(), checksum(&secret("note"))),
        ("checksum of nothing", good.clone(), checksum(b"")),
        ("ciphertext of another key", other.device().encrypt(&plaintext), sum.clone()),
        ("one bit bent", bent, sum.clone()),
        ("cut", good[..511].to_vec(), sum.clone()),
        ("cut at the front", good[1..].to_vec(), sum.clone()),
        ("empty", Vec::new(), sum.clone()),
        ("one byte too long", [good.as_slice(), &[0]].concat(), sum.clone()),
        ("twice", [good.as_slice(), &good].concat(), sum.clone()),
        ("not encrypted", plaintext.clone(), sum.clone()),
        ("larger than the modulus", vec![0xff; 512], sum.clone()),
        ("zero", vec![0; 512], sum.clone()),
        ("OAEP with SHA-1 by a library", device.encrypt_with_sha1(&plaintext), sum.clone()),
        ("OAEP with SHA-1 by OpenSSL", encrypt(app, &pem, &sha1, &plaintext), sum.clone()),
        ("MGF1 with SHA-1 by OpenSSL", encrypt(app, &pem, &mixed, &plaintext), sum.clone()),
        ("a label", encrypt(app, &pem, &labelled, &plaintext), sum.clone()),
        ("PKCS #1 v1.5", encrypt(app, &pem, &["rsa_padding_mode:pkcs1"], &plaintext), sum),
    ]
}

/// What is stored may be recovered; nothing else is stored.
async fn fails_alike(
    app: &App,
    actor: &Actor,
    keys: &[Given; 2],
    body: impl Fn(&Given, &str, &str) -> serde_json::Value,
    path: &str,
) {
    let mut first = None;
    let wrong = wrong_items(app, &keys[0], &keys[1]);
    assert!(wrong.len() <= 20, "the budget of one key");
    let before = app.census();
    for (cause, ciphertext, sum) in wrong {
        let answer = actor.post(path, &body(&keys[0], &testkit::device::base64(&ciphertext), &sum)).await;
        let text = answer.refused(400, "check-failed")["message"].as_str().unwrap().to_owned();
        for named in ["key", "OAEP", "SHA-256", "checksum", "cut"] {
            assert!(text.contains(named), "{text}");
        }
        let face = answer.face();
        assert_eq!(&face, first.get_or_insert_with(|| face.clone()), "{cause}");
    }
    assert_eq!(app.census(), before, "nothing was stored");
}

#[tokio::test]
async fn every_failed_check_of_a_retail_item_is_answered_alike() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    let keys = [retail.key("user-1", &id).await, retail.key("user-1", &id).await];
    let body = |key: &Given, value: &str, sum: &str| {
        let item = json!({"item_key": "seed", "item_value": value, "item_checksum": sum});
        json!({"user_identifier": "user-1", "verification_id": id, "public_key": key.public_key, "backup": [item]})
    };
    fails_alike(&app, &retail, &keys, body, "/v1/backup/store").await;
}

#[tokio::test]
async fn every_failed_check_of_a_partners_item_is_answered_alike() {
    let app = App::start().await;
    let partner = app.partner();
    let keys = [partner.assigned("user-1", "c").await, partner.assigned("user-2", "c").await];
    let body = |key: &Given, value: &str, sum: &str| json!({"public_key": key.public_key, "data": value, "checksum": sum});
    fails_alike(&app, &partner, &keys, body, "/v1/partner/secure/data").await;
}

#[tokio::test]
async fn one_bad_item_stops_the_whole_call() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    let key = retail.key("user-1", &id).await;
    let item = |name: &str| key.device().item(name, &secret(name));
    let before = app.census();
    for bad in 0..3 {
        let mut items = [item("a"), item("b"), item("c")];
        items[bad].checksum = checksum(b"something else");
        retail.try_store("user-1", &id, &key, &items).await.refused(400, "check-failed");
    }
    // Swapped checksums: each is right for the other item.
    let mut items = [item("a"), item("b")];
    (items[0].checksum, items[1].checksum) = (items[1].checksum.clone(), items[0].checksum.clone());
    retail.try_store("user-1", &id, &key, &items).await.refused(400, "check-failed");
    assert_eq!(app.census(), before, "nothing was stored");
    retail.store("user-1", &id, &key, &[item("a"), item("b"), item("c")]).await;
}

#[tokio::test]
async fn a_key_that_fails_too_often_answers_no_more_checks_for_a_while() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    let (key, other) = (retail.key("user-1", &id).await, retail.key("user-1", &id).await);
    let mut wrong = key.device().item("seed", b"x");
    wrong.checksum = checksum(b"y");
    for _ in 0..20 {
        retail.try_store("user-1", &id, &key, &[wrong.clone()]).await.refused(400, "check-failed");
    }
    let before = app.census();
    for item in [wrong, key.device().item("seed", b"x")] {
        let answer = retail.try_store("user-1", &id, &key, &[item]).await;
        answer.refused(429, "check-budget-spent");
        assert!(answer.header("retry-after").parse::<u32>().unwrap() > 3_600);
    }
    assert_eq!(app.census(), before, "nothing was stored");
    retail.store("user-1", &id, &other, &[other.device().item("seed", b"x")]).await;
}

#[tokio::test]
async fn what_others_encrypt_is_stored() {
    let app = App::start().await;
    let retail = app.retail();
    let id = retail.approved("user-1").await;
    let key = retail.key("user-1", &id).await;
    let pem = pem(&app, &key);
    let options = [OAEP, "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"];
    let by_openssl = secret("openssl");
    let script = "import sys\n\
        from cryptography.hazmat.primitives.asymmetric import padding\n\
        from cryptography.hazmat.primitives import hashes, serialization\n\
        key = serialization.load_der_public_key(bytes.fromhex(sys.argv[1]))\n\
        assert key.key_size == 4096 and key.public_numbers().e == 65537\n\
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)\n\
        sys.stdout.buffer.write(key.encrypt(sys.stdin.buffer.read(), oaep))";
    // The most that fits, and nothing at all.
    let (longest, empty) = (vec![7; 446], Vec::new());
    let by_python = |plaintext: &[u8]| testkit::foreign::python(script, &[&key.public_key], plaintext);
    let items = [
        ("openssl", encrypt(&app, &pem, &options, &by_openssl), &by_openssl),
        ("python", by_python(&longest), &longest),
        ("empty", by_python(&empty), &empty),
    ];
    let items = items.map(|(name, ciphertext, plaintext)| testkit::device::Item {
        name: name.to_owned(),
        ciphertext,
        checksum: checksum(plaintext).to_uppercase(),
    });
    retail.store("user-1", &id, &key, &items).await;
    let answer = retail.recover("user-1", &id, &app.fixture.recipient.certificate).await.ok();
    let gpg = app.fixture.recipient.gpg();
    for (name, plaintext) in [("openssl", &by_openssl), ("python", &longest), ("empty", &empty)] {
        let item = answer["backup"].as_array().unwrap().iter().find(|item| item["item_key"] == name).unwrap();
        assert_eq!(gpg.decrypt(&crate::story::message(item)), *plaintext);
        assert_eq!(item["item_checksum"], checksum(plaintext));
    }
}
