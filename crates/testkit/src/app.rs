//! A running service of a test's own.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use api::sandbox::Tenant;
use boundary::Env;
use boundary::message::{KeyType as WireKeyType, PoolKey as WirePoolKey};
use cluster::Cluster;
use domain::credential::{ApiKeyText, Scope, TenantKind};
use domain::ids::{CredentialId, TenantId};
use domain::key::{KeyEnvironment, KeyType};
use domain::rate::Rate;
use domain::time::Timestamp;
use serde_json::Value;
use server::admin::{Admin, AdminError};
use server::config::{Limits, PersonaSettings, Settings, Windows};
use server::edge::address::Network;
use server::edge::ceremony::{CeremonyCall, CeremonyDesk};
use server::edge::chance::SystemChance;
use server::edge::clock::Clock as _;
use server::files::Files;
use server::key_shares::{KeyShares, KeySharesAt, SharesAt};
use server::running::{Service, StartError};
use store::blob::{Blobs, FilesAt};
use store::credentials::{self, ApiCredential, Scopes};
use store::key_shares::Split;
use store::pool::{self, PoolKey};
use store::seal::ServerKeys;
use store::{Db, StoreError, tenants};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::clock::MockClock;
use crate::database::{Census, Place};
use crate::enclave::{Enclave, Recipe};
use crate::fixture::Fixture;
use crate::person::Person;
use crate::persona::{self, Persona};
use crate::s3::S3;
use crate::scrape::Scrape;

/// What kind of service a test wants.
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own that a test may want")]
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    env: Env,
    postgres: bool,
    stock: bool,
    pool_targets: [u64; 3],
    patience: Duration,
    calls: Rate,
    failures: Rate,
    trusted_proxy: Option<&'static str>,
    windows: Windows,
    retail_window_s: Option<u32>,
    recovery_limits: bool,
    persona_port: Option<u16>,
    bucket: bool,
    shares: bool,
}

/// Which of a sandbox tenant's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// May do all that a tenant of its kind does.
    Full,
    /// The same, less the scope of its kind.
    WithoutScope,
    /// As the first, but expired.
    Expired,
}

/// A running service. Nothing of it is shared with another test, and it ends with the test.
pub struct App {
    service: Option<Service>,
    settings: Settings,
    tenants: Vec<Tenant>,
    http: reqwest::Client,
    /// The server's clock.
    pub clock: MockClock,
    /// The database, past the service.
    pub db: Db,
    /// Where the database is.
    pub place: Place,
    /// What the fixture gave.
    pub fixture: Fixture,
    /// The enclave.
    pub enclave: Enclave,
    /// The database server, where there is one.
    pub cluster: Option<Cluster>,
    ceremonies: Option<CeremonyDesk>,
    /// The store of the files, where it is no folder.
    pub s3: Option<S3>,
    folder: TempDir,
}

impl Default for Plan {
    fn default() -> Self {
        let patience = Duration::from_secs(10);
        // The whole suite on the other engine, for whoever asks for it.
        let postgres = std::env::var_os("HOLDFAST_TEST_DATABASE").is_some_and(|name| name == "postgres");
        // The clock of a test stands still, so that nobody's bucket would fill.
        let calls = Rate::per_second(1_000_000, 1_000_000);
        let (stock, pool_targets, trusted_proxy, bucket) = (true, [0; 3], None, false);
        // And with its private keys in shares.
        let shares = std::env::var_os("HOLDFAST_TEST_KEY_SHARES").is_some_and(|word| word == "1");
        Self {
            env: Env::Sandbox,
            postgres,
            stock,
            pool_targets,
            patience,
            calls,
            failures: calls,
            trusted_proxy,
            windows: Windows::default(),
            retail_window_s: None,
            recovery_limits: false,
            persona_port: None,
            bucket,
            shares,
        }
    }
}

impl Plan {
    /// On a private `PostgreSQL` cluster.
    #[must_use]
    pub fn on_postgres(self) -> Self {
        Self { postgres: true, ..self }
    }

    /// On a file, also where the suite runs on the other engine.
    #[must_use]
    pub fn on_sqlite(self) -> Self {
        Self { postgres: false, ..self }
    }

    /// As a production installation, with an enclave of its own and no keys in stock.
    #[must_use]
    pub fn production(self) -> Self {
        Self { env: Env::Production, stock: false, ..self }
    }

    /// Without keys in stock; the service makes up to so many of each kind: RSA, secp256k1, Ed25519.
    #[must_use]
    pub fn with_pool(self, pool_targets: [u64; 3]) -> Self {
        Self { stock: false, pool_targets, ..self }
    }

    /// With so much patience for a database that does not answer.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// With such rates of calls and of failed authentications; without this they are out of reach.
    #[must_use]
    pub fn with_rates(self, calls: Rate, failures: Rate) -> Self {
        Self { calls, failures, ..self }
    }

    /// Behind a proxy at this address.
    #[must_use]
    pub fn behind(self, proxy: &'static str) -> Self {
        Self { trusted_proxy: Some(proxy), ..self }
    }

    /// With such windows of the server's.
    #[must_use]
    pub fn with_windows(self, windows: Windows) -> Self {
        Self { windows, ..self }
    }

    /// With an enclave that counts recoveries against their limits, as production's does.
    #[must_use]
    pub fn with_recovery_limits(self) -> Self {
        Self { recovery_limits: true, ..self }
    }

    /// With an enclave that was told for how long recovery is open, in seconds.
    #[must_use]
    pub fn with_recovery_window(self, seconds: u32) -> Self {
        Self { retail_window_s: Some(seconds), ..self }
    }

    /// With this stand-in for Persona, which is what a production installation has.
    #[must_use]
    pub fn with_persona(self, persona: &Persona) -> Self {
        Self { persona_port: Some(persona.port), ..self }
    }

    /// With its files in a bucket.
    #[must_use]
    pub fn in_bucket(self) -> Self {
        Self { bucket: true, ..self }
    }

    /// With private keys in three shares, of which two are needed: in the database, in the folder `shares-a`, and in the
    /// bucket where there is one, else in the folder `shares-b`.
    #[must_use]
    pub fn in_shares(self) -> Self {
        Self { shares: true, ..self }
    }

    /// Starts it.
    pub async fn start(self) -> App {
        let folder = tempfile::Builder::new().prefix("hf-app-").tempdir().expect("a temporary folder");
        let fixture = Fixture::copy_to(folder.path());
        let enclave = Enclave::start(self.recipe(folder.path(), &fixture));
        let cluster = self.postgres.then(Cluster::start);
        let s3 = self.bucket.then(S3::start);
        let mut settings = self.settings(folder.path(), cluster.as_ref());
        if let Some(s3) = &s3 {
            settings.files = FilesAt::Bucket(s3.bucket.clone());
        }
        if self.shares {
            let third = s3.as_ref().map(|s3| SharesAt::Bucket(s3.bucket.clone(), "key-shares".to_owned()));
            let third = third.unwrap_or_else(|| SharesAt::Folder(folder.path().join("shares-b")));
            let first = SharesAt::Folder(folder.path().join("shares-a"));
            let split = Some(Split { threshold: 2, total: 3 });
            settings.key_shares = KeySharesAt { split, places: vec![SharesAt::Database, first, third] };
        }
        std::fs::create_dir_all(&settings.data_dir).expect("a folder");
        let place = match &settings.database.engine {
            store::Engine::Sqlite(path) => Place::Sqlite(path.clone()),
            store::Engine::Postgres(address) => Place::Postgres(address.clone()),
        };
        let db = Box::pin(Db::open(sealed(&settings))).await.expect("a database");
        let clock = MockClock::default();
        if self.stock {
            put_in_stock(&db, &fixture.hot, KeyEnvironment::Hot, clock.now()).await;
            put_in_stock(&db, &fixture.cold, KeyEnvironment::Cold, clock.now()).await;
        }
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let tenants = Vec::new();
        let service = None;
        let ceremonies = None;
        let mut app = App {
            service,
            settings,
            tenants,
            http,
            clock,
            db,
            place,
            fixture,
            enclave,
            cluster,
            ceremonies,
            s3,
            folder,
        };
        app.start_service().await.expect("the service starts");
        app
    }

    fn recipe(self, folder: &Path, fixture: &Fixture) -> Recipe {
        let sandbox = self.env == Env::Sandbox;
        Recipe {
            env: self.env,
            state: if sandbox { fixture.state.clone() } else { folder.join("production") },
            socket: folder.join("enclave.sock"),
            provider: match self.persona_port {
                Some(_) => Some(persona::write_provider(folder, self.env, &[persona::SECRET])),
                None => sandbox.then(|| fixture.provider.clone()),
            },
            offline_key: sandbox.then(|| fixture.offline_key.clone()),
            retail_window_s: self.retail_window_s,
            counter: None,
            recovery_limits: self.recovery_limits,
            log: folder.join("enclave.log"),
        }
    }

    fn settings(self, folder: &Path, cluster: Option<&Cluster>) -> Settings {
        let listen = ([127, 0, 0, 1], 0).into();
        let data = folder.join("data");
        let mut settings = Settings::sandbox(&data, listen, &folder.join("enclave.sock"));
        settings.environment = self.env;
        let trusted_proxies = self.trusted_proxy.and_then(Network::parse).into_iter().collect();
        let connections = settings.limits.connections;
        settings.limits = Limits { calls: self.calls, failures: self.failures, connections, trusted_proxies };
        // Given in production too, where it must make no difference.
        settings.simulator_file = Some(folder.join("simulator.provider"));
        settings.windows = self.windows;
        if self.env == Env::Production {
            settings.control_url = Some("https://control.example".parse().expect("an address"));
        }
        settings.persona = self.persona_port.map(|port| {
            let api_key_file = folder.join("persona.key");
            std::fs::write(&api_key_file, format!("{}\n", persona::API_KEY)).expect("a file");
            PersonaSettings {
                base_url: format!("http://127.0.0.1:{port}").parse().expect("an address"),
                hosted_url: "https://hosted.example".parse().expect("an address"),
                api_key_file,
                template: persona::TEMPLATE.to_owned(),
                version: "2023-01-05".to_owned(),
            }
        });
        settings.pool_targets = KeyType::ALL.iter().copied().zip(self.pool_targets).collect();
        if let Some(cluster) = cluster {
            settings.database = store::Settings::postgres(cluster.address());
        }
        settings.database.patience = self.patience;
        settings
    }
}

impl App {
    /// A sandbox on `SQLite`; on `PostgreSQL` where `HOLDFAST_TEST_DATABASE` says `postgres`.
    pub async fn start() -> Self {
        Plan::default().start().await
    }

    /// A sandbox on a private `PostgreSQL` cluster.
    pub async fn on_postgres() -> Self {
        Plan::default().on_postgres().start().await
    }

    /// A production installation.
    pub async fn production() -> Self {
        Plan::default().production().start().await
    }

    /// Ends the service in order.
    pub async fn stop_service(&mut self) {
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
    }

    /// Starts it again, as another process would.
    pub async fn start_service(&mut self) -> Result<(), StartError> {
        let clock = Box::new(self.clock.clone());
        // On the heap: whatever starts a service in a test would otherwise be as large as it.
        let starting = Service::start_with(self.settings.clone(), clock, self.ceremonies.clone());
        let service = Box::pin(starting).await?;
        if self.settings.environment == Env::Sandbox {
            self.tenants = service.sandbox_tenants().await?;
        }
        self.service = Some(service);
        Ok(())
    }

    /// Starts it again with somebody to ask for ceremonies, whose part the test plays.
    pub async fn restart_with_ceremonies(&mut self) -> mpsc::Receiver<CeremonyCall> {
        let (desk, calls) = CeremonyDesk::open();
        self.ceremonies = Some(desk);
        self.stop_service().await;
        self.start_service().await.expect("the service starts");
        calls
    }

    /// Another process of the same installation: on the same database and enclave, with a folder of its own.
    pub async fn second_service(&mut self) -> Service {
        let mut settings = self.settings.clone();
        settings.data_dir = self.folder.path().join("second");
        std::fs::create_dir_all(&settings.data_dir).expect("a folder");
        std::fs::copy(self.settings.data_dir.join("server.keys"), settings.data_dir.join("server.keys"))
            .expect("the same keys");
        // On the heap, as in `start_service`.
        let starting = Service::start_with(settings, Box::new(self.clock.clone()), None);
        Box::pin(starting).await.expect("a second service starts")
    }

    /// The settings, for a start that is to go wrong.
    pub fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The service.
    pub fn service(&self) -> &Service {
        self.service.as_ref().expect("the service runs")
    }

    /// The service's folder and what the test put beside it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it listens.
    pub fn base(&self) -> String {
        format!("http://{}", self.service().address())
    }

    /// What a scrape of `/metrics` is answered.
    pub async fn scrape(&self) -> Scrape {
        let address = self.service().metrics_address().expect("metrics are on");
        let base = format!("http://{address}");
        let answer = Actor { base, ..self.anonymous() }.get("/metrics").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Scrape::of(answer)
    }

    /// Nobody.
    pub fn anonymous(&self) -> Actor {
        Actor { http: self.http.clone(), base: self.base(), api_key: None, tenant: None, credential: None }
    }

    /// The retail tenant.
    pub fn retail(&self) -> Actor {
        self.actor(TenantKind::Retail, KeyRole::Full)
    }

    /// The partner.
    pub fn partner(&self) -> Actor {
        self.actor(TenantKind::Partner, KeyRole::Full)
    }

    /// The institution.
    pub fn institution(&self) -> Actor {
        self.actor(TenantKind::Institution, KeyRole::Full)
    }

    /// A tenant of the sandbox with one of its keys.
    pub fn actor(&self, kind: TenantKind, role: KeyRole) -> Actor {
        let tenant = self.tenants.iter().find(|tenant| tenant.kind == kind.as_str()).expect("a tenant");
        let keys = &tenant.api_keys;
        let key = match role {
            KeyRole::Full => &keys.full,
            KeyRole::WithoutScope => &keys.no_partner_scope,
            KeyRole::Expired => &keys.expired,
        };
        self.anonymous().with_key(Some(key))
    }

    /// Where people reach Control: by a name, to which passkeys are bound.
    pub fn control_url(&self) -> String {
        match &self.settings.control_url {
            Some(url) => url.origin().ascii_serialization(),
            None => format!("http://localhost:{}", self.service().address().port()),
        }
    }

    /// Whoever administers the installation, past the service.
    pub async fn admin(&self) -> Admin {
        self.try_admin().await.expect("an installation")
    }

    /// The same, where it may not open.
    pub async fn try_admin(&self) -> Result<Admin, AdminError> {
        Admin::open(self.settings.clone()).await
    }

    /// What one of the sandbox's people signs in with, by the beginning of the address: `owner`, `member-1`,
    /// `member-2`, `officer` or `auditor`.
    pub fn kit(&self, kind: TenantKind, word: &str) -> api::sandbox::Person {
        let tenant = self.tenants.iter().find(|tenant| tenant.kind == kind.as_str()).expect("a tenant");
        let begins = format!("{word}@");
        tenant.control.iter().find(|person| person.email.starts_with(&begins)).expect("a person").clone()
    }

    /// One of the partner's people, signed in.
    pub async fn person(&self, word: &str) -> Person {
        self.person_of(TenantKind::Partner, word).await
    }

    /// One of a sandbox tenant's people, signed in by password and passkey.
    pub async fn person_of(&self, kind: TenantKind, word: &str) -> Person {
        let mut person = self.signed_out(&self.kit(kind, word));
        person.sign_in().await;
        person
    }

    /// Somebody with what he signs in by, who has not done so.
    pub fn signed_out(&self, kit: &api::sandbox::Person) -> Person {
        Person::new(&self.base(), &self.control_url(), kit)
    }

    /// Somebody of whom nothing is known.
    pub fn stranger(&self) -> Person {
        Person::stranger(&self.base(), &self.control_url())
    }

    /// A tenant that is not of the sandbox, with a credential of these scopes.
    pub async fn new_tenant(&self, kind: TenantKind, scopes: &[Scope]) -> Actor {
        let now = self.clock.now();
        let id = TenantId::new(now, &mut SystemChance);
        let tenant = tenants::Tenant { id: id.clone(), name: format!("test-{id}"), kind, created_at: now };
        let made = self.db.write("new_tenant", move |tx| tenants::insert(tx, &tenant));
        made.await.unwrap_or_else(|error: StoreError| unreachable!("{error}"));
        self.new_credential(&Actor { tenant: Some(id), ..self.anonymous() }, scopes, None).await
    }

    /// Another credential of a tenant.
    pub async fn new_credential(&self, of: &Actor, scopes: &[Scope], expires_at: Option<Timestamp>) -> Actor {
        let now = self.clock.now();
        let tenant = self.tenant_of(of).await;
        let key = ApiKeyText::new(self.settings.environment, &mut SystemChance);
        let credential = ApiCredential {
            id: CredentialId::new(now, &mut SystemChance),
            name: "test".to_owned(),
            hint: key.hint(),
            scopes: Scopes::new(scopes),
            expires_at,
            revoked_at: None,
            created_at: now,
        };
        let (id, owner) = (credential.id.clone(), tenant.clone());
        let hash = self.keys().credential_hash(key.expose());
        let made =
            self.db.write("new_credential", move |tx| credentials::of(&owner).insert(tx, &credential, &hash));
        made.await.unwrap_or_else(|error: StoreError| unreachable!("{error}"));
        Actor { tenant: Some(tenant), credential: Some(id), ..self.anonymous() }.with_key(Some(key.expose()))
    }

    /// Revokes a credential that the test made.
    pub async fn revoke(&self, actor: &Actor) {
        let (tenant, now) = (self.tenant_of(actor).await, self.clock.now());
        let id = actor.credential.clone().expect("a credential of the test");
        let revoked =
            self.db.write("revoke", move |tx| credentials::of(&tenant).set_revoked(tx, &id, now)).await;
        assert!(revoked.unwrap_or_else(|error: StoreError| unreachable!("{error}")), "nothing to revoke");
    }

    /// Whose credential it is.
    pub async fn tenant_of(&self, actor: &Actor) -> TenantId {
        if let Some(tenant) = &actor.tenant {
            return tenant.clone();
        }
        let hash = self.keys().credential_hash(actor.api_key.as_deref().expect("a credential"));
        let found = self.db.read("tenant_of", move |rx| credentials::find_by_hash(rx, &hash)).await;
        let found = found.unwrap_or_else(|error: StoreError| unreachable!("{error}"));
        found.expect("a credential").tenant_id
    }

    /// The events that a tenant would be told, in order.
    pub async fn events(&self, actor: &Actor) -> Vec<Value> {
        let tenant = self.tenant_of(actor).await;
        let events =
            self.db.read("events", move |rx| store::events::of(&tenant).list_after(rx, None, 10_000));
        let events = events.await.unwrap_or_else(|error: StoreError| unreachable!("{error}"));
        events.iter().map(|event| serde_json::from_str(&event.body).expect("JSON")).collect()
    }

    /// The files, past the service.
    pub fn blobs(&self) -> Blobs {
        Files::open(&self.settings).expect("the files").blobs
    }

    /// The backups of which there is a file, by id.
    pub async fn files(&self) -> BTreeSet<String> {
        let (mut files, mut found) = (self.blobs().list(), BTreeSet::new());
        while let Some(kept) = files.next().await {
            found.insert(kept.expect("a file").backup.to_string());
        }
        found
    }

    /// The shares in each store beside the database, as tenant, key and splitting.
    pub async fn shares(&self) -> Vec<BTreeSet<String>> {
        let stores = KeyShares::open(&self.settings.key_shares).expect("the stores");
        let mut all = Vec::new();
        for shelf in &stores.shelves {
            let (mut listing, mut found) = (shelf.store.list(), BTreeSet::new());
            while let Some(of) = listing.next().await {
                let of = of.expect("shares");
                found.insert(format!("{}/{}/{}", of.tenant, of.key, of.split));
            }
            all.push(found);
        }
        all
    }

    /// How many rows each table has.
    pub fn census(&self) -> Census {
        self.place.census()
    }

    /// Seals what waits for its place in a log without a seal, and the heads of logs without one, as whoever has the
    /// server's keys too can; says how many of both.
    pub async fn seal_entries(&self) -> u64 {
        let key = self.keys().row_key().clone();
        let sealed = self.db.write("seal_entries", move |tx| {
            Ok(store::audit::waiting::adopt(tx, &key)? + store::audit::heads::adopt(tx, &key)?)
        });
        sealed.await.unwrap_or_else(|error: StoreError| unreachable!("{error}"))
    }

    fn keys(&self) -> ServerKeys {
        let path = self.settings.data_dir.join("server.keys");
        ServerKeys::load_or_create(&path, &mut SystemChance).expect("the server's keys")
    }
}

async fn put_in_stock(db: &Db, keys: &[WirePoolKey], environment: KeyEnvironment, now: Timestamp) {
    let rows: Vec<_> = keys
        .iter()
        .map(|key| PoolKey {
            key_id: key.key_id.parse().expect("an id"),
            key_environment: environment,
            key_type: match key.key_type {
                WireKeyType::Rsa4096 => KeyType::Rsa4096,
                WireKeyType::Secp256k1 => KeyType::Secp256k1,
                WireKeyType::Ed25519 => KeyType::Ed25519,
            },
            public_key: key.public_key.clone(),
            sealed: key.sealed.clone(),
            created_at: now,
        })
        .collect();
    let put = db.write("put_in_stock", move |tx| rows.iter().try_for_each(|row| pool::insert(tx, row)));
    put.await.unwrap_or_else(|error: StoreError| unreachable!("{error}"));
}

/// The database, with rows sealed as the service does.
fn sealed(settings: &Settings) -> store::Settings {
    let keys = ServerKeys::load_or_create(&settings.data_dir.join("server.keys"), &mut SystemChance);
    settings.database.clone().sealed_by(&keys.expect("keys"))
}
