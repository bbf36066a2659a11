//! `holdfast sandbox`: the whole service on one machine, for trying it and for building against it.

mod cold;
mod enclave_process;
mod folders;
mod greeting;
mod holders;
pub mod progress;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::api::sandbox::Credentials;
use holder::KeyType;
use server::config::{Settings, TracingSettings};
use server::edge::ceremony::{CeremonyCall, CeremonyDesk};
use server::edge::clock::SystemClock;
use server::running::Service;
use tokio::sync::mpsc;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

pub use self::cold::Held;
use self::enclave_process::EnclaveProcess;
pub use self::enclave_process::own_program;
use self::folders::{Folders, Socket};
pub use self::greeting::full_key_of;
use self::holders::{Holders, Said};
use self::progress::Progress;
use crate::ceremony;
use crate::edge::instant;
use crate::failure::{Doing as _, Failure};
use crate::files::make_room;
use crate::page::{Page, print_failure};
use crate::shutdown::Shutdown;
use crate::tour;
use crate::traces::Traces;

/// Where the sandbox listens unless it is told otherwise.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8090);
/// How many RSA keys must be in stock before the sandbox calls itself ready.
const READY_RSA: u64 = 2;
/// And before a tour begins: each of its stories takes one.
const READY_RSA_FOR_TOUR: u64 = 3;
/// How often the stock is looked at until then.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// A log larger than this is put aside at the next start.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Runs the whole service on this machine: API, database, enclave, simulated identity checks.
///
/// Nothing needs to be installed or configured. One tenant of each kind is there, with its API keys; what is
/// made stays in the data folder until the next start with --fresh.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Args {
    /// Plays three stories over HTTP and shows every call: a wallet user loses his phone and gets his secrets
    /// back; a partner assigns a key and stores under it; an institution's people vote on a recovery.
    #[arg(long)]
    pub tour: bool,
    /// Ends when ready, or after the tour; the exit code says whether all went well.
    #[arg(long)]
    pub once: bool,
    /// Where the API listens; port 0 picks a free one. [default: 127.0.0.1:8090, or a free port when taken]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where everything is kept; the offline keys go into a folder beside it, of the same name with "-cold".
    /// [default: holdfast/sandbox in the data home, such as ~/.local/share]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Removes what earlier runs left in the data folder.
    #[arg(long)]
    pub fresh: bool,
    /// Writes addresses, tenants and API keys to this file as JSON, readable by you only.
    #[arg(long, value_name = "FILE")]
    pub credentials: Option<PathBuf>,
    /// Leaves the ceremonies to you: no COLD keys are made before you ask for them with POST
    /// /v1/sandbox/ceremony, or put a batch of your own into "outgoing" in the folder of the offline keys.
    #[arg(long)]
    pub manual_ceremony: bool,
    /// Counts recoveries against their limits (5 a day for a user, 100 an hour for a tenant), to rehearse what
    /// is answered beyond them; without it a sandbox does not.
    #[arg(long)]
    pub recovery_limits: bool,
    /// Sends traces of calls to the collector at this address (such as <http://127.0.0.1:4318>), by OTLP over HTTP.
    #[arg(long, value_name = "URL", value_parser = TracingSettings::to)]
    pub otlp_endpoint: Option<TracingSettings>,
    /// Prints one JSON object per line, for programs.
    #[arg(long)]
    pub json: bool,
}

/// Everything that runs.
struct Running {
    service: Service,
    enclave: EnclaveProcess,
    credentials: Credentials,
    ceremonies: mpsc::Receiver<CeremonyCall>,
    _socket: Socket,
}

/// Runs it until it is told to end.
pub fn run(args: &Args, started: Instant) -> ExitCode {
    let page = Page::new(args.json);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            print_failure(page, &Failure::of("cannot start threads", &error));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(live(args, page, started));
    // Whoever pressed Ctrl-C twice does not wait for a worker that hangs.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(failure) => {
            print_failure(page, &failure);
            ExitCode::FAILURE
        }
    }
}

async fn live(args: &Args, page: Page, started: Instant) -> Result<ExitCode, Failure> {
    let mut shutdown = Shutdown::listen()?;
    let folders = Folders::open(args.data_dir.as_deref(), args.fresh)?;
    let traces = args.otlp_endpoint.as_ref().map(Traces::open).transpose()?;
    start_log(&folders.log_file(), traces.as_ref())?;
    let counts = traces.as_ref().map(Traces::counts);
    let sending = traces.map(Traces::send);
    let mut running = tokio::select! {
        running = start(args, page, &folders) => running?,
        () = shutdown.asked() => return Ok(code_of_interruption(args)),
    };
    if let Some(counts) = counts {
        running.service.show_spans(&counts);
    }
    let ready = instant().duration_since(started);
    let took_part = tokio::select! {
        code = take_part(args, page, &folders, &mut running, ready) => code,
        () = shutdown.asked() => Ok(code_of_interruption(args)),
    };
    page.line("");
    page.line(&page.dim("  ending ..."));
    let Running { service, enclave, ceremonies, .. } = running;
    // Nobody holds them any more: who waits for one is told so, and does not keep the service from ending.
    drop(ceremonies);
    let in_order = async {
        service.stop().await;
        enclave.stop().await;
        if let Some(sending) = sending {
            sending.finish().await;
        }
    };
    tokio::select! {
        () = in_order => {}
        () = shutdown.insisted() => {}
    }
    page.event("ended", serde_json::json!({}));
    took_part
}

/// Rehearses the ceremonies of COLD keys: a sandbox of its own in a folder that is removed, in which nothing is held by
/// itself, and the offline enclave's root key is in shares.
pub fn rehearse(page: Page) -> Result<(), Failure> {
    let folder = tempfile::tempdir().doing(|| "cannot make a folder")?;
    let args = Args {
        tour: false,
        once: true,
        listen: Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)),
        data_dir: Some(folder.path().join("sandbox")),
        fresh: false,
        credentials: None,
        manual_ceremony: true,
        recovery_limits: false,
        otlp_endpoint: None,
        json: page.is_json(),
    };
    let runtime = tokio::runtime::Runtime::new().doing(|| "cannot start threads")?;
    runtime.block_on(async {
        let folders = Folders::open(args.data_dir.as_deref(), false)?;
        start_log(&folders.log_file(), None)?;
        let (holders, founded) = cold::found(&folders).await?;
        let Running { service, enclave, credentials, .. } = start(&args, page, &folders).await?;
        let rehearsal = Rehearsal { folders: &folders, service: &service, holders, founded };
        let played = tour::rehearse(page, &credentials, &rehearsal).await;
        service.stop().await;
        enclave.stop().await;
        played
    })
}

/// Who holds the ceremonies of a rehearsal.
pub struct Rehearsal<'a> {
    folders: &'a Folders,
    service: &'a Service,
    holders: Arc<Holders>,
    founded: Said,
}

impl Rehearsal<'_> {
    /// By what the offline enclave, and its records, are known.
    pub fn offline_key(&self) -> Result<String, Failure> {
        std::fs::read_to_string(self.folders.offline_key()).doing(|| "the offline enclave is not known")
    }

    /// Who opened the offline enclave for the first time, before anything else began.
    pub fn founded(&self) -> &[(String, String)] {
        &self.founded
    }

    /// Holds one, with so many RSA keys to be made.
    pub async fn hold(&self, rsa: u64) -> Result<Held, Failure> {
        let counts = [(KeyType::Rsa4096, rsa), (KeyType::Secp256k1, 0), (KeyType::Ed25519, 0)];
        let how = (ceremony::carry as cold::Carry, Some(&self.holders));
        let held = cold::hold(self.folders, self.service, counts, how).await?;
        held.ok_or_else(|| Failure::new("nothing waits for a ceremony"))
    }
}

/// Being told to end is how a sandbox ends; with `--once` it had not done what it was asked.
fn code_of_interruption(args: &Args) -> ExitCode {
    if args.once { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Starts everything, in order: offline enclave, online enclave, service, stock.
async fn start(args: &Args, page: Page, folders: &Folders) -> Result<Running, Failure> {
    let progress = Progress::new(page.is_json());
    folders.ensure_provider()?;
    if args.manual_ceremony {
        cold::introduce(folders).await?;
    } else {
        let making = "the offline enclave makes the first keys";
        cold::first_batch(folders, |detail| progress.say(making, detail)).await?;
    }
    progress.say("the enclave starts", "");
    let socket = folders.socket()?;
    let enclave = EnclaveProcess::start(folders, &socket.path, args.recovery_limits).await?;
    progress.say("the service starts", "");
    let listen = choose_address(args.listen, page)?;
    let mut settings = Settings::sandbox(folders.data(), listen, &socket.path);
    make_room(&mut settings);
    let (desk, ceremonies) = CeremonyDesk::open();
    let service = Service::start_with(settings, Box::new(SystemClock), Some(desk)).await.doing(|| {
        format!("the service did not start on {listen}; its log is {}", folders.log_file().display())
    })?;
    if let Err(failure) = cold::adopt_waiting(folders, &service).await {
        // COLD keys can wait; it is tried again as long as the sandbox runs.
        tracing::error!("{failure}");
    }
    let wanted = if args.tour { READY_RSA_FOR_TOUR } else { READY_RSA };
    wait_for_keys(&service, wanted, &progress).await?;
    drop(progress);
    let credentials = credentials_of(folders, &service).await?;
    if let Some(path) = &args.credentials {
        let text = serde_json::to_string_pretty(&credentials).doing(|| "cannot write the credentials")?;
        folders::write_private(path, text.as_bytes())?;
    }
    Ok(Running { service, enclave, credentials, ceremonies, _socket: socket })
}

/// Greets, plays the tour if asked to, and stays.
async fn take_part(
    args: &Args,
    page: Page,
    folders: &Folders,
    running: &mut Running,
    ready: Duration,
) -> Result<ExitCode, Failure> {
    let Running { service, enclave, credentials, ceremonies, .. } = running;
    let in_time = format!("ready in {:.2} s", ready.as_secs_f64());
    page.line(&format!("{} sandbox, {}", page.bold("Holdfast"), page.green(&in_time)));
    let metrics_url = metrics_url(service);
    greeting::print_addresses(page, credentials, &metrics_url, &folders.log_file().display().to_string());
    if !service.address().ip().is_loopback() {
        page.line("");
        page.line(
            "  Other machines can reach it, and a sandbox approves every identity check it is told to:",
        );
        page.line("  keep nothing real in it.");
    }
    if args.manual_ceremony {
        greeting::print_manual_ceremony(page, credentials);
    }
    page.event("ready", ready_event(credentials, &metrics_url, ready)?);
    let plan = async {
        if args.tour {
            tour::run(page, credentials).await?;
        }
        if !args.once {
            greeting::print_suggestions(page, credentials, args.tour);
            std::future::pending::<()>().await;
        }
        Ok(ExitCode::SUCCESS)
    };
    let tell_restarts = async {
        loop {
            enclave.restarted().await;
            page.line("  (the enclave had ended and was started again; see the log)");
        }
    };
    tokio::select! {
        code = plan => code,
        () = cold::keep_stocked(folders, service, args.manual_ceremony, ceremonies) => Ok(ExitCode::SUCCESS),
        () = tell_restarts => Ok(ExitCode::SUCCESS),
    }
}

/// Where the service's numbers are; empty where nowhere.
fn metrics_url(service: &Service) -> String {
    service.metrics_address().map(|address| format!("http://{address}/metrics")).unwrap_or_default()
}

fn ready_event(
    credentials: &Credentials,
    metrics_url: &str,
    ready: Duration,
) -> Result<serde_json::Value, Failure> {
    let credentials = serde_json::to_value(credentials).doing(|| "cannot write the credentials")?;
    Ok(serde_json::json!({
        "ready_ms": ready.as_millis(), "credentials": credentials, "metrics_url": metrics_url,
    }))
}

/// The address to listen on. Only the default one gives way to a free port: who names one means it.
fn choose_address(asked: Option<SocketAddr>, page: Page) -> Result<SocketAddr, Failure> {
    let address = asked.unwrap_or(DEFAULT_LISTEN);
    match TcpListener::bind(address) {
        Ok(_) => Ok(address),
        Err(error) if asked.is_some() => {
            Err(Failure::of(format!("cannot listen on {address}; choose another with --listen"), &error))
        }
        Err(_) => {
            page.line(&format!("port {} is taken by another program; a free one is used", address.port()));
            Ok(SocketAddr::new(address.ip(), 0))
        }
    }
}

/// Until enough RSA keys are in stock: the first callers must not meet an empty pool.
async fn wait_for_keys(service: &Service, wanted: u64, progress: &Progress) -> Result<(), Failure> {
    loop {
        let pool = service.pool().await.doing(|| "cannot count the keys in stock")?;
        let ready: u64 = pool
            .iter()
            .filter(|depth| depth.environment == "HOT" && depth.key_type == "rsa4096")
            .map(|depth| depth.ready)
            .sum();
        if ready >= wanted {
            return Ok(());
        }
        progress.say("the enclave makes the first keys", &format!("{ready} of {wanted}"));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn credentials_of(folders: &Folders, service: &Service) -> Result<Credentials, Failure> {
    let address = service.address();
    let base_url = format!("http://{}", reachable(address));
    Ok(Credentials {
        control_url: format!("http://localhost:{}", address.port()),
        jwks_url: format!("{base_url}/.well-known/jwks.json"),
        base_url,
        data_dir: folders.data().display().to_string(),
        cold_dir: folders.cold().display().to_string(),
        tenants: service.sandbox_tenants().await.doing(|| "cannot make the sandbox's tenants")?,
    })
}

/// Where a program on this machine reaches what listens on `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if !ip.is_unspecified() => address,
        IpAddr::V4(_) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(_) => SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), address.port()),
    }
}

/// The log goes into a file: the terminal belongs to the tour. `RUST_LOG` says how much.
fn start_log(path: &Path, traces: Option<&Traces>) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let doing = || format!("cannot write the log {}", path.display());
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > LOG_BYTES_MAX) {
        std::fs::rename(path, path.with_extension("log.old")).doing(doing)?;
    }
    let mut options = std::fs::OpenOptions::new();
    let file = options.append(true).create(true).mode(0o600).open(path).doing(doing)?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer().with_ansi(false);
    let lines = lines.with_writer(std::sync::Mutex::new(file)).with_filter(filter);
    // A second subscriber in one process is a test's, which has its own log.
    let _ = tracing_subscriber::registry().with(lines).with(traces.map(Traces::layer)).try_init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_credentials_file_is_private_and_has_the_contracts_shape() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.json");
        std::fs::write(&path, "an older one, readable by all").unwrap();
        let text = serde_json::to_string_pretty(&greeting::tests::sample()).unwrap();
        folders::write_private(&path, text.as_bytes()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let value: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let names = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(names(&value), ["base_url", "cold_dir", "control_url", "data_dir", "jwks_url", "tenants"]);
        assert_eq!(names(&value["tenants"][0]), ["api_keys", "control", "kind", "name"]);
        assert_eq!(names(&value["tenants"][0]["api_keys"]), ["expired", "full", "no_partner_scope"]);
    }

    #[test]
    fn only_the_default_port_gives_way() {
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = holder.local_addr().unwrap();
        let refused = choose_address(Some(taken), Page::plain()).unwrap_err().to_string();
        assert!(refused.contains("--listen"), "{refused}");
        let free = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        assert_eq!(choose_address(Some(free), Page::plain()).unwrap(), free);
    }

    #[test]
    fn an_address_for_all_is_reached_by_loopback() {
        assert_eq!(reachable("0.0.0.0:7".parse().unwrap()).to_string(), "127.0.0.1:7");
        assert_eq!(reachable("[::]:7".parse().unwrap()).to_string(), "[::1]:7");
        assert_eq!(reachable("10.0.0.1:7".parse().unwrap()).to_string(), "10.0.0.1:7");
    }
}
