//! The rehearsal of COLD ceremonies, as it is run: one command, from the first key to the opened package.

use std::process::Command;

#[test]
fn a_rehearsal_makes_checks_and_releases_offline_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let output = command.args(["ceremony", "rehearse"]).env("TMPDIR", folder.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let in_order = [
        "dealt to three holders",
        "1 of 2 shares: the same share again, and it stays sealed",
        "2 of 2 shares: open, for this once",
        "1 of 2 shares: the same share again, and it stays sealed",
        "make 2 keys",
        "was given to a user of tenant",
        "the owners of tenant",
        "check the backup",
        "QR codes, there and back",
        "the old one is superseding",
        "anew, to the key that replaced its own",
        "the backup answers to the new key",
        "2 of 2 shares: open, for this once",
        "release 1 backups and 0 private keys to OpenPGP",
        "RELEASED: delivery 1",
        "Equal to what was stored, byte for byte",
        "The offline enclave itself says what it released",
        "The rehearsal is over: 19 steps",
    ];
    let mut rest = said.as_str();
    for words in in_order {
        let at = rest.find(words);
        assert!(at.is_some(), "{words} does not follow: {said}");
        rest = &rest[at.unwrap_or_default()..];
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "what it made is gone");
}
