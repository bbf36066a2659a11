//! `holdfast serve`: the service, as its settings say.

use std::path::PathBuf;
use std::process::ExitCode;

use server::config::Settings;
use server::running::Service;
use tracing_subscriber::EnvFilter;

use crate::failure::{Doing as _, Failure};
use crate::page::{Page, print_failure};
use crate::shutdown::Shutdown;

/// Runs the service with the settings of a file, until SIGTERM or Ctrl-C.
///
/// The enclave runs beside it, as a process of its own, and is not started here.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The settings, as TOML.
    #[arg(long, value_name = "FILE", env = "HOLDFAST_CONFIG")]
    pub config: PathBuf,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print_failure(Page::new(false), &failure);
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &Args) -> Result<(), Failure> {
    let settings = Settings::load(&args.config)
        .doing(|| format!("the settings in {} cannot be used", args.config.display()))?;
    let runtime = tokio::runtime::Runtime::new().doing(|| "cannot start threads")?;
    runtime.block_on(async {
        let mut shutdown = Shutdown::listen()?;
        let service = tokio::select! {
            service = Service::start(settings) => service.doing(|| "the service did not start")?,
            () = shutdown.asked() => return Ok(()),
        };
        let metrics = service.metrics_address().map(tracing::field::display);
        tracing::info!(address = %service.address(), metrics, "listening");
        let ended = tokio::select! {
            () = shutdown.asked() => Ok(()),
            () = service.broken() => {
                Err(Failure::new("a write could not be made durable; start the service again once the disk is well".to_owned()))
            }
        };
        tracing::info!("ending");
        tokio::select! {
            () = service.stop() => {}
            () = shutdown.insisted() => {}
        }
        ended
    })
}
