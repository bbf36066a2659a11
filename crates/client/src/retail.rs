//! Retail: one method per call.

use api::retail::{
    GenerateKeyRequest, GenerateKeyResponse, RecoverRequest, RecoverResponse, SimulateRequest,
    SimulateResponse, StartRequest, StartResponse, StatusResponse, StoreRequest, StoreResponse,
};

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::hints::{check_key_form, check_store};

/// The calls of scope `retail`.
#[derive(Clone, Copy, Debug)]
pub struct Retail<'a> {
    client: &'a Client,
}

impl Client {
    /// The calls of scope `retail`.
    pub fn retail(&self) -> Retail<'_> {
        Retail { client: self }
    }
}

impl Retail<'_> {
    /// Begins an identity check of a user.
    pub async fn start_verification(self, request: &StartRequest) -> Result<StartResponse, Error> {
        self.client.call(Call::post("v1/verification/start", request)).await
    }

    /// Begins an identity check and plays `action` on it at once (sandbox only).
    pub async fn start_verification_with(
        self,
        request: &StartRequest,
        action: &str,
    ) -> Result<StartResponse, Error> {
        let call = Call::post("v1/verification/start", request);
        self.client.call(call.header("x-override-status", action)).await
    }

    /// Where a check stands.
    pub async fn verification_status(self, verification_id: &str) -> Result<StatusResponse, Error> {
        let call = Call::get("v1/verification/status").query("verification_id", Some(verification_id));
        self.client.call(call).await
    }

    /// Plays the identity provider (sandbox only).
    pub async fn simulate(self, request: &SimulateRequest) -> Result<SimulateResponse, Error> {
        self.client.call(Call::post("v1/verification/simulate", request)).await
    }

    /// Makes a key for a user. [`Client::attest_generated`] must pass before anything is encrypted to it.
    pub async fn generate_key(self, request: &GenerateKeyRequest) -> Result<GenerateKeyResponse, Error> {
        self.client.call(Call::post("v1/key/generate", request)).await
    }

    /// Stores 1 to 3 ciphertexts, after a look at what would be refused. The service knows a repeat.
    pub async fn store_backup(self, request: &StoreRequest) -> Result<StoreResponse, Error> {
        check_key_form(&request.public_key)?;
        for item in &request.backup {
            check_store(&item.item_value, Some(&item.item_checksum))?;
        }
        self.client.call(Call::post("v1/backup/store", request)).await
    }

    /// Asks for everything that a user stored. Not repeated by itself: each answer counts.
    pub async fn recover(self, request: &RecoverRequest) -> Result<RecoverResponse, Error> {
        self.client.call(Call::post("v1/backup/recover", request).once()).await
    }
}
