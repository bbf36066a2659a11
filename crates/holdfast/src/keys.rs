//! `holdfast keys`: customer keys of partners and institutions, and the enclave's word for them.

mod verify;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use client::api::institution::NewKeyRequest;
use client::api::partner::{AssignKeyRequest, Organisation, Package};
use client::api::stored::{KeyDetails, KeyList, KeyShown, RotateKeyRequest};
use client::attest::{Asked, Claim};
use client::{AttestedKey, Client, Facts, Field};
use serde_json::json;

use crate::connection::{self, Api, run as run_async, usage};
use crate::failure::{Calling as _, Failure};
use crate::page::Page;
use crate::receipt::{Place, Receipt};

/// Assigns customer keys, shows them, renews them, and checks the enclave's signature over them.
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

/// What is done with keys.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Has a key made for a user, checks the enclave's signature over it, and keeps the receipt.
    Assign(Assign),
    /// Lists keys, newest first; superseded ones too.
    List(List),
    /// Shows one key and what was done to it.
    Show {
        /// The key's id.
        key_id: String,
        /// Checks the enclave's signature and keeps a receipt, for when the first one was lost.
        #[arg(long)]
        keep: bool,
        /// Where it is kept.
        #[command(flatten)]
        place: Place,
    },
    /// Puts a new key in the place of one; its backups move to the new one.
    Rotate {
        /// The key's id.
        key_id: String,
        /// Does not ask first.
        #[arg(long)]
        yes: bool,
        /// Where the receipt is kept.
        #[command(flatten)]
        place: Place,
    },
    /// Checks the enclave's signature over a key, from the service or from a receipt.
    Verify(verify::Verify),
}

/// For whom a key is, and of which kind.
#[derive(Debug, clap::Args)]
pub struct Assign {
    /// Your name for the user.
    #[arg(long, value_name = "NAME")]
    pub user: String,
    /// HOT is made and held online, COLD offline; fixed for the life of the key.
    #[arg(long, value_enum, value_name = "HOT|COLD")]
    pub environment: Environment,
    /// Which kind of pair. One encrypts to rsa4096 only.
    #[arg(long = "type", value_name = "KIND", default_value = "rsa4096", value_parser = ["rsa4096", "secp256k1", "ed25519"])]
    pub key_type: String,
    /// What the key is filed under.
    #[command(flatten)]
    pub filed: Filed,
    /// Where the receipt is kept.
    #[command(flatten)]
    pub place: Place,
}

/// Where a key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum Environment {
    /// Online.
    Hot,
    /// Offline.
    Cold,
}

impl Environment {
    /// As the API has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "HOT",
            Self::Cold => "COLD",
        }
    }
}

/// What a key is filed under; a partner's must be.
#[derive(Clone, Debug, clap::Args)]
pub struct Filed {
    /// Your customer's id.
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
    /// Your customer's name.
    #[arg(long, value_name = "NAME", requires = "customer")]
    pub customer_name: Option<String>,
    /// The product package's id.
    #[arg(long, value_name = "ID")]
    pub package: Option<String>,
    /// The product package's name.
    #[arg(long, value_name = "NAME", requires = "package")]
    pub package_name: Option<String>,
}

impl Filed {
    /// As an institution has it.
    pub fn parts(&self) -> (Option<Organisation>, Option<Package>) {
        let organisation = self
            .customer
            .clone()
            .map(|customer_id| Organisation { customer_id, customer_name: self.customer_name.clone() });
        let package = self
            .package
            .clone()
            .map(|package_id| Package { package_id, package_name: self.package_name.clone() });
        (organisation, package)
    }

    /// As a partner must have it.
    pub fn whole(&self) -> Result<(Organisation, Package), Failure> {
        match self.parts() {
            (Some(organisation), Some(package)) => Ok((organisation, package)),
            _ => Err(usage("a partner's key is filed under an organisation and a package")
                .next("give --customer ID and --package ID, or --api institution")),
        }
    }
}

/// Which keys.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Only of this user.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Only of this customer.
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
    /// Only of this package.
    #[arg(long, value_name = "ID")]
    pub package: Option<String>,
    /// Only in this state, such as active.
    #[arg(long, value_name = "STATE")]
    pub status: Option<String>,
    /// Only HOT or only COLD ones.
    #[arg(long, value_enum, value_name = "HOT|COLD")]
    pub environment: Option<Environment>,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let page = args.service.page();
    run_async(page, async {
        // A receipt that is checked against a known key needs no service.
        if let What::Verify(what) = &args.what {
            return verify::verify(page, &args.service, args.api, what).await;
        }
        let client = args.service.client()?;
        match &args.what {
            What::Assign(what) => assign(page, &client, args.api, what).await,
            What::List(filter) => list(page, &client, args.api, filter).await,
            What::Show { key_id, keep, place } => {
                show(page, &client, args.api, key_id, keep.then_some(place)).await
            }
            What::Rotate { key_id, yes, place } => rotate(page, &client, args.api, key_id, *yes, place).await,
            What::Verify(_) => Ok(()),
        }
    })
}

/// What the enclave is asked to sign beside a key that is filed like this.
fn sign_with(filed: &Filed) -> Vec<String> {
    let mut fields = vec![Field::KeyId, Field::UserId, Field::KeyFingerprint];
    fields.extend(filed.customer.as_ref().map(|_| Field::ExternalCustomerId));
    fields.extend(filed.package.as_ref().map(|_| Field::ExternalPackageId));
    fields.into_iter().map(|field| field.as_str().to_owned()).collect()
}

async fn assign(page: Page, client: &Client, api: Api, what: &Assign) -> Result<(), Failure> {
    let fields = Some(sign_with(&what.filed));
    let environment = what.environment.as_str().to_owned();
    let filed = if api == Api::Partner { Some(what.filed.whole()?) } else { None };
    let reserved = what.place.reserve()?;
    let doing = || "no key was assigned";
    let untrusted = || "the key that was assigned is not to be used";
    let (key, answer) = if let Some((organisation, package)) = filed {
        let request = AssignKeyRequest {
            user_identifier: what.user.clone(),
            key_type: Some(what.key_type.clone()),
            key_environment: environment,
            organisation,
            package,
            sign_with: fields,
        };
        let answer = client.partner().assign_key(&request).await.calling(doing)?;
        let key = client.attest_assigned(&request, &answer).await.calling(untrusted)?;
        (key, json!(answer))
    } else {
        let (organisation, package) = what.filed.parts();
        let request = NewKeyRequest {
            user_identifier: what.user.clone(),
            key_type: what.key_type.clone(),
            key_environment: Some(environment),
            organisation,
            package,
            sign_with: fields,
        };
        let answer = client.institution().new_key(&request).await.calling(doing)?;
        let key = client.attest_new(&request, &answer).await.calling(untrusted)?;
        (key, json!(answer))
    };
    let key_id = answer["key_id"].as_str().unwrap_or_default().to_owned();
    let place =
        [&answer["key_environment"], &answer["key_type"]].map(|text| text.as_str().unwrap_or_default());
    page.line(&format!("{}  {} {}", page.bold(&key_id), place[0], place[1]));
    tell_attested(page, &key);
    page.line(&format!("public key: {}", key.public_key()));
    page.event("key", answer.clone());
    let details = json!({
        "key_type": answer["key_type"], "key_environment": answer["key_environment"],
        "customer_id": answer["customer_id"], "package_id": answer["package_id"],
        "assigned_at": answer["assigned_at"],
    });
    let receipt = Receipt::of("key", client, &what.user, &key_id, &key, details).await;
    reserved.keep(page, &receipt)
}

/// What the enclave's signature says.
fn tell_attested(page: Page, key: &AttestedKey) {
    let kid = key.kid().unwrap_or("the key that you gave");
    if Field::ALL.into_iter().all(|field| key.signed(field).is_none()) {
        let alone = "over the key alone: that does not say whose it is";
        page.line(&format!("{} by the service's enclave ({kid}), {alone}", page.green("signed")));
        return;
    }
    page.line(&format!("{} by the service's enclave ({kid}):", page.green("signed")));
    for field in Field::ALL {
        if let Some(value) = key.signed(field) {
            page.line(&format!("  {:<22} {}", field.as_str(), client::vote::plain(value)));
        }
    }
}

async fn list(page: Page, client: &Client, api: Api, filter: &List) -> Result<(), Failure> {
    let mut filter = KeyList {
        user_identifier: filter.user.clone(),
        customer_id: filter.customer.clone(),
        package_id: filter.package.clone(),
        status: filter.status.clone(),
        key_environment: filter.environment.map(|environment| environment.as_str().to_owned()),
        limit: None,
        cursor: None,
    };
    let mut count = 0;
    loop {
        let listed = match api {
            Api::Partner => client.partner().list_keys(&filter).await,
            Api::Institution => client.institution().list_keys(&filter).await,
        };
        let listed = listed.calling(|| "the keys cannot be listed")?;
        count += listed.data.len();
        for key in &listed.data {
            page.line(&line_of(page, key));
            page.event("key", json!(key));
        }
        match listed.next_cursor {
            Some(next) => filter.cursor = Some(next),
            None => break,
        }
    }
    if count == 0 {
        page.line("There is no such key.");
    }
    Ok(())
}

fn line_of(page: Page, key: &KeyShown) -> String {
    let filed = [&key.customer_id, &key.package_id].into_iter().flatten();
    let filed: Vec<String> = filed.map(|id| client::vote::plain(id)).collect();
    let (id, user) = (page.bold(&key.key_id), client::vote::plain(&key.user_identifier));
    let KeyShown { key_environment, key_type, status, backups_count, .. } = key;
    format!(
        "{id}  {key_environment:<4} {key_type:<9} {status:<11} {backups_count:>3} backups  {user}  {}",
        filed.join(" / ")
    )
}

async fn read(client: &Client, api: Api, key_id: &str) -> Result<KeyDetails, Failure> {
    let read = match api {
        Api::Partner => client.partner().read_key(key_id).await,
        Api::Institution => client.institution().read_key(key_id).await,
    };
    read.calling(|| format!("the key {key_id} cannot be read"))
}

/// Checks what was answered when the key was assigned: that it is this key, and filed as it is shown.
pub async fn attest_shown(client: &Client, shown: &KeyShown) -> Result<AttestedKey, Failure> {
    let asked = Asked {
        sign_with: shown.signed_fields.as_deref().unwrap_or_default(),
        key_type: Some(&shown.key_type),
        key_environment: None,
        facts: Facts {
            key_id: Some(&shown.key_id),
            external_customer_id: shown.customer_id.as_deref(),
            external_package_id: shown.package_id.as_deref(),
            ..Facts::default()
        },
    };
    client.attest(&Claim::of_shown(shown), &asked).await.calling(|| "the key is not to be used")
}

async fn show(
    page: Page,
    client: &Client,
    api: Api,
    key_id: &str,
    keep: Option<&Place>,
) -> Result<(), Failure> {
    let reserved = keep.map(Place::reserve).transpose()?;
    let shown = read(client, api, key_id).await?;
    let key = &shown.key;
    page.line(&line_of(page, key));
    page.line(&format!("assigned {}, signed by {}", key.assigned_at, key.kid));
    for (name, other) in [("supersedes", &key.supersedes), ("superseded by", &key.superseded_by)] {
        if let Some(other) = other {
            page.line(&format!("{name} {other}"));
        }
    }
    page.line(&format!("public key: {}", key.public_key));
    for act in &shown.history {
        page.line(&format!("  {}  {:<20} {} {}", act.time, act.action, act.actor_type, act.actor));
    }
    page.event("key", json!(shown));
    let Some(reserved) = reserved else { return Ok(()) };
    let attested = attest_shown(client, key).await?;
    tell_attested(page, &attested);
    let details = json!({
        "key_type": key.key_type, "key_environment": key.key_environment,
        "customer_id": key.customer_id, "package_id": key.package_id, "assigned_at": key.assigned_at,
    });
    let user = &key.user_identifier;
    let receipt = Receipt::of("key", client, user, &key.key_id, &attested, details).await;
    reserved.keep(page, &receipt)
}

async fn rotate(
    page: Page,
    client: &Client,
    api: Api,
    key_id: &str,
    yes: bool,
    place: &Place,
) -> Result<(), Failure> {
    let old = read(client, api, key_id).await?.key;
    if !yes {
        confirm(&format!("Put a new key in the place of {key_id}, with its {} backups?", old.backups_count))?;
    }
    let reserved = place.reserve()?;
    let filed = Filed {
        customer: old.customer_id.clone(),
        customer_name: None,
        package: old.package_id.clone(),
        package_name: None,
    };
    let request = RotateKeyRequest { sign_with: Some(sign_with(&filed)) };
    let rotated = match api {
        Api::Partner => client.partner().rotate_key(key_id, &request).await,
        Api::Institution => client.institution().rotate_key(key_id, &request).await,
    };
    let answer = rotated.calling(|| "the key was not rotated")?;
    let asked = Asked {
        sign_with: request.sign_with.as_deref().unwrap_or_default(),
        key_type: Some(&old.key_type),
        key_environment: Some(&old.key_environment),
        facts: Facts {
            key_id: Some(&answer.key.key_id),
            external_customer_id: old.customer_id.as_deref(),
            external_package_id: old.package_id.as_deref(),
            ..Facts::default()
        },
    };
    let attested = client.attest(&Claim::of_new(&answer.key), &asked).await;
    let attested = attested.calling(|| "the key that was made is not to be used")?;
    page.line(&format!("{}  in the place of {}", page.bold(&answer.key.key_id), answer.supersedes));
    tell_attested(page, &attested);
    page.event("key", json!(answer));
    let details = json!({
        "key_type": answer.key.key_type, "key_environment": answer.key.key_environment,
        "customer_id": answer.key.customer_id, "package_id": answer.key.package_id,
        "assigned_at": answer.key.assigned_at, "supersedes": answer.supersedes,
    });
    let key_id = &answer.key.key_id;
    let receipt = Receipt::of("key", client, &old.user_identifier, key_id, &attested, details).await;
    reserved.keep(page, &receipt)
}

/// Asks on a terminal; elsewhere there is nobody to ask.
fn confirm(question: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(usage("there is no terminal to ask on").next("give --yes if you are sure"));
    }
    // What cannot be shown cannot be agreed to: an empty answer is a no.
    let _ = write!(std::io::stderr().lock(), "{question} [y/N] ").and_then(|()| std::io::stderr().flush());
    let mut answer = String::new();
    let is_read = std::io::stdin().read_line(&mut answer).is_ok();
    if is_read && matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new("nothing was done"))
    }
}
