//! Private databases for tests: a `SQLite` file in a temporary folder, or a database of its own in a
//! `PostgreSQL` cluster that the harness starts and ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use store::row_seals::{self, Finding};
use store::rows::TABLES;
use store::seal::ServerKeys;
use store::{Db, Settings, StoreError};

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
    /// Somebody wrote past the store, so that its rows need not have their seals.
    is_edited: AtomicBool,
}

/// Few, so that there are several pages.
const PAGE_ROWS: i64 = 3;

/// What seals the rows of every test.
pub fn server_keys() -> ServerKeys {
    ServerKeys::from_bytes(&[7; 32], &[[8; 32]]).expect("keys")
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
        // A test that waits for an end of it sets a shorter one: a machine that others use stands still at times.
        let settings = Settings { patience: Duration::from_secs(10), ..settings }.sealed_by(&server_keys());
        Self { kind, settings, _folder: folder, address, is_edited: AtomicBool::new(false) }
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
        self.is_edited.store(true, Ordering::Relaxed);
        match self.kind {
            Kind::Sqlite => {
                let connection = rusqlite::Connection::open(&self.address).expect("opens");
                connection.busy_timeout(Duration::from_secs(5)).expect("waits");
                connection.execute_batch(statements).expect("runs");
            }
            Kind::Postgres => cluster::run(&self.address, statements).expect("runs"),
        }
    }

    /// The texts of one column, past the store.
    pub fn texts(&self, query: &str) -> Vec<String> {
        match self.kind {
            Kind::Sqlite => {
                let connection = rusqlite::Connection::open(&self.address).expect("opens");
                let mut rows = connection.prepare(query).expect("a query");
                let rows = rows.query_map([], |row| row.get(0)).expect("rows");
                rows.map(|text| text.expect("a text")).collect()
            }
            Kind::Postgres => cluster::on_own_thread(&self.address, |client| {
                Ok(client.query(query, &[])?.iter().map(|row| row.get(0)).collect())
            })
            .expect("texts"),
        }
    }

    /// Every row that is not as the store left it.
    pub async fn findings(&self) -> Vec<Finding> {
        let db = self.open().await;
        let mut findings = Vec::new();
        for table in TABLES.iter().filter(|table| table.sealed().next().is_some()) {
            let (mut after, mut is_more) = (None, true);
            while is_more {
                let from = after.clone();
                let checked = db.read("check_rows", move |rx| {
                    let keys = server_keys();
                    row_seals::check_rows(rx, keys.row_key(), table, from.as_ref(), PAGE_ROWS)
                });
                let checked: Result<_, StoreError> = checked.await;
                let checked = checked.expect("reads");
                findings.extend(checked.found);
                (is_more, after) = (checked.next.is_some(), checked.next);
            }
            let mut after = Some(String::new());
            while let Some(from) = after.take() {
                let checked = db
                    .read("check_seals", move |rx| row_seals::check_seals(rx, table, &from, PAGE_ROWS))
                    .await;
                let checked: Result<_, StoreError> = checked;
                let (found, next) = checked.expect("reads");
                findings.extend(found);
                after = next;
            }
        }
        db.close().await;
        findings
    }

    /// Whatever a test did through the store, every row has its seal, and no seal is left over.
    pub async fn check_seals(&self) {
        if !self.is_edited.load(Ordering::Relaxed) {
            assert_eq!(self.findings().await, []);
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
                let bench = $crate::support::Bench::new($crate::support::Kind::Sqlite);
                super::$test(&bench).await;
                bench.check_seals().await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                let bench = $crate::support::Bench::new($crate::support::Kind::Postgres);
                super::$test(&bench).await;
                bench.check_seals().await;
            })*
        }
    };
}
