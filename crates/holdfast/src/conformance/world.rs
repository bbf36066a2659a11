//! What every row shares: the server that is checked, who may call it, and what is remembered of a row.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use client::api::sandbox::Person;
use serde::Deserialize;

use super::call::Caller;
use super::exchange::Exchange;
use super::receiver::Receiver;
use super::stage::Shared;
use super::verdict::{Stop, skipped};
use crate::failure::{Doing as _, Failure};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a whole exchange may take: a sandbox's ceremony takes 100 seconds at most.
const EXCHANGE_TIMEOUT: Duration = Duration::from_mins(2);

/// The shape of `holdfast sandbox --credentials FILE`; what another server cannot give may be left out.
#[derive(Deserialize)]
pub struct Credentials {
    #[serde(default)]
    control_url: String,
    tenants: Vec<Tenant>,
}

#[derive(Deserialize)]
struct Tenant {
    kind: String,
    api_keys: ApiKeys,
    #[serde(default)]
    control: Vec<Person>,
}

/// A tenant's API keys.
#[derive(Clone, Default, Deserialize)]
pub struct ApiKeys {
    /// May do all that a tenant of this kind does.
    pub full: String,
    /// The same, less the scope of its kind; empty: there is none.
    #[serde(default)]
    pub no_partner_scope: String,
    /// Expired; empty: there is none.
    #[serde(default)]
    pub expired: String,
}

/// What the server says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Environment {
    /// Identity checks, damage and offline ceremonies are played.
    Sandbox,
    /// Nothing is.
    Production,
}

impl Environment {
    /// By the public prefix of an API key, which names it.
    pub fn of_key(api_key: &str) -> Option<Self> {
        let mut words = api_key.split('_').skip(1);
        words.find_map(|word| match word {
            "sandbox" => Some(Self::Sandbox),
            "production" => Some(Self::Production),
            _ => None,
        })
    }
}

impl Credentials {
    /// Whether they let nobody in.
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    /// What the API keys say that the server is.
    pub fn environment(&self) -> Option<Environment> {
        self.tenants.iter().find_map(|tenant| Environment::of_key(&tenant.api_keys.full))
    }
}

/// What a row needs; without it the row is skipped, and says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Credentials of a retail tenant.
    Retail,
    /// Credentials of a partner.
    Partner,
    /// Credentials of an institution.
    Institution,
    /// A sandbox, which plays identity checks.
    Sandbox,
    /// A production server.
    Production,
    /// A receiver of webhooks that the server reaches.
    Receiver,
    /// People with passkeys, and `--control`.
    Control,
    /// A key of each tenant that lacks the scope of its kind.
    ReducedKeys,
    /// A key of each tenant that has expired.
    ExpiredKeys,
}

/// How a run is set up.
pub struct Setup {
    /// Where the server is, without a slash at the end.
    pub base_url: String,
    /// Who may call it.
    pub credentials: Credentials,
    /// What it is.
    pub environment: Environment,
    /// Takes webhooks; else why there is none.
    pub receiver: Result<Receiver, String>,
    /// Whether people decide too.
    pub with_control: bool,
    /// A word that no other run has.
    pub run: String,
}

/// What every row shares.
pub struct World {
    setup: Setup,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    secrets: Mutex<Vec<String>>,
    calls: Mutex<Vec<Arc<Exchange>>>,
    row: Mutex<&'static str>,
    pub(super) shared: Shared,
}

impl World {
    /// For one run.
    pub fn new(setup: Setup) -> Result<Self, Failure> {
        let is_local = ["127.0.0.1", "localhost", "[::1]"].iter().any(|host| {
            let rest = setup.base_url.split("://").nth(1).unwrap_or_default();
            rest.strip_prefix(host).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        });
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("holdfast-conformance/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(EXCHANGE_TIMEOUT);
        if is_local {
            // What runs on this machine is not behind a proxy.
            http = http.no_proxy();
        }
        let keys = setup.credentials.tenants.iter().map(|tenant| &tenant.api_keys);
        let secrets = keys.flat_map(|keys| [&keys.full, &keys.no_partner_scope, &keys.expired]);
        let secrets = secrets.filter(|secret| !secret.is_empty()).cloned().collect();
        Ok(Self {
            http: http.build().doing(|| "no client for HTTP")?,
            runtime: tokio::runtime::Runtime::new().doing(|| "no threads for the calls")?,
            secrets: Mutex::new(secrets),
            calls: Mutex::default(),
            row: Mutex::new(""),
            shared: Shared::default(),
            setup,
        })
    }

    /// Whether the server answers at all.
    pub fn preflight(&self) -> Result<(), Failure> {
        let url = format!("{}/healthz", self.base_url());
        let asked = self.wait_for(async { self.http.get(&url).send().await });
        asked.map(drop).map_err(reqwest::Error::without_url).doing(|| format!("{url} does not answer"))
    }

    /// Why a row with these needs cannot be played here.
    pub fn lacks(&self, needs: &[Need]) -> Option<String> {
        needs.iter().find_map(|need| match need {
            Need::Retail => self.lacks_tenant("retail"),
            Need::Partner => self.lacks_tenant("partner"),
            Need::Institution => self.lacks_tenant("institution"),
            Need::Sandbox => (!self.is_sandbox())
                .then(|| "needs a sandbox's simulation, which a production server does not have".to_owned()),
            Need::Production => self.is_sandbox().then(|| "is about production servers".to_owned()),
            Need::Receiver => self.setup.receiver.as_ref().err().cloned(),
            Need::Control if !self.setup.with_control => Some("is played with --control".to_owned()),
            Need::Control => (self.people("institution").len() < 3
                || self.setup.credentials.control_url.is_empty())
            .then(|| "the credentials file has no institution with three people".to_owned()),
            Need::ReducedKeys => {
                self.lacks_key(|keys| &keys.no_partner_scope, "key without the scope of its kind")
            }
            Need::ExpiredKeys => self.lacks_key(|keys| &keys.expired, "expired key"),
        })
    }

    fn lacks_key(&self, key: impl Fn(&ApiKeys) -> &String, what: &str) -> Option<String> {
        let has = self.setup.credentials.tenants.iter().all(|tenant| !key(&tenant.api_keys).is_empty());
        (!has).then(|| format!("the credentials file has no {what}"))
    }

    fn lacks_tenant(&self, kind: &str) -> Option<String> {
        let has = self.setup.credentials.tenants.iter().any(|tenant| tenant.kind == kind);
        (!has).then(|| format!("the credentials file has no {kind} tenant"))
    }

    fn is_sandbox(&self) -> bool {
        self.setup.environment == Environment::Sandbox
    }

    /// The API keys of a tenant that the row needs.
    pub fn keys(&self, kind: &str) -> ApiKeys {
        let tenants = &self.setup.credentials.tenants;
        tenants
            .iter()
            .find(|tenant| tenant.kind == kind)
            .map(|tenant| tenant.api_keys.clone())
            .unwrap_or_default()
    }

    /// The people of a tenant.
    pub fn people(&self, kind: &str) -> &[Person] {
        let tenants = &self.setup.credentials.tenants;
        tenants.iter().find(|tenant| tenant.kind == kind).map_or(&[], |tenant| &tenant.control)
    }

    /// Where people go.
    pub fn control_url(&self) -> &str {
        &self.setup.credentials.control_url
    }

    /// The receiver of webhooks.
    pub fn receiver(&self) -> Result<&Receiver, Stop> {
        self.setup.receiver.as_ref().map_err(skipped)
    }

    /// The retail tenant, with its full key.
    pub fn retail(&self) -> Caller<'_> {
        self.caller(&self.keys("retail").full)
    }

    /// The partner, with its full key.
    pub fn partner(&self) -> Caller<'_> {
        self.caller(&self.keys("partner").full)
    }

    /// The institution, with its full key.
    pub fn institution(&self) -> Caller<'_> {
        self.caller(&self.keys("institution").full)
    }

    /// Whichever tenant the credentials file names first, for what is true of all.
    pub fn anybody(&self) -> Caller<'_> {
        let first = self.setup.credentials.tenants.first();
        self.caller(first.map_or("", |tenant| &tenant.api_keys.full))
    }

    /// Whoever has this key; empty: nobody.
    pub fn caller(&self, api_key: &str) -> Caller<'_> {
        Caller { world: self, credential: api_key.to_owned() }
    }

    /// Somebody without a credential.
    pub fn nobody(&self) -> Caller<'_> {
        self.caller("")
    }

    /// A name that no other row and no other run uses.
    pub fn name(&self, word: &str) -> String {
        format!("{}-{}-{word}", self.setup.run, *lock(&self.row))
    }

    /// Keeps a text out of what is printed from now on.
    pub fn hide(&self, secret: &str) {
        lock(&self.secrets).push(secret.to_owned());
    }

    pub(super) fn secrets(&self) -> Vec<String> {
        lock(&self.secrets).clone()
    }

    pub(super) fn base_url(&self) -> &str {
        &self.setup.base_url
    }

    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(super) fn remember(&self, exchange: &Arc<Exchange>) {
        lock(&self.calls).push(Arc::clone(exchange));
    }

    /// Begins a row.
    pub(super) fn begin(&self, row: &'static str) {
        *lock(&self.row) = row;
        lock(&self.calls).clear();
    }

    /// The calls of the row that ends.
    pub(super) fn take_calls(&self) -> Vec<Arc<Exchange>> {
        std::mem::take(&mut *lock(&self.calls))
    }

    /// Waits for what is done on the network.
    pub(super) fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

/// What is made once, by the first row that asks for it; its failure is every such row's.
pub(super) fn once<T: Clone>(
    cell: &OnceLock<Result<T, Stop>>,
    make: impl FnOnce() -> Result<T, Stop>,
) -> Result<T, Stop> {
    cell.get_or_init(make).clone()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_read_off_a_keys_prefix() {
        assert_eq!(Environment::of_key("hf_sandbox_abc"), Some(Environment::Sandbox));
        assert_eq!(Environment::of_key("hf_production_abc"), Some(Environment::Production));
        assert_eq!(Environment::of_key("sandbox"), None);
    }

    #[test]
    fn a_file_without_people_and_other_keys_is_one() {
        let file = r#"{"tenants":[{"kind":"partner","api_keys":{"full":"k"}}]}"#;
        let read: Credentials = serde_json::from_str(file).unwrap();
        assert!(read.tenants[0].control.is_empty() && read.tenants[0].api_keys.expired.is_empty());
    }
}
