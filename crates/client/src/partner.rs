//! Partner Key Service: one method per call.

use api::partner::{AssignKeyRequest, AssignKeyResponse, StoreDataRequest, StoreDataResponse};

use crate::call::{Call, Client};
use crate::error::Error;
use crate::retry::Repeatable;

impl Client {
    /// Assigns a key to a user of an organisation. [`Client::attest_assigned`] must pass before anything is
    /// encrypted to it.
    pub async fn assign_key(&self, request: &AssignKeyRequest) -> Result<AssignKeyResponse, Error> {
        self.call(Call::post("v1/partner/keys", request, Repeatable::No)).await
    }

    /// Stores one ciphertext. Repeated by itself when the connection fails: the service knows a repeat.
    pub async fn store_data(&self, request: &StoreDataRequest) -> Result<StoreDataResponse, Error> {
        self.call(Call::post("v1/partner/secure/data", request, Repeatable::Yes)).await
    }
}
