//! Is it set up so that it works? Each part is tried once, and nothing is sent to anybody.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use boundary::Env;
use boundary::message::{Hello, Mark, Refusal as EnclaveRefusal};
use domain::ids::{BackupId, TenantId};
use store::meta::{self, Server};
use store::{StoreError, webhooks};
use tokio::net::TcpStream;

use super::{Line, heads, waiting};
use crate::admin::Admin;
use crate::app::App;
use crate::config::Settings;
use crate::edge::enclave::CallError;
use crate::flows::{self, Error};

/// How long a connection may take that nothing is said over.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// By how much the database's clock and this machine's may differ.
const SKEW_MAX_MS: u64 = 2_000;

/// What is kept, read and removed again.
const PROBE: &[u8] = b"holdfast doctor";

/// Tests an installation; `files` are those that its settings name, by setting.
pub async fn test(settings: &Settings, files: &[(String, PathBuf)]) -> Vec<Line> {
    let mut lines = vec![exposure(settings)];
    lines.extend(control(settings));
    lines.extend(proxies(settings));
    lines.extend(marks(settings));
    lines.extend(permissions(settings, files));
    lines.push(provider(settings).await);
    lines.push(mail(settings).await);
    match schema(settings).await {
        Ok(line) => lines.push(line),
        Err(line) => {
            lines.push(line);
            return lines;
        }
    }
    let mut opened = settings.clone();
    opened.refuse_old_schema();
    match Admin::open(opened).await {
        Ok(admin) => {
            lines.extend(opened_parts(&admin).await);
            admin.close().await;
        }
        Err(error) => lines.push(Line::failure(
            "installation",
            format!("it cannot be opened: {error}"),
            "run this as the service's user, with the service's settings",
        )),
    }
    lines
}

async fn opened_parts(admin: &Admin) -> Vec<Line> {
    let app = admin.app();
    let mut lines = vec![clock(app).await];
    lines.extend(entries(app).await);
    lines.extend([files(app).await, enclave(app).await, mark(app).await, egress(app).await]);
    lines
}

fn exposure(settings: &Settings) -> Line {
    let is_open = |address: &SocketAddr| !address.ip().is_loopback();
    if is_open(&settings.listen) {
        let text = format!("{} is open to the network, and speaks no TLS", settings.listen);
        return Line::warning("listen", text, "listen on 127.0.0.1 behind a proxy that ends TLS");
    }
    if let Some(metrics) = settings.metrics_listen.filter(is_open) {
        let text = format!("/metrics at {metrics} is open to the network, and asks for no credential");
        return Line::warning("listen", text, "set metrics.listen to an address that only you reach");
    }
    Line::ok("listen", format!("{}, for a proxy on this machine", settings.listen))
}

fn control(settings: &Settings) -> Option<Line> {
    let is_missing = settings.environment == Env::Production && settings.control_url.is_none();
    is_missing.then(|| {
        let text = "no control_url is set: nobody can sign in, vote or decide";
        Line::warning("control", text, "set control_url to the name that the proxy serves")
    })
}

fn proxies(settings: &Settings) -> Option<Line> {
    let is_unnamed = settings.limits.trusted_proxies.is_empty() && settings.environment == Env::Production;
    is_unnamed.then(|| {
        let text = "no proxy is trusted: behind one, all callers share one address and its limits";
        Line::warning("proxy", text, "name it in limits.trusted_proxies")
    })
}

fn marks(settings: &Settings) -> Option<Line> {
    let device = |path: &Path| std::fs::metadata(path).ok().map(|found| found.dev());
    let Some(file) = &settings.enclave_mark_file else {
        let text =
            "the mark of the enclave's log is kept in the database alone: old copies of both go unnoticed";
        let next = "set enclave_mark_file to a file on another machine's disk";
        return (settings.environment == Env::Production).then(|| Line::warning("mark file", text, next));
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    let is_beside = device(folder).is_some_and(|one| device(&settings.data_dir) == Some(one));
    Some(if is_beside {
        let text = "the mark of the enclave's log is on the disk of the data folder, and is put back with it";
        Line::warning("mark file", text, "set enclave_mark_file to a file on another machine's disk")
    } else {
        Line::ok("mark file", "the mark of the enclave's log is kept on another disk")
    })
}

/// Secrets are their owner's alone, and what is named is there.
fn permissions(settings: &Settings, files: &[(String, PathBuf)]) -> Vec<Line> {
    let keys = ("server.keys".to_owned(), settings.data_dir.join("server.keys"));
    let mut lines = Vec::new();
    for (name, path) in files.iter().chain([&keys]) {
        match std::fs::metadata(path) {
            // The service writes it itself.
            Err(_) if name == "enclave_mark_file" => {}
            Err(error) if name == "server.keys" => lines.push(Line::warning(
                "files",
                format!("{}: {error}", path.display()),
                "normal before the first start; after it, put the copy back: without these keys no credential is known",
            )),
            Err(error) => lines.push(Line::failure(
                "files",
                format!("{name}, {}: {error}", path.display()),
                "mend the setting, or put the file there",
            )),
            Ok(found) if found.mode() & 0o077 != 0 && !name.ends_with("ca_file") => lines.push(Line::failure(
                "files",
                format!("{name}, {}: others than its owner may use it", path.display()),
                "chmod 600, and change the secret if somebody may have read it",
            )),
            Ok(_) => {}
        }
    }
    if lines.is_empty() {
        lines.push(Line::ok("files", "every file is there, and its owner's alone"));
    }
    lines
}

async fn provider(settings: &Settings) -> Line {
    let Some(persona) = &settings.persona else {
        return match settings.environment {
            Env::Sandbox => Line::ok("provider", "simulated"),
            Env::Production => {
                let text = "no identity provider is set: nobody can be checked, and nothing recovered";
                Line::failure("provider", text, "fill in [persona]")
            }
        };
    };
    let (host, port) =
        (persona.base_url.host_str().unwrap_or_default(), persona.base_url.port_or_known_default());
    let where_to = format!("{host}:{}", port.unwrap_or_default());
    let next = "let this machine reach the provider; it is asked for every check";
    connected("provider", &where_to, next).await
}

async fn mail(settings: &Settings) -> Line {
    let Some(mail) = &settings.mail else {
        let text = "no mail server is set: invitations and notices reach nobody who does not look";
        return Line::warning("mail", text, "fill in [mail]");
    };
    connected("mail", &format!("{}:{}", mail.host, mail.port), "let this machine reach the mail server").await
}

/// Whether a connection comes about; it is closed again unused.
async fn connected(check: &'static str, where_to: &str, next: &str) -> Line {
    match tokio::time::timeout(CONNECT_MAX, TcpStream::connect(where_to)).await {
        Ok(Ok(_)) => Line::ok(check, format!("{where_to} can be reached")),
        Ok(Err(error)) => Line::failure(check, format!("{where_to}: {error}"), next),
        Err(_) => Line::failure(check, format!("{where_to} does not answer"), next),
    }
}

async fn schema(settings: &Settings) -> Result<Line, Line> {
    match settings.database.list_missing().await {
        Ok(missing) if missing.is_empty() => Ok(Line::ok("schema", "up to date")),
        Ok(missing) => {
            let text = format!("older than this program: {} steps are missing", missing.len());
            Err(Line::failure("schema", text, "back up, then run holdfast migrate"))
        }
        Err(error @ StoreError::Unfit(_)) => {
            Err(Line::failure("schema", error.to_string(), "use the program that made it, or a newer one"))
        }
        Err(error) => Err(Line::failure("database", error.to_string(), "start it, or mend its address")),
    }
}

async fn clock(app: &App) -> Line {
    let found: Result<Server, StoreError> = app.db.read("ask_server", meta::server).await;
    let ours = app.clock.now();
    match found {
        Ok(server) => {
            let skew = server.now_ms.abs_diff(ours.ms());
            let text = format!("{}, its clock {skew} ms from this machine's", server.version);
            if skew <= SKEW_MAX_MS {
                return Line::ok("database", text);
            }
            Line::warning("database", text, "let both follow one time server: leases and windows lean on it")
        }
        Err(error) => Line::failure("database", error.to_string(), "look at the database's log"),
    }
}

/// Whether every audit entry that has no place in its log yet will get one.
async fn entries(app: &App) -> Vec<Line> {
    let found = match waiting::check(app).await {
        Ok(waits) => heads::check(app).await.map(|found| [waits, found].concat()),
        error => error,
    };
    match found {
        Ok(found) if found.is_empty() => {
            let text =
                "every entry that waits for its place, and where every log ends, was written by the service";
            vec![Line::ok("audit", text)]
        }
        Ok(found) => found,
        Err(Error::Fault(fault)) => vec![Line::failure("audit", fault.chain(), "look at the database's log")],
        Err(Error::Refused(refusal)) => {
            vec![Line::failure("audit", refusal.text, "look at the database's log")]
        }
    }
}

/// Keeps a file, reads it and removes it.
async fn files(app: &App) -> Line {
    let now = app.clock.now();
    let (tenant, backup) = (TenantId::new(now, &mut app.chance()), BackupId::new(now, &mut app.chance()));
    let probe = async {
        let mut spool = app.files.uploads.begin().await?;
        spool.write(PROBE).await?;
        let spooled = spool.finish().await?;
        app.files.blobs.put(&tenant, &backup, &spooled.file, spooled.size).await?;
        let mut read = Vec::new();
        let is_there = app.files.blobs.read(&tenant, &backup, |piece| read.extend_from_slice(piece)).await?;
        app.files.blobs.remove(&tenant, &backup).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(is_there && read == PROBE)
    };
    let next = "look at [files], at the folder's owner or the bucket's rights, and at free space";
    match probe.await {
        Ok(true) => Line::ok("file store", "keeps, gives back and removes"),
        Ok(false) => Line::failure("file store", "does not give back what it kept", next),
        Err(error) => Line::failure("file store", error.to_string(), next),
    }
}

async fn enclave(app: &App) -> Line {
    match app.enclave.hello(Hello { env: app.env }).await {
        Ok(welcome) => {
            let text = format!(
                "{}, its log at {}; protections: {}",
                welcome.env.as_str(),
                welcome.log_sequence,
                welcome.protections.join(", ")
            );
            Line::ok("enclave", text)
        }
        Err(CallError::Sealed) => {
            let next = "have enough holders of shares open it: holdfast ceremony unseal";
            Line::failure("enclave", "it is sealed", next)
        }
        Err(CallError::Refused(_)) => Line::failure(
            "enclave",
            format!("it does not serve {}", app.env.as_str()),
            "let enclave_socket lead to the enclave of this environment",
        ),
        Err(error) => {
            let next = "start it, and look at who may use its socket";
            Line::failure("enclave", error.to_string(), next)
        }
    }
}

/// Whether the enclave's log has all that is remembered of it.
async fn mark(app: &App) -> Line {
    if flows::recall_mark(app).await.is_err() {
        return Line::failure("enclave's log", "the kept mark cannot be read", "look at enclave_mark_file");
    }
    match app.enclave.mark(Mark { latest: app.enclave.remembered() }).await {
        Ok(marked) => {
            Line::ok("enclave's log", format!("at {}, with all that is remembered", marked.sequence))
        }
        Err(CallError::Refused(EnclaveRefusal::RolledBack)) => Line::failure(
            "enclave's log",
            "it is older than what is remembered of it",
            "put the newest copy of the enclave's folder back: see the book on backups",
        ),
        Err(CallError::Sealed) => {
            Line::warning("enclave's log", "not compared: the enclave is sealed", "open it")
        }
        Err(error) => Line::failure("enclave's log", error.to_string(), "look at the enclave's output"),
    }
}

/// Whether the endpoints of tenants can be connected to.
async fn egress(app: &App) -> Line {
    let urls = app.db.read("list_urls", webhooks::list_urls).await;
    let urls: Vec<String> = match urls {
        Ok(urls) => urls,
        Err(error) => {
            return Line::failure("webhooks", StoreError::to_string(&error), "look at the database");
        }
    };
    let mut away = Vec::new();
    for url in urls.iter().filter_map(|url| reqwest::Url::parse(url).ok()) {
        let place = format!(
            "{}:{}",
            url.host_str().unwrap_or_default(),
            url.port_or_known_default().unwrap_or_default()
        );
        let line = connected("webhooks", &place, "").await;
        away.extend((line.verdict != super::Verdict::Ok).then_some(place));
    }
    if away.is_empty() {
        return Line::ok(
            "webhooks",
            format!("{} endpoints, all of those looked at can be reached", urls.len()),
        );
    }
    let next = "let this machine out to them, or ask their owners: deliveries wait meanwhile";
    Line::warning("webhooks", format!("cannot be reached: {}", away.join(", ")), next)
}
