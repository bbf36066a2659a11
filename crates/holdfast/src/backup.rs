//! `holdfast backup`: a secret or a file, encrypted on this machine and stored.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use client::api::stored::KeyShown;
use client::{
    AttestedKey, BackupRequest, Client, Field, InstitutionBackupRequest, JWE_PLAINTEXT_BYTES_MAX, KeptBackup,
    PartnerBackupRequest, Secret,
};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::connection::{self, Api, run as run_async, usage};
use crate::exit::Exit;
use crate::failure::{Calling as _, Doing as _, Failure};
use crate::keys::{Environment, Filed, attest_shown};
use crate::page::Page;
use crate::receipt::{Place, Receipt};

/// Stores backups: a secret is encrypted on this machine, to a key that the service's enclave vouches for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the service is, and as whom one calls it.
    #[command(flatten)]
    pub service: connection::Args,
    /// Whose calls are made.
    #[arg(long, value_enum, default_value_t, env = "HOLDFAST_API", global = true)]
    pub api: Api,
    /// What is to be done.
    #[command(subcommand)]
    pub what: What,
}

/// What is stored.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Stores a secret of up to about 7.5 MiB, read from a file or from standard input.
    ///
    /// Up to 446 bytes are one RSA-OAEP ciphertext, which the enclave opens at once to compare the checksum. More is a
    /// JWE (RSA-OAEP-256 with A256GCM), stored as a file, which nobody but you checks.
    Data {
        /// Where the secret is; standard input when left out.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// A wallet's backup: the identity check under which it is stored.
        #[arg(long, value_name = "ID", conflicts_with_all = ["key_id", "environment", "customer", "package"])]
        verification: Option<String>,
        /// A wallet's backup: the name by which the secret comes back.
        #[arg(long, default_value = "secret", requires = "verification")]
        name: String,
        /// Whose it is, and under which key.
        #[command(flatten)]
        under: Under,
    },
    /// Stores a file that you have encrypted already, to the key named: the service adds no encryption.
    File(StoreFile),
}

/// Which file, and under which key.
#[derive(Debug, clap::Args)]
pub struct StoreFile {
    /// The encrypted file, 1 byte to 10 MiB.
    pub file: PathBuf,
    /// The key's id.
    #[arg(long, value_name = "ID")]
    pub key_id: String,
    /// More to keep beside it, such as `description=old phone`.
    #[arg(long = "metadata", value_name = "NAME=TEXT")]
    pub metadata: Vec<String>,
    /// Where the receipt is kept.
    #[command(flatten)]
    pub place: Place,
}

/// Whose a backup is, and under which key.
#[derive(Debug, clap::Args)]
pub struct Under {
    /// Your name for the user.
    #[arg(long, value_name = "NAME", required_unless_present = "key_id")]
    pub user: Option<String>,
    /// A key that is there already.
    #[arg(long, value_name = "ID", conflicts_with_all = ["user", "environment", "customer", "package"])]
    pub key_id: Option<String>,
    /// HOT or COLD, for the key that is assigned if the user has none.
    #[arg(long, value_enum, value_name = "HOT|COLD")]
    pub environment: Option<Environment>,
    /// What that key is filed under.
    #[command(flatten)]
    pub filed: Filed,
    /// More to keep beside it, such as `description=old phone`.
    #[arg(long = "metadata", value_name = "NAME=TEXT")]
    pub metadata: Vec<String>,
    /// Where the receipt is kept.
    #[command(flatten)]
    pub place: Place,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let page = args.service.page();
    run_async(page, async {
        let client = args.service.client()?;
        match &args.what {
            What::Data { secret_file, verification, name, under } => {
                let secret = read_secret(secret_file.as_deref())?;
                match verification {
                    Some(verification) => of_wallet(page, &client, under, verification, name, &secret).await,
                    None => of_customer(page, &client, args.api, under, &secret).await,
                }
            }
            What::File(what) => store_file(page, &client, args.api, what).await,
        }
    })
}

/// The bytes as they are: a line break at the end belongs to them.
fn read_secret(path: Option<&Path>) -> Result<Secret, Failure> {
    let name = path.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    let local = |failure: Failure| failure.exit(Exit::Local);
    // Reserved at once: a buffer that grows leaves copies behind.
    let most = JWE_PLAINTEXT_BYTES_MAX + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    let read = match path {
        Some(path) => {
            std::fs::File::open(path).and_then(|file| file.take(most as u64).read_to_end(&mut bytes))
        }
        None if std::io::stdin().is_terminal() => {
            return Err(usage("a secret is not typed where others can read it")
                .next("give --secret-file FILE, or hand it in through a pipe"));
        }
        None => std::io::stdin().lock().take(most as u64).read_to_end(&mut bytes),
    };
    read.doing(|| format!("cannot read the secret from {name}")).map_err(local)?;
    if bytes.len() == most {
        return Err(usage(format!("the secret has more than the {JWE_PLAINTEXT_BYTES_MAX} bytes that fit"))
            .next("split it; or encrypt it yourself and store it with: holdfast backup file"));
    }
    Ok(Secret::from(bytes))
}

fn metadata_of(given: &[String]) -> Result<Option<Map<String, Value>>, Failure> {
    let member = |text: &String| {
        let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty())?;
        Some((name.to_owned(), Value::from(value)))
    };
    let members: Option<Map<String, Value>> = given.iter().map(member).collect();
    let members =
        members.ok_or_else(|| usage("--metadata takes NAME=TEXT, such as description='old phone'"))?;
    Ok((!members.is_empty()).then_some(members))
}

async fn of_wallet(
    page: Page,
    client: &Client,
    under: &Under,
    verification_id: &str,
    name: &str,
    secret: &Secret,
) -> Result<(), Failure> {
    let Some(user) = &under.user else { return Err(usage("give --user NAME")) };
    let metadata = metadata_of(&under.metadata)?;
    let reserved = under.place.reserve()?;
    let items = [(name, secret)];
    let request =
        BackupRequest { user_identifier: user, verification_id, items: &items, metadata, user_id: None };
    let kept = client.backup(&request).await.calling(|| "nothing was stored")?;
    let Some(item) = kept.items.first() else { return Err(Failure::new("the service names no item")) };
    page.line(&format!(
        "{}  {} bytes stored under key {}",
        page.bold(&item.backup_id),
        item.data_size,
        kept.key_id
    ));
    page.line("It is opened for nobody before the identity check is approved.");
    let details = json!({
        "backup_id": item.backup_id, "item_key": item.item_key, "verification_id": verification_id, "form": "oaep",
    });
    page.event("backup", json!({ "backup_id": item.backup_id, "key_id": kept.key_id, "form": "oaep" }));
    let receipt = Receipt::of("backup", client, user, &kept.key_id, &kept.key, details).await;
    reserved.keep(page, &receipt)
}

async fn of_customer(
    page: Page,
    client: &Client,
    api: Api,
    under: &Under,
    secret: &Secret,
) -> Result<(), Failure> {
    let metadata = metadata_of(&under.metadata)?;
    let doing = || "nothing was stored";
    let (user, kept, reserved) = if let Some(key_id) = &under.key_id {
        let shown = key_of(client, api, key_id).await?;
        let key = attest_bound(client, &shown).await?;
        let reserved = under.place.reserve()?;
        let kept = match api {
            Api::Partner => client.partner().backup_under(&key, key_id, secret, metadata.as_ref()).await,
            Api::Institution => {
                client.institution().backup_under(&key, key_id, secret, metadata.as_ref()).await
            }
        };
        (shown.user_identifier, kept.calling(doing)?, reserved)
    } else {
        let Some(user) = &under.user else { return Err(usage("give --user NAME, or --key-id ID")) };
        let environment = under.environment.map(Environment::as_str);
        let filed = if api == Api::Partner { Some(under.filed.whole()?) } else { None };
        let reserved = under.place.reserve()?;
        let kept = match (filed, environment) {
            (Some((organisation, package)), Some(key_environment)) => {
                let request = PartnerBackupRequest {
                    user_identifier: user,
                    secret,
                    organisation,
                    package,
                    key_environment,
                    metadata,
                    user_id: None,
                };
                client.partner().backup(&request).await
            }
            (Some(_), None) => return Err(usage("give --environment HOT or COLD; there is no default")),
            (None, key_environment) => {
                let (organisation, package) = under.filed.parts();
                let request = InstitutionBackupRequest {
                    user_identifier: user,
                    secret,
                    organisation,
                    package,
                    key_environment,
                    metadata,
                    user_id: None,
                };
                client.institution().backup(&request).await
            }
        };
        (user.clone(), kept.calling(doing)?, reserved)
    };
    tell(page, &kept);
    let details = details_of(&kept);
    let receipt = Receipt::of("backup", client, &user, &kept.key_id, &kept.key, details).await;
    reserved.keep(page, &receipt)
}

fn tell(page: Page, kept: &KeptBackup) {
    let (id, form, key) = (page.bold(&kept.backup_id), kept.form.as_str(), &kept.key_id);
    page.line(&format!("{id}  stored as {form} under key {key}"));
    page.event("backup", details_of(kept));
}

fn details_of(kept: &KeptBackup) -> Value {
    json!({
        "backup_id": kept.backup_id, "form": kept.form.as_str(), "sha256": kept.sha256, "metadata": kept.metadata,
    })
}

/// One does not encrypt to a key whose signature does not say which one it is.
async fn attest_bound(client: &Client, shown: &KeyShown) -> Result<AttestedKey, Failure> {
    let key = attest_shown(client, shown).await?;
    if key.signed(Field::KeyId).is_some() {
        return Ok(key);
    }
    Err(Failure::new("the enclave's signature is over the key alone and does not say which one it is")
        .exit(Exit::NotProven)
        .next(format!(
            "nothing was encrypted to it; holdfast keys rotate {} makes one that says so",
            shown.key_id
        )))
}

async fn key_of(client: &Client, api: Api, key_id: &str) -> Result<KeyShown, Failure> {
    let read = match api {
        Api::Partner => client.partner().read_key(key_id).await,
        Api::Institution => client.institution().read_key(key_id).await,
    };
    Ok(read.calling(|| format!("the key {key_id} cannot be read"))?.key)
}

async fn store_file(page: Page, client: &Client, api: Api, what: &StoreFile) -> Result<(), Failure> {
    let StoreFile { file: path, key_id, metadata, place } = what;
    let mut metadata = metadata_of(metadata)?.unwrap_or_default();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    metadata.entry("original_filename").or_insert_with(|| name.into());
    let doing = || format!("cannot read {}", path.display());
    let bytes = std::fs::read(path).doing(doing).map_err(|failure| failure.exit(Exit::Local))?;
    let shown = key_of(client, api, key_id).await?;
    let key = attest_shown(client, &shown).await?;
    let reserved = place.reserve()?;
    let stored = match api {
        Api::Partner => client.partner().store_file(key.public_key(), bytes, Some(&metadata)).await,
        Api::Institution => client.institution().store_file(key.public_key(), bytes, Some(&metadata)).await,
    };
    let stored = stored.calling(|| "the file was not stored")?;
    page.line(&format!("{}  {} bytes stored as they are", page.bold(&stored.backup_id), stored.data_size));
    page.line(&format!("SHA-256: {}", stored.sha256));
    let details = json!({
        "backup_id": stored.backup_id, "form": "file", "sha256": stored.sha256, "metadata": stored.metadata,
    });
    page.event("backup", details.clone());
    let receipt = Receipt::of("backup", client, &shown.user_identifier, key_id, &key, details).await;
    reserved.keep(page, &receipt)
}
