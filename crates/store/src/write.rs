//! [`Db`]: closures in, answers out.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Instrument as _;

use crate::clock::now;
use crate::migrate::SchemaStep;
use crate::queue::{Queue, Refused};
use crate::seal::{RowKey, ServerKeys};
use crate::tx::{Rx, Tx};
use crate::{StoreError, pg, sqlite};

/// Where the data lies, and how it is reached.
#[derive(Clone)]
pub struct Settings {
    /// Which engine, and where.
    pub engine: Engine,
    /// Database threads: readers of `SQLite` (2 to 4), connections of `PostgreSQL` (1 to 16).
    pub threads: usize,
    /// How many closures may wait; one more is [`StoreError::Busy`].
    pub queue_max: usize,
    /// How long to wait for a lock that another process holds, and for `PostgreSQL` to be reached. Whoever has
    /// waited in the queue for twice as long is told [`StoreError::Busy`].
    pub patience: Duration,
    /// What is done about a schema that is older than this program.
    pub old_schema: OldSchema,
    /// What seals the rows that are written; none: they are not sealed.
    pub row_key: Option<RowKey>,
}

/// What is done about a schema that is older than the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OldSchema {
    /// It is brought up to date.
    #[default]
    Migrate,
    /// It is [`StoreError::Unfit`], and a file that is not there stays so.
    Refuse,
}

/// The two engines.
#[derive(Clone)]
pub enum Engine {
    /// A file, made when it is missing. Its folder must exist.
    Sqlite(PathBuf),
    /// A libpq address: `postgres://user:password@host/name?sslmode=verify-full` or `host=... user=...`.
    ///
    /// TLS always verifies the server, against `sslrootcert` (a PEM file, or `system`, which is the default).
    /// Without `sslmode` it is used for every host that is not this machine.
    Postgres(String),
}

impl Settings {
    /// A `SQLite` file with the usual sizes.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self { engine: Engine::Sqlite(path.into()), threads: 3, ..Self::postgres("") }
    }

    /// A `PostgreSQL` address with the usual sizes.
    pub fn postgres(address: impl Into<String>) -> Self {
        Self {
            engine: Engine::Postgres(address.into()),
            threads: 8,
            queue_max: 4096,
            patience: Duration::from_secs(3),
            old_schema: OldSchema::Migrate,
            row_key: None,
        }
    }

    /// The same, with rows sealed by the server's keys.
    #[must_use]
    pub fn sealed_by(self, keys: &ServerKeys) -> Self {
        Self { row_key: Some(keys.row_key().clone()), ..self }
    }

    /// The steps that the schema lacks, by number and name; nothing is changed by asking.
    ///
    /// [`StoreError::Unfit`] as in [`Db::open`].
    pub async fn list_missing(&self) -> Result<Vec<SchemaStep>, StoreError> {
        let (answer, listed) = oneshot::channel();
        let settings = self.clone();
        spawn("store-look", move || {
            let listed = match &settings.engine {
                Engine::Sqlite(path) => sqlite::list_missing(path, settings.patience),
                Engine::Postgres(address) => pg::list_missing(address, settings.patience),
            };
            drop(answer.send(listed));
        })?;
        listed.await.map_err(|_| StoreError::Unavailable { doing: "looking at the schema", source: None })?
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = match &self.engine {
            Engine::Sqlite(path) => format!("sqlite {}", path.display()),
            // The address may hold a password.
            Engine::Postgres(_) => "postgres".to_owned(),
        };
        f.debug_struct("Settings")
            .field("engine", &engine)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// What the database threads have done since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Closures that were run to an answer.
    pub closures: u64,
    /// Transactions of writing closures that were committed; one holds many closures in `SQLite`.
    pub commits: u64,
    /// Closures that were run again.
    pub reruns: u64,
    /// Closures that wait now.
    pub waiting: usize,
}

/// A database. Clones share it; when the last one goes, what waits is finished and the threads end.
#[derive(Clone)]
pub struct Db {
    shared: Arc<Shared>,
}

struct Shared {
    /// Readers first: in `PostgreSQL` the two are one.
    reads: Arc<Queue<Job>>,
    writes: Arc<Queue<Job>>,
    counters: Arc<Counters>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    row_key: Option<RowKey>,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub closures: AtomicU64,
    pub commits: AtomicU64,
    pub reruns: AtomicU64,
    /// A commit could not be made durable: nothing more is written by this process.
    pub failed: AtomicBool,
}

impl Db {
    /// Opens the database, brings its schema up to date if it may, and starts the threads.
    ///
    /// [`StoreError::Unfit`] when the schema is one that this program does not know, or may not bring up to date, the
    /// `SQLite` library or the server is too old, or the address does not read.
    pub async fn open(settings: Settings) -> Result<Self, StoreError> {
        let (answer, opened) = oneshot::channel();
        // Drivers block, and one of them must not even be made on a thread of the runtime.
        spawn("store-open", move || drop(answer.send(Self::open_blocking(&settings))))?;
        opened.await.map_err(|_| StoreError::Unavailable { doing: "opening", source: None })?
    }

    fn open_blocking(settings: &Settings) -> Result<Self, StoreError> {
        let reads = Arc::new(Queue::new(settings.queue_max));
        let writes = match &settings.engine {
            Engine::Sqlite(_) => Arc::new(Queue::new(settings.queue_max)),
            Engine::Postgres(_) => Arc::clone(&reads),
        };
        // Made before the threads, so that on an error its drop closes the queues and ends those there are.
        let row_key = settings.row_key.clone();
        let shared = Shared { reads, writes, counters: Arc::default(), threads: Mutex::default(), row_key };
        let (reads, writes, counters) = (&shared.reads, &shared.writes, &shared.counters);
        let threads = match &settings.engine {
            Engine::Sqlite(path) => sqlite::start(path, settings, reads, writes, counters)?,
            Engine::Postgres(address) => pg::start(address, settings, reads, counters)?,
        };
        *shared.threads.lock().unwrap_or_else(PoisonError::into_inner) = threads;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Runs `work` in a transaction, which is committed if it returns `Ok` and undone if not; the answer comes
    /// after the commit.
    ///
    /// `work` may be run more than once, so ids and instants are made outside of it, and it must do nothing
    /// but use the [`Tx`]. Its error type is the caller's own, as long as it can hold a [`StoreError`]. Once
    /// asked for, the work may be done even though nobody awaits the answer any more.
    pub async fn write<T, E, F>(&self, name: &'static str, work: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        if self.is_failed() {
            return Err(StoreError::Unavailable { doing: name, source: None }.into());
        }
        let key = self.shared.row_key.clone();
        let sealed = move |tx: &mut Tx<'_>| {
            tx.seal_by(key.as_ref());
            work(tx)
        };
        run(&self.shared.writes, name, Mode::Write, sealed).await
    }

    /// Runs `look` over one unchanging view of the database.
    pub async fn read<T, E, F>(&self, name: &'static str, look: F) -> Result<T, E>
    where
        F: Fn(&mut Rx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        run(&self.shared.reads, name, Mode::Read, move |tx| look(tx)).await
    }

    /// Takes no more work, finishes what waits, ends the threads.
    pub async fn close(&self) {
        let shared = Arc::clone(&self.shared);
        // An error means that the runtime is going down; the threads then end when the last handle is dropped.
        drop(tokio::task::spawn_blocking(move || shared.finish()).await);
    }

    /// Whether a commit could not be made durable. This process writes nothing more; it should end and be
    /// started anew, which recovers the file.
    pub fn is_failed(&self) -> bool {
        self.shared.counters.failed.load(Ordering::Relaxed)
    }

    /// Numbers for the metrics.
    pub fn stats(&self) -> Stats {
        let (shared, counters) = (&self.shared, &self.shared.counters);
        let writes = if Arc::ptr_eq(&shared.reads, &shared.writes) { 0 } else { shared.writes.len() };
        Stats {
            closures: counters.closures.load(Ordering::Relaxed),
            commits: counters.commits.load(Ordering::Relaxed),
            reruns: counters.reruns.load(Ordering::Relaxed),
            waiting: shared.reads.len() + writes,
        }
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Db").field(&self.stats()).finish()
    }
}

impl Shared {
    fn finish(&self) {
        self.reads.close();
        self.writes.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A closure may itself hold the last handle, and so end up here on its own thread.
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a database thread ended by a panic");
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.finish();
    }
}

async fn run<T, E, F>(queue: &Queue<Job>, name: &'static str, mode: Mode, work: F) -> Result<T, E>
where
    F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    // Within a call alone: what jobs look for is nobody's trace.
    let is_within = !tracing::Span::current().is_none();
    let span =
        if is_within { tracing::debug_span!("database", closure = name) } else { tracing::Span::none() };
    let (job, answer) = Job::new(name, mode, span.clone(), work);
    queue.put(job).map_err(|refused| match refused {
        Refused::Full => StoreError::Busy,
        Refused::Closed => StoreError::Unavailable { doing: name, source: None },
    })?;
    // Only a thread that died leaves without an answer, and nobody knows how far it had come.
    let answer = answer.instrument(span).await;
    answer.unwrap_or_else(|_| Err(StoreError::OutcomeUnknown { doing: name, source: None }.into()))
}

/// Whether a closure may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

/// A closure on its way through a database thread, its types hidden.
pub(crate) struct Job {
    pub name: &'static str,
    pub mode: Mode,
    since: Instant,
    /// What is logged on the database thread belongs to it.
    span: tracing::Span,
    act: Act,
}

/// The closure, the place for what it returns, and the way to the caller, in one.
type Act = Box<dyn FnMut(Step<'_, '_>) -> bool + Send>;

enum Step<'s, 'c> {
    /// Run the closure and keep what it returned: was it `Ok`?
    Run(&'s mut Tx<'c>),
    /// Send what it returned, or this error instead: is anybody there?
    Answer(Option<StoreError>),
    /// Does anybody still wait for the answer?
    Wanted,
}

impl Job {
    fn new<T, E, F>(
        name: &'static str,
        mode: Mode,
        span: tracing::Span,
        work: F,
    ) -> (Self, oneshot::Receiver<Result<T, E>>)
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let (mut sender, mut returned) = (Some(sender), None);
        let act = move |step: Step<'_, '_>| match step {
            Step::Run(tx) => {
                returned = None;
                let result = work(tx);
                returned = Some(if result.is_ok() && tx.spoiled().is_some() {
                    // An error that the closure swallowed: keeping the rest would commit a half.
                    Err(StoreError::other(name, "an error of the store was swallowed").into())
                } else {
                    result
                });
                returned.as_ref().is_some_and(Result::is_ok)
            }
            Step::Answer(instead) => {
                let result = match (instead, returned.take()) {
                    (Some(error), _) => Err(error.into()),
                    (None, Some(result)) => result,
                    (None, None) => Err(StoreError::other(name, "the closure panicked").into()),
                };
                sender.take().is_some_and(|sender| sender.send(result).is_ok())
            }
            Step::Wanted => sender.as_ref().is_some_and(|sender| !sender.is_closed()),
        };
        (Self { name, mode, since: now(), span, act: Box::new(act) }, answer)
    }

    /// Runs the closure, and says whether its changes are to be kept; what it returned waits for `answer`.
    pub fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let _within = self.span.clone().entered();
        // After a panic nothing of the closure is used again but its answer.
        catch_unwind(AssertUnwindSafe(|| (self.act)(Step::Run(tx)))).unwrap_or_else(|_| {
            tracing::error!(name = self.name, "a closure panicked on a database thread");
            false
        })
    }

    /// The closure, if it is still to be run: not when its caller has gone, nor when it has waited so long that
    /// its caller must be told to come again, since otherwise a slow database would have everybody wait in line.
    pub fn admit(mut self, patience: Duration, counters: &Counters) -> Option<Self> {
        if !(self.act)(Step::Wanted) {
            return None;
        }
        if now().duration_since(self.since) > patience * 2 {
            self.answer(Some(StoreError::Busy), counters);
            return None;
        }
        Some(self)
    }

    /// Hands over what the closure returned, or `instead`.
    pub fn answer(mut self, instead: Option<StoreError>, counters: &Counters) {
        counters.closures.fetch_add(1, Ordering::Relaxed);
        if !(self.act)(Step::Answer(instead)) {
            tracing::debug!(name = self.name, "nobody awaits the answer any more");
        }
    }
}

/// Starts a named thread.
pub(crate) fn spawn(
    name: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(body).map_err(|error| StoreError::unavailable("starting a database thread", error))
}
