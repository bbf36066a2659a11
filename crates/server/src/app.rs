//! What every flow has at hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use boundary::Env;
use boundary::message::{Hello, Welcome};
use domain::audit::checkpoint::LogKey;
use domain::ids::UserId;
use domain::key::KeyType;
use domain::time::Timestamp;
use store::seal::ServerKeys;
use store::users::{self, User};
use store::{Db, StoreError};
use tokio::sync::Mutex;

use crate::config::{Settings, Windows};
use crate::control::Control;
use crate::edge::ceremony::CeremonyDesk;
use crate::edge::chance::SystemChance;
use crate::edge::clock::Clock;
use crate::edge::enclave::{CallError, Enclave};
use crate::edge::identity::Provider;
use crate::edge::identity::persona::Persona;
use crate::edge::identity::simulated::Simulator;
use crate::edge::jwks::KeySets;
use crate::edge::jwt::TokenKey;
use crate::edge::mail::Mailer;
use crate::edge::minter::Minter;
use crate::edge::outbound::{Outbound, SystemResolver};
use crate::files::Files;
use crate::flows::Witness;
use crate::flows::{Ctx, Error};
use crate::key_shares::KeyShares;
use crate::metrics::Metrics;
use crate::pool::PoolLease;
use crate::rates::Rates;
use crate::turns::Turns;

/// How long the enclave's public face is believed to be as it was.
const WELCOME_AGE_MAX: Duration = Duration::from_mins(1);

/// The service's parts.
pub struct App {
    /// Which installation this is.
    pub env: Env,
    /// The database.
    pub db: Db,
    /// The server's own keys.
    pub keys: ServerKeys,
    /// What signs tokens.
    pub token_key: TokenKey,
    /// What signs checkpoints of the audit logs.
    pub log_key: Arc<LogKey>,
    /// The enclave.
    pub enclave: Enclave,
    /// What time it is.
    pub clock: Box<dyn Clock>,
    /// The key pool, as far as this process has leased it.
    pub pool: PoolLease,
    /// The name under which this process leases.
    pub instance: String,
    /// What is counted.
    pub metrics: Metrics,
    /// What the stock of unassigned HOT keys is filled up to.
    pub pool_targets: Vec<(KeyType, u64)>,
    /// Where the ids of log entries and events come from.
    pub minter: Minter,
    /// Turns of rival calls.
    pub turns: Turns,
    /// Turns of rotations, which take longer.
    pub rotations: Turns,
    /// Turns of stores under a key, which let a rotation pass that they would outrun.
    pub stores: Turns,
    /// How often who called.
    pub rates: Rates,
    /// The way to tenants' webhooks and issuers.
    pub outbound: Arc<Outbound>,
    /// The keys of tenants' own issuers.
    pub key_sets: KeySets,
    /// How long what stays open.
    pub windows: Windows,
    /// The files.
    pub files: Files,
    /// The stores of key shares.
    pub key_shares: KeyShares,
    /// What exists only in a sandbox.
    pub sandbox: Option<Sandbox>,
    /// Who checks persons; none in production without settings for one.
    pub provider: Option<Provider>,
    /// What people sign in with; none where no address of Control is set.
    pub control: Option<Control>,
    /// The way to the mail server, where one is set.
    pub mailer: Option<Mailer>,
    /// Who signs checkpoints of the audit logs too.
    pub witnesses: Vec<Witness>,
    /// Where the mark of the enclave's log is kept beside the database.
    pub mark_file: Option<PathBuf>,
    welcome: Mutex<Option<(Timestamp, Arc<Welcome>)>>,
}

/// What exists only in a sandbox. Production settings cannot make one.
pub struct Sandbox {
    /// The simulated identity provider.
    pub simulator: Simulator,
    /// Where a ceremony is asked for; none where nobody would hold one.
    pub ceremonies: Option<CeremonyDesk>,
}

impl Sandbox {
    /// The sandbox of these settings; none in production, whatever else they say.
    pub fn of(
        settings: &Settings,
        simulator_secret: &[u8],
        ceremonies: Option<CeremonyDesk>,
    ) -> Option<Self> {
        match settings.environment {
            Env::Sandbox => Some(Self { simulator: Simulator::new(simulator_secret), ceremonies }),
            Env::Production => None,
        }
    }
}

/// The parts that [`App::new`] does not make itself.
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The server's own keys.
    pub keys: ServerKeys,
    /// What signs tokens.
    pub token_key: TokenKey,
    /// What signs checkpoints of the audit logs.
    pub log_key: LogKey,
    /// What time it is.
    pub clock: Box<dyn Clock>,
    /// The name under which this process leases.
    pub instance: String,
    /// The files.
    pub files: Files,
    /// The stores of key shares.
    pub key_shares: KeyShares,
    /// What exists only in a sandbox.
    pub sandbox: Option<Sandbox>,
    /// Persona, where it is used.
    pub persona: Option<Persona>,
    /// What people sign in with, where they do.
    pub control: Option<Control>,
    /// The way to the mail server, where one is set.
    pub mailer: Option<Mailer>,
}

impl App {
    /// The service of these settings and parts.
    pub fn new(settings: &Settings, parts: Parts) -> Self {
        let simulated = parts.sandbox.as_ref().map(|_| Provider::Simulated);
        let outbound = Arc::new(Outbound::new(settings.webhook_targets(), Box::new(SystemResolver)));
        let metrics = Metrics::default();
        Self {
            env: settings.environment,
            db: parts.db,
            keys: parts.keys,
            token_key: parts.token_key,
            log_key: Arc::new(parts.log_key),
            enclave: Enclave::at(&settings.enclave_socket, metrics.enclave.clone()),
            metrics,
            pool_targets: settings.pool_targets.clone(),
            clock: parts.clock,
            pool: PoolLease::new(&parts.instance),
            instance: parts.instance,
            minter: Minter::default(),
            turns: Turns::default(),
            rotations: Turns::default(),
            stores: Turns::default(),
            rates: Rates::new(&settings.limits),
            key_sets: KeySets::new(Arc::clone(&outbound)),
            outbound,
            windows: settings.windows,
            provider: parts.persona.map(|persona| Provider::Persona(Box::new(persona))).or(simulated),
            files: parts.files,
            key_shares: parts.key_shares,
            sandbox: parts.sandbox,
            control: parts.control,
            mailer: parts.mailer,
            witnesses: settings.witnesses.clone(),
            mark_file: settings.enclave_mark_file.clone(),
            welcome: Mutex::default(),
        }
    }

    /// Where chance comes from.
    #[expect(clippy::unused_self, reason = "flows ask the application for chance, as for the time")]
    pub fn chance(&self) -> SystemChance {
        SystemChance
    }

    /// SHA-256.
    #[expect(clippy::unused_self, reason = "flows ask the application for what is not a rule")]
    pub fn sha256(&self, bytes: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        // SHA-256 is as long as the array.
        out.copy_from_slice(digest(&SHA256, bytes).as_ref());
        out
    }

    /// The enclave's public face, at most [`WELCOME_AGE_MAX`] old; with the enclave away or sealed, as it was last seen.
    pub async fn welcome(&self) -> Result<Arc<Welcome>, CallError> {
        let now = self.clock.now();
        let mut seen = self.welcome.lock().await;
        if let Some((at, welcome)) = &*seen
            && now < *at + WELCOME_AGE_MAX
        {
            return Ok(Arc::clone(welcome));
        }
        match (self.enclave.hello(Hello { env: self.env }).await, &*seen) {
            (Ok(welcome), _) => {
                let welcome = Arc::new(welcome);
                *seen = Some((now, Arc::clone(&welcome)));
                Ok(welcome)
            }
            (Err(CallError::Away(_) | CallError::Sealed), Some((_, welcome))) => Ok(Arc::clone(welcome)),
            (Err(error), _) => Err(error),
        }
    }

    /// How long after an approval a retail recovery is open: the enclave's setting, which binds. The server has
    /// none of its own, so that the two cannot disagree for longer than [`WELCOME_AGE_MAX`].
    pub async fn recovery_window(&self) -> Result<Duration, CallError> {
        Ok(Duration::from_secs(self.welcome().await?.retail_window_s.into()))
    }

    /// The tenant's user of this name, made if there is none.
    pub async fn ensure_user(&self, ctx: &Ctx, user_identifier: &str) -> Result<User, Error> {
        let (tenant, name) = (ctx.principal.tenant.clone(), user_identifier.to_owned());
        let found = self.db.read("find_user", move |rx| users::of(&tenant).find_by_identifier(rx, &name));
        if let Some(user) = found.await.map_err(|error: StoreError| Error::from(error))? {
            return Ok(user);
        }
        let new = User {
            id: UserId::new(ctx.now, &mut self.chance()),
            user_identifier: user_identifier.to_owned(),
            created_at: ctx.now,
        };
        let tenant = ctx.principal.tenant.clone();
        let user = self.db.write("ensure_user", move |tx| users::of(&tenant).ensure(tx, &new));
        user.await.map_err(|error: StoreError| error.into())
    }
}
