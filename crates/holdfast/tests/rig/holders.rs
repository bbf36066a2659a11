//! Holders of shares: each with a GnuPG home, and a terminal in which he runs the program.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::rig::group::PROGRAM;

/// Somebody with a key of his own.
pub struct Person {
    home: TempDir,
    /// Where his certificate is.
    pub certificate: PathBuf,
}

impl Person {
    pub fn new() -> Self {
        // The path of its agent's socket must be short.
        let own = Permissions::from_mode(0o700);
        let home = tempfile::Builder::new().prefix("hf-gpg-").permissions(own).tempdir_in("/tmp");
        let home = home.expect("a folder");
        let mut person = Self { certificate: home.path().join("certificate.asc"), home };
        let make =
            ["--passphrase", "", "--quick-generate-key", "Somebody", "future-default", "default", "never"];
        person.gpg(&make, b"");
        let certificate = person.gpg(&["--armor", "--export", "Somebody"], b"");
        fs::write(&mut person.certificate, certificate).expect("a file");
        person
    }

    /// What `gpg --decrypt` makes of a file.
    pub fn decrypt(&self, file: &Path) -> Vec<u8> {
        self.gpg(&["--decrypt"], &fs::read(file).expect("a message"))
    }

    fn gpg(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet", "--pinentry-mode", "loopback"]).args(args);
        let output = fed(command.env("GNUPGHOME", self.home.path()), input);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.home.path()).status();
    }
}

/// Runs a program with this on its standard input.
pub fn fed(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // Who does not read has ended already, and says why.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("the program ends")
}

/// What `holdfast ceremony` says of these arguments: its last event, or why it failed.
pub fn ceremony(words: &[&str], socket: &Path, share: &[u8]) -> Result<Value, String> {
    let mut command = Command::new(PROGRAM);
    command.args(["ceremony", "--json"]).args(words).args(["--env", "sandbox", "--socket"]).arg(socket);
    told(&fed(&mut command, share))
}

/// The last event, or why it failed.
pub fn told(output: &Output) -> Result<Value, String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().map(|line| serde_json::from_str(line).expect("JSON")).unwrap_or_default();
    if output.status.success() { Ok(last) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
