//! `holdfast verify-record`: what the enclave signed of what it saw, verified with no service.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use client::api::jwks::Jwks;
use client::record::{Record, RecordFault, offline_key};
use serde_json::{Value, json};

use crate::failure::{Doing as _, Failure};
use crate::input::read_at_most;
use crate::page::{Page, print_failure};

/// It could not be judged: a file cannot be read, or the keys were not got. As a mistake in the words is.
const NOT_JUDGED: u8 = 2;
/// The largest record that is read, in bytes; one has less than two thousand.
const RECORD_BYTES_MAX: u64 = 64 * 1024;
/// How long the keys may take to come.
const DEADLINE: Duration = Duration::from_secs(10);
/// The largest set of keys that is read.
const JWKS_BYTES_MAX: u64 = 1024 * 1024;

/// Verifies a signed record of the enclave, and says what it proves.
///
/// Ends with 0 when the enclave signed it, with 1 when not, and with 2 when that could not be found out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The record, as it was downloaded.
    #[arg(value_name = "FILE")]
    pub record: PathBuf,
    /// The service's signing keys: a file, or an address such as <https://recovery.example/.well-known/jwks.json>.
    #[arg(long, value_name = "FILE|URL", required_unless_present = "offline_key")]
    pub jwks: Option<String>,
    /// `offline.pub` of an offline enclave, whose records of what it released are then believed; as often as there are such.
    #[arg(long, value_name = "FILE")]
    pub offline_key: Vec<PathBuf>,
    /// Prints JSON for programs.
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let page = Page::new(args.json);
    match verify(args) {
        Ok(Ok(record)) => {
            tell(page, &record);
            ExitCode::SUCCESS
        }
        Ok(Err(fault)) => {
            page.line(&format!("{}: {fault}", page.red("not verified")));
            page.event("not_verified", json!({ "message": fault.to_string() }));
            ExitCode::FAILURE
        }
        Err(failure) => {
            print_failure(page, &failure);
            ExitCode::from(NOT_JUDGED)
        }
    }
}

fn tell(page: Page, record: &Record) {
    let words = record.words();
    page.line(&format!("{}: the enclave signed this", page.green("verified")));
    for sentence in &words {
        page.line(sentence);
    }
    // Canonical JSON is JSON.
    let payload: Value = serde_json::from_str(&record.payload).unwrap_or_default();
    page.event("verified", json!({ "kid": record.kid, "record": payload, "words": words }));
}

fn verify(args: &Args) -> Result<Result<Record, RecordFault>, Failure> {
    let record = read_at_most(&args.record, RECORD_BYTES_MAX)?;
    let mut jwks = match &args.jwks {
        None => Jwks { keys: Vec::new() },
        Some(url) if url.contains("://") => fetch(url)?,
        Some(path) => {
            let bytes = read_at_most(Path::new(path), JWKS_BYTES_MAX)?;
            serde_json::from_slice(&bytes).doing(|| format!("{path} is no set of keys"))?
        }
    };
    for path in &args.offline_key {
        let text = String::from_utf8(read_at_most(path, RECORD_BYTES_MAX)?).ok();
        let none = || Failure::new(format!("{} is not what an offline enclave is known by", path.display()));
        jwks.keys.push(text.as_deref().and_then(offline_key).ok_or_else(none)?);
    }
    Ok(Record::verify(&record, &jwks))
}

/// Whoever can change the keys on their way can change what is believed: nothing but TLS, save on this machine.
fn fetch(url: &str) -> Result<Jwks, Failure> {
    let doing = || format!("cannot get the keys from {url}");
    let address = reqwest::Url::parse(url).doing(doing)?;
    let is_here = matches!(address.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if address.scheme() != "https" && !(address.scheme() == "http" && is_here) {
        return Err(Failure::new("the keys are fetched over https, or from this machine itself"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().doing(doing)?;
    // A redirect might lead where there is no TLS.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(DEADLINE);
    let client = client.build().doing(doing)?;
    runtime.block_on(async {
        let answer =
            client.get(address).send().await.and_then(reqwest::Response::error_for_status).doing(doing)?;
        answer.json().await.doing(doing)
    })
}
