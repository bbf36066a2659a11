//! GnuPG as the other side: it reads the device's key, and the device reads what it writes.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::api::retail::{RecoveredItem, RecoveryPackage};
use client::{RecipientKey, Secret};

const PLAINTEXT: &str = "lunar orchard velvet copper";

fn gpg(home: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gpg")
        .args(["--batch", "--quiet", "--trust-model", "always", "--homedir"])
        .arg(home)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gpg is installed");
    child.stdin.take().expect("an input").write_all(input).expect("gpg reads");
    let output = child.wait_with_output().expect("gpg ends");
    assert!(output.status.success(), "gpg {args:?}: {}", output.status);
    output.stdout
}

#[test]
fn gnupg_encrypts_to_the_device_and_opens_in_its_place() {
    let home = tempfile::tempdir().expect("a folder");
    let device = RecipientKey::generate().expect("a key");
    gpg(home.path(), &["--import"], device.public_block().as_bytes());
    let recipient = ["--armor", "--encrypt", "--recipient", &device.fingerprint()];
    let armoured = gpg(home.path(), &recipient, PLAINTEXT.as_bytes());

    let item = RecoveredItem {
        backup_id: "b".into(),
        item_key: "mnemonic".into(),
        backup_item_key: "mnemonic".into(),
        recovery_id: None,
        recovery_package: Some(RecoveryPackage { algorithm: "gpg".into(), data: STANDARD.encode(&armoured) }),
        item_value: None,
        item_checksum: Some(client::encrypt::checksum(&Secret::from(PLAINTEXT))),
        original_filename: None,
        content_type: None,
        original_size: None,
        metadata: None,
        error: None,
    };
    assert_eq!(device.open(&item).expect("the device opens it"), Secret::from(PLAINTEXT));

    gpg(home.path(), &["--import"], device.secret_block().expect("a block").as_bytes());
    assert_eq!(gpg(home.path(), &["--decrypt"], &armoured), PLAINTEXT.as_bytes());
    let _ = Command::new("gpgconf").arg("--homedir").arg(home.path()).args(["--kill", "all"]).status();
}
