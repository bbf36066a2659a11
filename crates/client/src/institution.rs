//! Institutional wallets: one method per call.

use api::institution::{NewKeyRequest, NewKeyResponse, StoreOwnRequest, StoreOwnResponse};

use crate::call::{Call, Client};
use crate::error::Error;
use crate::retry::Repeatable;

impl Client {
    /// Makes a key for a user of the institution's own. [`Client::attest_new`] must pass before anything is
    /// encrypted to it.
    pub async fn new_key(&self, request: &NewKeyRequest) -> Result<NewKeyResponse, Error> {
        self.call(Call::post("v1/keys", request, Repeatable::No)).await
    }

    /// Stores one ciphertext. Repeated by itself when the connection fails: the service knows a repeat.
    pub async fn store_own_data(&self, request: &StoreOwnRequest) -> Result<StoreOwnResponse, Error> {
        self.call(Call::post("v1/secure/data", request, Repeatable::Yes)).await
    }
}
