//! Credentials, tokens, and the tenant's own issuer of tokens.

use api::credential::{
    CreateCredentialRequest, CreatedCredential, CredentialPage, Issuer, SetIssuerRequest, TokenResponse,
};
use api::freeze::{FreezeRequest, FreezeState};

use crate::call::{Call, part};
use crate::client::Client;
use crate::error::Error;
use crate::webhooks::Paging;

const ISSUER: &str = "v1/auth/issuer";

/// The calls of scope `credentials`, the exchange of an API key for a token, and the freeze that any key may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    client: &'a Client,
}

impl Client {
    /// The calls of scope `credentials`, and the exchange of an API key for a token.
    pub fn credentials(&self) -> Credentials<'_> {
        Credentials { client: self }
    }
}

impl Credentials<'_> {
    /// Makes an API key. Its text is in this answer and nowhere else.
    pub async fn create(self, request: &CreateCredentialRequest) -> Result<CreatedCredential, Error> {
        self.client.call(Call::post("v1/credentials", request)).await
    }

    /// One page of credentials, newest first.
    pub async fn list(self, paging: &Paging) -> Result<CredentialPage, Error> {
        self.client.call(paging.of(Call::get("v1/credentials"))).await
    }

    /// Revokes a credential: it is refused from the next call on.
    pub async fn revoke(self, id: &str) -> Result<(), Error> {
        self.client.call_for_status(Call::delete(format!("v1/credentials/{}", part(id)?))).await
    }

    /// A token of 30 minutes for this client's API key.
    pub async fn exchange_token(self) -> Result<TokenResponse, Error> {
        self.client.call(Call::act("v1/auth/token").unnamed()).await
    }

    /// Has nothing leave of the account for a time: 72 hours, unless `hours` says otherwise.
    pub async fn freeze(self, request: &FreezeRequest) -> Result<FreezeState, Error> {
        self.client.call(Call::post("v1/freeze", request)).await
    }

    /// Whether the account is frozen, and until when.
    pub async fn read_freeze(self) -> Result<FreezeState, Error> {
        self.client.call(Call::get("v1/freeze")).await
    }

    /// The tenant's own issuer of tokens.
    pub async fn read_issuer(self) -> Result<Issuer, Error> {
        self.client.call(Call::get(ISSUER)).await
    }

    /// Registers the tenant's own issuer, or another in its place.
    pub async fn set_issuer(self, request: &SetIssuerRequest) -> Result<Issuer, Error> {
        self.client.call(Call::put(ISSUER, request)).await
    }

    /// Removes it: its tokens are refused from the next call on.
    pub async fn delete_issuer(self) -> Result<(), Error> {
        self.client.call_for_status(Call::delete(ISSUER)).await
    }
}
