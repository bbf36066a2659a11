//! The signing keys: fetched, kept for as long as the service allows, and used for the check.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use api::jwks::Jwks;
use api::partner::{AssignKeyRequest, AssignKeyResponse};
use api::retail::{GenerateKeyRequest, GenerateKeyResponse};

use crate::attest::{Asked, AttestedKey, Claim, check};
use crate::call::{Call, Client};
use crate::clock;
use crate::error::Error;

/// As long as the service lets its JWKS be kept (contract 7.3).
const AGE_MAX: Duration = Duration::from_mins(10);

#[derive(Default)]
pub(crate) struct JwksCache(Mutex<Option<(Instant, Arc<Jwks>)>>);

impl JwksCache {
    fn find(&self) -> Option<Arc<Jwks>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, jwks) = kept.as_ref()?;
        (clock::instant().duration_since(*since) < AGE_MAX).then(|| Arc::clone(jwks))
    }

    fn keep(&self, jwks: &Arc<Jwks>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((clock::instant(), Arc::clone(jwks)));
    }
}

impl Client {
    /// The service's signing keys, fetched now.
    pub async fn jwks(&self) -> Result<Jwks, Error> {
        self.call(Call::get(".well-known/jwks.json")).await
    }

    /// Checks a claim. The JWKS may be one kept from before; a failure that a newer one might clear is
    /// checked once more against one fetched now.
    pub async fn attest(&self, claim: &Claim<'_>, asked: &Asked<'_>) -> Result<AttestedKey, Error> {
        let judge = |jwks: &Jwks| check(claim, asked, jwks, &self.inner.pins, clock::now_ms());
        if let Some(jwks) = self.inner.jwks.find() {
            match judge(&jwks) {
                Err(fault) if fault.may_be_old_jwks() => {}
                judged => return Ok(judged?),
            }
        }
        let jwks = Arc::new(self.jwks().await?);
        self.inner.jwks.keep(&jwks);
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
