//! `holdfast recover`: a wallet's recovery from the identity check to the secrets, or the opening of what was
//! downloaded.

mod offline;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use client::api::retail::{StartRequest, StatusResponse};
use client::{Client, OpenPgpFault, RecipientKey, RecoverAllRequest, Recovered, Secret};
use serde_json::json;
use zeroize::Zeroizing;

use crate::connection::{self, read_text, run as run_async, usage};
use crate::exit::Exit;
use crate::failure::{Calling as _, Doing as _, Failure};
use crate::page::Page;
use crate::passphrase;
use crate::receipt::{file_name, write_new};
use crate::sandbox::progress::Progress;
use crate::shutdown::Shutdown;

/// How often the service is asked where the check stands.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// The device's key, in the folder of what comes back.
const DEVICE_KEY_FILE: &str = "device-key.asc";

/// Brings a wallet's secrets back after an identity check; or opens a message that was downloaded.
///
/// With --message nothing is asked of any service, and no network is needed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the service is, and as whom one calls it.
    #[command(flatten)]
    pub service: connection::Args,
    /// Your name for the user whose secrets come back.
    #[arg(long, value_name = "NAME", required_unless_present = "message", conflicts_with = "message")]
    pub user: Option<String>,
    /// A check that was begun before; a new one is begun when left out.
    #[arg(long, value_name = "ID", conflicts_with = "message")]
    pub verification: Option<String>,
    /// How long to wait for the check, in minutes.
    #[arg(long, value_name = "MINUTES", default_value_t = 60, conflicts_with = "message")]
    pub wait: u64,
    /// The OpenPGP secret key to which the recovery is encrypted; made if the file is not there. In the folder of
    /// --out when left out.
    #[arg(long, value_name = "FILE", conflicts_with = "message")]
    pub device_key: Option<PathBuf>,
    /// Opens this OpenPGP message, armoured or binary, and a JWE in it.
    #[arg(long, value_name = "FILE", requires = "secret_key")]
    pub message: Option<PathBuf>,
    /// The armoured OpenPGP secret key that the message is encrypted to. Its passphrase, where it has one, is asked on
    /// the terminal.
    #[arg(long, value_name = "FILE", requires = "message")]
    pub secret_key: Option<PathBuf>,
    /// The file whose first line is the passphrase of the OpenPGP secret key.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// An RSA private key (PKCS#8 in PEM) for a JWE in the message, where the message brings none itself.
    #[arg(long, value_name = "FILE", requires = "message")]
    pub private_key: Option<PathBuf>,
    /// The folder for what comes back, each secret in a file of its own that nobody else may read.
    #[arg(long, value_name = "FOLDER", default_value = "recovered")]
    pub out: PathBuf,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let page = args.service.page();
    run_async(page, async {
        make_folder(&args.out)?;
        match (&args.message, &args.secret_key, &args.user) {
            (Some(message), Some(secret_key), _) => {
                let key = secret_key_in(secret_key, args.passphrase_file.as_deref())?;
                offline::open(page, message, &key, args.private_key.as_deref(), &args.out)
            }
            (_, _, Some(user)) => tokio::select! {
                done = online(page, args, user) => done,
                () = asked_to_end() => Err(Failure::new("ended before anything was recovered")),
            },
            _ => Err(usage("give --user NAME, or --message FILE and --secret-key FILE")),
        }
    })
}

/// Ctrl-C ends a wait at once: nothing has been asked for by then that could be lost.
async fn asked_to_end() {
    match Shutdown::listen() {
        Ok(mut shutdown) => shutdown.asked().await,
        Err(_) => std::future::pending().await,
    }
}

async fn online(page: Page, args: &Args, user: &str) -> Result<(), Failure> {
    let client = args.service.client()?;
    let key_file = args.device_key.clone().unwrap_or_else(|| args.out.join(DEVICE_KEY_FILE));
    let device = device_key(&key_file, args.passphrase_file.as_deref())?;
    let verification_id = match &args.verification {
        Some(id) => id.clone(),
        None => begin(page, &client, user, &device).await?,
    };
    wait_for_approval(page, &client, &verification_id, args.wait).await?;
    let request = RecoverAllRequest {
        user_identifier: user,
        verification_id: &verification_id,
        device: &device,
        request_signature: None,
    };
    let again = format!(
        "the same recovery may be asked for twice more with the same key: --verification {verification_id} \
         --device-key {}",
        key_file.display()
    );
    let recovered = client.recover(&request).await.map_err(|error| {
        let failure = Failure::of_call("nothing was recovered", &error);
        if matches!(error, client::Error::Transport { .. }) { failure.next(again.clone()) } else { failure }
    })?;
    keep(page, &args.out, &recovered).map_err(|failure| failure.next(again))
}

/// The device's key: as it was kept, or a new one, kept before it is used.
fn device_key(path: &Path, passphrase_file: Option<&Path>) -> Result<RecipientKey, Failure> {
    if path.exists() {
        return secret_key_in(path, passphrase_file);
    }
    let key = RecipientKey::generate().doing(|| "there is no OpenPGP key to recover to")?;
    let block = key.secret_block().doing(|| "there is no OpenPGP key to recover to")?;
    write_new(path, block.as_bytes())?;
    Ok(key)
}

/// The key of a file, unlocked where it has a passphrase.
fn secret_key_in(path: &Path, passphrase_file: Option<&Path>) -> Result<RecipientKey, Failure> {
    let block = Zeroizing::new(read_text(path)?);
    let key = match RecipientKey::from_secret_block(&block) {
        Err(OpenPgpFault::Locked) => {
            let passphrase = passphrase::read(passphrase_file, &format!("Passphrase of {}", path.display()))?;
            RecipientKey::from_locked_block(&block, &passphrase)
        }
        key => key,
    };
    key.doing(|| format!("cannot use {}", path.display()))
        .map_err(|failure| failure.exit(Exit::Local).next("gpg --export-secret-keys --armor writes one"))
}

async fn begin(page: Page, client: &Client, user: &str, device: &RecipientKey) -> Result<String, Failure> {
    let request = StartRequest {
        user_identifier: user.to_owned(),
        // Nobody who learns of the approval can recover to another key.
        gpg_fingerprint: Some(device.fingerprint()),
    };
    let begun =
        client.retail().start_verification(&request).await.calling(|| "the identity check did not begin")?;
    let id = begun.verification_id;
    page.line(&format!("Identity check {} has begun.", page.bold(&id)));
    let address = format!("{}identity/{id}", client.base_url());
    if client.is_sandbox() {
        page.line(&format!(
            "The person is checked here (in this sandbox, you play him): {}",
            page.cyan(&address)
        ));
    } else {
        page.prose("", "The identity provider asks the person now, by the way that your app has for it.");
    }
    let shown = client.is_sandbox().then_some(address);
    page.event("verification", json!({ "verification_id": id, "identity_url": shown }));
    Ok(id)
}

async fn wait_for_approval(page: Page, client: &Client, id: &str, minutes: u64) -> Result<(), Failure> {
    let again = format!("give --verification {id} to go on with this check");
    let not_approved = |text: String| Failure::new(text).exit(Exit::NotApproved);
    let progress = Progress::new(page.is_json());
    let waiting = async {
        loop {
            let doing = || format!("the identity check {id} cannot be read");
            let standing: StatusResponse = client.retail().verification_status(id).await.calling(doing)?;
            match standing.status.as_str() {
                "approved" => return Ok(()),
                "declined" => {
                    let how = standing.inquiry_status.to_lowercase();
                    return Err(not_approved(format!("the identity check {id} ended {how}"))
                        .next("nothing was recovered; begin anew, without --verification"));
                }
                _ => progress.say("waiting for the identity check", &standing.inquiry_status.to_lowercase()),
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(minutes.saturating_mul(60)), waiting).await {
        Ok(ended) => ended,
        Err(_) => {
            Err(not_approved(format!("the identity check {id} did not end in {minutes} minutes")).next(again))
        }
    }
}

/// Writes what came back, and tells of what did not.
fn keep(page: Page, out: &Path, recovered: &Recovered) -> Result<(), Failure> {
    for item in &recovered.secrets {
        let path = keep_one(out, &item.name, &item.backup_id, &item.secret)?;
        let bytes = item.secret.expose().len();
        page.line(&format!("{}  {bytes} bytes, as they were stored", page.bold(&path.display().to_string())));
        page.event(
            "recovered",
            json!({ "name": item.name, "backup_id": item.backup_id, "file": path, "size": bytes }),
        );
    }
    for item in &recovered.failed {
        page.line(&format!("{}: {}", page.red("not recovered"), item.fault));
        page.event(
            "not-recovered",
            json!({ "name": item.name, "backup_id": item.backup_id, "message": item.fault.to_string() }),
        );
    }
    match recovered.failed.len() {
        0 => Ok(()),
        count => {
            Err(Failure::new(format!("{count} items did not come back; the others did"))
                .exit(Exit::NotProven))
        }
    }
}

/// Under its name; under its id as well where another secret has that name.
fn keep_one(out: &Path, name: &str, id: &str, secret: &Secret) -> Result<PathBuf, Failure> {
    let names = [file_name(name), format!("{}-{}", file_name(name), file_name(id))];
    let is_there = |path: &PathBuf| std::fs::read(path).is_ok_and(|bytes| bytes == secret.expose());
    let mut last = None;
    for path in names.map(|name| out.join(name)) {
        if is_there(&path) {
            return Ok(path);
        }
        match write_new(&path, secret.expose()) {
            Ok(()) => return Ok(path),
            Err(failure) => last = Some(failure),
        }
    }
    Err(last.unwrap_or_else(|| Failure::new("there is no name for what came back")))
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt as _;

    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    let doing = || format!("cannot use the folder {}", path.display());
    made.doing(doing).map_err(|failure| failure.exit(Exit::Local))
}
