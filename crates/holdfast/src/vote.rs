//! `holdfast vote`: reads what somebody asks of an access list, a recovery or another version of it, and signs a vote on
//! it. Needs no network.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Subcommand;
use client::vote::{AclDocument, Ask, Intent, VotingKey, What as Asked, differences, grouped, plain};
use serde_json::json;

use crate::failure::{Doing as _, Failure};
use crate::input::read_at_most;
use crate::page::{Page, print_failure};

/// The largest request file that is read, in bytes.
const REQUEST_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The largest key file.
const KEY_BYTES_MAX: u64 = 16 * 1024;

/// Shows and signs votes on recoveries and on changes of access lists, on a machine of your own; no network is needed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Prints JSON for programs.
    #[arg(long, global = true)]
    pub json: bool,
    /// What is to be done.
    #[command(subcommand)]
    pub what: What,
}

/// What is done about a vote.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Says in plain words what is asked, and the code by which to compare it with what others see.
    Show {
        /// The request, as the service gave it.
        file: PathBuf,
    },
    /// Signs a vote, for you to hand in.
    Sign {
        /// The request, as the service gave it.
        file: PathBuf,
        /// Your Ed25519 private key: PKCS#8 in PEM.
        #[arg(long, value_name = "FILE", required_unless_present = "gpg_key", conflicts_with = "gpg_key")]
        key: Option<PathBuf>,
        /// The fingerprint of your OpenPGP key; `gpg` signs with it.
        #[arg(long, value_name = "FINGERPRINT")]
        gpg_key: Option<String>,
        /// Votes no. Without it the vote is a yes.
        #[arg(long)]
        reject: bool,
        /// The code that you were shown; another request than that is not signed.
        #[arg(long, value_name = "ABCD-EFGH")]
        code: Option<String>,
        /// Where the vote goes; what is there already stays.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Makes a key to vote with, and prints its public half for your access list.
    Key {
        /// Where the private half goes, readable for you alone; what is there already stays.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    let page = Page::new(args.json);
    let done = match args.what {
        What::Show { file } => read(&file).map(|ask| show(page, &ask)),
        What::Sign { file, key, gpg_key, reject, code, out } => {
            let by = By { key, gpg_key };
            sign(page, &file, &by, !reject, code.as_deref(), &out)
        }
        What::Key { out } => make_key(page, &out),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print_failure(page, &failure);
            ExitCode::FAILURE
        }
    }
}

/// What signs.
struct By {
    key: Option<PathBuf>,
    gpg_key: Option<String>,
}

fn read(path: &Path) -> Result<Ask, Failure> {
    let bytes = read_at_most(path, REQUEST_BYTES_MAX)?;
    Ask::read(&bytes).doing(|| format!("cannot use {}", path.display()))
}

/// Writes a new file that nobody else may read.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let doing = || format!("cannot write {}", path.display());
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).doing(doing)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).doing(doing)
}

fn show(page: Page, ask: &Ask) {
    match ask.what() {
        Asked::Recovery(intent) => show_recovery(page, ask, intent),
        Asked::Change(next) => show_change(page, ask, next),
    }
}

fn show_facts(page: Page, facts: &[(&str, String)]) {
    for (name, value) in facts {
        page.line(&format!("{:<12} {value}", format!("{name}:")));
    }
}

fn show_code(page: Page, ask: &Ask) {
    page.line("");
    page.line(&format!("Code: {}", page.bold(&ask.short_code())));
    page.prose("", "Whoever else votes on this sees the same code. If yours differs, do not vote.");
}

fn show_change(page: Page, ask: &Ask, next: &AclDocument) {
    let list = ask.list();
    let members: Vec<String> = list.members.iter().map(|member| plain(&member.name)).collect();
    let found = differences(list, next);
    show_facts(
        page,
        &[
            ("What", "another version of an access list".to_owned()),
            ("Environment", list.env.as_str().to_owned()),
            ("Tenant", plain(&list.tenant_id)),
            ("List", format!("{} ({})", plain(&list.name), plain(&list.acl_id))),
            ("Versions", format!("{}, then {}", list.version, next.version)),
            ("Who decides", members.join(", ")),
        ],
    );
    page.line("What changes:");
    for difference in &found {
        let mark = if difference.weakens { "weaker" } else { "" };
        page.line(&format!("  {mark:<6}  {}", difference.text));
    }
    let weakens = found.iter().any(|difference| difference.weakens);
    if weakens {
        page.prose("", "What is marked as weaker makes giving something out easier. It takes effect after the list's delay.");
    }
    show_code(page, ask);
    let told: Vec<_> =
        found.iter().map(|found| json!({ "text": found.text, "weakens": found.weakens })).collect();
    page.event(
        "change-request",
        json!({
            "short_code": ask.short_code(),
            "hash": ask.hash(),
            "environment": list.env.as_str(),
            "tenant_id": list.tenant_id,
            "acl_id": list.acl_id,
            "acl_name": list.name,
            "acl_version": list.version,
            "members": list.members.iter().map(|member| &member.name).collect::<Vec<_>>(),
            "changes": told,
            "weakens": weakens,
        }),
    );
}

fn show_recovery(page: Page, ask: &Ask, intent: &Intent) {
    let list = ask.list();
    let asks = list.members.iter().find(|member| member.person_id == intent.requested_by);
    let asks =
        asks.map_or_else(|| "somebody who is not on the list".to_owned(), |member| plain(&member.name));
    let until = client::vote::utc(intent.expires_at_ms);
    let members: Vec<String> = list.members.iter().map(|member| plain(&member.name)).collect();
    show_facts(
        page,
        &[
            ("Who asks", format!("{asks} ({})", plain(&intent.requested_by))),
            ("Why", plain(&intent.reason)),
            ("Environment", intent.env.as_str().to_owned()),
            ("Tenant", plain(&intent.tenant_id)),
            ("List", format!("{}, version {} ({})", plain(&list.name), list.version, plain(&list.acl_id))),
            ("Who decides", members.join(", ")),
            ("Recipient", grouped(&plain(&intent.recipient.openpgp_fpr))),
            ("Until", until.clone()),
        ],
    );
    page.line(&format!("What is opened: {} backups, {} private keys", intent.items.len(), intent.keys.len()));
    for item in &intent.items {
        page.line(&format!("  backup {}  under key {}", plain(&item.backup_id), plain(&item.key_id)));
    }
    for key_id in &intent.keys {
        page.line(&format!("  private key {}", plain(key_id)));
    }
    show_code(page, ask);
    page.event(
        "vote-request",
        json!({
            "short_code": ask.short_code(),
            "hash": ask.hash(),
            "requested_by": intent.requested_by,
            "requester_name": asks,
            "reason": intent.reason,
            "environment": intent.env.as_str(),
            "tenant_id": intent.tenant_id,
            "acl_id": list.acl_id,
            "acl_name": list.name,
            "acl_version": list.version,
            "members": list.members.iter().map(|member| &member.name).collect::<Vec<_>>(),
            "openpgp_fingerprint": intent.recipient.openpgp_fpr,
            "expires_at": until,
            "backup_ids": intent.items.iter().map(|item| &item.backup_id).collect::<Vec<_>>(),
            "key_ids": intent.items.iter().map(|item| &item.key_id).collect::<std::collections::BTreeSet<_>>(),
            "private_key_ids": intent.keys,
        }),
    );
}

fn sign(
    page: Page,
    file: &Path,
    by: &By,
    approve: bool,
    code: Option<&str>,
    out: &Path,
) -> Result<(), Failure> {
    let ask = read(file)?;
    if code.is_some_and(|code| !code.eq_ignore_ascii_case(&ask.short_code())) {
        let text =
            format!("the request's code is {}, not the one you gave; nothing was signed", ask.short_code());
        return Err(Failure::new(text));
    }
    let ballot = match (&by.key, &by.gpg_key) {
        (Some(path), _) => {
            let pem = read_at_most(path, KEY_BYTES_MAX)?;
            let key = VotingKey::from_pem(&String::from_utf8_lossy(&pem));
            ask.sign(&key.doing(|| format!("cannot use {}", path.display()))?, approve)
        }
        (None, Some(fingerprint)) => {
            let signature = by_gpg(fingerprint, &ask.message(approve))?;
            ask.signed_by_openpgp(&signature, approve)
        }
        (None, None) => return Err(Failure::new("name what signs: --key FILE, or --gpg-key FINGERPRINT")),
    };
    let ballot = ballot.doing(|| "nothing was signed")?;
    let text = serde_json::to_string_pretty(&ballot).doing(|| "cannot write the vote")?;
    write_new(out, format!("{text}\n").as_bytes())?;
    let word = if approve { "yes" } else { "no" };
    page.line(&format!("{} to {}, signed into {}", page.bold(word), ask.short_code(), out.display()));
    page.event(
        "vote-signed",
        json!({ "approve": approve, "short_code": ask.short_code(), "hash": ask.hash() }),
    );
    Ok(())
}

/// Has the stock GnuPG sign these bytes. What it says is for the person; only the signature is read, and is then
/// verified by our own library.
fn by_gpg(fingerprint: &str, message: &[u8]) -> Result<Vec<u8>, Failure> {
    let is_fingerprint =
        matches!(fingerprint.len(), 40 | 64) && fingerprint.bytes().all(|c| c.is_ascii_hexdigit());
    if !is_fingerprint {
        return Err(Failure::new(
            "--gpg-key takes a whole fingerprint: 40 or 64 hexadecimal digits, without spaces",
        ));
    }
    let folder = tempfile::tempdir().doing(|| "cannot make a folder for the signature")?;
    let (what, signature) = (folder.path().join("vote"), folder.path().join("vote.sig"));
    fs::write(&what, message).doing(|| "cannot hand the vote to gpg")?;
    let mut gpg = Command::new("gpg");
    gpg.args(["--yes", "--quiet", "--local-user", fingerprint, "--output"]).arg(&signature);
    let status = gpg.arg("--detach-sign").arg(&what).stdout(Stdio::null()).status();
    if !status.doing(|| "cannot start gpg")?.success() {
        return Err(Failure::new("gpg did not sign; what it says above names the cause"));
    }
    read_at_most(&signature, KEY_BYTES_MAX)
}

fn make_key(page: Page, out: &Path) -> Result<(), Failure> {
    let key = VotingKey::generate().doing(|| "no key was made")?;
    let pem = key.to_pem().doing(|| "no key was made")?;
    write_new(out, pem.as_bytes())?;
    page.line(&format!("{}  the public half, for your access list", page.bold(&key.public_key())));
    page.line(&format!("The private half is in {}. Whoever has it can vote as you.", out.display()));
    page.event("voting-key", json!({ "public_key": key.public_key() }));
    Ok(())
}
