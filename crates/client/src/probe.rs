//! Whether the service is there.

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;

impl Client {
    /// Whether the process answers. Asked once: whoever probes wants to know about now.
    pub async fn health(&self) -> Result<(), Error> {
        self.call_for_status(Call::get("healthz").once()).await
    }

    /// Whether it can serve: its database and its enclave answer, keys are in stock.
    pub async fn ready(&self) -> Result<(), Error> {
        self.call_for_status(Call::get("readyz").once()).await
    }
}
