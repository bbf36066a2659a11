//! `SQLite`: one writer thread that commits in groups, and readers on threads of their own.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, params_from_iter};

use crate::clock::now;
use crate::column::Arg;
use crate::error::StoreError;
use crate::migrate::SchemaStep;
use crate::queue::Queue;
use crate::sql::Sql;
use crate::tx::{Cells, Conn, Failed, FromRow, Row, Spoiled, Tx};
use crate::write::{Counters, Job, OldSchema, Settings, spawn};

/// Libraries before 3.51.3 can corrupt a write-ahead log.
const LIBRARY_MIN: i32 = 3_051_003;
/// A group is committed once it has this many closures,
const GROUP_MAX: usize = 256;
/// or once it has taken this long.
const GROUP_TIME_MAX: Duration = Duration::from_millis(10);
/// Prepared statements kept per connection: more than there are.
const STATEMENTS_MAX: usize = 512;

/// Opens the file, brings its schema up to date and starts the threads.
pub(crate) fn start(
    path: &Path,
    settings: &Settings,
    reads: &Arc<Queue<Job>>,
    writes: &Arc<Queue<Job>>,
    counters: &Arc<Counters>,
) -> Result<Vec<JoinHandle<()>>, StoreError> {
    if rusqlite::version_number() < LIBRARY_MIN {
        return Err(StoreError::Unfit(format!("the sqlite library {} is too old", rusqlite::version())));
    }
    match settings.old_schema {
        OldSchema::Migrate => {
            create_private(path).map_err(|error| StoreError::unavailable("opening the file", error))?;
        }
        OldSchema::Refuse => crate::migrate::require(&list_missing(path, settings.patience)?)?,
    }
    let opening = |error| failed("opening the file", error).error;
    let mut connection = connect(path, settings.patience).map_err(opening)?;
    let mode: String =
        connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(opening)?;
    if mode != "wal" {
        return Err(StoreError::Unfit(format!("its folder has no shared memory: journal_mode is {mode}")));
    }
    if settings.old_schema == OldSchema::Migrate {
        crate::migrate::sqlite(&mut connection)?;
    }
    let patience = settings.patience;
    let group = Writer { connection, queue: Arc::clone(writes), counters: Arc::clone(counters), patience };
    let mut threads = vec![spawn("store-write", move || group.serve())?];
    for _ in 0..settings.threads.clamp(1, 16) {
        let connection = connect(path, settings.patience).map_err(opening)?;
        connection.pragma_update(None, "query_only", true).map_err(opening)?;
        let (queue, counters) = (Arc::clone(reads), Arc::clone(counters));
        threads.push(spawn("store-read", move || serve_reads(&connection, &queue, patience, &counters))?);
    }
    Ok(threads)
}

/// What the file's schema lacks; everything where there is no file.
pub(crate) fn list_missing(path: &Path, patience: Duration) -> Result<Vec<SchemaStep>, StoreError> {
    let failed = |error| failed("looking at the schema", error).error;
    let connection = if path.exists() { Connection::open(path) } else { Connection::open_in_memory() };
    let connection = connection.map_err(failed)?;
    connection.busy_timeout(patience).map_err(failed)?;
    crate::migrate::sqlite_missing(&connection)
}

/// Makes the file readable by its owner alone; the engine gives its log files the same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        made => drop(made?),
    }
    // The name must be on the disk before anything is answered.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Connects; where another process is making the same file, waits for it. The engine's own patience does not
/// cover the change to a write-ahead log.
fn connect(path: &Path, patience: Duration) -> rusqlite::Result<Connection> {
    let begun = now();
    loop {
        match connect_once(path, patience) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && now().duration_since(begun) < patience =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
}

fn connect_once(path: &Path, patience: Duration) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(patience)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "journal_mode", "wal")?;
    // FULL: what was answered is on the disk. The checkpoint stays at its default of 1,000 pages.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What was deleted is overwritten: an erased person's salt is not to be read from the file.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

struct Writer {
    connection: Connection,
    queue: Arc<Queue<Job>>,
    counters: Arc<Counters>,
    patience: Duration,
}

impl Writer {
    fn serve(self) {
        while let Some(first) = self.queue.take() {
            let mut group = VecDeque::from([first]);
            while !group.is_empty() {
                group = self.transaction(group);
            }
        }
    }

    /// Runs `group`, and what else waits, in one transaction and answers. Returns those that must be run
    /// again: the neighbours of one whose statement made the engine roll everything back.
    fn transaction(&self, mut group: VecDeque<Job>) -> VecDeque<Job> {
        if self.counters.failed.load(Ordering::Relaxed) {
            self.refuse(group, |doing| StoreError::Unavailable { doing, source: None });
            return VecDeque::new();
        }
        // The patience of the library makes a locked file an error; it must not become a loop.
        if let Err(error) = self.connection.execute_batch("BEGIN IMMEDIATE") {
            // So that whoever waits behind them does not wait as long again, one after the other.
            group.extend(std::iter::from_fn(|| self.queue.take_now()).take(self.queue.len()));
            self.refuse(group, |doing| StoreError::unavailable(doing, error.to_string()));
            return VecDeque::new();
        }
        let started = now();
        let mut done = VecDeque::new();
        while let Some(job) = group.pop_front().or_else(|| self.next(done.len(), started)) {
            let Some(mut job) = job.admit(self.patience, &self.counters) else { continue };
            let failure = self.savepoint(&mut job).err();
            if failure.is_some() || self.connection.is_autocommit() {
                self.roll_back();
                job.answer(failure, &self.counters);
                done.append(&mut group);
                self.counters.reruns.fetch_add(done.len() as u64, Ordering::Relaxed);
                return done;
            }
            done.push_back(job);
        }
        self.commit(done);
        VecDeque::new()
    }

    /// The next closure for a group that has `len` of them, if one waits and the group is not full.
    fn next(&self, len: usize, started: Instant) -> Option<Job> {
        let open = len < GROUP_MAX && now().duration_since(started) < GROUP_TIME_MAX;
        open.then(|| self.queue.take_now()).flatten()
    }

    /// Runs one closure so that it can be undone alone. Where the engine has rolled back everything, it leaves
    /// at once: the savepoint is gone too.
    fn savepoint(&self, job: &mut Job) -> Result<(), StoreError> {
        let run = |text| match self.connection.prepare_cached(text).and_then(|mut text| text.execute([])) {
            Ok(_) => Ok(()),
            Err(error) => Err(failed("a savepoint", error).error),
        };
        run("SAVEPOINT closure")?;
        let keep = job.run(&mut Tx::new(Conn::Sqlite(&self.connection)));
        if self.connection.is_autocommit() {
            return Ok(());
        }
        if !keep {
            run("ROLLBACK TO closure")?;
        }
        run("RELEASE closure")
    }

    /// Commits, then answers: refusals too, since they may rest on what a neighbour wrote.
    fn commit(&self, done: VecDeque<Job>) {
        let Err(error) = self.connection.execute_batch("COMMIT") else {
            self.counters.commits.fetch_add(1, Ordering::Relaxed);
            for job in done {
                job.answer(None, &self.counters);
            }
            return;
        };
        self.roll_back();
        let text = error.to_string();
        if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) {
            // After a failed sync nobody knows what the disk holds, and syncing again would not tell.
            self.counters.failed.store(true, Ordering::Relaxed);
            tracing::error!(
                error = text,
                "a commit could not be made durable; no more writes by this process"
            );
            self.refuse(done, |doing| StoreError::OutcomeUnknown {
                doing,
                source: Some(text.as_str().into()),
            });
        } else {
            self.refuse(done, |doing| StoreError::unavailable(doing, text.as_str()));
        }
    }

    fn roll_back(&self) {
        if self.connection.is_autocommit() {
            return;
        }
        if let Err(error) = self.connection.execute_batch("ROLLBACK") {
            self.counters.failed.store(true, Ordering::Relaxed);
            tracing::error!(%error, "a transaction could not be rolled back; no more writes by this process");
        }
    }

    fn refuse(&self, jobs: VecDeque<Job>, error: impl Fn(&'static str) -> StoreError) {
        for job in jobs {
            let instead = error(job.name);
            job.answer(Some(instead), &self.counters);
        }
    }
}

fn serve_reads(connection: &Connection, queue: &Queue<Job>, patience: Duration, counters: &Counters) {
    while let Some(job) = queue.take() {
        if let Some(mut job) = job.admit(patience, counters) {
            let failure = read(connection, &mut job).err();
            job.answer(failure.map(|error| failed("a reading transaction", error).error), counters);
        }
    }
}

/// Runs one closure over one snapshot.
fn read(connection: &Connection, job: &mut Job) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN")?;
    job.run(&mut Tx::new(Conn::Sqlite(connection)));
    // There is nothing to keep; the engine may have ended the transaction by itself.
    if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("ROLLBACK") }
}

/// Runs a statement and returns how many rows it touched.
pub(crate) fn exec(connection: &Connection, sql: &'static Sql, args: &[Arg<'_>]) -> Result<u64, Failed> {
    let failed = |error| failed(sql.name, error);
    let mut statement = connection.prepare_cached(sql.sqlite).map_err(failed)?;
    Ok(statement.execute(params_from_iter(args)).map_err(failed)? as u64)
}

/// Runs a statement and reads its rows.
pub(crate) fn list<T: FromRow>(
    connection: &Connection,
    sql: &'static Sql,
    args: &[Arg<'_>],
) -> Result<Vec<T>, Failed> {
    let failed = |error| failed(sql.name, error);
    let mut statement = connection.prepare_cached(sql.sqlite).map_err(failed)?;
    let mut rows = statement.query(params_from_iter(args)).map_err(failed)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        out.push(Cells::new(Row::Sqlite(row), sql.name).read()?);
    }
    Ok(out)
}

/// How many faults of a file are told: one is enough to put a copy back.
const FAULTS_MAX: u32 = 10;

/// What is wrong with the file, as the engine says it.
pub(crate) fn check_pages(connection: &Connection) -> Result<Vec<String>, Failed> {
    let failed = |error| failed("checking the pages", error);
    let mut statement =
        connection.prepare(&format!("PRAGMA integrity_check({FAULTS_MAX})")).map_err(failed)?;
    let found = statement.query_map([], |row| row.get(0)).map_err(failed)?;
    let mut found: Vec<String> = found.collect::<Result<_, _>>().map_err(failed)?;
    found.retain(|line| line != "ok");
    Ok(found)
}

fn failed(doing: &'static str, error: rusqlite::Error) -> Failed {
    let passing = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OperationInterrupted
                | ErrorCode::OutOfMemory
                | ErrorCode::SystemIoFailure
                | ErrorCode::DiskFull
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
        )
    );
    let error = if passing { StoreError::unavailable(doing, error) } else { StoreError::other(doing, error) };
    Failed { error, spoils: Spoiled::Finally }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_as_durable_as_it_says() {
        let folder = tempfile::tempdir().expect("folder");
        let connection = connect(&folder.path().join("x.db"), Duration::from_secs(1)).expect("connects");
        let pragma = |name: &str| -> String {
            let value =
                connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
            format!("{:?}", value.expect("a value"))
        };
        assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
        assert_eq!(pragma("synchronous"), "Integer(2)", "FULL");
        assert_eq!(pragma("foreign_keys"), "Integer(1)");
        assert_eq!(pragma("secure_delete"), "Integer(1)");
        assert_eq!(pragma("wal_autocheckpoint"), "Integer(1000)");
    }
}
