//! Looks into the service's database past the service, and keeps it busy.

use cluster::on_own_thread;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use domain::ids::TenantId;
use rusqlite::Connection;

/// Where the database of a test is.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file.
    Sqlite(PathBuf),
    /// A libpq address.
    Postgres(String),
}

/// The tables of logs, of each what tenants' logs have of it: the root log follows them a little later.
const TENANTS_LOGS: [&str; 4] = ["audit_entries", "audit_heads", "audit_checkpoints", "audit_witnesses"];

/// How many rows each table has.
pub type Census = BTreeMap<String, i64>;

impl Place {
    /// Counts every row of every table but what follows a little later: the heads and checkpoints of the logs, what
    /// witnesses signed of them, the mark of the enclave's, how far its seals have moved, and the seals of rows, those of the pool among them.
    pub fn census(&self) -> Census {
        let mut census = self.count();
        census.remove("audit_heads").expect("a head for each log");
        census.remove("audit_checkpoints").expect("checkpoints of them");
        census.remove("audit_witnesses").expect("what witnesses signed of them");
        census.remove("enclave_marks").expect("a mark of the enclave's log");
        census.remove("reseals").expect("what moves to a new root key");
        census.remove("row_seals").expect("seals of rows");
        census
    }

    fn count(&self) -> Census {
        match self {
            Self::Sqlite(path) => {
                let connection = open(path);
                let list = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
                let mut names = connection.prepare(list).expect("a statement");
                let names = names.query_map([], |row| row.get::<_, String>(0)).expect("rows");
                let count = |name: String| {
                    let text = self.count_of(&name);
                    let rows = connection.query_row(&text, [], |row| row.get(0)).expect("a count");
                    (name, rows)
                };
                names.map(|name| count(name.expect("a name"))).collect()
            }
            Self::Postgres(address) => {
                let counted = on_own_thread(address, |client| {
                    let list = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
                    let names: Vec<String> =
                        client.query(list, &[])?.into_iter().map(|row| row.get(0)).collect();
                    let count = |name: String| {
                        let rows = client.query_one(&self.count_of(&name), &[])?.get(0);
                        Ok((name, rows))
                    };
                    names.into_iter().map(count).collect()
                });
                counted.expect("counts")
            }
        }
    }

    /// A statement that counts rows, without those of the root log.
    fn count_of(&self, of: &str) -> String {
        let schema = match self {
            Self::Sqlite(_) => "main",
            Self::Postgres(_) => "public",
        };
        let root_log = TenantId::root_log();
        let logs = TENANTS_LOGS.map(|table| {
            format!("{table} AS (SELECT * FROM {schema}.{table} WHERE tenant_id <> '{root_log}')")
        });
        format!("WITH {} SELECT count(*) FROM {of}", logs.join(", "))
    }

    /// How many rows there are of a table, those of the root log not counted; it may be followed by a condition.
    pub fn rows(&self, of: &str) -> i64 {
        self.number(&self.count_of(of))
    }

    /// The same, those of the root log too.
    pub fn all_rows(&self, of: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {of}"))
    }

    fn number(&self, text: &str) -> i64 {
        match self {
            Self::Sqlite(path) => open(path).query_row(text, [], |row| row.get(0)).expect("a count"),
            Self::Postgres(address) => {
                on_own_thread(address, |client| Ok(client.query_one(text, &[])?.get(0))).expect("a count")
            }
        }
    }

    /// Every row of a table, with all its columns, in the order of its primary key or of the text.
    pub fn contents(&self, table: &str) -> Vec<String> {
        let path = match self {
            Self::Sqlite(path) => path,
            Self::Postgres(address) => {
                let text = format!("SELECT {table}::text FROM {table} ORDER BY 1");
                let rows = on_own_thread(address, |client| client.query(&text, &[])).expect("rows");
                return rows.into_iter().map(|row| row.get(0)).collect();
            }
        };
        let connection = open(path);
        let mut rows = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).expect("a table");
        let columns = rows.column_count();
        let shown = |row: &rusqlite::Row<'_>| {
            let cells = (0..columns).map(|at| row.get_ref(at).map(|cell| format!("{cell:?}")));
            cells.collect::<Result<Vec<_>, _>>().map(|cells| cells.join(" "))
        };
        let rows = rows.query_map([], shown).expect("rows");
        rows.map(|row| row.expect("a row")).collect()
    }

    /// Runs statements past the service.
    pub fn run(&self, statements: &str) {
        match self {
            Self::Sqlite(path) => open(path).execute_batch(statements).expect("runs"),
            Self::Postgres(address) => {
                on_own_thread(address, |client| client.batch_execute(statements)).expect("runs");
            }
        }
    }

    /// Keeps writers out of a `SQLite` file until the answer is dropped.
    pub fn lock(&self) -> Lock {
        let Self::Sqlite(path) = self else { unreachable!("only a file is locked so") };
        let (release, released) = mpsc::channel::<()>();
        let (told, locked) = mpsc::channel();
        let connection = open(path);
        let thread = thread::spawn(move || {
            connection.execute_batch("BEGIN IMMEDIATE").expect("locks");
            told.send(()).expect("awaited");
            // The other end is only ever dropped.
            let _ = released.recv();
        });
        locked.recv().expect("locked");
        Lock { release: Some(release), thread: Some(thread) }
    }
}

fn open(path: &PathBuf) -> Connection {
    let connection = Connection::open(path).expect("opens");
    connection.busy_timeout(Duration::from_secs(10)).expect("waits");
    connection
}

/// See [`Place::lock`].
pub struct Lock {
    release: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.release.take();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the lock ends");
        }
    }
}
