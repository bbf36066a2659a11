//! What the commands that call a service have in common: where it is, and as whom one calls it.

use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::ValueEnum;
use client::{Client, SigningKeyPin};
use indicatif::{ProgressBar, ProgressStyle};

use crate::exit::Exit;
use crate::failure::{Calling as _, Doing as _, Failure};
use crate::page::Page;

/// Where a credential is found that is in no file.
const CREDENTIAL_VARIABLE: &str = "HOLDFAST_API_KEY";
/// Less than this is sent before anybody has looked.
const BAR_BYTES_MIN: u64 = 256 * 1024;

/// Which service, and how to speak with it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Service")]
#[group(skip)]
pub struct Args {
    /// The service's address, without /v1.
    #[arg(long, value_name = "URL", env = "HOLDFAST_BASE_URL", global = true)]
    pub base_url: Option<String>,
    /// A file that holds the API key and nothing else; without it, the variable `HOLDFAST_API_KEY` does.
    #[arg(long, value_name = "FILE", global = true)]
    pub credential_file: Option<PathBuf>,
    /// The service's signing key in PEM, which you know from before; believed in the place of its JWKS.
    #[arg(long, value_name = "FILE", env = "HOLDFAST_VERIFICATION_KEY", global = true)]
    pub verification_key: Option<PathBuf>,
    /// Lets the credential travel unencrypted to another machine, on a network that you trust.
    #[arg(long, global = true)]
    pub allow_plain_http: bool,
    /// Prints JSON for programs, one object a line.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Whose calls are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Api {
    /// A wallet provider's: each user of an organisation has one active key.
    #[default]
    Partner,
    /// An institution's: each call makes a key.
    Institution,
}

impl Args {
    /// How to print.
    pub fn page(&self) -> Page {
        Page::new(self.json)
    }

    /// The client.
    pub fn client(&self) -> Result<Client, Failure> {
        let Some(base_url) = &self.base_url else {
            return Err(usage("the service's address is missing")
                .next("give --base-url https://..., or set HOLDFAST_BASE_URL"));
        };
        let mut builder = Client::builder(base_url, &self.credential()?);
        if self.allow_plain_http {
            builder = builder.allow_plain_http();
        }
        if let Some(pin) = self.pin()? {
            builder = builder.pin_signing_key(pin);
        }
        if !self.json && std::io::stderr().is_terminal() {
            let bar = OnceLock::new();
            builder = builder.upload_observer(move |sent, total| show_upload(&bar, sent, total));
        }
        builder.build().calling(|| "cannot call the service")
    }

    /// The signing key that the caller knows, if he gave one.
    pub fn pin(&self) -> Result<Option<SigningKeyPin>, Failure> {
        let Some(path) = &self.verification_key else { return Ok(None) };
        let pem = read_text(path)?;
        let pin = SigningKeyPin::from_pem(&pem).map_err(|fault| usage(fault.to_string()))?;
        Ok(Some(pin))
    }

    fn credential(&self) -> Result<String, Failure> {
        if let Some(path) = &self.credential_file {
            let text = read_text(path)?;
            let mode = std::fs::metadata(path).map_or(0, |about| about.permissions().mode());
            if mode & 0o077 != 0 {
                let shown = path.display();
                let warning = format!("{shown} can be read by others on this machine; chmod 600 {shown}");
                // Nobody reads standard error any more: nothing to be done about it.
                let _ = writeln!(std::io::stderr().lock(), "holdfast: {warning}");
            }
            return Ok(text.trim().to_owned());
        }
        std::env::var(CREDENTIAL_VARIABLE).ok().filter(|credential| !credential.is_empty()).ok_or_else(|| {
            usage("there is no credential").next(format!(
                "give --credential-file FILE, or set {CREDENTIAL_VARIABLE}; it is never an argument, which others on \
                 this machine could read"
            ))
        })
    }
}

/// Runs what a command does, and tells how it ended.
pub fn run(page: Page, deed: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::of("cannot start threads", &error).tell(page),
    };
    match runtime.block_on(deed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(page),
    }
}

/// The command line asks for what cannot be.
pub fn usage(text: impl Into<String>) -> Failure {
    Failure::new(text).exit(Exit::Usage)
}

/// Reads a whole file of text.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    let doing = || format!("cannot read {}", path.display());
    std::fs::read_to_string(path).doing(doing).map_err(|failure| failure.exit(Exit::Local))
}

fn show_upload(bar: &OnceLock<ProgressBar>, sent: u64, total: u64) {
    if total < BAR_BYTES_MIN {
        return;
    }
    let bar = bar.get_or_init(|| {
        let bar = ProgressBar::new(total);
        // The template is a constant: it is right or the tests fail.
        if let Ok(style) = upload_style() {
            bar.set_style(style);
        }
        bar
    });
    bar.set_position(sent);
    if sent == total {
        bar.finish_and_clear();
    }
}

fn upload_style() -> Result<ProgressStyle, indicatif::style::TemplateError> {
    ProgressStyle::with_template("sending {bar:40} {bytes} of {total_bytes}, {eta} left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one() {
        assert!(upload_style().is_ok());
    }
}
