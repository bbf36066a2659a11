//! Stock `gpg`, with a keyring of its own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Somebody's keyring.
pub struct Gpg {
    home: TempDir,
}

impl Gpg {
    /// A keyring with one key, that signs and receives.
    pub fn new() -> Self {
        // The path of its agent's socket must be short.
        let own = Permissions::from_mode(0o700);
        let home = tempfile::Builder::new().prefix("hf-gpg-").permissions(own).tempdir_in("/tmp");
        let home = home.expect("a folder");
        let gpg = Self { home };
        gpg.run(&[
            "--passphrase",
            "",
            "--quick-generate-key",
            "Mara Lind",
            "future-default",
            "default",
            "never",
        ]);
        gpg
    }

    /// The certificate, as text.
    pub fn certificate(&self) -> String {
        String::from_utf8(self.run(&["--armor", "--export", "Mara Lind"])).expect("text")
    }

    /// `gpg -d MESSAGE | tar x`, into a folder.
    pub fn unpack(&self, message: &Path, folder: &Path) {
        let script = "gpg --batch --quiet -d \"$1\" | tar x -C \"$2\"";
        let mut shell = Command::new("bash");
        shell.args(["-o", "pipefail", "-c", script, "bash"]).arg(message).arg(folder);
        let done = shell.env("GNUPGHOME", self.home.path()).stderr(Stdio::inherit()).status();
        assert!(done.expect("bash runs").success(), "gpg -d | tar x");
    }

    fn run(&self, args: &[&str]) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet", "--pinentry-mode", "loopback"]).args(args);
        let output = command.env("GNUPGHOME", self.home.path()).output().expect("gpg runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let mut kill = Command::new("gpgconf");
        let _ = kill.args(["--kill", "all"]).env("GNUPGHOME", self.home.path()).status();
    }
}
