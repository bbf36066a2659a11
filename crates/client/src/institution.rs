//! Institutional wallets: one method per call.

use api::institution::{NewKeyRequest, NewKeyResponse, StoreOwnRequest, StoreOwnResponse};
use boundary::statement::Facts;

use crate::attest::{Asked, AttestedKey, Claim};
use crate::call::{Call, Client};
use crate::error::Error;
use crate::retry::Repeatable;

impl<'a> Claim<'a> {
    /// From the answer to `POST /v1/keys`.
    pub fn of_new(answer: &'a NewKeyResponse) -> Self {
        Self {
            public_key: &answer.public_key,
            signature: &answer.signature,
            signed_payload: answer.signed_payload.as_deref(),
            signed_fields: answer.signed_fields.as_deref(),
            kid: Some(&answer.kid),
        }
    }
}

impl<'a> Asked<'a> {
    /// From a call of `POST /v1/keys`: the key's id must be the answered one, the organisation and the package,
    /// where they were named, those asked for.
    pub fn of_new(request: &'a NewKeyRequest, answer: &'a NewKeyResponse) -> Self {
        Self {
            sign_with: request.sign_with.as_deref().unwrap_or_default(),
            key_type: Some(&request.key_type),
            facts: Facts {
                key_id: Some(&answer.key_id),
                external_customer_id: request.organisation.as_ref().map(|named| named.customer_id.as_str()),
                external_package_id: request.package.as_ref().map(|named| named.package_id.as_str()),
                ..Facts::default()
            },
        }
    }
}

impl Client {
    /// Makes a key for a user of the institution's own. [`Client::attest_new`] must pass before anything is
    /// encrypted to it.
    pub async fn new_key(&self, request: &NewKeyRequest) -> Result<NewKeyResponse, Error> {
        self.call(Call::post("v1/keys", request, Repeatable::No)).await
    }

    /// Checks the answer to `POST /v1/keys`.
    pub async fn attest_new(
        &self,
        request: &NewKeyRequest,
        answer: &NewKeyResponse,
    ) -> Result<AttestedKey, Error> {
        self.attest(&Claim::of_new(answer), &Asked::of_new(request, answer)).await
    }

    /// Stores one ciphertext. Repeated by itself when the connection fails: the service knows a repeat.
    pub async fn store_own_data(&self, request: &StoreOwnRequest) -> Result<StoreOwnResponse, Error> {
        self.call(Call::post("v1/secure/data", request, Repeatable::Yes)).await
    }
}

#[cfg(test)]
mod tests {
    use api::jwks::Jwks;
    use api::partner::{AssignmentMetadata, Organisation};
    use boundary::statement::{Field, payload};

    use super::*;
    use crate::attest::AttestationFault;
    use crate::attest::tests::Signer;
    use crate::canned::{Canned, answer};

    /// What is asked for, and a signed answer to it.
    fn asked(signer: &Signer) -> (NewKeyRequest, NewKeyResponse) {
        let fields = [Field::KeyId, Field::ExternalCustomerId];
        let names = fields.map(|field| field.as_str().to_owned()).to_vec();
        let public_key = "7a".repeat(32);
        let facts = Facts { key_id: Some("k-1"), external_customer_id: Some("desk-1"), ..Facts::default() };
        let text = payload(&public_key, &fields, &facts).unwrap();
        let request = NewKeyRequest {
            user_identifier: "u".into(),
            key_type: "ed25519".into(),
            key_environment: None,
            organisation: Some(Organisation { customer_id: "desk-1".into(), customer_name: None }),
            package: None,
            sign_with: Some(names.clone()),
        };
        let answer = NewKeyResponse {
            key_id: "k-1".into(),
            public_key,
            signature: signer.sign(&text),
            signed_payload: Some(text),
            signed_fields: Some(names),
            customer_id: Some("desk-1".into()),
            package_id: None,
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
        let fault = fault(|request, _| request.key_type = "rsa4096".into()).await;
        assert!(matches!(fault, AttestationFault::KeyType { .. }));
    }
}
