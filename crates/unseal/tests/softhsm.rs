//! The service with a real PKCS#11 token, in software, and a real enclave.

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use holder::door::{Door, PrinterKey};
use holder::{Env, Holder, Plan, SHARE_PREFIX, Share, Wire as _};
use tempfile::TempDir;

/// Where Debian and others put the module.
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];
const PIN: &str = "271828";
/// Half a minute of looks, for what comes by itself.
const LOOKS_MAX: u32 = 300;

/// A folder with a token, an enclave's state and its socket.
struct Place {
    folder: TempDir,
    enclave: Option<Child>,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder"), enclave: None };
        fs::create_dir(place.path("tokens")).expect("a folder");
        let settings =
            format!("directories.tokendir = {}\nlog.level = ERROR\n", place.path("tokens").display());
        fs::write(place.path("softhsm2.conf"), settings).expect("the settings");
        fs::write(place.path("pin"), format!("{PIN}\n")).expect("the PIN");
        let words = ["--init-token", "--free", "--label", "test", "--pin", PIN, "--so-pin", "314159"];
        let mut made = Command::new("softhsm2-util");
        let made = made.args(words).env("SOFTHSM2_CONF", place.path("softhsm2.conf")).output();
        assert!(made.expect("softhsm2-util runs: install softhsm2").status.success());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn door(&self) -> Door {
        Door { socket: self.path("socket"), env: Env::Production }
    }

    /// Starts the enclave, sealed.
    fn start_enclave(&mut self) {
        self.end_enclave();
        let program = Path::new(env!("CARGO_BIN_EXE_holdfast-unseal")).with_file_name("holdfast-enclave");
        assert!(program.exists(), "run `cargo build -p holdfast-enclave` first");
        let mut command = Command::new(program);
        command
            .args(["serve", "--env", "production", "--end-with-stdin", "--socket"])
            .arg(self.path("socket"));
        command.arg("--state").arg(self.path("state")).stdin(Stdio::piped()).stdout(Stdio::null());
        self.enclave = Some(command.spawn().expect("the enclave starts"));
        self.wait("an enclave", || UnixStream::connect(self.path("socket")).is_ok());
    }

    fn end_enclave(&mut self) {
        if let Some(mut enclave) = self.enclave.take() {
            enclave.kill().expect("a child");
            enclave.wait().expect("a child");
        }
    }

    fn is_open(&self) -> bool {
        self.door().stand().expect("a standing").open.is_some()
    }

    fn wait(&self, what: &str, is_there: impl Fn() -> bool) {
        let came = (0..LOOKS_MAX).any(|_| {
            thread::sleep(Duration::from_millis(100));
            is_there()
        });
        assert!(came, "{what} did not come in {}", self.folder.path().display());
    }

    fn command(&self, deed: &str) -> Command {
        let module = MODULES.iter().find(|path| Path::new(path).exists()).expect("softhsm2 is installed");
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-unseal"));
        command.arg(deed).args(["--module", module, "--token", "test", "--pin-file"]).arg(self.path("pin"));
        command.env("SOFTHSM2_CONF", self.path("softhsm2.conf")).stderr(Stdio::piped());
        command
    }

    fn wrap(&self, share: &Share, name: &str) -> Output {
        let hex: Vec<String> = share.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut command = self.command("wrap");
        command.args(["--share", "-", "--out"]).arg(self.path(name)).stdin(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let text = format!("{SHARE_PREFIX}{}\n", hex.concat());
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
        child.wait_with_output().expect("it ends")
    }

    fn run(&self, names: &[&str]) -> Command {
        let mut command = self.command("run");
        command.arg("--socket").arg(self.path("socket"));
        for name in names {
            command.arg("--wrapped").arg(self.path(name));
        }
        command
    }

    /// Gives these once; what it said.
    fn once(&self, names: &[&str]) -> Result<(), String> {
        let output = self.run(names).arg("--once").output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.end_enclave();
    }
}

fn holds(folder: &Path, secret: &[u8]) -> bool {
    fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).any(|path| {
        if path.is_dir() {
            return holds(&path, secret);
        }
        // A socket has nothing to read.
        fs::read(path).is_ok_and(|bytes| bytes.windows(secret.len()).any(|window| window == secret))
    })
}

#[test]
fn a_token_opens_the_enclave_as_the_holder_of_its_shares() {
    let mut place = Place::new();
    place.start_enclave();
    let printer = PrinterKey::generate().expect("a key");
    let holders = vec![Holder::Rsa(printer.public_half().expect("a key")); 3];
    let dealt = place.door().found(Plan { threshold: 2, holders }).expect("shares");
    let shares = printer.open(&dealt.shares.iter().collect::<Vec<_>>()).expect("shares");
    for (share, name) in shares.iter().zip(["one", "two"]) {
        let wrapped = place.wrap(share, name);
        assert!(wrapped.status.success(), "{}", String::from_utf8_lossy(&wrapped.stderr));
        assert!(!holds(place.folder.path(), &share.value), "a share lies somewhere in the clear");
    }
    assert!(!place.wrap(&shares[2], "one").status.success(), "what is there stays");

    // One share of two is one holder among others.
    place.once(&["one"]).expect("given");
    assert!(!place.is_open());
    place.once(&["one", "two"]).expect("given");
    assert!(place.is_open());

    // What is not whole, and what the token does not give, opens nothing.
    place.start_enclave();
    let mut altered = fs::read(place.path("one")).expect("a file");
    altered[30] ^= 1;
    fs::write(place.path("altered"), altered).expect("a file");
    assert!(place.once(&["altered", "two"]).expect_err("altered").contains("does not decrypt"));
    fs::write(place.path("pin"), "000000").expect("the PIN");
    assert!(place.once(&["one", "two"]).expect_err("another PIN").contains("PIN"));
    fs::write(place.path("pin"), PIN).expect("the PIN");
    assert!(!place.is_open());

    // As a service it comes back whenever the enclave does.
    let mut service = place.run(&["one", "two"]).stderr(Stdio::null()).spawn().expect("the service starts");
    place.wait("an open enclave", || place.is_open());
    place.start_enclave();
    place.wait("an open enclave", || place.is_open());
    service.kill().expect("a child");
    service.wait().expect("a child");
}
