//! `holdfast serve`: the service, as its settings say.

use std::path::PathBuf;
use std::process::ExitCode;

use server::config::Settings;
use server::running::Service;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::failure::{Doing as _, Failure};
use crate::files::make_room;
use crate::page::{Page, print_failure};
use crate::shutdown::Shutdown;
use crate::traces::Traces;

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
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print_failure(Page::new(false), &failure);
            ExitCode::FAILURE
        }
    }
}

/// One JSON object a line, with the spans that it stands in: so each line within a call names the call.
fn start_log(traces: Option<&Traces>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer().json().with_current_span(false);
    let lines = lines.with_writer(std::io::stderr).with_filter(filter);
    tracing_subscriber::registry().with(lines).with(traces.map(Traces::layer)).init();
}

fn serve(args: &Args) -> Result<(), Failure> {
    let mut settings = Settings::load(&args.config)
        .doing(|| format!("the settings in {} cannot be used", args.config.display()))?;
    let traces = settings.tracing.as_ref().map(Traces::open).transpose()?;
    start_log(traces.as_ref());
    make_room(&mut settings);
    let runtime = tokio::runtime::Runtime::new().doing(|| "cannot start threads")?;
    runtime.block_on(async {
        let mut shutdown = Shutdown::listen()?;
        let counts = traces.as_ref().map(Traces::counts);
        let sending = traces.map(Traces::send);
        let service = tokio::select! {
            service = Service::start(settings) => service.doing(|| "the service did not start")?,
            () = shutdown.asked() => return Ok(()),
        };
        if let Some(counts) = counts {
            service.show_spans(&counts);
        }
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
            () = async {
                service.stop().await;
                if let Some(sending) = sending {
                    sending.finish().await;
                }
            } => {}
            () = shutdown.insisted() => {}
        }
        ended
    })
}
