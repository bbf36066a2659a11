//! A private `PostgreSQL` cluster that can be killed. It lives in a temporary folder, listens on a socket there,
//! and ends with the test, however that ends: a shell waits on a pipe that only the test holds open.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use postgres::{Client, NoTls};

use crate::rig::group::wait_for;

/// Run by `sh -c` as a user other than root. Argument: the folder of the programs. Each word it is told is
/// answered with a line.
const SCRIPT: &str = r#"
set -eu
bin=$1
folder=$(mktemp -d "${TMPDIR:-/tmp}/hf-kill-XXXXXX")
trap 'rm -rf "$folder"' EXIT
"$bin/initdb" -D "$folder/data" -U holdfast -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$folder/log" 2>&1 ||
    { cat "$folder/log" >&2; exit 1; }
start() {
    "$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c max_connections=50 \
        >>"$folder/log" 2>&1 </dev/null &
    pid=$!
}
end() { kill "$1" "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }
start
echo "$folder"
while read -r word; do
    case $word in
    kill) end -KILL ;;
    immediate) end -QUIT ;;
    # Refused as long as a child of a killed server lives.
    start) sleep 0.02; kill -0 "$pid" 2>/dev/null || start ;;
    esac
    echo "done"
done
end -QUIT
"#;

/// Whoever does not answer by then never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a database server ends without leave.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// `kill -9` of the postmaster.
    Kill,
    /// What `pg_ctl -m immediate` does: no checkpoint, recovery at the next start.
    Immediate,
}

/// A cluster with one database.
pub struct Cluster {
    folder: PathBuf,
    shell: Child,
    answers: BufReader<ChildStdout>,
}

impl Cluster {
    pub fn start() -> Self {
        let mut shell = as_ordinary_user()
            .args(["sh", "-c", SCRIPT, "cluster"])
            .arg(programs())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut answers = BufReader::new(shell.stdout.take().expect("a pipe"));
        let mut folder = String::new();
        answers.read_line(&mut folder).expect("a line");
        assert!(!folder.is_empty(), "the cluster did not start");
        let mut cluster = Self { folder: folder.trim_end().into(), shell, answers };
        cluster.start_again();
        cluster
    }

    /// Its address, as the server's settings take it.
    pub fn address(&self) -> String {
        format!("host={} port=5432 user=holdfast dbname=postgres", self.folder.display())
    }

    /// Ends the server at once; its clients see their connections break.
    pub fn end(&mut self, stop: Stop) {
        self.tell(match stop {
            Stop::Kill => "kill",
            Stop::Immediate => "immediate",
        });
    }

    /// Starts it, as often as it takes, and waits until it answers.
    pub fn start_again(&mut self) {
        let address = self.address();
        wait_for("the cluster", PATIENCE, || {
            self.tell("start");
            let ask =
                || Client::connect(&address, NoTls).and_then(|mut client| client.batch_execute("SELECT 1"));
            thread::scope(|scope| scope.spawn(ask).join()).expect("no panic").ok()
        });
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.shell.stdin.as_mut().expect("a pipe"), "{word}").expect("the shell listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the shell answers");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// The server refuses to run as root.
fn as_ordinary_user() -> Command {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    if is_root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]);
        command
    } else {
        Command::new("env")
    }
}

/// The newest installed programs.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter(|entry| entry.path().join("bin/initdb").exists())
        .max_by_key(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    newest.expect("postgresql is installed: these tests do not run without it").path().join("bin")
}
