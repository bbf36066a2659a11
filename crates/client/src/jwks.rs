//! The signing keys: fetched, kept for as long as the service allows, and used for the check.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use api::jwks::Jwks;
use api::partner::{AssignKeyRequest, AssignKeyResponse};
use api::retail::{GenerateKeyRequest, GenerateKeyResponse};

use crate::attest::{Anchor, Asked, AttestedKey, Claim, check};
use crate::call::Call;
use crate::client::Client;
use crate::clock;
use crate::error::Error;

/// As long as the service lets its JWKS be kept.
const AGE_MAX: Duration = Duration::from_mins(10);

#[derive(Default)]
pub(crate) struct JwksCache(Mutex<Option<(Instant, Arc<Jwks>)>>);

impl JwksCache {
    fn find(&self, now: Instant) -> Option<Arc<Jwks>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, jwks) = kept.as_ref()?;
        (now.duration_since(*since) < AGE_MAX).then(|| Arc::clone(jwks))
    }

    fn keep(&self, jwks: &Arc<Jwks>, now: Instant) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((now, Arc::clone(jwks)));
    }
}

/// A JWK set, in which a key of another kind may stand beside ours (RFC 7517, section 5).
#[derive(serde::Deserialize)]
pub(crate) struct Listed {
    keys: Vec<serde_json::Value>,
}

impl Listed {
    pub(crate) fn usable(self) -> Jwks {
        Jwks { keys: self.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect() }
    }
}

impl Client {
    /// The service's signing keys, fetched now. Keys of other kinds than ours are left out.
    pub async fn jwks(&self) -> Result<Jwks, Error> {
        let listed: Listed = self.call(Call::get(".well-known/jwks.json")).await?;
        Ok(listed.usable())
    }

    /// PEM of the current signing key, for who pins one. Fetch it over a way that you trust, not at each start.
    pub async fn verification_key_pem(&self) -> Result<String, Error> {
        self.call_for_text(Call::get(".well-known/verification-key.pem")).await
    }

    /// Checks a claim against the pinned signing keys, or else the service's. Its JWKS may be one kept from before; a
    /// failure that a newer one might clear, such as a signing key that came by a rotation, is checked once more
    /// against one fetched now.
    pub async fn attest(&self, claim: &Claim<'_>, asked: &Asked<'_>) -> Result<AttestedKey, Error> {
        let pins = self.inner.pins.as_slice();
        if !pins.is_empty() {
            return Ok(check(claim, asked, Anchor::Pins(pins), clock::now_ms())?);
        }
        let judge = |jwks: &Jwks| check(claim, asked, Anchor::Jwks(jwks), clock::now_ms());
        if let Some(jwks) = self.inner.jwks.find(clock::instant()) {
            match judge(&jwks) {
                Err(fault) if fault.may_be_old_jwks() => {}
                judged => return Ok(judged?),
            }
        }
        let jwks = Arc::new(self.jwks().await?);
        self.inner.jwks.keep(&jwks, clock::instant());
        Ok(judge(&jwks)?)
    }

    /// Checks the answer to `POST /v1/key/generate`.
    pub async fn attest_generated(
        &self,
        request: &GenerateKeyRequest,
        answer: &GenerateKeyResponse,
    ) -> Result<AttestedKey, Error> {
        self.attest(&Claim::of_generated(answer), &Asked::of_generated(request, answer)).await
    }

    /// Checks the answer to `POST /v1/partner/keys`.
    pub async fn attest_assigned(
        &self,
        request: &AssignKeyRequest,
        answer: &AssignKeyResponse,
    ) -> Result<AttestedKey, Error> {
        self.attest(&Claim::of_assigned(answer), &Asked::of_assigned(request, answer)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::AttestationFault;
    use crate::attest::tests::{Signer, bare};
    use crate::canned::{Canned, answer};

    fn listing(signers: &[&Signer]) -> String {
        let keys = signers.iter().map(|signer| signer.jwk()).collect();
        answer(200, &[], &serde_json::to_string(&Jwks { keys }).unwrap())
    }

    #[test]
    fn the_list_is_kept_for_as_long_as_the_service_allows() {
        let (cache, now) = (JwksCache::default(), clock::instant());
        assert!(cache.find(now).is_none());
        cache.keep(&Arc::new(Jwks { keys: Vec::new() }), now);
        let end = now + AGE_MAX;
        assert!(cache.find(end.checked_sub(Duration::from_millis(1)).unwrap()).is_some());
        assert!(cache.find(end).is_none());
    }

    #[tokio::test]
    async fn a_new_signing_key_is_learnt_once_and_a_bad_signature_stays_one() {
        let (old, new, stranger) = (Signer::new("old"), Signer::new("new"), Signer::new("stranger"));
        let server =
            Canned::with(vec![listing(&[&old]), listing(&[&old, &new]), listing(&[&old, &new])]).await;
        let client = Client::new(&server.base, "k").unwrap();
        let public_key = "7a".repeat(32);
        let judge = async |signer: &Signer| {
            let signature = signer.sign(&public_key);
            let claim = bare(&public_key, &signature);
            client.attest(&claim, &Asked::default()).await.map(|key| key.kid().unwrap().to_owned())
        };
        assert_eq!(judge(&old).await.unwrap(), "old");
        assert_eq!((judge(&old).await.unwrap(), server.seen().len()), ("old".into(), 1), "kept");
        assert_eq!((judge(&new).await.unwrap(), server.seen().len()), ("new".into(), 2), "fetched again");
        let fault = judge(&stranger).await.unwrap_err();
        assert!(matches!(fault, Error::Attestation(AttestationFault::Signature)), "{fault}");
        assert_eq!(server.seen().len(), 3, "fetched again, once");
    }

    #[tokio::test]
    async fn a_list_without_the_key_that_signed_is_looked_at_once_more() {
        let (old, new) = (Signer::new("old"), Signer::new("new"));
        let public_key = "7a".repeat(32);
        let signature = new.sign(&public_key);
        for (kept, kid) in [(vec![&old], Some("new")), (vec![], None)] {
            let server = Canned::with(vec![listing(&kept), listing(&[&old, &new])]).await;
            let client = Client::new(&server.base, "k").unwrap();
            let claim = Claim { kid, ..bare(&public_key, &signature) };
            assert!(client.attest(&claim, &Asked::default()).await.is_err());
            assert_eq!(client.attest(&claim, &Asked::default()).await.unwrap().kid(), Some("new"));
            assert_eq!(server.seen().len(), 2);
            // What no list can mend is not asked for again.
            let asked = Asked { key_type: Some("rsa4096"), ..Asked::default() };
            assert_eq!(client.attest(&claim, &asked).await.unwrap_err().code(), "attestation-key-type");
            assert_eq!(server.seen().len(), 2);
        }
    }

    #[tokio::test]
    async fn pinned_keys_stand_in_the_place_of_the_jwks() {
        let (known, other) = (Signer::new("known"), Signer::new("other"));
        let server = Canned::with(vec![listing(&[&other])]).await;
        let client = Client::builder(&server.base, "k").pin_signing_key(known.pin()).build().unwrap();
        let public_key = "7a".repeat(32);
        let judge = async |signer: &Signer| {
            let signature = signer.sign(&public_key);
            let claim = bare(&public_key, &signature);
            client.attest(&claim, &Asked::default()).await
        };
        assert_eq!(judge(&known).await.unwrap().kid(), None);
        assert_eq!(judge(&other).await.unwrap_err().code(), "attestation-signature");
        assert_eq!(server.seen().len(), 0, "the JWKS is not asked");
    }
}
