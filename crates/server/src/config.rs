//! Settings: one commented TOML file that is at once the manual and the built-in default.

mod files;
mod key_shares;

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use boundary::Env;
use domain::key::KeyType;
use domain::limits::{
    CONNECTIONS_DEFAULT, CONNECTIONS_RANGE, INQUIRY_LIFE, INQUIRY_LIFE_RANGE, STORE_WINDOW,
    STORE_WINDOW_RANGE, calls_rate, failures_rate,
};
use domain::rate::Rate;
use domain::webhook::{Range, Targets};
use reqwest::Url;
use serde::Deserialize;
use store::blob::FilesAt;

use self::files::WrittenFiles;
use self::key_shares::WrittenKeyShares;
use self::witness::WrittenWitness;
use crate::edge::address::Network;
use crate::flows::Witness;
use crate::key_shares::KeySharesAt;

use mail::WrittenMail;
pub use mail::{MailSecurity, MailSettings};
pub use persona::PersonaSettings;
use persona::WrittenPersona;
pub use telemetry::TracingSettings;
use telemetry::{WrittenMetrics, WrittenTracing};

mod effective;
mod mail;
mod persona;
mod telemetry;
mod witness;

/// The manual, and what applies where nobody says otherwise.
pub const DEFAULT: &str = include_str!("holdfast.default.toml");

/// Everything that may be set, validated.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `sandbox` or `production`.
    pub environment: Env,
    /// Where the API listens; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where `/metrics` listens; port 0 picks a free one; none: nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// The service's own folder.
    pub data_dir: PathBuf,
    /// The database.
    pub database: store::Settings,
    /// The enclave's socket.
    pub enclave_socket: PathBuf,
    /// Where the mark of the enclave's log is kept beside the database; none: nowhere.
    pub enclave_mark_file: Option<PathBuf>,
    /// The simulated provider's file, where there is one.
    pub simulator_file: Option<PathBuf>,
    /// How many unassigned HOT keys of each kind are kept ready.
    pub pool_targets: Vec<(KeyType, u64)>,
    /// How often one may call.
    pub limits: Limits,
    /// Ranges of addresses that webhooks may lie in although they are not public.
    pub webhook_ranges: Vec<Range>,
    /// Who outside signs checkpoints of the audit logs.
    pub witnesses: Vec<Witness>,
    /// How long what stays open.
    pub windows: Windows,
    /// Whither traces of calls are sent; none: nowhere. The command reads it, which sets up what logs.
    pub tracing: Option<TracingSettings>,
    /// The identity provider Persona, where it is used.
    pub persona: Option<PersonaSettings>,
    /// How mail is sent; none: not at all.
    pub mail: Option<MailSettings>,
    /// Where files are kept.
    pub files: FilesAt,
    /// Where shares of sealed private keys are kept.
    pub key_shares: KeySharesAt,
    /// Where people reach Control; none: nowhere, but for a sandbox.
    pub control_url: Option<Url>,
}

/// How long what stays open, as far as the server decides it: for how long recovery does, the enclave says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Making keys and storing items, after an approval.
    pub store: Duration,
    /// An inquiry that nobody finishes, after its start.
    pub inquiry_life: Duration,
}

impl Default for Windows {
    fn default() -> Self {
        Self { store: STORE_WINDOW, inquiry_life: INQUIRY_LIFE }
    }
}

/// How often one may call, and who is believed about whence a call comes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Calls of one credential.
    pub calls: Rate,
    /// Failed authentications from one address, and with one beginning of a credential.
    pub failures: Rate,
    /// Connections that are served at once; more wait.
    pub connections: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

/// Settings that cannot be used: which, and why.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {fault}")]
pub struct SettingsError {
    setting: String,
    fault: String,
}

/// The file's form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    environment: String,
    listen: String,
    control_url: String,
    data_dir: PathBuf,
    database: String,
    database_file: PathBuf,
    enclave_socket: PathBuf,
    enclave_mark_file: PathBuf,
    simulator_file: PathBuf,
    pool: Pool,
    limits: WrittenLimits,
    metrics: WrittenMetrics,
    tracing: WrittenTracing,
    webhooks: Webhooks,
    windows: WrittenWindows,
    persona: WrittenPersona,
    mail: WrittenMail,
    files: WrittenFiles,
    key_shares: WrittenKeyShares,
    witness: WrittenWitness,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWindows {
    store_s: u64,
    inquiry_life_s: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLimits {
    calls_per_s: u32,
    calls_burst: u32,
    failures_per_min: u32,
    connections: usize,
    trusted_proxies: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhooks {
    allowed_ranges: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pool {
    rsa4096: u64,
    secp256k1: u64,
    ed25519: u64,
}

impl Settings {
    /// The settings of a sandbox in one folder: `SQLite`, everything embedded.
    pub fn sandbox(data_dir: &Path, listen: SocketAddr, enclave_socket: &Path) -> Self {
        Self {
            environment: Env::Sandbox,
            listen,
            metrics_listen: Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)),
            data_dir: data_dir.to_owned(),
            database: store::Settings::sqlite(data_dir.join("holdfast.db")),
            enclave_socket: enclave_socket.to_owned(),
            enclave_mark_file: None,
            simulator_file: Some(data_dir.join("simulator.provider")),
            pool_targets: vec![(KeyType::Rsa4096, 64), (KeyType::Secp256k1, 16), (KeyType::Ed25519, 16)],
            limits: Limits::of(Env::Sandbox),
            webhook_ranges: Vec::new(),
            witnesses: Vec::new(),
            windows: Windows::default(),
            tracing: None,
            persona: None,
            mail: None,
            files: FilesAt::Folder(data_dir.join("files")),
            key_shares: KeySharesAt::default(),
            control_url: None,
        }
    }

    /// What webhooks may call: a sandbox also this machine, and without TLS.
    pub fn webhook_targets(&self) -> Targets {
        let is_sandbox = self.environment == Env::Sandbox;
        let mut allowed = self.webhook_ranges.clone();
        if is_sandbox {
            allowed.extend(Range::LOOPBACK);
        }
        Targets { https_only: !is_sandbox, allowed }
    }

    /// The settings of a file, with what the environment overrides.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        Self::read(&text_of(path)?, |name| std::env::var(name).ok())
    }

    fn read(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let written: Written = merged(text, variable)?
            .try_into()
            .map_err(|error: toml::de::Error| SettingsError::new("the file", error.message().to_owned()))?;
        written.check()
    }
}

impl Limits {
    /// Where nobody says otherwise.
    pub fn of(environment: Env) -> Self {
        Self {
            calls: calls_rate(environment),
            failures: failures_rate(environment),
            connections: CONNECTIONS_DEFAULT,
            trusted_proxies: Vec::new(),
        }
    }
}

impl WrittenLimits {
    fn check(&self, environment: Env) -> Result<Limits, SettingsError> {
        let mut limits = Limits::of(environment);
        let set = |to: &mut u32, written: u32| *to = if written == 0 { *to } else { written };
        set(&mut limits.calls.tokens, self.calls_per_s);
        set(&mut limits.calls.burst, self.calls_burst);
        if limits.calls.burst < limits.calls.tokens && self.calls_burst == 0 {
            limits.calls.burst = limits.calls.tokens;
        }
        if self.failures_per_min != 0 {
            limits.failures = Rate::per_minute(self.failures_per_min);
        }
        if !CONNECTIONS_RANGE.contains(&self.connections) {
            let (low, high) = (CONNECTIONS_RANGE.start(), CONNECTIONS_RANGE.end());
            return Err(SettingsError::new("limits.connections", format!("must be {low} to {high}")));
        }
        limits.connections = self.connections;
        let networks = self.trusted_proxies.split(',').map(str::trim).filter(|text| !text.is_empty());
        let networks = networks.map(|text| {
            let fault = || {
                SettingsError::new("limits.trusted_proxies", format!("{text:?} is no address and no network"))
            };
            Network::parse(text).ok_or_else(fault)
        });
        limits.trusted_proxies = networks.collect::<Result<_, _>>()?;
        Ok(limits)
    }
}

impl SettingsError {
    fn new(setting: &str, fault: impl Into<String>) -> Self {
        Self { setting: setting.to_owned(), fault: fault.into() }
    }
}

/// A path; none where none is given.
fn filled(path: PathBuf) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then_some(path)
}

impl Written {
    fn check(self) -> Result<Settings, SettingsError> {
        let environment = Env::parse(&self.environment)
            .ok_or_else(|| SettingsError::new("environment", "must be `sandbox` or `production`"))?;
        let listen =
            self.listen.parse().map_err(|_| SettingsError::new("listen", "must be an address and a port"))?;
        let database = match (self.database.as_str(), self.database_file.as_os_str().is_empty()) {
            ("", true) => store::Settings::sqlite(self.data_dir.join("holdfast.db")),
            ("", false) => {
                let text = std::fs::read_to_string(&self.database_file)
                    .map_err(|error| SettingsError::new("database_file", error.to_string()))?;
                store::Settings::postgres(text.trim())
            }
            (address, _) => store::Settings::postgres(address),
        };
        let key_shares = self.key_shares.check(&self.files)?;
        let files = self.files.check(&self.data_dir)?;
        let mut settings = Settings {
            limits: self.limits.check(environment)?,
            environment,
            listen,
            metrics_listen: self.metrics.check(listen)?,
            data_dir: self.data_dir,
            database,
            enclave_socket: self.enclave_socket,
            enclave_mark_file: filled(self.enclave_mark_file),
            simulator_file: filled(self.simulator_file),
            pool_targets: vec![
                (KeyType::Rsa4096, self.pool.rsa4096),
                (KeyType::Secp256k1, self.pool.secp256k1),
                (KeyType::Ed25519, self.pool.ed25519),
            ],
            webhook_ranges: self.webhooks.ranges()?,
            witnesses: Vec::new(),
            windows: self.windows.check()?,
            tracing: self.tracing.check()?,
            persona: self.persona.check(environment)?,
            mail: self.mail.check()?,
            files,
            key_shares,
            control_url: control_url(&self.control_url, environment)?,
        };
        settings.witnesses = self.witness.check(&settings.webhook_targets())?;
        Ok(settings)
    }
}

/// Where people reach Control: an origin, with TLS in production.
fn control_url(written: &str, environment: Env) -> Result<Option<Url>, SettingsError> {
    if written.is_empty() {
        return Ok(None);
    }
    let fault = |fault: &str| SettingsError::new("control_url", fault);
    let url =
        Url::parse(written).map_err(|_| fault("must be an address such as https://control.example.org"))?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(fault("must be a scheme, a name and perhaps a port, and nothing more"));
    }
    if url.domain().is_none() {
        return Err(fault("must have a name: a passkey is bound to one, and not to a number"));
    }
    match (url.scheme(), environment) {
        ("https", _) | ("http", Env::Sandbox) => Ok(Some(url)),
        _ => Err(fault("must begin with https://")),
    }
}

impl WrittenWindows {
    fn check(&self) -> Result<Windows, SettingsError> {
        let within = |setting, seconds, range: &RangeInclusive<Duration>| {
            let window = Duration::from_secs(seconds);
            if range.contains(&window) {
                return Ok(window);
            }
            let (low, high) = (range.start().as_secs(), range.end().as_secs());
            Err(SettingsError::new(setting, format!("must be {low} to {high} seconds")))
        };
        Ok(Windows {
            store: within("windows.store_s", self.store_s, &STORE_WINDOW_RANGE)?,
            inquiry_life: within("windows.inquiry_life_s", self.inquiry_life_s, &INQUIRY_LIFE_RANGE)?,
        })
    }
}

impl Webhooks {
    fn ranges(&self) -> Result<Vec<Range>, SettingsError> {
        let words = self.allowed_ranges.split(',').map(str::trim).filter(|word| !word.is_empty());
        words
            .map(|word| {
                word.parse().map_err(|fault: &str| SettingsError::new("webhooks.allowed_ranges", fault))
            })
            .collect()
    }
}

fn text_of(path: &Path) -> Result<String, SettingsError> {
    std::fs::read_to_string(path)
        .map_err(|error| SettingsError::new(&path.display().to_string(), error.to_string()))
}

/// The default, under the file, under the environment.
fn merged(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<toml::Table, SettingsError> {
    let parse = |text: &str| {
        text.parse::<toml::Table>().map_err(|error| SettingsError::new("the file", error.to_string()))
    };
    let mut merged = parse(DEFAULT)?;
    merge(&mut merged, parse(text)?);
    override_by(&mut merged, "HOLDFAST", &variable)?;
    Ok(merged)
}

/// Puts `over` over `under`, table by table.
fn merge(under: &mut toml::Table, over: toml::Table) {
    for (name, value) in over {
        match (under.get_mut(&name), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => merge(under, over),
            // 1 where 1.0 is meant.
            (Some(ratio @ toml::Value::Float(_)), toml::Value::Integer(whole)) => {
                *ratio = toml::Value::Float(i32::try_from(whole).map_or(f64::NAN, f64::from));
            }
            (_, value) => drop(under.insert(name, value)),
        }
    }
}

/// Puts the environment over each setting that has a default.
fn override_by(
    table: &mut toml::Table,
    prefix: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<(), SettingsError> {
    for (name, value) in table.iter_mut() {
        let full = format!("{prefix}_{}", name.to_uppercase());
        match value {
            toml::Value::Table(inner) => override_by(inner, &full, variable)?,
            toml::Value::Integer(number) => {
                if let Some(text) = variable(&full) {
                    *number =
                        text.parse().map_err(|_| SettingsError::new(&full, "must be a whole number"))?;
                }
            }
            toml::Value::Boolean(switch) => {
                if let Some(text) = variable(&full) {
                    *switch =
                        text.parse().map_err(|_| SettingsError::new(&full, "must be `true` or `false`"))?;
                }
            }
            toml::Value::Float(number) => {
                if let Some(text) = variable(&full) {
                    *number = text.parse().map_err(|_| SettingsError::new(&full, "must be a number"))?;
                }
            }
            toml::Value::String(text) => {
                if let Some(other) = variable(&full) {
                    *text = other;
                }
            }
            // A list of texts, with commas between.
            toml::Value::Array(list) => {
                if let Some(text) = variable(&full) {
                    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
                    *list = words.map(|word| word.to_owned().into()).collect();
                }
            }
            toml::Value::Datetime(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_complete_and_a_file_changes_only_what_it_names() {
        let settings = Settings::read("environment = \"sandbox\"\n[pool]\nrsa4096 = 7\n", |_| None).unwrap();
        assert_eq!(settings.environment, Env::Sandbox);
        assert_eq!(settings.pool_targets[0], (KeyType::Rsa4096, 7));
        assert_eq!(settings.pool_targets[1], (KeyType::Secp256k1, 64));
        assert_eq!(Settings::read("", |_| None).unwrap().environment, Env::Production);
    }

    #[test]
    fn the_environment_is_above_the_file() {
        let variable = |name: &str| match name {
            "HOLDFAST_LISTEN" => Some("[::1]:9".to_owned()),
            "HOLDFAST_POOL_ED25519" => Some("3".to_owned()),
            _ => None,
        };
        let settings = Settings::read("listen = \"127.0.0.1:1\"", variable).unwrap();
        assert_eq!((settings.listen.port(), settings.pool_targets[2]), (9, (KeyType::Ed25519, 3)));
    }

    #[test]
    fn limits_are_the_environments_unless_they_are_set() {
        let of = |text: &str| Settings::read(text, |_| None).unwrap().limits;
        assert_eq!(of("").calls, Rate::per_second(100, 200));
        assert_eq!(of("").failures, Rate::per_minute(10));
        assert_eq!(of("environment = \"sandbox\"").calls, Rate::per_second(10, 20));
        assert_eq!(of("[limits]\ncalls_per_s = 500").calls, Rate::per_second(500, 500));
        assert_eq!(of("[limits]\ncalls_per_s = 5\ncalls_burst = 3").calls, Rate::per_second(5, 3));
        let proxies = of("[limits]\ntrusted_proxies = \"10.0.0.0/8, ::1\"").trusted_proxies;
        assert_eq!(proxies.len(), 2);
        assert_eq!((of("").connections, of("[limits]\nconnections = 64").connections), (4_096, 64));
    }

    #[test]
    fn only_a_sandbox_calls_itself_and_only_production_insists_on_tls() {
        let read = |text: &str| Settings::read(text, |_| None).unwrap().webhook_targets();
        let itself = Ipv4Addr::LOCALHOST.into();
        let (sandbox, production) = (read("environment = \"sandbox\""), read(""));
        assert!(sandbox.permit(itself) && !sandbox.https_only);
        assert!(!production.permit(itself) && production.https_only);
        let wider = read("[webhooks]\nallowed_ranges = \"10.0.0.0/8, fd00::/8\"");
        assert!(wider.permit("10.9.9.9".parse().unwrap()) && wider.permit("fd00::1".parse().unwrap()));
        assert!(wider.https_only && !production.permit("10.9.9.9".parse().unwrap()));
    }

    #[test]
    fn metrics_are_on_this_machine_alone_unless_they_are_set() {
        let of = |text: &str| Settings::read(text, |_| None).unwrap().metrics_listen;
        assert_eq!(of(""), Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 9464)));
        assert_eq!(of("[metrics]\nlisten = \"\""), None);
        assert_eq!(of("[metrics]\nlisten = \"0.0.0.0:1\""), Some("0.0.0.0:1".parse().unwrap()));
        assert!(of("listen = \"127.0.0.1:0\"\n[metrics]\nlisten = \"127.0.0.1:0\"").is_some());
    }

    #[test]
    fn traces_go_nowhere_unless_it_is_set() {
        let of = |text: &str, variable: &dyn Fn(&str) -> Option<String>| {
            Settings::read(text, variable).unwrap().tracing
        };
        assert_eq!(of("", &|_| None), None);
        let text = "[tracing]\notlp_endpoint = \"https://collector/otlp/\"\nsampling_ratio = 1";
        assert_eq!(of(text, &|_| None).unwrap().endpoint, "https://collector/otlp/v1/traces");
        let ratio = |name: &str| (name == "HOLDFAST_TRACING_SAMPLING_RATIO").then(|| "0.25".to_owned());
        assert_eq!(
            of(text, &ratio).unwrap(),
            TracingSettings { sampling_ratio: 0.25, ..of(text, &|_| None).unwrap() }
        );
    }

    #[test]
    fn windows_are_a_day_unless_they_are_set() {
        let of = |text: &str| Settings::read(text, |_| None).unwrap().windows;
        assert_eq!(of(""), Windows::default());
        assert_eq!(
            of(""),
            Windows { store: Duration::from_hours(24), inquiry_life: Duration::from_hours(24) }
        );
        assert_eq!(of("[windows]\nstore_s = 60").store, Duration::from_mins(1));
        assert_eq!(of("[windows]\nstore_s = 60").inquiry_life, Duration::from_hours(24));
        assert_eq!(of("[windows]\ninquiry_life_s = 2592000").inquiry_life, Duration::from_hours(720));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (text, setting) in [
            ("listen = \"nowhere\"", "listen"),
            ("[metrics]\nlisten = \"9464\"", "metrics.listen"),
            ("listen = \"[::1]:7\"\n[metrics]\nlisten = \"[::1]:7\"", "metrics.listen"),
            ("[metrics]\nport = 9464", "the file"),
            ("[tracing]\notlp_endpoint = \"collector:4317\"", "tracing.otlp_endpoint"),
            ("[tracing]\notlp_endpoint = \"grpc://collector\"", "tracing.otlp_endpoint"),
            ("[tracing]\nsampling_ratio = 1.1", "tracing.sampling_ratio"),
            ("[tracing]\nsampling_ratio = nan", "tracing.sampling_ratio"),
            ("[tracing]\nservice_name = \"\"", "tracing.service_name"),
            ("environment = \"staging\"", "environment"),
            ("no_such_setting = 1", "the file"),
            ("[pool]\nrsa4096 = -1", "the file"),
            ("[webhooks]\nallowed_ranges = \"10.0.0.0\"", "webhooks.allowed_ranges"),
            ("database_file = \"/no/such/file\"", "database_file"),
            ("[limits]\ntrusted_proxies = \"10.0.0.0/33\"", "limits.trusted_proxies"),
            ("[limits]\nconnections = 15", "limits.connections"),
            ("[limits]\nconnections = 65537", "limits.connections"),
            ("control_url = \"control.example\"", "control_url"),
            ("control_url = \"http://control.example\"", "control_url"),
            ("control_url = \"https://10.0.0.1\"", "control_url"),
            ("control_url = \"https://control.example/x\"", "control_url"),
            ("[windows]\nstore_s = 59", "windows.store_s"),
            ("[windows]\nstore_s = 2592001", "windows.store_s"),
            ("[windows]\ninquiry_life_s = 0", "windows.inquiry_life_s"),
            ("[windows]\ninquiry_life_s = 2592001", "windows.inquiry_life_s"),
            ("[windows]\nrecovery_s = 60", "the file"),
            ("[limits]\ntrusted_proxies = \"proxy.example\"", "limits.trusted_proxies"),
        ] {
            assert_eq!(Settings::read(text, |_| None).unwrap_err().setting, setting, "{text}");
        }
    }
}
