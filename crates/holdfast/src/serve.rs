//! `holdfast serve`: the service, as its settings say.

use std::path::PathBuf;
use std::process::ExitCode;

use server::config::Settings;
use server::running::{Duty, Service};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::failure::{Doing as _, Failure};
use crate::files::make_room;
use crate::page::{Page, print_failure};
use crate::shutdown::Shutdown;
use crate::traces::Traces;

/// What every process of the service is told.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// The settings, as TOML.
    #[arg(long, value_name = "FILE", env = "HOLDFAST_CONFIG")]
    pub config: PathBuf,
    /// Does not start on a database whose schema is older than this program: it is then for `holdfast migrate` to
    /// bring it up to date, as a user of the database that may.
    #[arg(long)]
    pub no_migrate: bool,
}

/// Runs the service with the settings of a file, until SIGTERM or Ctrl-C.
///
/// The enclave runs beside it, as a process of its own, and is not started here.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// Answers calls alone. Keys are then made, webhooks and mails sent, and checks and recoveries ended by
    /// `holdfast worker`, or by another `holdfast serve`, over the same database.
    #[arg(long)]
    pub no_work: bool,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    run_as(&args.common, if args.no_work { Duty::Calls } else { Duty::Both })
}

/// Runs what a process does of the service.
pub fn run_as(args: &Common, duty: Duty) -> ExitCode {
    match serve(args, duty) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print_failure(Page::new(false), &failure);
            ExitCode::FAILURE
        }
    }
}

/// One JSON object a line, with the spans that it stands in: so each line within a call names the call.
pub fn start_log(traces: Option<&Traces>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer().json().with_current_span(false);
    let lines = lines.with_writer(std::io::stderr).with_filter(filter);
    tracing_subscriber::registry().with(lines).with(traces.map(Traces::layer)).init();
}

fn serve(args: &Common, duty: Duty) -> Result<(), Failure> {
    let mut settings = Settings::load(&args.config)
        .doing(|| format!("the settings in {} cannot be used", args.config.display()))?;
    let traces = settings.tracing.as_ref().map(Traces::open).transpose()?;
    start_log(traces.as_ref());
    make_room(&mut settings);
    if args.no_migrate {
        settings.refuse_old_schema();
    }
    let runtime = tokio::runtime::Runtime::new().doing(|| "cannot start threads")?;
    runtime.block_on(async {
        let mut shutdown = Shutdown::listen()?;
        let counts = traces.as_ref().map(Traces::counts);
        let sending = traces.map(Traces::send);
        let service = tokio::select! {
            service = Service::start_as(settings, duty) => service.doing(|| "the service did not start")?,
            () = shutdown.asked() => return Ok(()),
        };
        if let Some(counts) = counts {
            service.show_spans(&counts);
        }
        let metrics = service.metrics_address().map(tracing::field::display);
        match duty {
            Duty::Both | Duty::Calls => tracing::info!(address = %service.address(), metrics, "listening"),
            Duty::Work => tracing::info!(metrics, "working"),
        }
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
