//! A partner's whole deed against prepared answers: the good ones, and what may not be believed.

use api::jwks::Jwks;
use api::partner::{AssignKeyResponse, AssignmentMetadata};
use boundary::statement::payload;
use serde_json::json;

use super::*;
use crate::attest::tests::{Signer, rsa_pair, spki};
use crate::canned::{Canned, answer};
use crate::client::Client;
use crate::hex;

const KEY_ID: &str = "0197-key";

/// What a service answers, in order; a test changes what it is about.
struct Service {
    signer: Signer,
    assigned: AssignKeyResponse,
    listed: Option<KeyShown>,
    stored: String,
}

impl Service {
    /// A key of this customer, in the enclave's words.
    fn of(customer_id: &str) -> Self {
        let signer = Signer::new("kid-1");
        let public_key = hex::encode(&spki(&rsa_pair()));
        let fields = [&SIGN_WITH[..], &[Field::ExternalCustomerId, Field::ExternalPackageId]].concat();
        let fingerprint = sha256(&spki(&rsa_pair()));
        let facts = Facts {
            key_id: Some(KEY_ID),
            user_id: Some("0197-user"),
            key_fingerprint: Some(&fingerprint),
            external_customer_id: Some(customer_id),
            external_package_id: Some("package-1"),
            ..Facts::default()
        };
        let text = payload(&public_key, &fields, &facts).unwrap();
        let assigned = AssignKeyResponse {
            key_id: KEY_ID.into(),
            public_key,
            signature: signer.sign(&text),
            signed_payload: Some(text),
            signed_fields: Some(names(&fields)),
            customer_id: customer_id.into(),
            package_id: "package-1".into(),
            metadata: AssignmentMetadata { customer_name: None, package_name: None },
            key_environment: "HOT".into(),
            key_type: "rsa4096".into(),
            assigned_at: "2026-01-01T00:00:00.000Z".into(),
            kid: "kid-1".into(),
        };
        let stored = json!({
            "backup_id": "b", "checksum": "c", "data_size": RSA_CIPHERTEXT_BYTES, "backup_type": "data", "metadata": {},
        });
        Self { signer, assigned, listed: None, stored: stored.to_string() }
    }

    /// The same for another package, which the enclave signed.
    fn of_other_package(mut self) -> Self {
        let text = self.assigned.signed_payload.take().unwrap().replace("package-1", "package-2");
        self.assigned.signature = self.signer.sign(&text);
        self.assigned.signed_payload = Some(text);
        self
    }

    /// The user has the key already.
    fn listed(mut self, change: impl FnOnce(&mut KeyShown)) -> Self {
        let AssignKeyResponse { public_key, signature, signed_payload, signed_fields, .. } =
            self.assigned.clone();
        let mut shown = KeyShown {
            key_id: KEY_ID.into(),
            user_identifier: "user-1".into(),
            status: "active".into(),
            public_key,
            signature,
            signed_payload,
            signed_fields,
            key_type: "rsa4096".into(),
            key_environment: "HOT".into(),
            customer_id: Some("customer-1".into()),
            package_id: Some("package-1".into()),
            metadata: AssignmentMetadata { customer_name: None, package_name: None },
            assigned_at: "2026-01-01T00:00:00.000Z".into(),
            kid: "kid-1".into(),
            supersedes: None,
            superseded_by: None,
            backups_count: 0,
        };
        change(&mut shown);
        self.listed = Some(shown);
        self
    }

    /// How a backup ends, and how many calls it took.
    async fn back_up(&self, secret: &Secret, user_id: Option<&str>) -> (Result<KeptBackup, Error>, usize) {
        let taken = r#"{"message":"m","error":"Conflict","code":"key-already-assigned","request_id":"r"}"#;
        let keys = match &self.listed {
            Some(key) => {
                let page = json!({ "data": [key], "next_cursor": null }).to_string();
                vec![answer(409, &[], taken), answer(200, &[], &page)]
            }
            None => vec![answer(200, &[], &serde_json::to_string(&self.assigned).unwrap())],
        };
        let jwks = serde_json::to_string(&Jwks { keys: vec![self.signer.jwk()] }).unwrap();
        let rest = [answer(200, &[], &jwks), answer(200, &[], &self.stored)];
        let server = Canned::with(keys.into_iter().chain(rest).collect()).await;
        let client = Client::new(&server.base, "k").unwrap();
        let request = PartnerBackupRequest {
            user_identifier: "user-1",
            secret,
            organisation: Organisation { customer_id: "customer-1".into(), customer_name: None },
            package: Package { package_id: "package-1".into(), package_name: None },
            key_environment: "HOT",
            metadata: None,
            user_id,
        };
        let kept = client.partner().backup(&request).await;
        let calls = server.seen().len();
        (kept, calls)
    }
}

#[tokio::test]
async fn a_key_that_does_not_check_out_gets_nothing() {
    let secret = Secret::from("twelve words");
    let (kept, _) = Service::of("customer-1").back_up(&secret, Some("0197-user")).await;
    let kept = kept.unwrap();
    assert_eq!((kept.key_id.as_str(), kept.backup_id.as_str(), kept.form), (KEY_ID, "b", Form::Oaep));

    let fails = async |service: Service, user_id| {
        let (kept, calls) = service.back_up(&secret, user_id).await;
        (kept.unwrap_err().code().to_owned(), calls)
    };
    let code = |reason: &str| format!("attestation-{reason}");
    // The key and the signing keys are asked for; nothing is stored.
    assert_eq!(fails(Service::of("customer-2"), None).await, (code("member"), 2));
    assert_eq!(fails(Service::of("customer-1"), Some("0197-other")).await, (code("member"), 2));
    let package = Service::of("customer-1").of_other_package();
    assert_eq!(fails(package, None).await, (code("member"), 2));
    let mut cold = Service::of("customer-1");
    cold.assigned.key_environment = "COLD".into();
    assert_eq!(fails(cold, None).await, (code("key-environment"), 2));
}

#[tokio::test]
async fn a_key_that_is_there_already_must_say_whose_it_is() {
    let secret = Secret::from("twelve words");
    let found = |change: fn(&mut KeyShown)| Service::of("customer-1").listed(change);
    let (kept, calls) = found(|_| {}).back_up(&secret, Some("0197-user")).await;
    assert_eq!((kept.unwrap().backup_id.as_str(), calls), ("b", 4));
    for (change, reason) in [
        ((|key| key.signed_fields = None) as fn(&mut KeyShown), "payload-presence"),
        (|key| key.key_id = "0197-other".into(), "member"),
        (|key| key.key_environment = "COLD".into(), "key-environment"),
        (|key| key.public_key = "7a".repeat(32), "key-type"),
    ] {
        let (kept, _) = found(change).back_up(&secret, None).await;
        assert_eq!(kept.unwrap_err().code(), format!("attestation-{reason}"));
    }
    let (kept, _) = found(|_| {}).back_up(&secret, Some("0197-other")).await;
    assert_eq!(kept.unwrap_err().code(), "attestation-member");
    for others in [Service::of("customer-2"), Service::of("customer-1").of_other_package()] {
        let (kept, _) = others.listed(|_| {}).back_up(&secret, None).await;
        assert_eq!(kept.unwrap_err().code(), "attestation-member");
    }
    // The enclave said whose the key is, but for the user; who knows the user wants to hear that too.
    let mut nameless = found(|_| {});
    let fields = [Field::KeyId, Field::ExternalCustomerId];
    let facts = Facts { key_id: Some(KEY_ID), external_customer_id: Some("customer-1"), ..Facts::default() };
    let text = payload(&nameless.assigned.public_key, &fields, &facts).unwrap();
    let signature = nameless.signer.sign(&text);
    let listed = nameless.listed.as_mut().unwrap();
    (listed.signature, listed.signed_payload, listed.signed_fields) =
        (signature, Some(text), Some(names(&fields)));
    assert!(nameless.back_up(&secret, None).await.0.is_ok());
    let (kept, calls) = nameless.back_up(&secret, Some("0197-user")).await;
    assert_eq!((kept.unwrap_err().code(), calls), ("attestation-payload-presence", 2));
    // The enclave vouched for the key alone, as it was asked to then.
    let mut bare = found(|key| (key.signed_payload, key.signed_fields) = (None, None));
    let signature = bare.signer.sign(&bare.assigned.public_key);
    bare.listed.as_mut().unwrap().signature = signature;
    let (kept, calls) = bare.back_up(&secret, None).await;
    assert_eq!((kept.unwrap_err().code(), calls), ("attestation-payload-presence", 2));
}

#[tokio::test]
async fn what_the_service_stored_is_what_was_sent() {
    let mut service = Service::of("customer-1");
    service.stored = service.stored.replace("512", "511");
    let (kept, _) = service.back_up(&Secret::from("twelve words"), None).await;
    assert_eq!(kept.unwrap_err().code(), "not-as-sent");

    let mut service = Service::of("customer-1");
    service.stored = json!({
        "backup_id": "b", "backup_type": "file", "data_size": 1, "sha256": "0".repeat(64), "metadata": {},
    })
    .to_string();
    let (kept, _) = service.back_up(&Secret::from(vec![7; 447]), None).await;
    assert_eq!(kept.unwrap_err().code(), "not-as-sent");
}

#[tokio::test]
async fn what_does_not_fit_makes_no_key() {
    let (kept, calls) =
        Service::of("customer-1").back_up(&Secret::from(vec![7; 10 * 1024 * 1024]), None).await;
    assert_eq!((kept.unwrap_err().code(), calls), ("too-long", 0));
}

#[tokio::test]
async fn an_institution_stores_nothing_under_another_users_key() {
    let secret = Secret::from("twelve words");
    for (user_id, is_stored) in [(None, true), (Some("0197-user"), true), (Some("0197-other"), false)] {
        let service = Service::of("customer-1");
        let key = serde_json::to_string(&service.assigned).unwrap();
        let jwks = serde_json::to_string(&Jwks { keys: vec![service.signer.jwk()] }).unwrap();
        let answers = [&key, &jwks, &service.stored].map(|body| answer(200, &[], body));
        let server = Canned::with(answers.to_vec()).await;
        let request = InstitutionBackupRequest {
            user_identifier: "user-1",
            secret: &secret,
            organisation: Some(Organisation { customer_id: "customer-1".into(), customer_name: None }),
            package: Some(Package { package_id: "package-1".into(), package_name: None }),
            key_environment: None,
            metadata: None,
            user_id,
        };
        let kept = Client::new(&server.base, "k").unwrap().institution().backup(&request).await;
        assert_eq!((kept.is_ok(), server.seen().len() == 3), (is_stored, is_stored), "{kept:?}");
    }
}
