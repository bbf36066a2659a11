//! A wallet's whole deed against prepared answers: the good ones, and what may not be believed.

use api::jwks::Jwks;
use boundary::statement::{Facts, payload};
use serde_json::json;

use super::*;
use crate::attest::tests::{Signer, rsa_pair, spki};
use crate::canned::{Canned, answer};
use crate::hex;
use crate::options::CallOptions;

/// What the enclave signs of a new key; a test changes what it is about.
#[derive(Clone)]
struct Signed<'a> {
    bytes: Vec<u8>,
    key_id: &'a str,
    user_id: &'a str,
    /// What the service answers the store with, by the items' names.
    stored: &'a [&'a str],
}

impl Signed<'_> {
    fn good() -> Self {
        Self { bytes: spki(&rsa_pair()), key_id: "key-1", user_id: "user-1", stored: &["words"] }
    }

    /// How the deed ends, and what was asked of the service.
    async fn back_up(&self, user_id: Option<&str>) -> (Result<BackedUp, Error>, Vec<String>) {
        let signer = Signer::new("kid-1");
        let public_key = hex::encode(&self.bytes);
        let fingerprint = hex::sha256(&self.bytes);
        let facts = Facts {
            key_id: Some(self.key_id),
            user_id: Some(self.user_id),
            key_fingerprint: Some(&fingerprint),
            ..Facts::default()
        };
        let text = payload(&public_key, &SIGN_WITH, &facts).unwrap();
        let key = json!({
            "key_id": "key-1", "public_key": public_key, "signature": signer.sign(&text), "signed_payload": text,
            "signed_fields": SIGN_WITH.map(Field::as_str),
        });
        let item =
            |name: &&str| json!({ "item_key": name, "backup_id": "b", "checksum": "c", "data_size": 512 });
        let items: Vec<_> = self.stored.iter().map(item).collect();
        let stored = json!({ "backup_type": "data", "metadata": {}, "backup": items });
        let jwks = serde_json::to_value(Jwks { keys: vec![signer.jwk()] }).unwrap();
        let answers = [key, jwks, stored].map(|body| answer(200, &[], &body.to_string()));
        let server = Canned::with(answers.to_vec()).await;
        let options = CallOptions { idempotency_key: Some("mine".into()), ..CallOptions::default() };
        let client = Client::new(&server.base, "k").unwrap().with(options);
        let secret = Secret::from("twelve words");
        let items = [("words", &secret)];
        let request = BackupRequest {
            user_identifier: "u",
            verification_id: "v",
            items: &items,
            metadata: None,
            user_id,
        };
        (client.backup(&request).await, server.seen())
    }
}

#[tokio::test]
async fn a_wallets_deed_is_done_where_nothing_is_wrong() {
    let (done, seen) = Signed::good().back_up(Some("user-1")).await;
    assert_eq!(done.unwrap().key_id, "key-1");
    assert!(seen[2].contains(&hex::sha256(b"twelve words")), "the checksum is the plaintext's");
    let named = |request: &String| {
        let name = request.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).map(str::to_owned);
        name.unwrap()
    };
    let (first, last) = (named(&seen[0]), named(&seen[2]));
    assert!(first != last && first != "mine" && last != "mine", "each call has a name of its own");
}

#[tokio::test]
async fn a_wallets_deed_stores_nothing_under_a_key_that_is_anothers() {
    let good = Signed::good();
    let elsewhere = Signed { bytes: vec![7; 32], ..good.clone() };
    for (signed, user_id, code) in [
        (Signed { key_id: "key-2", ..good.clone() }, None, "attestation-member"),
        (Signed { user_id: "user-2", ..good.clone() }, Some("user-1"), "attestation-member"),
        (elsewhere, None, "attestation-key-type"),
    ] {
        let (refused, seen) = signed.back_up(user_id).await;
        assert_eq!((refused.unwrap_err().code(), seen.len()), (code, 2));
    }
}

#[tokio::test]
async fn a_store_of_something_else_is_not_believed() {
    for stored in [&["other"][..], &[], &["words", "words"]] {
        let (done, _) = Signed { stored, ..Signed::good() }.back_up(None).await;
        assert!(matches!(done, Err(Error::NotAsSent)), "{stored:?}");
    }
}

#[tokio::test]
async fn nothing_is_asked_of_the_service_for_what_it_would_refuse() {
    let server = Canned::with(Vec::new()).await;
    let client = Client::new(&server.base, "k").unwrap();
    let long = Secret::from(vec![0; 447]);
    for items in [&[][..], &[("words", &long)]] {
        let request =
            BackupRequest { user_identifier: "u", verification_id: "v", items, ..Default::default() };
        assert!(client.backup(&request).await.is_err());
    }
    assert!(server.seen().is_empty());
}
