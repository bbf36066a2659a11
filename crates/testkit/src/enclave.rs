//! A real enclave: the program of its own, on a state folder of the test's own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use boundary::Env;
use boundary::message::{Reply, Request};
use boundary::wire::{frame, frame_length, unframe};

/// How an enclave is started: the same each time, so that it can be killed and come back.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// `sandbox` or `production`.
    pub env: Env,
    /// Its state folder. Made by the enclave where it is missing.
    pub state: PathBuf,
    /// Where it listens.
    pub socket: PathBuf,
    /// The file of an identity provider.
    pub provider: Option<PathBuf>,
    /// The public key of an offline enclave.
    pub offline_key: Option<PathBuf>,
    /// How long after an approval recovery is open, in seconds; its own default where nothing is said.
    pub retail_window_s: Option<u32>,
    /// The socket of a counter.
    pub counter: Option<PathBuf>,
    /// Whether recoveries are counted against their limits in a sandbox too.
    pub recovery_limits: bool,
    /// Where its words go.
    pub log: PathBuf,
}

/// A running enclave; it ends with the test, however that ends.
pub struct Enclave {
    recipe: Recipe,
    /// The checks that are left out, parted by commas; with any, the weakened build runs.
    without: String,
    child: Option<Child>,
}

impl Enclave {
    /// Starts it and waits until it listens.
    pub fn start(recipe: Recipe) -> Self {
        if recipe.env == Env::Production && !recipe.state.join("signing.keys").exists() {
            run(program()
                .args(["init", "--env", "production", "--root", "disk", "--state"])
                .arg(&recipe.state));
        }
        let mut enclave = Self { recipe, without: String::new(), child: None };
        enclave.restart();
        enclave
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the enclave can be killed");
            child.wait().expect("the enclave ends");
        }
    }

    /// Starts it again, on the same state and the same socket.
    pub fn restart(&mut self) {
        let is_up = self.try_restart();
        let said = std::fs::read_to_string(&self.recipe.log).unwrap_or_default();
        assert!(is_up, "the enclave did not come to listen: {said}");
    }

    /// The same, where it may refuse; whether it came to listen.
    pub fn try_restart(&mut self) -> bool {
        self.kill();
        let recipe = &self.recipe;
        // A killed enclave leaves its socket; there may be none.
        let _ = std::fs::remove_file(&recipe.socket);
        let mut command = if self.without.is_empty() { program() } else { weakened(&self.without) };
        command.args(["serve", "--end-with-stdin", "--root", "disk", "--env", recipe.env.as_str()]);
        command.arg("--socket").arg(&recipe.socket).arg("--state").arg(&recipe.state);
        for (name, path) in [
            ("--provider", &recipe.provider),
            ("--offline-key", &recipe.offline_key),
            ("--counter", &recipe.counter),
        ] {
            if let Some(path) = path {
                command.arg(name).arg(path);
            }
        }
        if recipe.recovery_limits {
            command.args(["--recovery-limits", "on"]);
        }
        if let Some(window) = recipe.retail_window_s {
            command.args(["--retail-window-s", &window.to_string()]);
        }
        let log = File::options().create(true).append(true).open(&recipe.log).expect("a log file");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("the enclave starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("the enclave says something");
        self.child = Some(child);
        let is_up = line == "ready\n";
        if !is_up {
            self.kill();
        }
        is_up
    }

    /// Starts it again with another window for recoveries, in seconds.
    pub fn restart_with_window(&mut self, window_s: u32) {
        self.recipe.retail_window_s = Some(window_s);
        self.restart();
    }

    /// Starts it again with a counter that is asked at this socket.
    pub fn restart_with_counter(&mut self, socket: PathBuf) {
        self.recipe.counter = Some(socket);
        self.restart();
    }

    /// Starts it again without these checks, by their names, parted by commas; with none, whole.
    pub fn restart_without(&mut self, checks: &str) {
        checks.clone_into(&mut self.without);
        self.restart();
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.recipe.socket
    }

    /// Its state folder.
    pub fn state(&self) -> &Path {
        &self.recipe.state
    }

    /// The file of its own log.
    pub fn log_file(&self) -> PathBuf {
        self.recipe.state.join("state.log")
    }

    /// Stops it where it stands, so that whoever asks it waits; until [`Enclave::resume`].
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("a running enclave");
        run(Command::new("kill").arg(signal).arg(child.id().to_string()));
    }

    /// One request, past the server.
    pub fn call(&self, request: &Request) -> Reply {
        let mut stream = UnixStream::connect(&self.recipe.socket).expect("the enclave listens");
        stream.write_all(&frame(request)).expect("the enclave reads");
        let mut prefix = [0; 4];
        stream.read_exact(&mut prefix).expect("the enclave answers");
        let mut body = vec![0; frame_length(prefix).expect("a frame")];
        stream.read_exact(&mut body).expect("the enclave answers whole");
        unframe(&body).expect("the enclave answers in protocol")
    }
}

impl Drop for Enclave {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The enclave's program, beside the programs of the tests.
pub fn program() -> Command {
    Command::new(program_path())
}

/// The build of the enclave's sources of which checks can be left out.
fn weakened(without: &str) -> Command {
    let path = built_folder().join("holdfast-enclave-weakened");
    assert!(path.exists(), "{} is not there: run `cargo build -p holdfast-weakened` first", path.display());
    let mut command = Command::new(path);
    command.env("HOLDFAST_WITHOUT", without);
    command
}

/// Where the enclave's program is. Stops the test when it has not been built.
pub fn program_path() -> PathBuf {
    let path = built_folder().join("holdfast-enclave");
    assert!(
        path.exists(),
        "{} is not there: the tests need it; run `cargo build -p holdfast-enclave` first",
        path.display()
    );
    path
}

/// The folder that cargo builds programs into: `target/debug`.
pub(crate) fn built_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a program");
    let folder = test.parent().expect("a program is in a folder");
    if folder.ends_with("deps") { folder.parent().unwrap_or(folder).to_owned() } else { folder.to_owned() }
}

/// Runs a program that must succeed and returns what it printed.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output();
    let output = output.unwrap_or_else(|error| unreachable!("{command:?} does not start: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Copies a folder with all that is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder to copy") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            // Takes the file's mode along.
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
