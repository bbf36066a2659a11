//! The opening of what was downloaded, with keys that GnuPG made: no service, no network.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");
const PASSPHRASE: &str = "correct horse";

/// A folder with somebody's keyring in it.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    /// With one key, `anna`, under that passphrase.
    fn of(passphrase: &str) -> Self {
        // The path of gpg's agent's socket must be short.
        let own = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("hf-gpg-").permissions(own).tempdir_in("/tmp");
        let desk = Self { folder: folder.expect("a folder") };
        desk.gpg(passphrase, &["--quick-gen-key", "anna", "future-default", "default", "never"], b"");
        desk.export("anna.asc", passphrase, "--export-secret-keys");
        desk.write("words.txt.asc", &desk.gpg("", &["--armor", "-r", "anna", "--encrypt"], b"twelve words"));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("written");
    }

    fn export(&self, name: &str, passphrase: &str, how: &str) {
        self.write(name, &self.gpg(passphrase, &["--armor", how, "anna"], b""));
    }

    fn gpg(&self, passphrase: &str, words: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet", "--trust-model", "always", "--pinentry-mode", "loopback"]);
        command.args(["--passphrase", passphrase]).args(words).env("GNUPGHOME", self.folder.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gpg runs");
        child.stdin.take().expect("an input").write_all(input).expect("gpg reads");
        let output = child.wait_with_output().expect("gpg ends");
        assert!(output.status.success(), "{words:?}");
        output.stdout
    }

    /// Opens something without a network.
    fn opens(&self, words: &[&str]) -> Output {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net", PROGRAM, "recover", "--out", "back"]);
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null()).output().expect("it runs")
    }

    /// The secret that came back, and whether nobody else may read it.
    fn back(&self) -> (Vec<u8>, u32) {
        let path = self.path("back/words.txt");
        let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        (fs::read(path).expect("a secret"), mode)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let mut kill = Command::new("gpgconf");
        let _ = kill.args(["--kill", "all"]).env("GNUPGHOME", self.folder.path()).status();
    }
}

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(name);
    serde_json::from_slice(&fs::read(path).expect("vectors")).expect("JSON")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().expect("a text")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What was downloaded is opened without any way to a network, whoever encrypted it.
#[test]
fn a_message_is_opened_without_a_network() {
    let desk = Desk::of("");
    let (jwes, keys) = (vectors("jwe.json"), vectors("keys.json"));
    let jwe = jwes["cases"].as_array().expect("cases").iter().find(|one| one["name"] == "470 bytes");
    let compact = text(jwe.expect("a JWE"), "compact");
    desk.write("file.gpg", &desk.gpg("", &["-r", "anna", "--encrypt"], compact.as_bytes()));
    desk.write("key.pem", text(&keys["rsa4096"], "private_key_pkcs8").as_bytes());
    let runs = |words: &[&str]| desk.opens(&[&["--secret-key", "anna.asc"], words].concat());

    assert_eq!(runs(&["--message", "words.txt.asc"]).status.code(), Some(0));
    assert_eq!(desk.back(), (b"twelve words".to_vec(), 0o600));
    let folder = fs::metadata(desk.path("back")).expect("a folder").permissions().mode();
    assert_eq!(folder & 0o777, 0o700, "nobody else sees what is in it");
    // Another secret of that name is kept beside it, and takes nobody's place.
    fs::create_dir(desk.path("other")).expect("a folder");
    desk.write("other/words.txt.asc", &desk.gpg("", &["-r", "anna", "--armor", "--encrypt"], b"other words"));
    assert_eq!(runs(&["--message", "other/words.txt.asc"]).status.code(), Some(0));
    assert_eq!(desk.back().0, b"twelve words");
    assert_eq!(fs::read(desk.path("back/words.txt-again")).expect("the other"), b"other words");
    let closed = runs(&["--message", "file.gpg"]);
    assert_eq!(closed.status.code(), Some(5), "the key of the JWE is missing");
    assert!(said(&closed).contains("--private-key"));
    assert_eq!(runs(&["--message", "file.gpg", "--private-key", "key.pem"]).status.code(), Some(0));
    assert_eq!(fs::read(desk.path("back/file.opened")).expect("a secret").len(), 470);
    assert_eq!(runs(&["--message", "key.pem"]).status.code(), Some(5), "no OpenPGP message");
}

#[test]
fn a_key_with_a_passphrase_opens_with_it_alone() {
    let desk = Desk::of(PASSPHRASE);
    desk.export("subkeys.asc", PASSPHRASE, "--export-secret-subkeys");
    desk.write("right", format!("{PASSPHRASE}\r\nanother line\n").as_bytes());
    desk.write("wrong", b"incorrect horse\n");
    let message = ["--message", "words.txt.asc", "--secret-key"];

    let unasked = desk.opens(&[&message[..], &["anna.asc"]].concat());
    assert_eq!(unasked.status.code(), Some(2), "{}", said(&unasked));
    assert!(said(&unasked).contains("--passphrase-file"), "{}", said(&unasked));
    for key in ["anna.asc", "subkeys.asc"] {
        let refused = desk.opens(&[&message[..], &[key, "--passphrase-file", "wrong"]].concat());
        assert_eq!(refused.status.code(), Some(6), "{key}: {}", said(&refused));
        assert!(said(&refused).contains("passphrase does not unlock"), "{key}: {}", said(&refused));
        assert!(!desk.path("back/words.txt").exists());
    }
    for key in ["anna.asc", "subkeys.asc"] {
        let opened = desk.opens(&[&message[..], &[key, "--passphrase-file", "right"]].concat());
        assert_eq!(opened.status.code(), Some(0), "{key}: {}", said(&opened));
        assert_eq!(desk.back(), (b"twelve words".to_vec(), 0o600));
        fs::remove_file(desk.path("back/words.txt")).expect("removed");
    }
}

#[test]
fn a_passphrase_is_typed_on_a_terminal_that_does_not_show_it() {
    let desk = Desk::of(PASSPHRASE);
    // `script` gives the program a terminal, and types what it is given.
    let words =
        format!("'{PROGRAM}' recover --out back --message words.txt.asc --secret-key anna.asc && stty --all");
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &words, "/dev/null"]).current_dir(desk.folder.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script runs");
    let mut shown = String::new();
    let mut output = child.stdout.take().expect("an output");
    let mut piece = [0; 256];
    while !shown.contains("Passphrase of anna.asc: ") {
        let count = output.read(&mut piece).expect("a terminal");
        assert!(count > 0, "it did not ask: {shown}");
        shown += &String::from_utf8_lossy(&piece[..count]);
    }
    let mut input = child.stdin.take().expect("an input");
    input.write_all(format!("{PASSPHRASE}\n").as_bytes()).expect("typed");
    output.read_to_string(&mut shown).expect("a terminal");
    drop(input);
    assert!(child.wait().expect("it ends").success(), "{shown}");
    assert_eq!(desk.back().0, b"twelve words");
    assert!(shown.contains("words.txt") && !shown.contains("horse"), "{shown}");
    assert!(
        shown.contains(" echo ") && !shown.contains("-echo "),
        "the terminal shows what is typed again: {shown}"
    );
}
