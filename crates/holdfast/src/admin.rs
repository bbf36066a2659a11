//! `holdfast admin`: tenants, their credentials and first owners, and shares of private keys, straight on the database.

mod root_log;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;
use server::admin::{Admin, Erased, Remade, Shown};
use server::config::Settings;

use crate::failure::{Doing as _, Failure};
use crate::page::{Page, print_failure};
pub use root_log::RootLogDeed;

/// Makes and lists tenants and their API credentials, invites their first owners, prints what their audit logs are
/// checked with, and makes shares of private keys anew.
///
/// Works on the database and the keys that the settings name, as the same user as the service; it may run
/// meanwhile.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The service's settings, as TOML.
    #[arg(long, value_name = "FILE", env = "HOLDFAST_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// Prints JSON for programs.
    #[arg(long, global = true)]
    pub json: bool,
    /// What is to be done.
    #[command(subcommand)]
    pub what: What,
}

/// Tenants, credentials, the key of a log, or shares of private keys.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Account holders of the service.
    #[command(subcommand)]
    Tenant(TenantDeed),
    /// API credentials of a tenant.
    #[command(subcommand)]
    Credential(CredentialDeed),
    /// Prints the public key that checkpoints of a tenant's audit log are checked with, or those of the root log.
    LogKey {
        /// The tenant's id.
        #[arg(long, required_unless_present = "root")]
        tenant: Option<String>,
        /// The root log instead of a tenant's.
        #[arg(long, conflicts_with = "tenant")]
        root: bool,
        /// Prints the enclave's key instead, with which it signed the last of them that it signed.
        #[arg(long)]
        enclave: bool,
    },
    /// The root log: it names each checkpoint of every tenant's log, so that no log goes or comes back whole unseen.
    #[command(subcommand)]
    RootLog(RootLogDeed),
    /// People for whom tokens of a tenant's own issuer spoke.
    #[command(subcommand)]
    Person(PersonDeed),
    /// Shows the enclave a mark of its log that a webhook carried, and says whether its log goes as far.
    ///
    /// Where it does not, somebody put an old copy of the log back: the enclave decides nothing any more, and the mark
    /// is kept, so that this stays so.
    EnclaveMark {
        /// What stands in the header `Holdfast-Mark`.
        mark: String,
    },
    /// Shares of customers' private keys.
    #[command(subcommand)]
    KeyShares(KeySharesDeed),
    /// Invites an owner of a tenant to Control, and prints the link, this once.
    Owner {
        /// The tenant's id.
        #[arg(long)]
        tenant: String,
        /// Where mail reaches the owner.
        #[arg(long)]
        email: String,
        /// As the owner is called.
        #[arg(long)]
        name: String,
    },
}

/// What is done with people in the audit log.
#[derive(Debug, Subcommand)]
pub enum PersonDeed {
    /// Prints what the audit log calls somebody: a keyed hash of the name that the issuer gave him.
    Find(Named),
    /// Erases somebody: nobody can tell any more whom the audit log means. Its entries stay, and it is verified as
    /// before. This cannot be undone; copies of the database from before still know him.
    Erase(Named),
}

/// Who.
#[derive(Debug, clap::Args)]
pub struct Named {
    /// The tenant's id.
    #[arg(long)]
    tenant: String,
    /// The issuer's name for him: the claim `sub` of his tokens.
    #[arg(long)]
    subject: String,
}

/// What is done with shares of private keys.
#[derive(Debug, Subcommand)]
pub enum KeySharesDeed {
    /// Holds every key as the settings say: splits what is whole, makes anew what lacks shares, and puts together what is
    /// not to be split any more. It may be run again at any time, and goes on where it ended.
    Remake {
        /// Makes anew only what this store lacks, named as in the settings; every key, when left out.
        #[arg(long)]
        store: Option<String>,
    },
}

/// What is done with tenants.
#[derive(Debug, Subcommand)]
pub enum TenantDeed {
    /// Makes a tenant.
    Create {
        /// As people know it.
        #[arg(long)]
        name: String,
        /// `retail`, `partner` or `institution`.
        #[arg(long)]
        kind: String,
    },
    /// Lists every tenant.
    List,
}

/// What is done with credentials.
#[derive(Debug, Subcommand)]
pub enum CredentialDeed {
    /// Makes a credential and prints its key, this once.
    Create {
        /// The tenant's id.
        #[arg(long)]
        tenant: String,
        /// A label.
        #[arg(long)]
        name: String,
        /// With commas between: `retail,audit,credentials`.
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<String>,
        /// From when it is refused, such as `2030-01-31T12:00:00Z`; never, when left out.
        #[arg(long, value_name = "INSTANT")]
        expires_at: Option<String>,
    },
    /// Lists a tenant's credentials, without their keys.
    List {
        /// The tenant's id.
        #[arg(long)]
        tenant: String,
    },
    /// Revokes a credential: the next call with it is refused.
    Revoke {
        /// The tenant's id.
        #[arg(long)]
        tenant: String,
        /// The credential's id.
        #[arg(long)]
        id: String,
    },
}

/// Runs it.
pub fn run(args: Args) -> ExitCode {
    match administer(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print_failure(Page::new(false), &failure);
            ExitCode::FAILURE
        }
    }
}

fn administer(args: Args) -> Result<(), Failure> {
    let Some(config) = args.config else {
        return Err(Failure::new("name the service's settings with --config"));
    };
    let settings =
        Settings::load(&config).doing(|| format!("the settings in {} cannot be used", config.display()))?;
    let runtime = tokio::runtime::Runtime::new().doing(|| "cannot start threads")?;
    runtime.block_on(async {
        let admin = Admin::open(settings).await.doing(|| "cannot open the installation")?;
        let page = Page::new(args.json);
        let done = match args.what {
            What::Tenant(deed) => tenants(&admin, page, deed).await,
            What::Credential(deed) => credentials(&admin, page, deed).await,
            What::Person(deed) => person(&admin, page, deed).await,
            What::EnclaveMark { mark } => enclave_mark(&admin, page, &mark).await,
            What::KeyShares(KeySharesDeed::Remake { store }) => remake(&admin, page, store.as_deref()).await,
            What::LogKey { tenant, enclave, .. } => log_key(&admin, page, tenant.as_deref(), enclave).await,
            What::RootLog(deed) => root_log::run(&admin, page, deed).await,
            What::Owner { tenant, email, name } => owner(&admin, page, &tenant, &email, &name).await,
        };
        admin.close().await;
        done
    })
}

async fn tenants(admin: &Admin, page: Page, deed: TenantDeed) -> Result<(), Failure> {
    match deed {
        TenantDeed::Create { name, kind } => {
            let tenant = admin.create_tenant(&name, &kind).await.doing(|| "no tenant was made")?;
            page.line(&format!("{}  {} {}", page.bold(&tenant.id), tenant.kind, tenant.name));
            tell(page, "tenant", &tenant)
        }
        TenantDeed::List => {
            for tenant in admin.list_tenants().await.doing(|| "the tenants cannot be listed")? {
                page.line(&format!("{}  {:11}  {}", tenant.id, tenant.kind, tenant.name));
                tell(page, "tenant", &tenant)?;
            }
            Ok(())
        }
    }
}

async fn credentials(admin: &Admin, page: Page, deed: CredentialDeed) -> Result<(), Failure> {
    match deed {
        CredentialDeed::Create { tenant, name, scopes, expires_at } => {
            let made = admin.create_credential(&tenant, &name, &scopes, expires_at.as_deref()).await;
            let made = made.doing(|| "no credential was made")?;
            page.line(&format!("{}  {}", made.id, made.scopes.join(" ")));
            page.line(&page.bold(&made.api_key));
            page.line("This key is not shown again.");
            tell(page, "credential", &made)
        }
        CredentialDeed::List { tenant } => {
            let found = admin.list_credentials(&tenant).await.doing(|| "the credentials cannot be listed")?;
            for credential in found {
                let state = match (&credential.revoked_at, &credential.expires_at) {
                    (Some(at), _) => format!("revoked {at}"),
                    (None, Some(at)) => format!("expires {at}"),
                    (None, None) => "never expires".to_owned(),
                };
                let scopes = credential.scopes.join(" ");
                page.line(&format!(
                    "{}  {}  {}  {scopes}  {state}",
                    credential.id, credential.hint, credential.name
                ));
                tell(page, "credential", &credential)?;
            }
            Ok(())
        }
        CredentialDeed::Revoke { tenant, id } => {
            admin.revoke_credential(&tenant, &id).await.doing(|| "nothing was revoked")?;
            page.line("revoked");
            tell(page, "revoked", &serde_json::json!({ "id": id }))
        }
    }
}

async fn enclave_mark(admin: &Admin, page: Page, mark: &str) -> Result<(), Failure> {
    match admin.show_mark(mark).await.doing(|| "the enclave was not asked")? {
        Shown::Has(record) => {
            page.line(&format!("the enclave's log has record {record}"));
            tell(page, "enclave_mark", &serde_json::json!({ "record": record }))
        }
        Shown::Lacks(record) => Err(Failure::new(format!(
            "the enclave's log lacks record {record}: it is an old copy, and decides nothing until the log is put right"
        ))),
    }
}

async fn person(admin: &Admin, page: Page, deed: PersonDeed) -> Result<(), Failure> {
    let nobody = || Failure::new("the audit log has nobody of that name: it never had, or he was erased");
    match deed {
        PersonDeed::Find(Named { tenant, subject }) => {
            let found = admin.find_subject(&tenant, &subject).await.doing(|| "nobody was looked for")?;
            let pseudonym = found.ok_or_else(nobody)?;
            page.line(&pseudonym);
            tell(page, "person", &serde_json::json!({ "actor": pseudonym }))
        }
        PersonDeed::Erase(Named { tenant, subject }) => {
            let erased = admin.erase_subject(&tenant, &subject).await.doing(|| "nobody was erased")?;
            let Erased { pseudonym, named_in_keys } = erased.ok_or_else(nobody)?;
            page.line(&format!("erased: nobody can tell any more whom the audit log calls {pseudonym}"));
            if named_in_keys > 0 {
                page.line(&format!(
                    "{named_in_keys} of the tenant's keys have a signed statement that names him, as was asked for \
                     when they were taken; that stays, since a signature has no other text"
                ));
            }
            let told = serde_json::json!({ "actor": pseudonym, "named_in_keys": named_in_keys });
            tell(page, "erased", &told)
        }
    }
}

async fn remake(admin: &Admin, page: Page, store: Option<&str>) -> Result<(), Failure> {
    let told = |far: &Remade| {
        page.line(&format!("{} keys so far, {} of them held anew", far.keys, far.remade));
        // What cannot be shown is no reason to stop.
        drop(tell(page, "progress", far));
    };
    let done = admin.remake_key_shares(store, told).await;
    let done = done.doing(|| "not every key is held as the settings say; what was done stays done")?;
    let Remade { keys, whole, complete, lacking, lost, remade } = done;
    page.line(&format!(
        "{keys} keys: {whole} whole in the database, {complete} with all shares, {lacking} that lack some, {lost} lost; \
         {remade} were held anew"
    ));
    tell(page, "remade", &done)?;
    if lost > 0 {
        let text = format!("of {lost} keys too few shares can be read: bring back a store, or a copy of it");
        return Err(Failure::new(&text));
    }
    Ok(())
}

/// Of the root log without a tenant.
async fn log_key(admin: &Admin, page: Page, tenant: Option<&str>, is_enclave: bool) -> Result<(), Failure> {
    let key = match (tenant, is_enclave) {
        (Some(tenant), true) => admin.cosigner(tenant).await,
        (Some(tenant), false) => admin.log_key(tenant).await,
        (None, true) => admin.root_log_cosigner().await,
        (None, false) => Ok(admin.root_log_key()),
    };
    let key = key.doing(|| "there is no key")?;
    page.line(&key);
    tell(page, "log_key", &serde_json::json!({ "key": key }))
}

async fn owner(admin: &Admin, page: Page, tenant: &str, email: &str, name: &str) -> Result<(), Failure> {
    let invitation = admin.invite_owner(tenant, email, name).await.doing(|| "nobody was invited")?;
    page.line(&format!("{}  {}  until {}", invitation.id, invitation.email, invitation.expires_at));
    page.line(&page.bold(&invitation.link));
    page.line("This link is not shown again. Whoever opens it first sets the password.");
    tell(page, "invitation", &invitation)
}

/// One object on a line, for programs.
fn tell(page: Page, event: &str, what: &impl Serialize) -> Result<(), Failure> {
    page.event(event, serde_json::to_value(what).doing(|| "cannot write the answer")?);
    Ok(())
}
