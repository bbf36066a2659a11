//! Administration past the API, straight on the database of an installation: its tenants, and their first
//! credentials. May be done while the service runs.

mod root_log;

use api::credential::{CreatedCredential, Credential};
use domain::audit::ActorType;
use domain::audit::checkpoint::LogKey;
use domain::credential::{Scope, TenantKind};
use domain::ids::{EventId, TenantId};
use domain::refusal::{Kind, Refusal};
use domain::time::Timestamp;
use serde::Serialize;
use store::audit::AuditEntry;
use store::seal::ServerKeys;
use store::{Db, StoreError, checkpoints, credentials, meta, reseals, tenants};

use crate::app::{App, Parts};
use crate::config::Settings;
use crate::control::Control;
use crate::edge::chance::SystemChance;
use crate::edge::clock::SystemClock;
use crate::edge::jwt::TokenKey;
use crate::files::Files;
pub use crate::flows::key_shares::Remade;
use crate::flows::key_shares::{Wish, remake_key_shares};
pub use crate::flows::offline::{Exported, Imported, Order, Resealed as OfflineResealed};
use crate::flows::people::{self, Invited, Invitee};
use crate::flows::{self, Error, NewCredential};
pub use crate::flows::{Erased, Shown};
use crate::http::credential;
use crate::key_shares::KeyShares;

/// An installation that is administered.
pub struct Admin(Box<App>);

/// A tenant, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// As people know it.
    pub name: String,
    /// `retail`, `partner` or `institution`.
    pub kind: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
}

/// How far it has come that what the enclave sealed is sealed anew.
#[derive(Clone, Debug, Serialize)]
pub struct Reseal {
    /// The epoch of the root key that is sealed into.
    pub epoch: i64,
    /// What was sealed anew so far.
    pub moved: i64,
    /// Seals that did not hold, and were left.
    pub broken: i64,
    /// When a whole pass had found nothing left to move, RFC 3339; none: there may be something.
    pub finished_at: Option<String>,
}

/// An invitation, as it is shown once.
#[derive(Clone, Serialize)]
pub struct Invitation {
    /// The person's id.
    pub id: String,
    /// The address as it is kept.
    pub email: String,
    /// What leads in.
    pub link: String,
    /// Until when, RFC 3339.
    pub expires_at: String,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AdminError(String);

impl From<Error> for AdminError {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => Self(refusal.text),
            Error::Fault(fault) => Self(format!("{}: {}", fault.doing, fault.chain())),
        }
    }
}

impl From<Refusal> for AdminError {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.text)
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Error::from(error).into()
    }
}

impl Admin {
    /// Opens the database of these settings, and makes it where there is none.
    pub async fn open(settings: Settings) -> Result<Self, AdminError> {
        std::fs::create_dir_all(&settings.data_dir)
            .map_err(|error| AdminError(format!("making the data folder: {error}")))?;
        let keys = ServerKeys::load_or_create(&settings.data_dir.join("server.keys"), &mut SystemChance);
        let keys = keys.map_err(Error::from)?;
        let db = Db::open(settings.database.clone().sealed_by(&keys)).await?;
        let environment = settings.environment.as_str();
        let found: Result<String, StoreError> =
            db.write("claim_database", move |tx| meta::ensure(tx, "environment", environment)).await;
        let found = found?;
        if found != environment {
            let text =
                format!("the database belongs to a {found} installation, and this one is {environment}");
            return Err(AdminError(text));
        }
        let token_key = TokenKey::of(keys.token_seed())
            .ok_or_else(|| AdminError("the server's keys make no key for tokens".to_owned()))?;
        let log_key = LogKey::of(keys.log_seed(), settings.environment)
            .ok_or_else(|| AdminError("the server's keys make no key for checkpoints".to_owned()))?;
        let instance = "admin".to_owned();
        let files = Files::open(&settings)
            .map_err(|error| AdminError(format!("opening the store of files: {error}")))?;
        let key_shares = KeyShares::open(&settings.key_shares)
            .map_err(|error| AdminError(format!("opening the stores of key shares: {error}")))?;
        let clock = Box::new(SystemClock);
        let control = settings.control_url.as_ref().map(Control::at).transpose();
        let control = control.map_err(|error| AdminError(format!("control_url: {error}")))?;
        let (sandbox, persona) = (None, None);
        let parts = Parts {
            db,
            keys,
            token_key,
            log_key,
            clock,
            instance,
            files,
            key_shares,
            sandbox,
            persona,
            control,
            mailer: None,
        };
        Ok(Self(Box::new(App::new(&settings, parts))))
    }

    /// Makes a tenant.
    pub async fn create_tenant(&self, name: &str, kind: &str) -> Result<Tenant, AdminError> {
        let kind = TenantKind::parse(kind).ok_or_else(|| unknown("kind", kind, &words(TenantKind::ALL)))?;
        let name = label(name)?;
        let now = self.0.clock.now();
        let tenant =
            tenants::Tenant { id: TenantId::new(now, &mut self.0.chance()), name, kind, created_at: now };
        let (row, entry) = (tenant.clone(), self.entry("tenant.created"));
        let written = self.0.db.write("create_tenant", move |tx| {
            tenants::insert(tx, &row)?;
            store::audit::of(&row.id).append(tx, &entry)
        });
        written.await.map_err(|error: StoreError| AdminError::from(error))?;
        Ok(shown(tenant))
    }

    /// Every tenant, oldest first.
    pub async fn list_tenants(&self) -> Result<Vec<Tenant>, AdminError> {
        let found: Result<Vec<_>, StoreError> = self.0.db.read("list_tenants", tenants::list_all).await;
        Ok(found?.into_iter().map(shown).collect())
    }

    /// The public key that checkpoints of a tenant's log are checked with, as C2SP signed-note spells it.
    pub async fn log_key(&self, tenant: &str) -> Result<String, AdminError> {
        Ok(self.0.log_key.vkey(self.find_tenant(tenant).await?.as_str()))
    }

    /// The enclave's public key, by which it signed the last checkpoint of a tenant's log that it signed.
    pub async fn cosigner(&self, tenant: &str) -> Result<String, AdminError> {
        self.cosigner_of(self.find_tenant(tenant).await?).await
    }

    async fn cosigner_of(&self, tenant: TenantId) -> Result<String, AdminError> {
        let found =
            self.0.db.read("find_cosigned", move |rx| checkpoints::of(&tenant).find_cosigned(rx)).await;
        let found: Option<checkpoints::Checkpoint> =
            found.map_err(|error: StoreError| AdminError::from(error))?;
        let none = || AdminError("the enclave has signed no checkpoint of this log yet".to_owned());
        found.and_then(|found| found.cosigner).ok_or_else(none)
    }

    /// Makes a credential of a tenant, with any scopes. Its text is in the answer and nowhere else.
    pub async fn create_credential(
        &self,
        tenant: &str,
        name: &str,
        scopes: &[String],
        expires_at: Option<&str>,
    ) -> Result<CreatedCredential, AdminError> {
        let tenant = self.find_tenant(tenant).await?;
        let scopes = scopes
            .iter()
            .map(|text| Scope::parse(text).ok_or_else(|| unknown("scope", text, &words(Scope::ALL))));
        let mut scopes = scopes.collect::<Result<Vec<_>, _>>()?;
        scopes.dedup();
        let expires_at = expires_at.map(|text| {
            let instant = Timestamp::parse_rfc3339(text).filter(|instant| *instant > self.0.clock.now());
            instant.ok_or_else(|| AdminError(format!("{text:?} is no future instant in RFC 3339 and UTC")))
        });
        let new = NewCredential { name: label(name)?, scopes, expires_at: expires_at.transpose()? };
        let entry = self.entry("credential.created");
        let notices = flows::notify_of_credential(&self.0, entry.time, &tenant, &new).await?;
        let (made, text) = flows::insert_credential(&self.0, &tenant, new, entry, notices, None).await?;
        let Credential { id, name, hint, scopes, expires_at, created_at, .. } = credential(made);
        let api_key = text.expose().to_owned();
        Ok(CreatedCredential { api_key, id, name, hint, scopes, expires_at, created_at })
    }

    /// Every credential of a tenant, oldest first, without their texts.
    pub async fn list_credentials(&self, tenant: &str) -> Result<Vec<Credential>, AdminError> {
        let tenant = self.find_tenant(tenant).await?;
        let found = self.0.db.read("list_credentials", move |rx| credentials::of(&tenant).list(rx));
        let found: Result<Vec<_>, StoreError> = found.await;
        Ok(found?.into_iter().map(credential).collect())
    }

    /// Revokes a credential of a tenant.
    pub async fn revoke_credential(&self, tenant: &str, id: &str) -> Result<(), AdminError> {
        let tenant = self.find_tenant(tenant).await?;
        let missing = || AdminError(format!("the tenant has no credential {id:?}"));
        let parsed = id.parse().map_err(|_| missing())?;
        let ended = flows::end_credential(&self.0, &tenant, parsed, self.entry("credential.revoked")).await;
        ended.map_err(|error| match error {
            Error::Refused(refusal) if refusal.kind == Kind::NotFound => missing(),
            error => error.into(),
        })
    }

    /// Invites an owner into a tenant: the first, or one more after the last lost his device. The link is in the answer
    /// and nowhere else.
    pub async fn invite_owner(
        &self,
        tenant: &str,
        email: &str,
        name: &str,
    ) -> Result<Invitation, AdminError> {
        if self.0.control.is_none() {
            return Err(AdminError(
                "the settings name no control_url, so there is nowhere to invite to".to_owned(),
            ));
        }
        let tenant = self.find_tenant(tenant).await?;
        let invitee = Invitee { email, name, role: "owner" };
        let entry = self.entry("person.invited");
        let Invited { person, link, expires_at } =
            people::invite_owner(&self.0, &tenant, &invitee, entry).await?;
        let (id, expires_at) = (person.id.to_string(), expires_at.rfc3339());
        // This command sends no mail, so the link is here.
        let link = link.unwrap_or_default();
        Ok(Invitation { id, email: person.email, link, expires_at })
    }

    /// What a tenant's audit log calls somebody whom the tenant's own issuer calls `name`; none when it never spoke of
    /// him, or he was erased.
    pub async fn find_subject(&self, tenant: &str, name: &str) -> Result<Option<String>, AdminError> {
        let tenant = self.find_tenant(tenant).await?;
        Ok(flows::find_subject(&self.0, &tenant, name).await?)
    }

    /// Erases him from that log: what it calls him leads back to nobody. None when there is nothing of him.
    pub async fn erase_subject(&self, tenant: &str, name: &str) -> Result<Option<Erased>, AdminError> {
        let tenant = self.find_tenant(tenant).await?;
        Ok(flows::erase_subject(&self.0, &tenant, name, self.entry("person.erased")).await?)
    }

    /// Shows the enclave a mark of its log that a webhook carried.
    pub async fn show_mark(&self, mark: &str) -> Result<Shown, AdminError> {
        let shown = flows::show_mark(&self.0, mark, self.0.clock.now()).await?;
        shown.ok_or_else(|| AdminError("this is no mark of an enclave's log".to_owned()))
    }

    /// Holds every private key as the settings say: splits what is whole, makes anew what lacks shares, puts together
    /// what is not to be split; or, of one store, makes anew what that store lacks. `tell` hears how far it is.
    pub async fn remake_key_shares(
        &self,
        store: Option<&str>,
        tell: impl FnMut(&Remade) + Send,
    ) -> Result<Remade, AdminError> {
        let shares = &self.0.key_shares;
        let named = |name: &str| shares.layout.iter().find(|place| shares.name(**place) == name);
        let wish = match store {
            None => Wish::All,
            Some(name) => Wish::Of(*named(name).ok_or_else(|| {
                let all: Vec<_> = shares.layout.iter().map(|place| shares.name(*place)).collect();
                unknown("store of key shares", name, &all.join(", "))
            })?),
        };
        Ok(remake_key_shares(&self.0, wish, self.0.clock.now(), tell).await?)
    }

    /// How far the service has come in the latest epoch; none: there was one root key only.
    pub async fn find_reseal(&self) -> Result<Option<Reseal>, AdminError> {
        let found = self.0.db.read("find_reseal", reseals::find_latest).await?;
        Ok(found.map(|found| Reseal {
            epoch: found.epoch,
            moved: found.moved,
            broken: found.broken,
            finished_at: found.finished_at.map(Timestamp::rfc3339),
        }))
    }

    pub(crate) fn app(&self) -> &App {
        &self.0
    }

    /// Puts what waits for the offline enclave of that public key, and an order for keys, into a bundle.
    pub async fn export_bundle(&self, order: &Order) -> Result<Exported, AdminError> {
        flows::recall_mark(&self.0).await?;
        Ok(flows::offline::export_bundle(&self.0, self.0.clock.now(), order).await?)
    }

    /// Takes in what the offline enclave answered: the contents of its file.
    pub async fn import_answers(&self, file: &[u8]) -> Result<Imported, AdminError> {
        flows::recall_mark(&self.0).await?;
        Ok(flows::offline::import_answers(&self.0, self.0.clock.now(), file).await?)
    }

    /// Closes the database.
    pub async fn close(self) {
        self.0.db.close().await;
    }

    async fn find_tenant(&self, id: &str) -> Result<TenantId, AdminError> {
        let missing = || AdminError(format!("there is no tenant {id:?}"));
        let parsed: TenantId = id.parse().map_err(|_| missing())?;
        let sought = parsed.clone();
        let found: Result<_, StoreError> =
            self.0.db.read("find_tenant", move |rx| tenants::find(rx, &sought)).await;
        found?.map(|_| parsed).ok_or_else(missing)
    }

    fn entry(&self, action: &str) -> AuditEntry {
        let now = self.0.clock.now();
        let request_id = EventId::new(now, &mut self.0.chance()).to_string();
        flows::entry(&self.0.minter, now, (ActorType::Operator, "admin"), action, &request_id)
    }
}

fn shown(tenant: tenants::Tenant) -> Tenant {
    Tenant {
        id: tenant.id.to_string(),
        name: tenant.name,
        kind: tenant.kind.to_string(),
        created_at: tenant.created_at.rfc3339(),
    }
}

fn words<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn unknown(what: &str, text: &str, words: &str) -> AdminError {
    AdminError(format!("{text:?} is no {what}; there are {words}"))
}

fn label(text: &str) -> Result<String, AdminError> {
    let fits = (1..=domain::limits::IDENTIFIER_CHARS_MAX).contains(&text.chars().count());
    if fits && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(AdminError("a name has 1 to 255 characters, none of them a control character".to_owned()))
}
