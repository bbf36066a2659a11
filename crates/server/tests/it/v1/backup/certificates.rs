//! Whom a recovery may go to: OpenPGP keys made by GnuPG.

use std::fmt::Write as _;

use testkit::device::secret;
use testkit::foreign::{CURVE25519, Gpg, NIST_P256, RSA_4096};
use testkit::{Actor, App};

use crate::story::message;

async fn enrolled(retail: &Actor) {
    let id = retail.approved("user-1").await;
    let key = retail.key("user-1", &id).await;
    retail.store("user-1", &id, &key, &[key.device().item("seed", &secret("seed"))]).await;
}

/// Blocks that may not receive anything, and a word of what the caller is told.
fn unfit(gpg: &Gpg) -> Vec<(&'static str, String, &'static str)> {
    let past = ["--faked-system-time", "20200101T000000!"];
    let make = |name: &str, lines: &str| gpg.generate(name, lines, &[]);
    let good = make("good", CURVE25519);
    let expired = gpg.generate("expired", &format!("{CURVE25519}\nExpire-Date: 1d"), &past);
    let revoked = make("revoked", CURVE25519);
    gpg.revoke(&revoked);
    let sign_only = make("sign only", "Key-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign");
    let weak = "Key-Type: rsa\nKey-Length: 1024\nKey-Usage: sign\nSubkey-Type: rsa\nSubkey-Length: 1024\nSubkey-Usage: encrypt";
    let weak = make("weak", weak);
    let dsa = "Key-Type: dsa\nKey-Length: 1024\nSubkey-Type: 16\nSubkey-Length: 2048";
    let dsa = make("old", dsa);
    let block = gpg.export(&good);
    let damaged = block.replace('A', "B");
    let message = "-----BEGIN PGP MESSAGE-----\n\naGVsbG8=\n-----END PGP MESSAGE-----\n".to_owned();
    let two = gpg.export(&good) + &gpg.export(&sign_only);
    vec![
        ("nothing", String::new(), "readable"),
        ("words", "my key".to_owned(), "readable"),
        ("damaged", damaged, "readable"),
        ("cut", block[..block.len() / 2].to_owned(), "readable"),
        ("a message", message, "readable"),
        ("a fingerprint", good.clone(), "readable"),
        ("expired", gpg.export(&expired), "expired"),
        ("revoked", gpg.export(&revoked), "revoked"),
        ("sign only", gpg.export(&sign_only), "encrypt"),
        ("RSA of 1,024 bits", gpg.export(&weak), "weak"),
        ("DSA and ElGamal", gpg.export(&dsa), "weak"),
        ("a secret key", gpg.export_secret(&good), "secret"),
        ("two keys", two, "one"),
    ]
}

#[tokio::test]
async fn a_key_that_may_not_receive_is_named_and_refused() {
    let app = App::start().await;
    let (retail, gpg) = (app.retail(), Gpg::default());
    enrolled(&retail).await;
    let id = retail.approved("user-1").await;
    let blocks = unfit(&gpg);
    let before = app.census();
    for (kind, block, word) in &blocks {
        let answer = retail.recover("user-1", &id, block).await;
        assert_eq!(answer.faults(), ["gpg_public_key"], "{kind}");
        let text = answer.json()["errors"]["gpg_public_key"][0].as_str().unwrap().to_owned();
        assert!(text.contains(word), "{kind}: {text}");
    }
    let mut after = app.census();
    *after.get_mut("audit_entries").unwrap() -= i64::try_from(blocks.len()).unwrap();
    assert_eq!(after, before, "nothing but the refusals");
    retail.recover("user-1", &id, &app.fixture.recipient.certificate).await.ok();
}

#[tokio::test]
async fn a_key_of_a_megabyte_meets_the_limit_of_bodies_and_a_smaller_one_its_own() {
    let app = App::start().await;
    let (retail, gpg) = (app.retail(), Gpg::default());
    enrolled(&retail).await;
    let id = retail.approved("user-1").await;
    let block = gpg.export(&gpg.generate("large", CURVE25519, &[]));
    let with_header = |bytes: usize| {
        let mut header = String::new();
        for _ in 0..bytes / 70 {
            writeln!(header, "Comment: {}", "x".repeat(60)).unwrap();
        }
        block.replacen('\n', &format!("\n{header}"), 1)
    };
    retail.recover("user-1", &id, &with_header(1024 * 1024)).await.refused(413, "body-too-large");
    let answer = retail.recover("user-1", &id, &with_header(150 * 1024)).await;
    assert_eq!(answer.faults(), ["gpg_public_key"]);
    assert!(answer.text().contains("large"), "{}", answer.text());
}

#[tokio::test]
async fn gnupg_opens_what_is_sent_to_each_kind_of_key() {
    let app = App::start().await;
    let (retail, gpg) = (app.retail(), Gpg::default());
    enrolled(&retail).await;
    for (name, lines) in [("rsa", RSA_4096), ("curve", CURVE25519), ("nist", NIST_P256)] {
        let block = gpg.export(&gpg.generate(name, lines, &[]));
        let id = retail.approved("user-1").await;
        let answer = retail.recover("user-1", &id, &block).await.ok();
        let message = message(&answer["backup"][0]);
        assert!(message.starts_with(b"-----BEGIN PGP MESSAGE-----\n"), "{name}: armoured");
        assert_eq!(gpg.decrypt(&message), secret("seed"), "{name}");
        let packets = gpg.packets(&message);
        assert!(packets.contains("mdc_method: 2") || packets.contains("aead"), "{name}: {packets}");
    }
}
