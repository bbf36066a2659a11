//! A private `PostgreSQL` cluster for a test. It lives in a temporary folder, listens on a socket there, and ends
//! with the process of the test, however that ends: a shell waits on a pipe that only the test holds open.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use postgres::{Client, NoTls};

const SCRIPT: &str = include_str!("cluster.sh");
/// How often, and how long between, it is looked whether the server answers.
const LOOKS: (usize, Duration) = (1_200, Duration::from_millis(25));

/// Whether the cluster speaks TLS on loopback too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// On its socket alone.
    Off,
    /// On a free port of `localhost` too.
    On,
}

/// How a database server ends.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// As an operator would have it: clients are cut off, everything is written.
    Fast,
    /// `kill -9` of the postmaster.
    Kill,
    /// What `pg_ctl -m immediate` does: no checkpoint, recovery at the next start.
    Immediate,
}

/// A running cluster; it ends when it is dropped.
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    shell: Child,
    answers: BufReader<ChildStdout>,
}

impl Cluster {
    /// Makes and starts one.
    pub fn start() -> Self {
        Self::start_with(Tls::Off)
    }

    /// The same, with TLS if wished.
    pub fn start_with(tls: Tls) -> Self {
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
        let mut cluster = Self { folder: folder.trim_end().into(), port, shell, answers };
        cluster.start_again();
        cluster
    }

    /// Where it keeps everything.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The port, which without TLS is but the name of the socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file of the authority that signed the server's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The address of its first database, as libpq has it.
    pub fn address(&self) -> String {
        self.address_of("postgres")
    }

    /// The address of a new database of its own.
    pub fn new_database(&self) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        run(&self.address(), &format!("CREATE DATABASE {name}")).expect("a database");
        self.address_of(&name)
    }

    fn address_of(&self, database: &str) -> String {
        format!("host={} port={} user=holdfast dbname={database}", self.folder.display(), self.port)
    }

    /// Ends the server; its clients see their connections break.
    pub fn end(&mut self, stop: Stop) {
        self.tell(match stop {
            Stop::Fast => "stop",
            Stop::Kill => "kill",
            Stop::Immediate => "immediate",
        });
    }

    /// Starts it, as often as it takes, and waits until it answers.
    pub fn start_again(&mut self) {
        let (times, pause) = LOOKS;
        for _ in 0..times {
            self.tell("start");
            if run(&self.address(), "SELECT 1").is_ok() {
                return;
            }
            thread::sleep(pause);
        }
        unreachable!("the cluster does not answer");
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
        // Whatever its end, it is over.
        let _ = self.shell.wait();
    }
}

/// Works over a connection, on a thread of its own: this driver may not be used on a thread of an async
/// runtime.
pub fn on_own_thread<T: Send>(
    address: &str,
    work: impl FnOnce(&mut Client) -> Result<T, postgres::Error> + Send,
) -> Result<T, postgres::Error> {
    let work = || work(&mut Client::connect(address, NoTls)?);
    thread::scope(|scope| scope.spawn(work).join()).expect("no panic")
}

/// Runs statements.
pub fn run(address: &str, statements: &str) -> Result<(), postgres::Error> {
    on_own_thread(address, |client| client.batch_execute(statements))
}

/// Does something inside of a transaction that has run a statement.
pub fn holding(address: &str, statement: &str, act: impl FnOnce()) {
    let mut client = Client::connect(address, NoTls).expect("connects");
    let mut tx = client.transaction().expect("begins");
    tx.batch_execute(statement).expect("runs");
    act();
}

/// The server refuses to run as root.
fn as_ordinary_user() -> Command {
    let is_root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    let mut command = Command::new(if is_root { "runuser" } else { "env" });
    if is_root {
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
