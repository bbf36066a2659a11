//! Who may do what.

use crate::audit::ActorType;
use crate::control::Act;
use crate::credential::{Scope, TenantKind};
use crate::ids::{CredentialId, PersonId, TenantId};
use crate::person::Role;
use crate::refusal::{Kind, Refusal};
use crate::words::words;

words! {
    /// Each deed of the API that needs a credential.
    Deed {
        /// Beginning an identity check.
        StartVerification = "start-verification",
        /// Asking where one stands.
        ReadVerification = "read-verification",
        /// Playing the identity provider.
        SimulateVerification = "simulate-verification",
        /// Making a retail customer's key.
        GenerateKey = "generate-key",
        /// Storing a retail customer's items.
        StoreBackup = "store-backup",
        /// Getting them back.
        RecoverBackups = "recover-backups",
        /// Assigning a key.
        AssignKey = "assign-key",
        /// Storing a ciphertext under one.
        StoreData = "store-data",
        /// Storing an encrypted file under one.
        StoreFile = "store-file",
        /// Listing a partner's keys.
        ListKeys = "list-keys",
        /// Reading one of them.
        ReadKey = "read-key",
        /// Replacing one by another.
        RotateKey = "rotate-key",
        /// Listing a partner's backups.
        ListBackups = "list-backups",
        /// Reading what is known about one.
        ReadBackup = "read-backup",
        /// Having one deleted, after a time.
        DeleteBackup = "delete-backup",
        /// Keeping it after all.
        RestoreBackup = "restore-backup",
        /// An institution's: assigning a key.
        AssignOwnKey = "assign-own-key",
        /// Storing a ciphertext under one.
        StoreOwnData = "store-own-data",
        /// Storing an encrypted file under one.
        StoreOwnFile = "store-own-file",
        /// Listing keys.
        ListOwnKeys = "list-own-keys",
        /// Reading one.
        ReadOwnKey = "read-own-key",
        /// Having one proven.
        VerifyKey = "verify-key",
        /// Replacing one by another.
        RotateOwnKey = "rotate-own-key",
        /// Listing backups.
        ListOwnBackups = "list-own-backups",
        /// Reading what is known about one.
        ReadOwnBackup = "read-own-backup",
        /// Having one proven.
        VerifyBackup = "verify-backup",
        /// Having one deleted, after a time.
        DeleteOwnBackup = "delete-own-backup",
        /// Keeping it after all.
        RestoreOwnBackup = "restore-own-backup",
        /// Reading the audit log.
        ReadAudit = "read-audit",
        /// Getting the whole of it.
        ExportAudit = "export-audit",
        /// Getting the signed checkpoint of it.
        ReadCheckpoint = "read-checkpoint",
        /// Exchanging an API key for a token.
        ExchangeToken = "exchange-token",
        /// Having nothing leave for a time.
        Freeze = "freeze",
        /// Asking whether that is so.
        ReadFreeze = "read-freeze",
        /// Making a credential.
        CreateCredential = "create-credential",
        /// Listing credentials.
        ListCredentials = "list-credentials",
        /// Revoking a credential.
        RevokeCredential = "revoke-credential",
        /// Registering the tenant's own issuer of tokens.
        SetIssuer = "set-issuer",
        /// Looking at it.
        ReadIssuer = "read-issuer",
        /// Ending it.
        DeleteIssuer = "delete-issuer",
        /// Rehearsing an item that fails.
        DamageBackup = "damage-backup",
        /// Having the offline enclave of a sandbox do what waits for it.
        RunCeremony = "run-ceremony",
        /// Beginning a rehearsal anew.
        ResetSandbox = "reset-sandbox",
        /// Registering a webhook endpoint.
        CreateWebhook = "create-webhook",
        /// Listing webhook endpoints.
        ListWebhooks = "list-webhooks",
        /// Looking at one.
        ReadWebhook = "read-webhook",
        /// Changing one.
        UpdateWebhook = "update-webhook",
        /// Deleting one.
        DeleteWebhook = "delete-webhook",
        /// Giving one a new secret.
        RotateWebhookSecret = "rotate-webhook-secret",
        /// Sending one a test.
        TestWebhook = "test-webhook",
        /// Listing what one was sent.
        ListDeliveries = "list-deliveries",
        /// Sending something again.
        Redeliver = "redeliver",
    }
}

impl Deed {
    /// The call that the deed is.
    pub const fn route(self) -> (&'static str, &'static str) {
        match self {
            Self::StartVerification => ("POST", "/v1/verification/start"),
            Self::ReadVerification => ("GET", "/v1/verification/status"),
            Self::SimulateVerification => ("POST", "/v1/verification/simulate"),
            Self::GenerateKey => ("POST", "/v1/key/generate"),
            Self::StoreBackup => ("POST", "/v1/backup/store"),
            Self::RecoverBackups => ("POST", "/v1/backup/recover"),
            Self::AssignKey => ("POST", "/v1/partner/keys"),
            Self::StoreData => ("POST", "/v1/partner/secure/data"),
            Self::StoreFile => ("POST", "/v1/partner/secure/file"),
            Self::ListKeys => ("GET", "/v1/partner/keys"),
            Self::ReadKey => ("GET", "/v1/partner/keys/{key_id}"),
            Self::RotateKey => ("POST", "/v1/partner/keys/{key_id}/rotate"),
            Self::ListBackups => ("GET", "/v1/partner/backups"),
            Self::ReadBackup => ("GET", "/v1/partner/backups/{backup_id}"),
            Self::DeleteBackup => ("DELETE", "/v1/partner/backups/{backup_id}"),
            Self::RestoreBackup => ("POST", "/v1/partner/backups/{backup_id}/restore"),
            Self::AssignOwnKey => ("POST", "/v1/keys"),
            Self::StoreOwnData => ("POST", "/v1/secure/data"),
            Self::StoreOwnFile => ("POST", "/v1/secure/file"),
            Self::ListOwnKeys => ("GET", "/v1/keys"),
            Self::ReadOwnKey => ("GET", "/v1/keys/{key_id}"),
            Self::VerifyKey => ("GET", "/v1/keys/{key_id}/verify"),
            Self::RotateOwnKey => ("POST", "/v1/keys/{key_id}/rotate"),
            Self::ListOwnBackups => ("GET", "/v1/backups"),
            Self::ReadOwnBackup => ("GET", "/v1/backups/{backup_id}"),
            Self::VerifyBackup => ("GET", "/v1/backups/{backup_id}/verify"),
            Self::DeleteOwnBackup => ("DELETE", "/v1/backups/{backup_id}"),
            Self::RestoreOwnBackup => ("POST", "/v1/backups/{backup_id}/restore"),
            Self::ReadAudit => ("GET", "/v1/audit"),
            Self::ExportAudit => ("GET", "/v1/audit/export"),
            Self::ReadCheckpoint => ("GET", "/v1/audit/checkpoint"),
            Self::ExchangeToken => ("POST", "/v1/auth/token"),
            Self::Freeze => ("POST", "/v1/freeze"),
            Self::ReadFreeze => ("GET", "/v1/freeze"),
            Self::CreateCredential => ("POST", "/v1/credentials"),
            Self::ListCredentials => ("GET", "/v1/credentials"),
            Self::RevokeCredential => ("DELETE", "/v1/credentials/{id}"),
            Self::SetIssuer => ("PUT", "/v1/auth/issuer"),
            Self::ReadIssuer => ("GET", "/v1/auth/issuer"),
            Self::DeleteIssuer => ("DELETE", "/v1/auth/issuer"),
            Self::DamageBackup => ("POST", "/v1/sandbox/damage"),
            Self::RunCeremony => ("POST", "/v1/sandbox/ceremony"),
            Self::ResetSandbox => ("POST", "/v1/sandbox/reset"),
            Self::CreateWebhook => ("POST", "/v1/webhooks"),
            Self::ListWebhooks => ("GET", "/v1/webhooks"),
            Self::ReadWebhook => ("GET", "/v1/webhooks/{id}"),
            Self::UpdateWebhook => ("PATCH", "/v1/webhooks/{id}"),
            Self::DeleteWebhook => ("DELETE", "/v1/webhooks/{id}"),
            Self::RotateWebhookSecret => ("POST", "/v1/webhooks/{id}/rotate-secret"),
            Self::TestWebhook => ("POST", "/v1/webhooks/{id}/test"),
            Self::ListDeliveries => ("GET", "/v1/webhooks/{id}/deliveries"),
            Self::Redeliver => ("POST", "/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver"),
        }
    }

    /// The deed that a call is.
    pub fn of_route(method: &str, path: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|deed| deed.route() == (method, path))
    }

    /// Whether it is called with a form that holds a file, instead of with JSON.
    pub const fn takes_file(self) -> bool {
        matches!(self, Self::StoreFile | Self::StoreOwnFile)
    }

    /// The scope that the deed needs: the whole of the access table. None: any valid credential will do.
    pub const fn scope(self) -> Option<Scope> {
        Some(match self {
            // Who has a credential at all may pull the brake: it turns a yes into a no.
            Self::ExchangeToken | Self::Freeze | Self::ReadFreeze => return None,
            Self::StartVerification
            | Self::ReadVerification
            | Self::SimulateVerification
            | Self::GenerateKey
            | Self::StoreBackup
            | Self::RecoverBackups => Scope::Retail,
            Self::AssignKey
            | Self::StoreData
            | Self::StoreFile
            | Self::ListKeys
            | Self::ReadKey
            | Self::RotateKey
            | Self::ListBackups
            | Self::ReadBackup
            | Self::DeleteBackup
            | Self::RestoreBackup => Scope::Partner,
            Self::AssignOwnKey
            | Self::StoreOwnData
            | Self::StoreOwnFile
            | Self::ListOwnKeys
            | Self::ReadOwnKey
            | Self::VerifyKey
            | Self::RotateOwnKey
            | Self::ListOwnBackups
            | Self::ReadOwnBackup
            | Self::VerifyBackup
            | Self::DeleteOwnBackup
            | Self::RestoreOwnBackup => Scope::Keys,
            Self::ReadAudit | Self::ExportAudit | Self::ReadCheckpoint => Scope::Audit,
            Self::CreateCredential
            | Self::ListCredentials
            | Self::RevokeCredential
            | Self::SetIssuer
            | Self::ReadIssuer
            | Self::DeleteIssuer => Scope::Credentials,
            Self::DamageBackup | Self::RunCeremony | Self::ResetSandbox => Scope::Sandbox,
            Self::CreateWebhook
            | Self::ListWebhooks
            | Self::ReadWebhook
            | Self::UpdateWebhook
            | Self::DeleteWebhook
            | Self::RotateWebhookSecret
            | Self::TestWebhook
            | Self::ListDeliveries
            | Self::Redeliver => Scope::Webhooks,
        })
    }
}

/// Whom a token of the tenant's own issuer speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The issuer's name for him: the claim `sub`.
    pub name: String,
    /// What the audit log calls him.
    pub pseudonym: String,
}

/// Who asks: a credential that was found valid, or somebody who is signed in, and the tenant.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The credential; for a token of the tenant's own issuer, the issuer: all of its tokens count as one; for a
    /// person, his own id under this type, since he is counted as a credential is.
    pub credential: CredentialId,
    /// Its tenant.
    pub tenant: TenantId,
    /// What the tenant is.
    pub tenant_kind: TenantKind,
    /// What the credential may be used for.
    pub scopes: Vec<Scope>,
    /// Whether it came as a token.
    pub by_token: bool,
    /// Whom a token of the tenant's own issuer speaks for.
    pub subject: Option<Subject>,
    /// Who is signed in, and as what; none for a credential.
    pub person: Option<(PersonId, Role)>,
}

impl Principal {
    /// Who acts, as all that is kept names it.
    pub fn actor(&self) -> (ActorType, &str) {
        match (&self.person, &self.subject) {
            (Some((person, _)), _) => (ActorType::Person, person.as_str()),
            (None, Some(subject)) => (ActorType::UserCredentials, &subject.pseudonym),
            (None, None) => (ActorType::ApiKey, self.credential.as_str()),
        }
    }

    /// Who acts, as a statement names it that the caller asks for and takes away: by the name that he came with.
    pub fn caller(&self) -> &str {
        self.subject.as_ref().map_or(self.actor().1, |subject| &subject.name)
    }

    /// Somebody who is signed in.
    pub fn of_person(person: &PersonId, role: Role, tenant: &TenantId, tenant_kind: TenantKind) -> Self {
        Self {
            credential: CredentialId::of_person(person),
            tenant: tenant.clone(),
            tenant_kind,
            scopes: Vec::new(),
            by_token: false,
            subject: None,
            person: Some((person.clone(), role)),
        }
    }

    /// May this credential give these scopes to another? Only what it holds itself; a person who may make
    /// credentials gives what the tenant's kind may hold.
    pub fn may_give(&self, scopes: &[Scope]) -> Result<(), Refusal> {
        if self.person.is_some() {
            self.permit(Deed::CreateCredential)?;
            let Some(scope) = scopes.iter().find(|scope| !self.tenant_kind.scopes().contains(scope)) else {
                return Ok(());
            };
            let text = format!("a {} tenant has no use for the scope `{scope}`", self.tenant_kind);
            return Err(Refusal::new(Kind::Forbidden, "scope-not-held", text));
        }
        let Some(scope) = scopes.iter().find(|scope| !self.scopes.contains(scope)) else { return Ok(()) };
        let text = format!("this credential lacks the scope `{scope}`, so it cannot give it");
        Err(Refusal::new(Kind::Forbidden, "scope-not-held", text))
    }

    /// May this person do this? A credential never may.
    pub fn permit_act(&self, act: Act) -> Result<(), Refusal> {
        if self.person.as_ref().is_some_and(|(_, role)| act.is_open_to(*role)) {
            return Ok(());
        }
        let roles: Vec<_> = act.roles().iter().map(|role| role.as_str()).collect();
        let text = format!("this needs the role {}", roles.join(" or "));
        Err(Refusal::new(Kind::Forbidden, "role-missing", text))
    }

    /// May this credential, or this person, do this?
    pub fn permit(&self, deed: Deed) -> Result<(), Refusal> {
        if self.person.is_some() {
            let none =
                || Refusal::new(Kind::Forbidden, "role-missing", "people do not do this; a program does");
            return self.permit_act(Act::of_deed(deed).ok_or_else(none)?);
        }
        let Some(scope) = deed.scope() else { return Ok(()) };
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        Err(Refusal::new(
            Kind::Forbidden,
            "scope-missing",
            format!("this credential lacks the scope `{scope}`"),
        ))
    }
}
