//! Institutional wallets: one method per call, and the whole deed.

use api::file::StoreFileResponse;
use api::institution::{
    BackupVerdict, KeyVerdict, NewKeyRequest, NewKeyResponse, StoreOwnRequest, StoreOwnResponse,
};
use api::stored::{
    BackupList, BackupPage, BackupShown, DeleteResponse, KeyDetails, KeyList, KeyPage, RotateKeyRequest,
    RotateKeyResponse,
};
use boundary::statement::Facts;
use serde_json::{Map, Value};

use crate::attest::{Asked, AttestedKey, Claim, claim};
use crate::call::{Call, part};
use crate::client::Client;
use crate::deposit::{InstitutionBackupRequest, KeptBackup, back_up_for_institution};
use crate::error::Error;
use crate::form::form_of;
use crate::hex::sha256;
use crate::hints::{check_key_form, check_store};
use crate::stored::stored_calls;

/// What a key is when nobody says.
pub(crate) const DEFAULT_ENVIRONMENT: &str = "HOT";

impl<'a> Claim<'a> {
    /// From the answer to `POST /v1/keys`.
    pub fn of_new(answer: &'a NewKeyResponse) -> Self {
        Self { kid: Some(&answer.kid), key_environment: Some(&answer.key_environment), ..claim!(answer) }
    }
}

impl<'a> Asked<'a> {
    /// From a call of `POST /v1/keys`: the key's id must be the answered one, the organisation and the package,
    /// where they were named, those asked for.
    pub fn of_new(request: &'a NewKeyRequest, answer: &'a NewKeyResponse) -> Self {
        Self {
            sign_with: request.sign_with.as_deref().unwrap_or_default(),
            key_type: Some(&request.key_type),
            key_environment: Some(request.key_environment.as_deref().unwrap_or(DEFAULT_ENVIRONMENT)),
            facts: Facts {
                key_id: Some(&answer.key_id),
                external_customer_id: request.organisation.as_ref().map(|named| named.customer_id.as_str()),
                external_package_id: request.package.as_ref().map(|named| named.package_id.as_str()),
                ..Facts::default()
            },
        }
    }
}

/// The calls of scope `keys`.
#[derive(Clone, Copy, Debug)]
pub struct Institution<'a> {
    pub(crate) client: &'a Client,
}

impl Client {
    /// The calls of scope `keys`.
    pub fn institution(&self) -> Institution<'_> {
        Institution { client: self }
    }

    /// Checks the answer to `POST /v1/keys`.
    pub async fn attest_new(
        &self,
        request: &NewKeyRequest,
        answer: &NewKeyResponse,
    ) -> Result<AttestedKey, Error> {
        self.attest(&Claim::of_new(answer), &Asked::of_new(request, answer)).await
    }
}

impl Institution<'_> {
    /// Backs one secret of up to about 7.5 MiB up under a new key, in one call: has the key made, checks the
    /// enclave's word for it, encrypts on this device in the form that fits the size, stores.
    pub async fn backup(self, request: &InstitutionBackupRequest<'_>) -> Result<KeptBackup, Error> {
        back_up_for_institution(self.client.for_deed().institution(), request).await
    }

    /// Makes a key for a user of the institution's own; a new one at every call. [`Client::attest_new`] must pass
    /// before anything is encrypted to it.
    pub async fn new_key(self, request: &NewKeyRequest) -> Result<NewKeyResponse, Error> {
        self.client.call(Call::post("v1/keys", request)).await
    }

    /// Whether the enclave can rebuild the key and prove the pair.
    pub async fn verify_key(self, key_id: &str) -> Result<KeyVerdict, Error> {
        self.client.call(Call::get(format!("v1/keys/{}/verify", part(key_id)?))).await
    }

    /// Stores one ciphertext, after a look at what would be refused. The service knows a repeat.
    pub async fn store_data(self, request: &StoreOwnRequest) -> Result<StoreOwnResponse, Error> {
        check_key_form(&request.public_key)?;
        check_store(&request.data, request.checksum.as_deref())?;
        self.client.call(Call::post("v1/secure/data", request)).await
    }

    /// Whether the enclave can open it to what was stored; a file: whether it is still the bytes that were stored.
    pub async fn verify_backup(self, backup_id: &str) -> Result<BackupVerdict, Error> {
        self.client.call(Call::get(format!("v1/backups/{}/verify", part(backup_id)?))).await
    }
}

stored_calls!(Institution, "v1/");

#[cfg(test)]
mod tests {
    use api::jwks::Jwks;
    use api::partner::{AssignmentMetadata, Organisation, Package};
    use boundary::statement::{Field, payload};

    use super::*;
    use crate::attest::AttestationFault;
    use crate::attest::tests::Signer;
    use crate::canned::{Canned, answer};

    /// What is asked for, and a signed answer to it.
    fn asked(signer: &Signer) -> (NewKeyRequest, NewKeyResponse) {
        let fields = [Field::KeyId, Field::ExternalCustomerId, Field::ExternalPackageId];
        let names = fields.map(|field| field.as_str().to_owned()).to_vec();
        let public_key = "7a".repeat(32);
        let facts = Facts {
            key_id: Some("k-1"),
            external_customer_id: Some("desk-1"),
            external_package_id: Some("p-1"),
            ..Facts::default()
        };
        let text = payload(&public_key, &fields, &facts).unwrap();
        let request = NewKeyRequest {
            user_identifier: "u".into(),
            key_type: "ed25519".into(),
            key_environment: None,
            organisation: Some(Organisation { customer_id: "desk-1".into(), customer_name: None }),
            package: Some(Package { package_id: "p-1".into(), package_name: None }),
            sign_with: Some(names.clone()),
        };
        let answer = NewKeyResponse {
            key_id: "k-1".into(),
            public_key,
            signature: signer.sign(&text),
            signed_payload: Some(text),
            signed_fields: Some(names),
            customer_id: Some("desk-1".into()),
            package_id: Some("p-1".into()),
            metadata: AssignmentMetadata { customer_name: None, package_name: None },
            key_environment: "HOT".into(),
            key_type: "ed25519".into(),
            assigned_at: "2026-01-01T00:00:00.000Z".into(),
            kid: "kid-1".into(),
        };
        (request, answer)
    }

    #[tokio::test]
    async fn a_new_key_is_believed_as_it_was_asked_for_and_not_otherwise() {
        let signer = Signer::new("kid-1");
        let listed = serde_json::to_string(&Jwks { keys: vec![signer.jwk()] }).unwrap();
        let server = Canned::with(vec![answer(200, &[], &listed)]).await;
        let client = Client::new(&server.base, "k").unwrap();
        let (request, good) = asked(&signer);
        let key = client.attest_new(&request, &good).await.unwrap();
        assert_eq!((key.public_key(), key.signed(Field::KeyId)), (good.public_key.as_str(), Some("k-1")));

        let fault = async |alter: fn(&mut NewKeyRequest, &mut NewKeyResponse)| {
            let (mut request, mut answer) = asked(&signer);
            alter(&mut request, &mut answer);
            match client.attest_new(&request, &answer).await {
                Err(Error::Attestation(fault)) => fault,
                other => panic!("{other:?}"),
            }
        };
        let member = |fault| matches!(fault, AttestationFault::Member { .. });
        assert!(member(fault(|_, answer| answer.key_id = "k-2".into()).await));
        assert!(member(
            fault(|request, _| {
                let other = Organisation { customer_id: "desk-2".into(), customer_name: None };
                request.organisation = Some(other);
            })
            .await
        ));
        assert!(member(
            fault(|request, _| {
                request.package = Some(Package { package_id: "p-2".into(), package_name: None });
            })
            .await
        ));
        let fault = fault(|request, _| request.key_type = "rsa4096".into()).await;
        assert!(matches!(fault, AttestationFault::KeyType { .. }));
    }
}
