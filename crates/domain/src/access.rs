//! Who may do what.

use crate::credential::{Scope, TenantKind};
use crate::ids::{CredentialId, TenantId};
use crate::refusal::{Kind, Refusal};
use crate::words::words;

words! {
    /// Each deed of the API that needs a credential.
    Deed {
        /// `POST /v1/verification/start`
        StartVerification = "start-verification",
        /// `GET /v1/verification/status`
        ReadVerification = "read-verification",
        /// `POST /v1/verification/simulate`
        SimulateVerification = "simulate-verification",
        /// `POST /v1/key/generate`
        GenerateKey = "generate-key",
        /// `POST /v1/backup/store`
        StoreBackup = "store-backup",
        /// `POST /v1/backup/recover`
        RecoverBackups = "recover-backups",
        /// `POST /v1/partner/keys`
        AssignKey = "assign-key",
        /// `POST /v1/partner/secure/data`
        StoreData = "store-data",
        /// `GET /v1/audit`
        ReadAudit = "read-audit",
        /// `POST /v1/sandbox/damage`
        DamageBackup = "damage-backup",
    }
}

impl Deed {
    /// The scope that the deed needs: the whole of the access table.
    pub const fn scope(self) -> Scope {
        match self {
            Self::StartVerification
            | Self::ReadVerification
            | Self::SimulateVerification
            | Self::GenerateKey
            | Self::StoreBackup
            | Self::RecoverBackups => Scope::Retail,
            Self::AssignKey | Self::StoreData => Scope::Partner,
            Self::ReadAudit => Scope::Audit,
            Self::DamageBackup => Scope::Sandbox,
        }
    }
}

/// Who asks: a credential that was found valid, and the tenant it belongs to.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The credential.
    pub credential: CredentialId,
    /// Its tenant.
    pub tenant: TenantId,
    /// What the tenant is.
    pub tenant_kind: TenantKind,
    /// What the credential may be used for.
    pub scopes: Vec<Scope>,
}

impl Principal {
    /// May this credential do this?
    pub fn permit(&self, deed: Deed) -> Result<(), Refusal> {
        let scope = deed.scope();
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
