//! `holdfast migrate`: the database's schema, brought up to date by itself.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use server::config::Settings;
use server::schema::{self, SchemaError};

use crate::exit::Exit;
use crate::failure::{Doing as _, Failure};
use crate::page::Page;

/// Brings the database's schema up to date, in one transaction, and prints each step.
///
/// `holdfast serve` and `holdfast worker` do the same when they start, unless they run with --no-migrate.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The service's settings, as TOML.
    #[arg(long, value_name = "FILE", env = "HOLDFAST_CONFIG")]
    pub config: PathBuf,
    /// Changes nothing: prints the steps that are missing, and ends with 5 if there are any.
    #[arg(long)]
    pub check: bool,
    /// Then seals the rows that have no seal, as if the service had written them. Once, after the step `row_seals` was
    /// applied to a database that had rows; later a row without a seal is one that somebody wrote past the service. So too
    /// the audit entries that waited for their places without one, and the heads of audit logs, when the step `audit_tags`
    /// was applied.
    #[arg(long, conflicts_with = "check")]
    pub seal_rows: bool,
    /// Prints JSON for programs.
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let page = Page::new(args.json);
    match migrate(args, page) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(page),
    }
}

fn migrate(args: &Args, page: Page) -> Result<(), Failure> {
    let settings = Settings::load(&args.config)
        .doing(|| format!("the settings in {} cannot be used", args.config.display()))?;
    let runtime = tokio::runtime::Runtime::new().doing(|| "cannot start threads")?;
    runtime.block_on(async {
        let missing = schema::list_missing(&settings).await.map_err(|error| unread(&error))?;
        for (version, name) in &missing {
            page.line(&format!("{version:04}  {name}"));
            page.event("step", json!({ "version": version, "name": name, "applied": !args.check }));
        }
        match (missing.is_empty(), args.check) {
            (true, _) => page.line("The schema is up to date."),
            (false, true) => {
                let failure = Failure::new("the schema is older than this program");
                return Err(failure.exit(Exit::NotProven).next("back up, then run holdfast migrate"));
            }
            (false, false) => {
                schema::migrate(&settings).await.map_err(|error| unread(&error))?;
                page.line("The schema is up to date now.");
            }
        }
        if args.seal_rows {
            for (table, rows) in schema::adopt_rows(&settings).await.map_err(|error| unread(&error))? {
                page.line(&format!("{rows} rows of {table} are sealed now."));
                page.event("sealed", json!({ "table": table, "rows": rows }));
            }
        }
        Ok(())
    })
}

/// What cannot be reached may be there later; what does not fit this program never will.
fn unread(error: &SchemaError) -> Failure {
    let exit = if error.is_passing() { Exit::Unavailable } else { Exit::Other };
    Failure::of("the database cannot be brought up to date", error).exit(exit)
}
