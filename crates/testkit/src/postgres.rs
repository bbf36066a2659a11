//! A private `PostgreSQL` cluster. It lives in a temporary folder, listens on a socket there, and ends with the
//! process of the tests, however that ends: a shell waits on a pipe that only the tests hold open.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use postgres::{Client, NoTls};

/// Run by `sh -c` as a user other than root: makes the cluster, says where, runs it until the pipe closes.
/// Argument: the folder of the programs.
const SCRIPT: &str = r#"
set -eu
bin=$1
folder=$(mktemp -d "${TMPDIR:-/tmp}/hf-pg-XXXXXX")
cleanup() { rm -rf "$folder"; }
trap cleanup EXIT
make() { "$bin/initdb" -D "$folder/data" -U holdfast -A trust -E UTF8 --no-sync "$@" >"$folder/log" 2>&1; }
# A collation that orders otherwise than bytes do, so that a forgotten one is noticed.
make --locale-provider=icu --icu-locale=und --locale=C.UTF-8 || { rm -rf "$folder/data"; make --locale=C.UTF-8; } ||
    { cat "$folder/log" >&2; exit 1; }
# Commands of the tests: "stop" and "start"; the end of the pipe ends it.
start() {
    "$bin/postgres" -D "$folder/data" -k "$folder" -p 5432 -c listen_addresses= -c fsync=off \
        -c max_connections=100 >>"$folder/log" 2>&1 </dev/null &
    pid=$!
}
stop() { kill -INT "$pid"; wait "$pid" || true; }
start
echo "$folder"
while read -r word; do
    case $word in
    stop) stop ;;
    start) start ;;
    esac
    echo "done"
done
kill -QUIT "$pid" 2>/dev/null || true
wait "$pid" || true
"#;

/// A running cluster; it ends when it is dropped.
pub struct Cluster {
    folder: PathBuf,
    shell: Child,
    answers: BufReader<ChildStdout>,
}

impl Cluster {
    /// Makes and starts one.
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
        let cluster = Self { folder: folder.trim_end().into(), shell, answers };
        cluster.wait();
        cluster
    }

    /// Where it keeps everything.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The address of its database, as libpq has it.
    pub fn address(&self) -> String {
        format!("host={} port=5432 user=holdfast dbname=postgres", self.folder.display())
    }

    /// Shuts the server down, as an operator would.
    pub fn stop_server(&mut self) {
        self.tell("stop");
    }

    /// Starts it again and waits until it answers.
    pub fn start_server(&mut self) {
        self.tell("start");
        self.wait();
    }

    fn tell(&mut self, word: &str) {
        let pipe = self.shell.stdin.as_mut().expect("a pipe");
        writeln!(pipe, "{word}").expect("the shell listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the shell answers");
    }

    fn wait(&self) {
        for _ in 0..600 {
            if on_own_thread(&self.address(), |client| client.batch_execute("SELECT 1")).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(25));
        }
        unreachable!("the cluster does not answer");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().expect("the shell ends");
    }
}

/// Works over a connection, on a thread of its own: this driver may not be used on a thread of an async
/// runtime.
pub(crate) fn on_own_thread<T: Send>(
    address: &str,
    work: impl FnOnce(&mut Client) -> Result<T, postgres::Error> + Send,
) -> Result<T, postgres::Error> {
    let work = || work(&mut Client::connect(address, NoTls)?);
    thread::scope(|scope| scope.spawn(work).join()).expect("no panic")
}

/// The server refuses to run as root.
fn as_ordinary_user() -> Command {
    let root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    let mut command = Command::new(if root { "runuser" } else { "env" });
    if root {
        command.args(["-u", "postgres", "--"]);
    }
    command
}

/// The newest installed programs.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter(|entry| entry.path().join("bin/initdb").exists())
        .max_by_key(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    newest.expect("postgresql is installed: `scripts/test` installs what is missing").path().join("bin")
}
