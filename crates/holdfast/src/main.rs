//! The command: the front door to the service, its sandbox and its tools.
//!
//! One file per sub-command; logic only for arguments and output. What is done is done in the libraries.

mod admin;
mod audit;
mod backup;
mod ceremony;
mod completions;
mod conformance;
mod connection;
mod doctor;
mod edge;
mod enclave;
mod exit;
mod failure;
mod files;
mod help;
mod input;
mod keys;
mod migrate;
mod page;
mod passphrase;
mod receipt;
mod recover;
mod sandbox;
mod serve;
mod shutdown;
mod tour;
mod traces;
mod verify_record;
mod vote;
mod webhooks;
mod witness;
mod worker;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// A key-recovery service that you run yourself.
///
/// It keeps encrypted backups of wallet secrets and gives them back to the person they belong to, and to
/// nobody else. Begin with: holdfast sandbox --tour
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Sandbox(sandbox::Args),
    Serve(serve::Args),
    Worker(worker::Args),
    Migrate(migrate::Args),
    Doctor(doctor::Args),
    Enclave(enclave::Args),
    Admin(admin::Args),
    Audit(audit::Args),
    Ceremony(ceremony::Args),
    Conformance(conformance::Args),
    Vote(vote::Args),
    VerifyRecord(verify_record::Args),
    Keys(keys::Args),
    Backup(backup::Args),
    Recover(recover::Args),
    Webhooks(webhooks::Args),
    Witness(witness::Args),
    Completions(completions::Args),
    Help(help::Args),
}

fn main() -> ExitCode {
    let started = edge::instant();
    match Cli::parse().command {
        Command::Sandbox(args) => sandbox::run(&args, started),
        Command::Serve(args) => serve::run(&args),
        Command::Worker(args) => worker::run(&args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Enclave(args) => enclave::run(args),
        Command::Admin(args) => admin::run(args),
        Command::Audit(args) => audit::run(&args),
        Command::Ceremony(args) => ceremony::run(args),
        Command::Conformance(args) => conformance::run(&args),
        Command::Vote(args) => vote::run(args),
        Command::VerifyRecord(args) => verify_record::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Recover(args) => recover::run(&args),
        Command::Webhooks(args) => webhooks::run(&args),
        Command::Witness(args) => witness::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Help(args) => help::run(&args, Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_sandbox_needs_no_word_and_takes_all() {
        let Command::Sandbox(args) = parse("holdfast sandbox").unwrap() else { panic!() };
        assert_eq!(
            (args.listen, args.tour, args.once, args.fresh, args.json, args.manual_ceremony),
            (None, false, false, false, false, false)
        );
        let line = "holdfast sandbox --tour --once --fresh --json --listen 127.0.0.1:0 --data-dir d --credentials c \
             --manual-ceremony --otlp-endpoint http://127.0.0.1:4318";
        let Command::Sandbox(args) = parse(line).unwrap() else { panic!() };
        assert_eq!(args.listen, Some(([127, 0, 0, 1], 0).into()));
        assert!(args.tour && args.once && args.fresh && args.json && args.manual_ceremony);
        assert_eq!(args.otlp_endpoint.unwrap().endpoint, "http://127.0.0.1:4318/v1/traces");
        assert_eq!((args.data_dir, args.credentials), (Some("d".into()), Some("c".into())));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            ("holdfast", "Usage"),
            ("holdfast sandbox --listen 8090", "--listen"),
            ("holdfast sandbox --port 1", "--port"),
            ("holdfast sandbox --otlp-endpoint collector:4317", "address of a collector"),
            ("holdfast serve", "--config"),
            ("holdfast vote sign request.json --out ballot.json", "--key"),
            ("holdfast vote sign request.json --key k --gpg-key f --out b", "cannot be used"),
            ("holdfast vote key", "--out"),
            ("holdfast verify-record record.jws", "--jwks"),
            ("holdfast dance", "dance"),
            ("holdfast admin tenant create --name a", "--kind"),
            ("holdfast admin credential create --tenant t --name a", "--scopes"),
            ("holdfast audit verify export.jsonl checkpoint.txt", "--key"),
            ("holdfast conformance", "--base-url"),
            ("holdfast conformance --base-url http://127.0.0.1:1", "--credentials"),
            ("holdfast conformance --base-url u --credentials c --json --junit", "cannot be used"),
            ("holdfast conformance --base-url u --go-live f", "cannot be used"),
        ] {
            let text = parse(line).unwrap_err().to_string();
            assert!(text.contains(word), "{line}: {text}");
        }
    }

    #[test]
    fn the_enclave_gets_its_arguments_as_they_are() {
        let Command::Enclave(args) = parse("holdfast enclave serve --socket s --unknown -x").unwrap() else {
            panic!()
        };
        assert_eq!(args.rest, ["serve", "--socket", "s", "--unknown", "-x"]);
    }
}
