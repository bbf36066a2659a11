//! Partner Key Service: one method per call, and the whole deed.

use api::file::StoreFileResponse;
use api::partner::{AssignKeyRequest, AssignKeyResponse, StoreDataRequest, StoreDataResponse};
use api::stored::{
    BackupList, BackupPage, BackupShown, DeleteResponse, KeyDetails, KeyList, KeyPage, RotateKeyRequest,
    RotateKeyResponse,
};
use serde_json::{Map, Value};

use crate::call::{Call, part};
use crate::client::Client;
use crate::deposit::{KeptBackup, PartnerBackupRequest, back_up_for_partner};
use crate::error::Error;
use crate::form::form_of;
use crate::hex::sha256;
use crate::hints::{check_key_form, check_store};
use crate::stored::stored_calls;

/// The calls of scope `partner`.
#[derive(Clone, Copy, Debug)]
pub struct Partner<'a> {
    pub(crate) client: &'a Client,
}

impl Client {
    /// The calls of scope `partner`.
    pub fn partner(&self) -> Partner<'_> {
        Partner { client: self }
    }
}

impl Partner<'_> {
    /// Backs one secret of up to about 7.5 MiB up, in one call: has a key assigned or finds the user's, checks the
    /// enclave's word for it, encrypts on this device in the form that fits the size, stores.
    pub async fn backup(self, request: &PartnerBackupRequest<'_>) -> Result<KeptBackup, Error> {
        back_up_for_partner(self.client.for_deed().partner(), request).await
    }

    /// Assigns a key to a user of an organisation. [`Client::attest_assigned`] must pass before anything is
    /// encrypted to it.
    pub async fn assign_key(self, request: &AssignKeyRequest) -> Result<AssignKeyResponse, Error> {
        self.client.call(Call::post("v1/partner/keys", request)).await
    }

    /// Stores one ciphertext, after a look at what would be refused. The service knows a repeat.
    pub async fn store_data(self, request: &StoreDataRequest) -> Result<StoreDataResponse, Error> {
        check_key_form(&request.public_key)?;
        check_store(&request.data, Some(&request.checksum))?;
        self.client.call(Call::post("v1/partner/secure/data", request)).await
    }
}

stored_calls!(Partner, "v1/partner/");
