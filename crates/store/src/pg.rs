//! `PostgreSQL`: threads with a connection each, over one queue. One closure is one transaction.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error as _;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use postgres::error::{Severity, SqlState};
use postgres::types::ToSql;
use postgres::{Client, NoTls, Statement};

use crate::clock::now;
use crate::column::Arg;
use crate::error::{Source, StoreError};
use crate::migrate::SchemaStep;
use crate::queue::Queue;
use crate::sql::Sql;
use crate::tls::Address;
use crate::tx::{Cells, Conn, Failed, FromRow, Row, Spoiled, Tx};
use crate::write::{Counters, Job, Mode, OldSchema, Settings, spawn};

/// The oldest server whose dialect was tried.
const SERVER_MIN: i32 = 130_000;
/// How often a closure is run before it is given up.
const ATTEMPTS_MAX: u32 = 5;
/// The pause after the first lost race; it grows with each.
const PAUSE: Duration = Duration::from_millis(5);
/// After a failed connection nobody tries again for this long, doubled each time,
const BACKOFF: Duration = Duration::from_millis(50);
/// up to this long.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Connects once, brings the schema up to date and starts the threads.
pub(crate) fn start(
    address: &str,
    settings: &Settings,
    queue: &Arc<Queue<Job>>,
    counters: &Arc<Counters>,
) -> Result<Vec<JoinHandle<()>>, StoreError> {
    let address = Arc::new(Address::read(address, settings.patience)?);
    let mut first = Connection::open(&address, settings.patience)?;
    first.check_server()?;
    match settings.old_schema {
        OldSchema::Migrate => crate::migrate::postgres(&mut first.client)?,
        OldSchema::Refuse => crate::migrate::require(&crate::migrate::postgres_missing(&mut first.client)?)?,
    }
    let mut first = Some(first);
    let outage = Arc::<Mutex<Outage>>::default();
    (0..settings.threads.clamp(1, 16))
        .map(|_| {
            let (address, queue, counters) = (Arc::clone(&address), Arc::clone(queue), Arc::clone(counters));
            let (connection, patience) = (first.take(), settings.patience);
            let outage = Arc::clone(&outage);
            let mut link = Link { address, patience, connection, outage, counters };
            spawn("store", move || {
                while let Some(job) = queue.take() {
                    link.serve(job);
                }
            })
        })
        .collect()
}

/// What the database's schema lacks.
pub(crate) fn list_missing(address: &str, patience: Duration) -> Result<Vec<SchemaStep>, StoreError> {
    let mut connection = Connection::open(&Address::read(address, patience)?, patience)?;
    connection.check_server()?;
    crate::migrate::postgres_missing(&mut connection.client)
}

/// A thread's way to the server: a connection, or the knowledge when to try for one again.
struct Link {
    address: Arc<Address>,
    patience: Duration,
    connection: Option<Connection>,
    outage: Arc<Mutex<Outage>>,
    counters: Arc<Counters>,
}

/// What all threads know of a server out of reach: whoever reaches it again first ends the wait of all.
#[derive(Default)]
struct Outage {
    failures: u32,
    not_before: Option<Instant>,
}

/// How one run of a closure ended.
enum Attempt {
    /// What it wrote is committed.
    Committed,
    /// It refused, and is undone.
    Refused,
    /// It is undone and may be run again here.
    RunAgain(StoreError),
    /// The connection broke before COMMIT was sent: it is undone and may be run again elsewhere.
    Lost(StoreError),
    /// It is to be answered with this error.
    Failed(StoreError),
}

impl Link {
    fn serve(&mut self, job: Job) {
        if let Some(mut job) = job.admit(self.patience, &self.counters) {
            let instead = self.run(&mut job).err();
            job.answer(instead, &self.counters);
        }
    }

    fn run(&mut self, job: &mut Job) -> Result<(), StoreError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let attempt = self.connection(job.name)?.attempt(job);
            let error = match attempt {
                Attempt::Refused => return Ok(()),
                Attempt::Committed => {
                    self.counters.commits.fetch_add(u64::from(job.mode == Mode::Write), Ordering::Relaxed);
                    return Ok(());
                }
                Attempt::Failed(error) => return Err(error),
                Attempt::Lost(error) => {
                    self.connection = None;
                    error
                }
                Attempt::RunAgain(error) => error,
            };
            tracing::info!(name = job.name, attempts, error = error.code(), "running a closure again");
            if attempts == ATTEMPTS_MAX {
                return Err(error);
            }
            self.counters.reruns.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(PAUSE * attempts);
        }
    }

    /// The connection, made anew if it broke. While the server was lately out of reach, an error at once.
    fn connection(&mut self, doing: &'static str) -> Result<&mut Connection, StoreError> {
        let usable = |connection: &Connection| !connection.broken && !connection.client.is_closed();
        let connection = match self.connection.take().filter(usable) {
            Some(connection) => connection,
            None => self.connect(doing)?,
        };
        Ok(self.connection.insert(connection))
    }

    fn connect(&mut self, doing: &'static str) -> Result<Connection, StoreError> {
        let (failures, not_before) = {
            let outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
            (outage.failures, outage.not_before)
        };
        if not_before.is_some_and(|instant| now() < instant) {
            return Err(StoreError::Unavailable { doing, source: None });
        }
        let opened = Connection::open(&self.address, self.patience);
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        match &opened {
            Ok(_) => *outage = Outage::default(),
            // Of several that failed at once one counts.
            Err(error) if outage.failures == failures => {
                let pause = BACKOFF.saturating_mul(1 << failures.min(10)).min(BACKOFF_MAX);
                *outage = Outage { failures: failures + 1, not_before: Some(now() + pause) };
                tracing::warn!(error = describe(error), "the database is out of reach");
            }
            Err(_) => {}
        }
        drop(outage);
        opened
    }
}

/// A connection and the statements prepared on it.
pub(crate) struct Connection {
    client: Client,
    prepared: HashMap<&'static str, Statement>,
    /// It may still be inside of a transaction, and must not be used for another.
    broken: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl Connection {
    fn open(address: &Address, patience: Duration) -> Result<Self, StoreError> {
        let failed = |error| failed("connecting", error).error;
        let mut client = match address.tls.clone() {
            Some(tls) => address.config.connect(tls),
            None => address.config.connect(NoTls),
        }
        .map_err(|error| StoreError::unavailable("connecting", error))?;
        // A lock is waited for no longer than a caller waits; a transaction left open by a dead process frees
        // its locks; a server that acknowledges before the disk has it is told not to.
        let settings = format!(
            "SET lock_timeout = {0}; SET statement_timeout = {1}; \
             SET idle_in_transaction_session_timeout = {1}; \
             SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') = 'off'",
            patience.as_millis().max(1),
            (patience * 5).as_millis().max(1),
        );
        client.batch_execute(&settings).map_err(failed)?;
        Ok(Self { client, prepared: HashMap::new(), broken: false })
    }

    fn check_server(&mut self) -> Result<(), StoreError> {
        let failed = |error| failed("asking for the version", error).error;
        let row = self.client.query_one("SHOW server_version_num", &[]).map_err(failed)?;
        let version: String = row.try_get(0).map_err(failed)?;
        if version.parse().unwrap_or(0) < SERVER_MIN {
            return Err(StoreError::Unfit(format!("the postgresql server {version} is too old")));
        }
        let row = self.client.query_one("SHOW server_encoding", &[]).map_err(failed)?;
        let encoding: String = row.try_get(0).map_err(failed)?;
        if encoding != "UTF8" {
            return Err(StoreError::Unfit(format!("the database is encoded in {encoding}, not in UTF8")));
        }
        Ok(())
    }

    /// Runs a closure in a transaction of its own.
    fn attempt(&mut self, job: &mut Job) -> Attempt {
        let begin = match job.mode {
            Mode::Write => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
            // One snapshot for all statements, as in the other engine.
            Mode::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        if let Err(error) = self.client.batch_execute(begin) {
            self.broken = true;
            return failed(job.name, error).into();
        }
        let mut tx = Tx::new(Conn::Postgres(self));
        let keep = job.run(&mut tx);
        let again = || StoreError::Unavailable { doing: job.name, source: None };
        match (keep, tx.spoiled()) {
            (true, _) => self.commit(job),
            (false, Some(Spoiled::Lost)) => Attempt::Lost(again()),
            (false, spoiled) => {
                // Where this fails the connection is gone, and the transaction with it.
                if let Err(error) = self.client.batch_execute("ROLLBACK") {
                    tracing::info!(%error, "a rollback was not heard");
                    self.broken = true;
                }
                if spoiled == Some(Spoiled::RunAgain) { Attempt::RunAgain(again()) } else { Attempt::Refused }
            }
        }
    }

    fn commit(&mut self, job: &Job) -> Attempt {
        let Err(error) = self.client.batch_execute("COMMIT") else { return Attempt::Committed };
        let severity = error.as_db_error().and_then(postgres::error::DbError::parsed_severity);
        if severity == Some(Severity::Error) {
            // The server refused to commit, and said so: it is undone.
            return failed(job.name, error).into();
        }
        self.broken = true;
        if job.mode == Mode::Read {
            return Attempt::Refused;
        }
        Attempt::Failed(StoreError::OutcomeUnknown { doing: job.name, source: Some(error.into()) })
    }

    fn prepare(&mut self, sql: &'static Sql) -> Result<Statement, postgres::Error> {
        Ok(match self.prepared.entry(sql.postgres) {
            Entry::Occupied(entry) => entry.get().clone(),
            Entry::Vacant(entry) => entry.insert(self.client.prepare(sql.postgres)?).clone(),
        })
    }

    /// Runs a statement and returns how many rows it touched.
    pub fn exec(&mut self, sql: &'static Sql, args: &[Arg<'_>]) -> Result<u64, Failed> {
        let failed = |error| failed(sql.name, error);
        let statement = self.prepare(sql).map_err(failed)?;
        self.client.execute(&statement, &parameters(args)).map_err(failed)
    }

    /// Runs a statement and reads its rows.
    pub fn list<T: FromRow>(&mut self, sql: &'static Sql, args: &[Arg<'_>]) -> Result<Vec<T>, Failed> {
        let failed = |error| failed(sql.name, error);
        let statement = self.prepare(sql).map_err(failed)?;
        let rows = self.client.query(&statement, &parameters(args)).map_err(failed)?;
        rows.iter().map(|row| Ok(Cells::new(Row::Postgres(row), sql.name).read()?)).collect()
    }
}

fn parameters<'a>(args: &'a [Arg<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect()
}

impl From<Failed> for Attempt {
    fn from(failed: Failed) -> Self {
        match failed.spoils {
            Spoiled::Finally => Self::Failed(failed.error),
            Spoiled::RunAgain => Self::RunAgain(failed.error),
            Spoiled::Lost => Self::Lost(failed.error),
        }
    }
}

/// Puts an error of the driver in its place.
fn failed(doing: &'static str, error: postgres::Error) -> Failed {
    let spoils = match error.code() {
        Some(code) => spoils(code),
        None if error.is_closed() || is_io(&error) => Spoiled::Lost,
        None => Spoiled::Finally,
    };
    let passing = spoils != Spoiled::Finally || error.code().is_some_and(is_passing);
    let source = without_detail(error);
    let error =
        if passing { StoreError::unavailable(doing, source) } else { StoreError::other(doing, source) };
    Failed { error, spoils }
}

/// The server's own words less their detail, which may quote values of a row.
fn without_detail(error: postgres::Error) -> Source {
    match error.as_db_error() {
        None => error.into(),
        Some(said) => {
            let constraint = said.constraint().map(|name| format!(", constraint {name}")).unwrap_or_default();
            format!("{} ({}{constraint})", said.message(), said.code().code()).into()
        }
    }
}

fn spoils(code: &SqlState) -> Spoiled {
    match *code {
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Spoiled::RunAgain,
        SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN
        | SqlState::CANNOT_CONNECT_NOW
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        // A prepared statement that a change of the schema made useless: a new connection prepares it anew.
        | SqlState::FEATURE_NOT_SUPPORTED
        | SqlState::INVALID_SQL_STATEMENT_NAME => Spoiled::Lost,
        _ if code.code().starts_with("08") => Spoiled::Lost,
        _ => Spoiled::Finally,
    }
}

/// Whether an error of the server says that it cannot now, rather than that it will not.
fn is_passing(code: &SqlState) -> bool {
    // 53: out of resources; 58: its system failed.
    matches!(
        *code,
        SqlState::LOCK_NOT_AVAILABLE | SqlState::QUERY_CANCELED | SqlState::READ_ONLY_SQL_TRANSACTION
    ) || matches!(code.code().get(..2), Some("53" | "58"))
}

fn is_io(error: &postgres::Error) -> bool {
    error.source().and_then(|source| source.downcast_ref::<std::io::Error>()).is_some()
}

fn describe(error: &StoreError) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}
