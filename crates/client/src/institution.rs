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

#[cfg(test)]
mod tests {
    use api::jwks::Jwks;
    use api::partner::{AssignmentMetadata, Organisation};
    use boundary::statement::{Facts, Field, payload};

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
        let signed = payload(&public_key, &fields, &facts).unwrap();
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
            signature: signer.sign(&signed),
            signed_payload: Some(signed),
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
