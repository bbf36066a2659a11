//! Other people's programs, as judges: OpenSSL, GnuPG, Python, Node.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Runs a program that must succeed, hands it `input`, and returns what it printed.
pub fn pipe(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| {
        unreachable!("{command:?} does not start ({error}): `scripts/test` installs what is missing")
    });
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // A thread, so that neither side waits for the other; a program that does not read on closes the pipe.
    let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("the program ends");
    feeding.join().expect("no panic");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Runs `openssl` in a folder of the test's.
pub fn openssl(folder: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    pipe(Command::new("openssl").args(args).current_dir(folder), input)
}

/// Whether `openssl` agrees: it says so by how it ends.
pub fn openssl_agrees(folder: &Path, args: &[&str]) -> bool {
    let mut command = Command::new("openssl");
    let command = command.args(args).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().expect("openssl is installed: `scripts/test` installs what is missing").success()
}

/// The Python that has the modules which the judges need: `HOLDFAST_PYTHON`, where it is set.
pub fn python_program() -> PathBuf {
    let own = || {
        let own = crate::enclave::built_folder().join("../python/bin/python");
        if own.exists() { own } else { "python3".into() }
    };
    std::env::var_os("HOLDFAST_PYTHON").map_or_else(own, PathBuf::from)
}

/// Runs a Python script.
pub fn python(script: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    pipe(Command::new(python_program()).args(["-c", script]).args(args), input)
}

/// Runs a script in Node: with the modules in `HOLDFAST_NODE_PATH` where it is set.
pub fn node(script: &str, input: &[u8]) -> Vec<u8> {
    let modules = std::env::var_os("HOLDFAST_NODE_PATH")
        .map_or_else(|| crate::enclave::built_folder().join("../node/node_modules"), PathBuf::from);
    pipe(Command::new("node").args(["-e", script]).env("NODE_PATH", modules), input)
}

/// What people mostly have.
pub const CURVE25519: &str = "Key-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign\n\
    Subkey-Type: ecdh\nSubkey-Curve: cv25519\nSubkey-Usage: encrypt";

/// RSA of 4,096 bits.
pub const RSA_4096: &str = "Key-Type: rsa\nKey-Length: 4096\nKey-Usage: sign\n\
    Subkey-Type: rsa\nSubkey-Length: 4096\nSubkey-Usage: encrypt";

/// A curve of NIST.
pub const NIST_P256: &str = "Key-Type: ecdsa\nKey-Curve: nistp256\nKey-Usage: sign\n\
    Subkey-Type: ecdh\nSubkey-Curve: nistp256\nSubkey-Usage: encrypt";

/// GnuPG with a home of its own.
pub struct Gpg {
    home: TempDir,
}

impl Default for Gpg {
    fn default() -> Self {
        // Its agent's socket lies in it, and a socket's path must be short.
        let home = tempfile::Builder::new().prefix("hf-gpg-").tempdir_in("/tmp").expect("a folder");
        Self { home }
    }
}

impl Gpg {
    /// A call of it that asks nobody anything.
    pub fn command(&self) -> Command {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(self.home.path());
        command.args(["--batch", "--yes", "--quiet", "--no-permission-warning", "--trust-model", "always"]);
        command.args(["--pinentry-mode", "loopback", "--passphrase", ""]);
        command
    }

    /// Makes a key from a parameter file's lines and gives its fingerprint. `more` goes before the command.
    pub fn generate(&self, name: &str, lines: &str, more: &[&str]) -> String {
        let parameters = format!("{lines}\nName-Real: {name}\n%no-protection\n%commit\n");
        pipe(self.command().args(more).arg("--gen-key"), parameters.as_bytes());
        self.fingerprint(name)
    }

    /// The primary fingerprint of the key of exactly this name.
    pub fn fingerprint(&self, name: &str) -> String {
        let listing = pipe(self.command().args(["--with-colons", "--list-keys", &format!("={name}")]), b"");
        let listing = String::from_utf8_lossy(&listing).into_owned();
        let line = listing.lines().find(|line| line.starts_with("fpr:")).expect("a fingerprint");
        line.split(':').nth(9).expect("a fingerprint").to_owned()
    }

    /// The public key, armoured.
    pub fn export(&self, fingerprint: &str) -> String {
        text(pipe(self.command().args(["--armor", "--export", fingerprint]), b""))
    }

    /// The secret key, armoured.
    pub fn export_secret(&self, fingerprint: &str) -> String {
        text(pipe(self.command().args(["--armor", "--export-secret-keys", fingerprint]), b""))
    }

    /// Takes in a key or a revocation.
    pub fn import(&self, armoured: &str) {
        pipe(self.command().arg("--import"), armoured.as_bytes());
    }

    /// Takes the key back, with the certificate that GnuPG made with it for that purpose.
    pub fn revoke(&self, fingerprint: &str) {
        let path = self.home.path().join(format!("openpgp-revocs.d/{fingerprint}.rev"));
        let certificate = std::fs::read_to_string(path).expect("a revocation");
        // GnuPG puts a colon there so that nobody does this by accident.
        self.import(&certificate.replace(":-----BEGIN", "-----BEGIN"));
    }

    /// Opens a message.
    pub fn decrypt(&self, message: &[u8]) -> Vec<u8> {
        pipe(self.command().arg("--decrypt"), message)
    }

    /// What GnuPG says about a message on its way through its packets.
    pub fn packets(&self, message: &[u8]) -> String {
        text(pipe(self.command().arg("--list-packets"), message))
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        // Its agent ends with its home anyway, a little later.
        let mut command = Command::new("gpgconf");
        command.arg("--homedir").arg(self.home.path()).args(["--kill", "all"]);
        drop(command.stderr(Stdio::null()).status());
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

/// A recipient of recoveries: its certificate, and what opens what is sent to it.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// Armoured.
    pub certificate: String,
    secret: PathBuf,
}

impl Recipient {
    /// Makes one, once.
    pub(crate) fn make(folder: &Path) {
        let gpg = Gpg::default();
        let fingerprint = gpg.generate("Recipient", &format!("{CURVE25519}\nExpire-Date: 0"), &[]);
        std::fs::write(folder.join("recipient.asc"), gpg.export(&fingerprint)).expect("a file");
        std::fs::write(folder.join("recipient.secret.asc"), gpg.export_secret(&fingerprint)).expect("a file");
    }

    /// Reads the one that was made.
    pub(crate) fn read(folder: &Path) -> Self {
        let certificate = std::fs::read_to_string(folder.join("recipient.asc")).expect("a certificate");
        Self { certificate, secret: folder.join("recipient.secret.asc") }
    }

    /// GnuPG with the secret key.
    pub fn gpg(&self) -> Gpg {
        let gpg = Gpg::default();
        gpg.import(&std::fs::read_to_string(&self.secret).expect("a secret key"));
        gpg
    }
}
