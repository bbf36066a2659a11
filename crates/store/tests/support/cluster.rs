//! A private `PostgreSQL` cluster. It lives in a temporary folder, listens on a socket there, and ends with the
//! process of the tests, however that ends: a shell waits on a pipe that only the tests hold open.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use postgres::{Client, NoTls};

/// Run by `sh -c` as a user other than root: makes the cluster, says where, runs it until the pipe closes.
/// Arguments: the folder of the programs, the port, `tls` or nothing.
const SCRIPT: &str = r#"
set -eu
bin=$1 port=$2 tls=$3
folder=$(mktemp -d "${TMPDIR:-/tmp}/hf-pg-XXXXXX")
cleanup() { rm -rf "$folder"; }
trap cleanup EXIT
make() { "$bin/initdb" -D "$folder/data" -U holdfast -A trust -E UTF8 --no-sync "$@" >"$folder/log" 2>&1; }
# A collation that orders otherwise than bytes do, so that a forgotten one is noticed.
make --locale-provider=icu --icu-locale=und --locale=C.UTF-8 || { rm -rf "$folder/data"; make --locale=C.UTF-8; } ||
    { cat "$folder/log" >&2; exit 1; }
listen=
if [ "$tls" = tls ]; then
    cd "$folder/data"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca \
        -keyout ca.key -out "$folder/ca.pem" 2>>"$folder/log"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
        -keyout server.key -out server.csr 2>>"$folder/log"
    printf 'subjectAltName=DNS:localhost\n' >server.ext
    openssl x509 -req -in server.csr -CA "$folder/ca.pem" -CAkey ca.key -CAcreateserial -days 2 \
        -extfile server.ext -out server.crt 2>>"$folder/log"
    chmod 600 server.key
    cd - >/dev/null
    listen="-c listen_addresses=localhost -c ssl=on"
fi
# Commands of the tests: "restart" stops the server for a second; the end of the pipe ends it.
start() {
    "$bin/postgres" -D "$folder/data" -k "$folder" -p "$port" -c listen_addresses= $listen -c fsync=off \
        -c max_connections=400 -c deadlock_timeout=200ms >>"$folder/log" 2>&1 </dev/null &
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

/// Whether the cluster speaks TLS on loopback too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    Off,
    On,
}

/// A running cluster.
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    shell: Child,
    answers: BufReader<std::process::ChildStdout>,
}

/// The shared cluster's place; the cluster itself is never touched again after its start.
pub struct Shared {
    folder: PathBuf,
    port: u16,
    _cluster: Cluster,
}

impl Cluster {
    /// The cluster of this test process, started by whoever asks first.
    pub fn shared() -> &'static Shared {
        static SHARED: OnceLock<Shared> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Self::start(Tls::Off);
            Shared { folder: cluster.folder.clone(), port: cluster.port, _cluster: cluster }
        })
    }

    /// A cluster of one's own, ended when it is dropped.
    pub fn start(tls: Tls) -> Self {
        // The name of the socket, and with TLS a port that was free a moment ago.
        let port = match tls {
            Tls::Off => 5432,
            Tls::On => {
                TcpListener::bind("localhost:0").and_then(|free| free.local_addr()).expect("a port").port()
            }
        };
        let word = if tls == Tls::On { "tls" } else { "" };
        let mut shell = as_ordinary_user()
            .args(["sh", "-c", SCRIPT, "cluster"])
            .args([programs().to_str().expect("a plain path"), &port.to_string(), word])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut answers = BufReader::new(shell.stdout.take().expect("a pipe"));
        let mut folder = String::new();
        answers.read_line(&mut folder).expect("a line");
        assert!(!folder.is_empty(), "the cluster did not start");
        let cluster = Self { folder: folder.trim_end().into(), port, shell, answers };
        wait_for(&address(&cluster.folder, port, "postgres"));
        cluster
    }

    pub fn new_database(&self) -> String {
        new_database(&self.folder, self.port)
    }

    /// The file of the authority that signed the server's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Shuts the server down, as an operator would.
    pub fn stop_server(&mut self) {
        self.tell("stop");
    }

    /// Starts it again and waits until it answers.
    pub fn start_server(&mut self) {
        self.tell("start");
        wait_for(&address(&self.folder, self.port, "postgres"));
    }

    fn tell(&mut self, word: &str) {
        let pipe = self.shell.stdin.as_mut().expect("a pipe");
        writeln!(pipe, "{word}").expect("the shell listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the shell answers");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().expect("the shell ends");
    }
}

impl Shared {
    pub fn new_database(&self) -> String {
        new_database(&self.folder, self.port)
    }
}

fn new_database(folder: &Path, port: u16) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    run(&address(folder, port, "postgres"), &format!("CREATE DATABASE {name}")).expect("a database");
    address(folder, port, &name)
}

fn address(folder: &Path, port: u16, database: &str) -> String {
    format!("host={} port={port} user=holdfast dbname={database}", folder.display())
}

/// Runs statements on a thread of their own: this driver may not be used on a thread of an async runtime.
pub fn run(address: &str, statements: &str) -> Result<(), postgres::Error> {
    let work = || Client::connect(address, NoTls)?.batch_execute(statements);
    thread::scope(|scope| scope.spawn(work).join()).expect("no panic")
}

/// Does something inside of a transaction that has run a statement.
pub fn holding(address: &str, statement: &str, act: impl FnOnce()) {
    let mut client = Client::connect(address, NoTls).expect("connects");
    let mut tx = client.transaction().expect("begins");
    tx.batch_execute(statement).expect("runs");
    act();
}

fn wait_for(address: &str) {
    for _ in 0..300 {
        if run(address, "SELECT 1").is_ok() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    unreachable!("the cluster does not answer");
}

/// The server refuses to run as root.
fn as_ordinary_user() -> Command {
    let root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    if root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]);
        command
    } else {
        Command::new("env")
    }
}

/// The newest installed programs.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter(|entry| entry.path().join("bin/initdb").exists())
        .max_by_key(|entry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    newest.expect("postgresql is installed: these tests do not run without it").path().join("bin")
}
