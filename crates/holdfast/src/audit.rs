//! `holdfast audit`: an exported audit log against its signed checkpoint, with no service and no network.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use server::audit::{Cosigner, Finding, Timestamp, Verification, Verified, VerifierKey};

use crate::failure::{Doing as _, Failure};
use crate::page::{Page, print_failure};

/// Checks what the service says about itself.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is to be done.
    #[command(subcommand)]
    pub what: What,
}

/// What is done with a log.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Checks that an export is the log that a checkpoint was signed over, to the letter.
    ///
    /// Get the checkpoint first (GET /v1/audit/checkpoint), then the export (GET /v1/audit/export, without
    /// filters). Ends with 0 when all holds and with 1 when not, and then names the first entry at fault.
    Verify(Verify),
}

/// What is checked.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The export, one entry a line.
    #[arg(value_name = "EXPORT.jsonl")]
    pub export: PathBuf,
    /// The checkpoint, as it was answered.
    #[arg(value_name = "CHECKPOINT.txt")]
    pub checkpoint: PathBuf,
    /// The key of the log, as `holdfast admin log-key` prints it.
    #[arg(long, value_name = "VKEY")]
    pub key: String,
    /// The key of the enclave, as `holdfast admin log-key --enclave` prints it: the checkpoint must have its signature
    /// too, and so must the older one, where there is one.
    #[arg(long, value_name = "VKEY")]
    pub enclave_key: Option<String>,
    /// The key of a witness, as `holdfast witness` prints it: the checkpoint must have his signature too. As often as there
    /// are witnesses.
    #[arg(long = "witness-key", value_name = "VKEY")]
    pub witness_keys: Vec<String>,
    /// A checkpoint that was kept from before: history must go on from it.
    #[arg(long, value_name = "OLD-CHECKPOINT")]
    pub since: Option<PathBuf>,
    /// The root log, as `holdfast admin root-log export` wrote it before the export was made: it must name this log, and
    /// the export must be what it names. Whether it is the root log is verified by itself, as of any log.
    #[arg(long, value_name = "ROOT.jsonl")]
    pub root_log: Option<PathBuf>,
    /// Prints JSON for programs.
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let What::Verify(args) = &args.what;
    let page = Page::new(args.json);
    match verify(args) {
        Ok(Ok((verified, signed))) => {
            tell(page, &verified, &signed);
            ExitCode::SUCCESS
        }
        Ok(Err(finding)) => {
            page.line(&format!("{}: {finding}", page.red("not verified")));
            let (fault, seq) = (finding.fault.as_str(), finding.first_bad_seq);
            page.event(
                "not_verified",
                json!({ "fault": fault, "first_bad_seq": seq, "message": finding.to_string() }),
            );
            ExitCode::FAILURE
        }
        Err(failure) => {
            print_failure(page, &failure);
            ExitCode::FAILURE
        }
    }
}

fn tell(page: Page, verified: &Verified, signed: &Signed) {
    let (size, entries) = (verified.checkpoint.size, verified.entries);
    page.line(&format!("{}: {}", page.green("verified"), verified.checkpoint.origin));
    page.line(&covered(size));
    if let Some(at) = &signed.by_enclave {
        page.line(&format!("The enclave signed it at {at}: it goes on from all that it signed before."));
    }
    for (name, at) in &signed.by_witnesses {
        page.line(&format!("{name} signed it at {at}: it goes on from all that was signed there before."));
    }
    if let Some(since) = verified.since {
        page.line(&format!("They go on from the {since} of the older checkpoint."));
    }
    if let Some(named) = verified.named {
        page.line(&names(named));
    }
    if entries > size {
        page.line(&linked(entries - size));
    }
    page.event(
        "verified",
        json!({
            "origin": verified.checkpoint.origin, "size": size, "entries": entries, "since": verified.since, "named": verified.named,
            "cosigned_at": signed.by_enclave, "witnesses": signed.by_witnesses.iter().map(|(name, _)| name).collect::<Vec<_>>()
        }),
    );
}

fn covered(size: i64) -> String {
    match size {
        1 => "The checkpoint covers 1 entry, and the export has it as it was signed.".to_owned(),
        size => {
            format!("The checkpoint covers {size} entries, and the export has them all as they were signed.")
        }
    }
}

fn names(checkpoints: usize) -> String {
    match checkpoints {
        1 => "The root log names 1 checkpoint of this log, and it is of these entries.".to_owned(),
        many => format!("The root log names {many} checkpoints of this log, and all are of these entries."),
    }
}

fn linked(after: i64) -> String {
    match after {
        1 => "1 more is linked to them, and no checkpoint covers it yet.".to_owned(),
        after => format!("{after} more are linked to them, and no checkpoint covers them yet."),
    }
}

/// When others signed the checkpoint, where that was to be checked.
struct Signed {
    by_enclave: Option<String>,
    /// Who, and when.
    by_witnesses: Vec<(String, String)>,
}

/// What was verified, and who signed it.
type Judged = Result<(Verified, Signed), Finding>;

/// Reads the files, the export a line at a time.
fn verify(args: &Verify) -> Result<Judged, Failure> {
    let key = VerifierKey::parse(&args.key)
        .ok_or_else(|| Failure::new("the key does not read: it looks like NAME+12345678+AbCd..."))?;
    let checkpoint = read(&args.checkpoint)?;
    let since = args.since.as_deref().map(read).transpose()?;
    let read_key = |text: &str, whose: &str| {
        let fault = || format!("the {whose}'s key does not read: it looks like NAME+12345678+BAbCd...");
        Cosigner::parse(text).ok_or_else(|| Failure::new(fault()))
    };
    let enclave = args.enclave_key.as_deref().map(|text| read_key(text, "enclave")).transpose()?;
    let witnesses = args.witness_keys.iter().map(|text| read_key(text, "witness"));
    let witnesses = witnesses.collect::<Result<Vec<_>, _>>()?;
    let mut begun = match Verification::begin(&key, &checkpoint, since.as_deref()) {
        Ok(begun) => begun,
        Err(finding) => return Ok(Err(finding)),
    };
    let by_enclave = enclave.map(|key| Verification::check_cosigned(&key, &checkpoint, since.as_deref()));
    let by_enclave = match by_enclave.transpose() {
        Ok(at) => at.map(Timestamp::rfc3339),
        Err(finding) => return Ok(Err(finding)),
    };
    let check = |key: &Cosigner| {
        let at = Verification::check_witnessed(key, &checkpoint)?;
        Ok((key.name().to_owned(), at.rfc3339()))
    };
    let by_witnesses = match witnesses.iter().map(check).collect() {
        Ok(by_witnesses) => by_witnesses,
        Err(finding) => return Ok(Err(finding)),
    };
    let signed = Signed { by_enclave, by_witnesses };
    if let Some(path) = &args.root_log {
        let mut root_log = begun.root_log();
        let read = each_line(path, &mut |line| root_log.take(line))?;
        if let Err(finding) = read.and_then(|()| begun.compare_with(root_log)) {
            return Ok(Err(finding));
        }
    }
    if let Err(finding) = each_line(&args.export, &mut |line| begun.take(line))? {
        return Ok(Err(finding));
    }
    Ok(begun.end().map(|verified| (verified, signed)))
}

/// Shows each line of a file, until one is at fault.
fn each_line(
    path: &Path,
    see: &mut dyn FnMut(&str) -> Result<(), Finding>,
) -> Result<Result<(), Finding>, Failure> {
    let unreadable = || format!("cannot read {}", path.display());
    for line in BufReader::new(File::open(path).doing(unreadable)?).split(b'\n') {
        // What is no text is no entry either, and the check says which one is missing for it.
        let line = String::from_utf8(line.doing(unreadable)?).unwrap_or_default();
        if let Err(finding) = see(&line) {
            return Ok(Err(finding));
        }
    }
    Ok(Ok(()))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).doing(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert!(covered(1).contains("covers 1 entry, and the export has it"));
        assert!(covered(2).contains("covers 2 entries, and the export has them all"));
        assert!(names(1).contains("1 checkpoint of") && names(2).contains("2 checkpoints of"));
        assert!(linked(1).starts_with("1 more is linked") && linked(2).starts_with("2 more are linked"));
    }
}
