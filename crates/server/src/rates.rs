//! How often each credential called, and how often each address, and each beginning of a credential, failed to
//! authenticate. Kept by this process for itself.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use domain::ids::CredentialId;
use domain::limits::RATED_MAX;
use domain::rate::{Buckets, Rate, Standing};
use domain::time::Timestamp;

use crate::config::Limits;
use crate::edge::address::{Network, rated};

/// The hash of what failures with credentials of one beginning have in common.
pub type Guessed = [u8; 32];

/// The rates of one process.
pub struct Rates {
    calls: Mutex<Buckets<CredentialId>>,
    failures: Mutex<Buckets<IpAddr>>,
    guesses: Mutex<Buckets<Guessed>>,
    sign_ins: Mutex<Buckets<IpAddr>>,
    /// What a credential may call.
    pub of_calls: Rate,
    /// What may fail from one address.
    pub of_failures: Rate,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

impl Rates {
    /// Nobody has called yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            calls: Mutex::new(Buckets::new(limits.calls, RATED_MAX)),
            failures: Mutex::new(Buckets::new(limits.failures, RATED_MAX)),
            guesses: Mutex::new(Buckets::new(limits.failures, RATED_MAX)),
            sign_ins: Mutex::new(Buckets::new(limits.failures, RATED_MAX)),
            of_calls: limits.calls,
            of_failures: limits.failures,
            trusted_proxies: limits.trusted_proxies.clone(),
        }
    }

    /// Counts a call of a credential.
    pub fn call(&self, credential: &CredentialId, now: Timestamp) -> Standing {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).take(credential, now)
    }

    /// Counts a failed authentication from an address.
    pub fn failure(&self, address: IpAddr, now: Timestamp) -> Standing {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).take(&rated(address), now)
    }

    /// Counts a failed authentication with a credential of this beginning.
    pub fn guess(&self, guessed: &Guessed, now: Timestamp) -> Standing {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner).take(guessed, now)
    }

    /// Counts a try of somebody at this address to say who he is, before it is judged.
    pub fn sign_in(&self, address: IpAddr, now: Timestamp) -> Standing {
        self.sign_ins.lock().unwrap_or_else(PoisonError::into_inner).take(&rated(address), now)
    }

    /// Takes that back, since he said it truly.
    pub fn signed_in(&self, address: IpAddr) {
        self.sign_ins.lock().unwrap_or_else(PoisonError::into_inner).give_back(&rated(address));
    }
}
