//! `holdfast admin root-log`: the root log and its checkpoint, for `holdfast audit verify` and for keeping elsewhere.

use std::fs::File;
use std::io::{BufWriter, Write, stdout};
use std::path::PathBuf;

use clap::Subcommand;
use server::admin::Admin;

use super::tell;
use crate::failure::{Doing as _, Failure};
use crate::page::Page;

/// What is done with the root log. Get the checkpoint first, and the export then.
#[derive(Debug, Subcommand)]
pub enum RootLogDeed {
    /// Writes the root log, one entry a line.
    Export {
        /// Where to; `-` for standard output.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Prints the newest checkpoint of the root log, with the enclave's signature if that answers, and with those of
    /// witnesses.
    Checkpoint,
}

/// Runs it.
pub async fn run(admin: &Admin, page: Page, deed: RootLogDeed) -> Result<(), Failure> {
    match deed {
        RootLogDeed::Export { file } if file.as_os_str() == "-" => {
            let mut out = BufWriter::new(stdout());
            export(admin, &mut out).await.map(drop)
        }
        RootLogDeed::Export { file } => {
            let doing = || format!("cannot write {}", file.display());
            let mut out = BufWriter::new(File::create(&file).doing(doing)?);
            let entries = export(admin, &mut out).await?;
            page.line(&format!("entries: {entries}, in {}", file.display()));
            tell(page, "exported", &serde_json::json!({ "entries": entries, "file": file }))
        }
        RootLogDeed::Checkpoint => {
            let note = admin.root_log_checkpoint().await.doing(|| "there is no checkpoint")?;
            page.line(note.trim_end());
            tell(page, "checkpoint", &serde_json::json!({ "note": note }))
        }
    }
}

async fn export(admin: &Admin, out: &mut (dyn Write + Send)) -> Result<i64, Failure> {
    let entries = admin.export_root_log(out).await.doing(|| "the root log is not written whole")?;
    out.flush().doing(|| "the root log is not written whole")?;
    Ok(entries)
}
