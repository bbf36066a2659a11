//! Processes that end with the test, however it ends.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");

/// A process group with a watchman: he reads a pipe that only the test holds open, and at its end kills the
/// whole group, himself included.
pub struct Group {
    watchman: Child,
}

impl Group {
    pub fn new() -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "read -r _; kill -KILL 0"]).stdin(Stdio::piped()).process_group(0);
        Self { watchman: shell.spawn().expect("a shell") }
    }

    /// Starts a process of the group; what it says goes to the end of that file.
    pub fn start(&self, command: &mut Command, output: &Path) -> Child {
        let open =
            || OpenOptions::new().append(true).create(true).open(output).expect("a file for the output");
        let group = i32::try_from(self.watchman.id()).expect("a process id");
        command.stdout(open()).stderr(open()).process_group(group).spawn().expect("the program starts")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.watchman.stdin.take());
        // He ends by his own signal.
        let _ = self.watchman.wait();
    }
}

/// The moment.
#[expect(clippy::disallowed_methods, reason = "the test is the edge: it measures real processes")]
pub fn now() -> Instant {
    Instant::now()
}

/// Asks until the answer is there; fails the test when it does not come in time.
pub fn wait_for<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(now().duration_since(begun) < patience, "{what} did not come within {patience:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
