//! Private databases for tests: a `SQLite` file in a temporary folder, or a database of its own in a
//! `PostgreSQL` cluster that the harness starts and ends.

use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use store::{Db, Settings};

pub use cluster::{Cluster, Stop, Tls};

/// The engine a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// The cluster of this test process, started by whoever asks first.
fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(Cluster::start)
}

/// One empty database, gone when it is dropped.
pub struct Bench {
    kind: Kind,
    settings: Settings,
    /// The folder of the file; its drop removes it.
    _folder: Option<tempfile::TempDir>,
    address: String,
}

impl Bench {
    pub fn new(kind: Kind) -> Self {
        let (settings, folder, address) = match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let path = folder.path().join("holdfast.db");
                let address = path.to_str().expect("a plain path").to_owned();
                (Settings::sqlite(path), Some(folder), address)
            }
            Kind::Postgres => {
                let address = shared().new_database();
                (Settings { threads: 4, ..Settings::postgres(address.clone()) }, None, address)
            }
        };
        let settings = Settings { patience: Duration::from_millis(1500), ..settings };
        Self { kind, settings, _folder: folder, address }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The file of `SQLite`, the address of `PostgreSQL`.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    pub async fn open(&self) -> Db {
        Db::open(self.settings()).await.expect("opens")
    }

    /// Runs statements over a connection of its own, past the store.
    pub fn raw(&self, statements: &str) {
        match self.kind {
            Kind::Sqlite => {
                let connection = rusqlite::Connection::open(&self.address).expect("opens");
                connection.busy_timeout(Duration::from_secs(5)).expect("waits");
                connection.execute_batch(statements).expect("runs");
            }
            Kind::Postgres => cluster::run(&self.address, statements).expect("runs"),
        }
    }

    /// Keeps writers out until the answer is dropped.
    pub fn lock(&self) -> Lock {
        let (release, released) = mpsc::channel::<()>();
        let (told, locked) = mpsc::channel();
        let (kind, address) = (self.kind, self.address.clone());
        let thread = thread::spawn(move || {
            let hold = || {
                told.send(()).expect("awaited");
                released.recv().expect_err("the other end is only ever dropped");
            };
            match kind {
                Kind::Sqlite => {
                    let connection = rusqlite::Connection::open(&address).expect("opens");
                    connection.execute_batch("BEGIN IMMEDIATE").expect("locks");
                    hold();
                }
                Kind::Postgres => cluster::holding(&address, "LOCK TABLE tenants IN EXCLUSIVE MODE", hold),
            }
        });
        locked.recv().expect("locked");
        Lock { release: Some(release), thread: Some(thread) }
    }
}

/// See [`Bench::lock`].
pub struct Lock {
    release: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.release.take();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the lock ends");
        }
    }
}

/// Makes each test once per engine.
#[macro_export]
macro_rules! on_both_engines {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(&$crate::support::Bench::new($crate::support::Kind::Sqlite)).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                super::$test(&$crate::support::Bench::new($crate::support::Kind::Postgres)).await;
            })*
        }
    };
}
