//! The whole service, started and stopped as one.

use std::error::Error as StdError;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::sandbox::Tenant;
use boundary::Env;
use boundary::message::Adopt;
use boundary::wire::Wire as _;
use domain::audit::checkpoint::LogKey;
use domain::audit::hex;
use domain::entropy::Entropy as _;
use domain::key::{KeyEnvironment, KeyType};
use domain::limits::SCRAPERS_MAX;
use prometheus_client::metrics::gauge::Gauge;
use store::seal::ServerKeys;
use store::{Db, StoreError, Tx};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::{App, Parts, Sandbox};
use crate::config::Settings;
use crate::control::Control;
use crate::edge::ceremony::CeremonyDesk;
use crate::edge::chance::SystemChance;
use crate::edge::clock::{Clock, SystemClock};
use crate::edge::identity::persona::Persona;
use crate::edge::jwt::TokenKey;
use crate::edge::mail::Mailer;
use crate::files::Files;
use crate::flows::offline::{self, Exported, Imported, Order};
use crate::flows::{self, Error};
use crate::http::metrics;
use crate::http::router::router;
use crate::http::serve::{Doors, serve};
use crate::key_shares::KeyShares;
use crate::metrics::SpanCounts;
use crate::sandbox_tenants;
use crate::work::{self, Workers};

/// How often it is looked whether the database still takes writes.
const BROKEN_LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a process does of the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duty {
    /// It answers calls, and works beside them.
    #[default]
    Both,
    /// It answers calls; others over the same database work.
    Calls,
    /// It works; others over the same database answer calls.
    Work,
}

/// A started service. Dropping it leaves its tasks to the runtime; [`Service::stop`] ends them in order.
pub struct Service {
    app: Arc<App>,
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    serving: Vec<JoinHandle<()>>,
    workers: Workers,
}

/// Why the service did not start, or did not do what it was asked: what was being done, then the cause.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {cause}")]
pub struct StartError {
    doing: &'static str,
    cause: Box<dyn StdError + Send + Sync>,
}

/// Names what is being done when something fails.
fn doing<E: Into<Box<dyn StdError + Send + Sync>>>(doing: &'static str) -> impl Fn(E) -> StartError {
    move |cause| StartError { doing, cause: cause.into() }
}

impl StartError {
    fn of(what: &'static str, error: Error) -> Self {
        let cause = match error {
            Error::Refused(refusal) => refusal.text,
            Error::Fault(fault) => format!("{}: {}", fault.doing, fault.chain()),
        };
        Self { doing: what, cause: cause.into() }
    }
}

/// How many keys of one kind are ready to be assigned.
#[derive(Clone, Debug)]
pub struct PoolDepth {
    /// `HOT` or `COLD`.
    pub environment: &'static str,
    /// `rsa4096`, `secp256k1` or `ed25519`.
    pub key_type: &'static str,
    /// In stock.
    pub ready: u64,
    /// What the stock is filled up to; 0 where nobody fills it online (COLD).
    pub target: u64,
}

impl Service {
    /// Opens the database, starts the workers and listens. The enclave may come later: until it does, calls
    /// that need it answer 503.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        Self::start_with(settings, Box::new(SystemClock), None).await
    }

    /// The same, for a process that does a part of it.
    pub async fn start_as(settings: Settings, duty: Duty) -> Result<Self, StartError> {
        Box::pin(Self::start_in_full(settings, Box::new(SystemClock), None, duty)).await
    }

    /// The same, by this clock (a test's, for what happens hours later), and, in a sandbox, with somebody who holds
    /// ceremonies when they are asked for at `ceremonies`.
    pub async fn start_with(
        settings: Settings,
        clock: Box<dyn Clock>,
        ceremonies: Option<CeremonyDesk>,
    ) -> Result<Self, StartError> {
        // On the heap: whatever starts a service would otherwise be as large as it.
        Box::pin(Self::start_in_full(settings, clock, ceremonies, Duty::Both)).await
    }

    async fn start_in_full(
        settings: Settings,
        clock: Box<dyn Clock>,
        ceremonies: Option<CeremonyDesk>,
        duty: Duty,
    ) -> Result<Self, StartError> {
        fs::create_dir_all(&settings.data_dir).map_err(doing("making the data folder"))?;
        let keys = ServerKeys::load_or_create(&settings.data_dir.join("server.keys"), &mut SystemChance)
            .map_err(doing("reading the server's keys"))?;
        let token_key = TokenKey::of(keys.token_seed())
            .ok_or_else(|| doing("reading the server's keys")("they make no key for tokens"))?;
        let log_key = LogKey::of(keys.log_seed(), settings.environment)
            .ok_or_else(|| doing("reading the server's keys")("they make no key for checkpoints"))?;
        let instance = instance_name(&settings.data_dir).map_err(doing("reading this process's name"))?;
        let sandbox = read_sandbox(&settings, ceremonies)?;
        let persona = read_persona(&settings)?;
        let mailer = settings.mail.as_ref().map(Mailer::new).transpose();
        let mailer = mailer.map_err(doing("preparing mail"))?;
        let files = Files::open(&settings).map_err(doing("opening the store of files"))?;
        let key_shares =
            KeyShares::open(&settings.key_shares).map_err(doing("opening the stores of key shares"))?;
        let sealing = settings.database.clone().sealed_by(&keys);
        let db = Db::open(sealing).await.map_err(doing("opening the database"))?;
        claim_database(&db, &settings, &instance).await?;
        let listener = match duty {
            Duty::Both | Duty::Calls => {
                Some(TcpListener::bind(settings.listen).await.map_err(doing("listening"))?)
            }
            Duty::Work => None,
        };
        let listens_at = listener.as_ref().map(TcpListener::local_addr).transpose();
        let address = listens_at.map_err(doing("listening"))?.unwrap_or(settings.listen);
        let watched = listen_for_metrics(settings.metrics_listen).await?;
        let control = control_of(&settings, address)?;
        let parts = Parts {
            db,
            keys,
            token_key,
            log_key,
            clock,
            instance,
            files,
            key_shares,
            sandbox,
            persona,
            control,
            mailer,
        };
        let app = Arc::new(App::new(&settings, parts));
        flows::recall_mark(&app)
            .await
            .map_err(|error| StartError::of("recalling the enclave's mark", error))?;
        let (stop, stopped) = watch::channel(false);
        let workers = work::start(&app, settings.pool_targets, duty, &stopped);
        let doors = Doors { room: settings.limits.connections, open: app.metrics.http.connections.clone() };
        let mut serving = Vec::new();
        if let Some(listener) = listener {
            serving.push(tokio::spawn(serve(listener, router(&app), doors, stopped.clone())));
        }
        let metrics_address = watched.as_ref().map(|(_, address)| *address);
        if let Some((listener, _)) = watched {
            let doors = Doors { room: SCRAPERS_MAX, open: Gauge::default() };
            serving.push(tokio::spawn(serve(listener, metrics::router(&app), doors, stopped)));
        }
        Ok(Self { app, address, metrics_address, stop, serving, workers })
    }

    /// The address it listens on, with the port that was chosen; where it only works, the one of its settings.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that `/metrics` listens on, with the port that was chosen; none: nowhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Shows these counts at `/metrics`.
    pub fn show_spans(&self, counts: &SpanCounts) {
        self.app.metrics.add_spans(counts);
    }

    /// The stock of unassigned keys, by kind.
    pub async fn pool(&self) -> Result<Vec<PoolDepth>, StartError> {
        let (now, targets) = (self.app.clock.now(), self.app.pool_targets.clone());
        let counted = self.app.db.read("count_pool", move |rx| {
            let mut depths = Vec::new();
            for environment in KeyEnvironment::ALL {
                for key_type in KeyType::ALL {
                    let target =
                        targets.iter().find(|(kind, _)| kind == key_type).map_or(0, |(_, target)| *target);
                    let count = store::pool::count(rx, *environment, *key_type, now)?;
                    depths.push(PoolDepth {
                        environment: environment.as_str(),
                        key_type: key_type.as_str(),
                        ready: count.unassigned.unsigned_abs(),
                        target: if *environment == KeyEnvironment::Hot { target } else { 0 },
                    });
                }
            }
            Ok::<_, StoreError>(depths)
        });
        counted.await.map_err(doing("counting the key pool"))
    }

    /// Takes a batch of keys made offline into the pool (the contents of a batch file) and says how many were
    /// new. The same batch taken again adds nothing.
    pub async fn adopt_batch(&self, file: &[u8]) -> Result<usize, StartError> {
        const DOING: &str = "adopting a batch of COLD keys";
        let batch = Adopt::from_bytes(file).map_err(doing(DOING))?;
        let adopted = offline::adopt_batch(&self.app, self.app.clock.now(), batch).await;
        adopted.map_err(|error| StartError::of(DOING, error))
    }

    /// Puts what waits for the offline enclave, and an order for keys, into a bundle; none when there is nothing.
    pub async fn export_bundle(&self, order: &Order) -> Result<Option<Exported>, StartError> {
        match offline::export_bundle(&self.app, self.app.clock.now(), order).await {
            Ok(exported) => Ok(Some(exported)),
            Err(Error::Refused(refusal)) if refusal.code == offline::NOTHING_WAITS => Ok(None),
            Err(error) => Err(StartError::of("exporting a bundle for the offline enclave", error)),
        }
    }

    /// Takes in what the offline enclave answered: the contents of its file.
    pub async fn import_answers(&self, file: &[u8]) -> Result<Imported, StartError> {
        let imported = offline::import_answers(&self.app, self.app.clock.now(), file).await;
        imported.map_err(|error| StartError::of("importing the offline enclave's answers", error))
    }

    /// The sandbox's tenants with their API keys: made at the first call, the same ever after.
    pub async fn sandbox_tenants(&self) -> Result<Vec<Tenant>, StartError> {
        sandbox_tenants::ensure(&self.app)
            .await
            .map_err(|error| StartError::of("making the sandbox's tenants", error))
    }

    /// Returns when the database could not make a commit durable: nothing more will be written, and only a new
    /// process, which recovers what is on the disk, may go on.
    pub async fn broken(&self) {
        while !self.app.db.is_failed() {
            tokio::time::sleep(BROKEN_LOOK_EVERY).await;
        }
    }

    /// Stops listening, lets running calls and workers finish, closes the database.
    pub async fn stop(self) {
        // Nobody listens any more only if everything has ended by itself.
        let _ = self.stop.send(true);
        for serving in self.serving {
            let _ = serving.await;
        }
        self.workers.finish().await;
        let owner = self.app.instance.clone();
        let released = self.app.db.write("release_leases", move |tx| release_leases(tx, &owner));
        if let Err::<(), StoreError>(error) = released.await {
            // The leases then lapse by themselves.
            tracing::warn!(%error, "the leases of this process could not be given back");
        }
        self.app.db.close().await;
    }
}

/// Listens for scrapes, where anywhere.
async fn listen_for_metrics(
    listen: Option<SocketAddr>,
) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    const DOING: &str = "listening for scrapes of /metrics";
    let Some(listen) = listen else { return Ok(None) };
    let listener = TcpListener::bind(listen).await.map_err(doing(DOING))?;
    let address = listener.local_addr().map_err(doing(DOING))?;
    Ok(Some((listener, address)))
}

/// Refuses a database of the other environment, and takes back what this process leased before it died.
async fn claim_database(db: &Db, settings: &Settings, instance: &str) -> Result<(), StartError> {
    let (environment, owner) = (settings.environment.as_str(), instance.to_owned());
    let claimed = db.write("claim_database", move |tx| {
        release_leases(tx, &owner)?;
        store::meta::ensure(tx, "environment", environment)
    });
    let found: String = claimed.await.map_err(|error: StoreError| doing("preparing the database")(error))?;
    if found == environment {
        return Ok(());
    }
    Err(doing("opening the database")(format!(
        "it belongs to a {found} installation, and this one is {environment}"
    )))
}

/// Gives back the keys and the deliveries that a process has set aside.
fn release_leases(tx: &mut Tx<'_>, owner: &str) -> Result<(), StoreError> {
    store::pool::release_lease(tx, owner)?;
    store::webhook_deliveries::release_lease(tx, owner).map(drop)
}

/// The name under which this process leases work: the same after a restart, so that it takes back its own.
fn instance_name(data_dir: &Path) -> std::io::Result<String> {
    let path = data_dir.join("instance");
    match fs::read_to_string(&path) {
        Ok(name) if !name.is_empty() => Ok(name),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => {
            let name = hex(&SystemChance.bytes::<8>());
            let mut file =
                fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            file.write_all(name.as_bytes())?;
            file.sync_all()?;
            Ok(name)
        }
    }
}

fn read_sandbox(
    settings: &Settings,
    ceremonies: Option<CeremonyDesk>,
) -> Result<Option<Sandbox>, StartError> {
    let Some(path) = &settings.simulator_file else { return Ok(None) };
    let text = fs::read_to_string(path).map_err(doing("reading the simulated provider's file"))?;
    let secret = text.lines().find_map(|line| line.strip_prefix("secret="));
    let secret =
        secret.ok_or_else(|| doing("reading the simulated provider's file")("it has no `secret=`"))?;
    Ok(Sandbox::of(settings, secret.trim().as_bytes(), ceremonies))
}

/// Where people sign in: as it is set, and in a sandbox at the port that was chosen, by a name, since a passkey is bound
/// to one.
fn control_of(settings: &Settings, address: SocketAddr) -> Result<Option<Control>, StartError> {
    const DOING: &str = "preparing Control";
    let in_sandbox = || format!("http://localhost:{}", address.port()).parse();
    let url = match (&settings.control_url, settings.environment) {
        (Some(url), _) => url.clone(),
        (None, Env::Sandbox) => in_sandbox().map_err(doing(DOING))?,
        (None, Env::Production) => return Ok(None),
    };
    Control::at(&url).map(Some).map_err(doing(DOING))
}

fn read_persona(settings: &Settings) -> Result<Option<Persona>, StartError> {
    let Some(persona) = &settings.persona else { return Ok(None) };
    let api_key = fs::read_to_string(&persona.api_key_file).map_err(doing("reading Persona's API key"))?;
    let persona = Persona::new(persona, &api_key, settings.environment);
    persona.map(Some).map_err(doing("preparing the calls to Persona"))
}
