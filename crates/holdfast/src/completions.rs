//! `holdfast completions`: what a shell needs to complete the command's words.

use std::process::ExitCode;

use clap_complete::Shell;

/// Prints the script that lets a shell complete holdfast's words.
///
/// For bash: `holdfast completions bash > /etc/bash_completion.d/holdfast`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Runs it.
pub fn run(args: &Args, mut command: clap::Command) -> ExitCode {
    clap_complete::generate(args.shell, &mut command, "holdfast", &mut std::io::stdout());
    ExitCode::SUCCESS
}
