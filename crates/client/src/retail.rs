//! Retail: one method per call.

use api::retail::{
    GenerateKeyRequest, GenerateKeyResponse, RecoverRequest, RecoverResponse, SimulateRequest,
    SimulateResponse, StartRequest, StartResponse, StatusResponse, StoreRequest, StoreResponse,
};

use crate::call::{Call, Client};
use crate::error::Error;
use crate::retry::Repeatable;

impl Client {
    /// Begins an identity check of a user.
    pub async fn start_verification(&self, request: &StartRequest) -> Result<StartResponse, Error> {
        self.call(Call::post("v1/verification/start", request, Repeatable::No)).await
    }

    /// Begins an identity check and plays `action` on it at once (sandbox only).
    pub async fn start_verification_with(
        &self,
        request: &StartRequest,
        action: &str,
    ) -> Result<StartResponse, Error> {
        let call = Call::post("v1/verification/start", request, Repeatable::No);
        self.call(call.header("x-override-status", action)).await
    }

    /// Where a check stands.
    pub async fn verification_status(&self, verification_id: &str) -> Result<StatusResponse, Error> {
        self.call(Call::get("v1/verification/status").query("verification_id", verification_id)).await
    }

    /// Plays the identity provider (sandbox only).
    pub async fn simulate(&self, request: &SimulateRequest) -> Result<SimulateResponse, Error> {
        self.call(Call::post("v1/verification/simulate", request, Repeatable::No)).await
    }

    /// Makes a key for a user. [`Client::attest_generated`] must pass before anything is encrypted to it.
    pub async fn generate_key(&self, request: &GenerateKeyRequest) -> Result<GenerateKeyResponse, Error> {
        self.call(Call::post("v1/key/generate", request, Repeatable::No)).await
    }

    /// Stores 1 to 3 ciphertexts. Repeated by itself when the connection fails: the service knows a repeat.
    pub async fn store_backup(&self, request: &StoreRequest) -> Result<StoreResponse, Error> {
        self.call(Call::post("v1/backup/store", request, Repeatable::Yes)).await
    }

    /// Asks for everything that a user stored. Not repeated by itself: each answer counts.
    pub async fn recover(&self, request: &RecoverRequest) -> Result<RecoverResponse, Error> {
        self.call(Call::post("v1/backup/recover", request, Repeatable::No)).await
    }
}
