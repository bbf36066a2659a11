//! `holdfast worker`: the work of the service, without its calls.

use std::process::ExitCode;

use server::running::Duty;

use crate::serve::{Common, run_as};

/// Does the service's work in the background, and answers no calls, until SIGTERM or Ctrl-C.
///
/// For installations whose `holdfast serve` runs with --no-work, on this machine or on others, over the same
/// PostgreSQL database. Several may run: what two begin, one of them does. Each needs an enclave of its settings, the
/// same server.keys, and a data folder of its own.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    run_as(&args.common, Duty::Work)
}
