//! What exists in a sandbox only. Playing the identity provider is among the calls of retail.

use std::time::Duration;

use api::sandbox::{CeremonyResponse, DamageRequest, DamageResponse, ResetResponse};

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;

/// How long a ceremony may take: the offline enclave has 100 seconds.
const CEREMONY_MAX: Duration = Duration::from_mins(2);

/// The calls of scope `sandbox`.
#[derive(Clone, Copy, Debug)]
pub struct Sandbox<'a> {
    client: &'a Client,
}

impl Client {
    /// The calls of scope `sandbox`.
    pub fn sandbox(&self) -> Sandbox<'_> {
        Sandbox { client: self }
    }
}

impl Sandbox<'_> {
    /// Holds a ceremony of the offline enclave now; takes up to 100 seconds.
    pub async fn ceremony(self) -> Result<CeremonyResponse, Error> {
        self.client.call(Call::act("v1/sandbox/ceremony").within(CEREMONY_MAX)).await
    }

    /// Makes an item fail at its recovery, to rehearse that.
    pub async fn damage(self, request: &DamageRequest) -> Result<DamageResponse, Error> {
        self.client.call(Call::post("v1/sandbox/damage", request)).await
    }

    /// Removes the tenant's users, keys, verifications and backups.
    pub async fn reset(self) -> Result<ResetResponse, Error> {
        self.client.call(Call::act("v1/sandbox/reset")).await
    }
}
