//! `holdfast enclave`: the trusted process. Everything is in its own library.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the enclave: the process that holds the private keys.
///
/// The sandbox starts it by itself. In production it runs under a user of its own; its arguments are its own
/// too: `holdfast enclave --help` tells them.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub struct Args {
    /// What the enclave is told.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, num_args = 0..)]
    pub rest: Vec<OsString>,
}

/// Runs it. No thread and no runtime is started before: the enclave decides what its process does.
pub fn run(args: Args) -> ExitCode {
    ::enclave::run(args.rest.into_iter())
}
