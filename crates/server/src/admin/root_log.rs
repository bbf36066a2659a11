//! The root log, for whoever administers the installation: nobody else may see of every tenant that it is there.

use std::io::Write;

use domain::ids::TenantId;
use store::audit::Filter;

use super::{Admin, AdminError};
use crate::flows;
use crate::http::audit_lines;

impl Admin {
    /// The public key that checkpoints of the root log are checked with, as C2SP signed-note spells it.
    pub fn root_log_key(&self) -> String {
        self.0.log_key.vkey(TenantId::root_log().as_str())
    }

    /// The enclave's public key, by which it signed the last checkpoint of the root log that it signed.
    pub async fn root_log_cosigner(&self) -> Result<String, AdminError> {
        self.cosigner_of(TenantId::root_log()).await
    }

    /// The newest signed checkpoint of the root log, made now if entries have come since the last, with the enclave's
    /// signature if that answers and with those of the witnesses who were shown it.
    pub async fn root_log_checkpoint(&self) -> Result<String, AdminError> {
        flows::recall_mark(&self.0).await?;
        let made = flows::newest_checkpoint(&self.0, &TenantId::root_log(), self.0.clock.now()).await?;
        Ok(made.note)
    }

    /// Writes the whole root log as JSON lines, page after page; how many entries it has.
    pub async fn export_root_log(&self, out: &mut (dyn Write + Send)) -> Result<i64, AdminError> {
        let tenant = TenantId::root_log();
        let (owner, now) = (tenant.to_string(), self.0.clock.now());
        let mut export = flows::begin_export(&self.0, tenant, Filter::default(), now).await?;
        while let Some(page) = export.next_page(&self.0).await? {
            out.write_all(&audit_lines(&owner, page))
                .map_err(|error| AdminError(format!("writing the root log: {error}")))?;
        }
        Ok(export.size())
    }
}
