//! `holdfast doctor`: is an installation set up so that it works, and is everything in it as the service left it?

use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use server::admin::Admin;
use server::config::Settings;
use server::doctor::{self, Line, Verdict};

use crate::exit::Exit;
use crate::failure::{Doing as _, Failure};
use crate::page::Page;

/// Disks with less free space than this are worth a word, in bytes.
const FREE_BYTES_MIN: u64 = 2 * 1024 * 1024 * 1024;

/// Prints the settings as they are in force, secrets masked, and tests the deployment: files, database, what waits for its
/// place in an audit log and where the logs end, enclave, the store of files, the ways to the outside.
///
/// Each line is ok, a warning, or a failure with what to do about it. Ends with 4 if something does not work, and with
/// 5 if --deep finds what the service did not write. Sends nothing to anybody. Run it as the service's user; the service
/// may run meanwhile.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The service's settings, as TOML.
    #[arg(long, value_name = "FILE", env = "HOLDFAST_CONFIG")]
    pub config: PathBuf,
    /// Reads every row besides, and has the enclave prove every key, backup and session.
    #[arg(long)]
    pub deep: bool,
    /// Prints JSON for programs.
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let page = Page::new(args.json);
    match examine(args, page) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(exit)) => exit.into(),
        Err(failure) => failure.tell(page),
    }
}

fn examine(args: &Args, page: Page) -> Result<Option<Exit>, Failure> {
    let unusable = || format!("the settings in {} cannot be used", args.config.display());
    let effective = Settings::list_effective(&args.config).doing(unusable)?;
    page.line(&page.bold("Settings in force"));
    for (name, value) in &effective {
        page.line(&format!("  {name} = {value}"));
        page.event("setting", json!({ "name": name, "value": value }));
    }
    let settings = Settings::load(&args.config).doing(unusable)?;
    let runtime = tokio::runtime::Runtime::new().doing(|| "cannot start threads")?;
    runtime.block_on(async {
        page.line(&page.bold("Deployment"));
        let files = Settings::list_files(&effective);
        let mut lines = vec![free_space(&settings)];
        lines.extend(Box::pin(doctor::test(&settings, &files)).await);
        for line in &lines {
            tell(page, line);
        }
        let is_broken = lines.iter().any(|line| line.verdict == Verdict::Failure);
        let mut exit = is_broken.then_some(Exit::Unavailable);
        if args.deep {
            page.line(&page.bold("Every row"));
            let deep = Box::pin(deep(settings, page)).await?;
            for line in &deep {
                tell(page, line);
            }
            if deep.iter().any(|line| line.verdict == Verdict::Failure) {
                exit = Some(Exit::NotProven);
            }
        }
        Ok(exit)
    })
}

async fn deep(mut settings: Settings, page: Page) -> Result<Vec<Line>, Failure> {
    settings.refuse_old_schema();
    let admin = Admin::open(settings).await.doing(|| "cannot open the installation")?;
    let bar = if page.is_json() { ProgressBar::hidden() } else { ProgressBar::new(0) };
    // A template that does not read leaves the plain bar.
    if let Ok(style) = ProgressStyle::with_template("  {bar:30} {pos}/{len}  {msg}") {
        bar.set_style(style);
    }
    let mut look = |what: &str, done: u64, total: u64| {
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(what.to_owned());
    };
    let found = doctor::examine(&admin, &mut look).await;
    bar.finish_and_clear();
    admin.close().await;
    found.map_err(|error| Failure::of("the examination did not end", &error).exit(Exit::Unavailable))
}

fn tell(page: Page, line: &Line) {
    let word = match line.verdict {
        Verdict::Ok => page.green("ok     "),
        Verdict::Warning => page.bold("warning"),
        Verdict::Failure => page.red("FAILURE"),
    };
    page.line(&format!("  {word}  {}: {}", line.check, line.text));
    if let Some(next) = &line.next {
        page.prose("           next: ", next);
    }
    page.event("check", json!(line));
}

/// How much room the data folder's disk has.
fn free_space(settings: &Settings) -> Line {
    match rustix::fs::statvfs(&settings.data_dir) {
        Ok(disk) => doctor::judge_space(disk.f_bavail.saturating_mul(disk.f_frsize), FREE_BYTES_MIN),
        Err(error) => doctor::no_folder(&settings.data_dir, &error.into()),
    }
}
