//! `holdfast conformance`: checks a server against the contract, row by row, from the outside.
//!
//! What is expected is written down in the rows, from the contract; nothing of the server's own code is used.

mod answer;
mod call;
mod crypto;
mod exchange;
mod form;
mod go_live;
mod junit;
mod merkle;
mod people;
mod receiver;
mod report;
mod rows;
mod stage;
mod verdict;
mod world;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use reqwest::Url;

use self::receiver::Receiver;
use self::report::{Outcome, Report};
use self::rows::Row;
use self::verdict::{Stop, Verdict};
use self::world::{Credentials, Environment, Setup, World};
use crate::edge::{instant, random_hex};
use crate::failure::{Doing as _, Failure};
use crate::page::{Page, print_failure};

/// Nothing was checked.
const CANNOT_RUN: u8 = 2;

/// Checks any server that claims the contract, and gives one verdict per row.
///
/// Ends with 0 when every row passed or was skipped with a reason, with 1 when one failed, and with 2 when nothing
/// could be checked. With --go-live it checks what you are about to go live with instead.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["base_url", "go_live", "list"]))]
pub struct Args {
    /// The server's address.
    #[arg(long, value_name = "URL", requires = "credentials")]
    pub base_url: Option<String>,
    /// Who may call it: the file that `holdfast sandbox --credentials FILE` writes, or one of its shape.
    #[arg(long, value_name = "FILE")]
    pub credentials: Option<PathBuf>,
    /// What the server is; as the API keys' prefix says when left out.
    #[arg(long, value_name = "WHAT")]
    pub environment: Option<Environment>,
    /// Only this row, or the rows whose names begin so; may be given several times.
    #[arg(long, value_name = "ROW")]
    pub only: Vec<String>,
    /// Where the server reaches this machine for webhooks; `auto` listens on it by itself, `none` skips those rows.
    /// When left out: `auto` for a sandbox on this machine, else `none`.
    #[arg(long, value_name = "URL|auto|none")]
    pub receiver: Option<String>,
    /// Where to listen for webhooks, if not at the port that the receiver's URL names.
    #[arg(long, value_name = "ADDRESS", requires = "receiver")]
    pub receiver_listen: Option<SocketAddr>,
    /// Has the people of the credentials file decide on recoveries too, by their software passkeys.
    #[arg(long)]
    pub control: bool,
    /// Prints JSON for programs, a line for each row.
    #[arg(long, conflicts_with = "junit")]
    pub json: bool,
    /// Prints the XML of `JUnit`, for systems that build.
    #[arg(long)]
    pub junit: bool,
    /// Checks what this file (TOML or JSON) says about your integration: address, credential, key, ciphertext.
    #[arg(long, value_name = "FILE")]
    pub go_live: Option<PathBuf>,
    /// Lists the rows, and checks nothing.
    #[arg(long)]
    pub list: bool,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let page = Page::new(args.json);
    let done = match (&args.go_live, args.list) {
        (Some(file), _) => go_live::run(page, file),
        (None, true) => {
            report::list(page);
            Ok(true)
        }
        (None, false) => check(page, args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            print_failure(page, &failure);
            ExitCode::from(CANNOT_RUN)
        }
    }
}

/// Plays the rows: whether none failed.
fn check(page: Page, args: &Args) -> Result<bool, Failure> {
    let rows = chosen(&args.only)?;
    let world = World::new(setup(args)?)?;
    world.preflight()?;
    let mut report = Report::begin(page, args.junit, world.base_url(), rows.len());
    for row in rows {
        report.playing(row);
        report.add(play(&world, row));
    }
    Ok(report.end())
}

fn chosen(only: &[String]) -> Result<Vec<&'static Row>, Failure> {
    let is_named = |row: &Row, name: &str| {
        row.id
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || name.ends_with('.'))
    };
    if let Some(name) = only.iter().find(|name| !rows::all().any(|row| is_named(row, name))) {
        return Err(Failure::new(format!("there is no row {name}; --list names them all")));
    }
    let wanted = |row: &&Row| only.is_empty() || only.iter().any(|name| is_named(row, name));
    Ok(rows::all().filter(wanted).collect())
}

fn play(world: &World, row: &'static Row) -> Outcome {
    let begun = instant();
    world.begin(row.id);
    let verdict = match world.lacks(row.needs) {
        Some(why) => Verdict::Skip(why),
        None => match (row.play)(world) {
            Ok(()) => Verdict::Pass,
            Err(Stop::Skipped(why)) => Verdict::Skip(why),
            Err(Stop::Failed { what, exchange }) => Verdict::Fail { what, exchange },
        },
    };
    let mut calls = world.take_calls();
    let verdict = match verdict {
        // No one answer shows it: the last one is nearest.
        Verdict::Fail { what, exchange: None } => Verdict::Fail { what, exchange: calls.last().cloned() },
        other => other,
    };
    calls.dedup();
    Outcome { row, verdict, calls, took: instant().duration_since(begun) }
}

fn setup(args: &Args) -> Result<Setup, Failure> {
    let base_url = args.base_url.as_deref().unwrap_or_default().trim_end_matches('/');
    let url =
        Url::parse(base_url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| Failure::new(format!("{base_url:?} is no address of a server")))?;
    let credentials = read_credentials(args.credentials.as_deref().unwrap_or_else(|| Path::new("")))?;
    let environment = args.environment.or_else(|| credentials.environment());
    let environment = environment
        .ok_or_else(|| Failure::new("the API keys do not say what the server is: give --environment"))?;
    Ok(Setup {
        base_url: base_url.to_owned(),
        credentials,
        environment,
        receiver: receiver(args, is_local(&url) && environment == Environment::Sandbox)?,
        with_control: args.control,
        run: format!("conformance-{}", random_hex(4)?),
    })
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read_credentials(path: &Path) -> Result<Credentials, Failure> {
    let doing = || format!("cannot use the credentials {}", path.display());
    let text = std::fs::read_to_string(path).doing(doing)?;
    let credentials: Credentials = serde_json::from_str(&text).doing(doing)?;
    if credentials.is_empty() {
        return Err(Failure::new(format!("{} names no tenant", path.display())));
    }
    Ok(credentials)
}

/// Who takes webhooks; else why nobody does.
fn receiver(args: &Args, is_near: bool) -> Result<Result<Receiver, String>, Failure> {
    let default = if is_near { "auto" } else { "none" };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    match args.receiver.as_deref().unwrap_or(default) {
        "none" => Ok(Err("the server reaches no receiver: give --receiver URL".to_owned())),
        "auto" => Receiver::listen(args.receiver_listen.unwrap_or(any), None).map(Ok),
        text => {
            let url = Url::parse(text).doing(|| format!("{text:?} is no address of a receiver"))?;
            let port = url.port_or_known_default().unwrap_or_default();
            let listen = args.receiver_listen.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], port)));
            Receiver::listen(listen, Some(text)).map(Ok)
        }
    }
}

/// The causes of an error in one line: some libraries name only the first.
fn why(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(only: &[&str]) -> Vec<&'static str> {
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        chosen(&only).unwrap().into_iter().map(|row| row.id).collect()
    }

    #[test]
    fn rows_are_chosen_by_name_or_beginning() {
        assert_eq!(ids(&["auth.bearer"]), ["auth.bearer"]);
        assert!(ids(&["auth"]).len() > 10);
        assert_eq!(ids(&["auth.token"]), ["auth.token", "auth.token.of-a-token", "auth.token.forged"]);
        assert_eq!(ids(&[]).len(), rows::all().count());
        assert!(chosen(&["aut".to_owned()]).is_err(), "a beginning ends where a word ends");
    }
}
