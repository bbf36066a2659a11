//! The keys of tenants' own issuers, fetched and kept for a while.
//!
//! A set is fetched again when it is old, and once when a token names a key that is not in it; whatever tokens name,
//! not more often than [`JWKS_FETCH_INTERVAL`], and one fetch at a time for each address. Nobody waits for an
//! address that his own token does not lead to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use domain::jwks::{self, IssuerKey};
use domain::limits::{JWKS_AGE_MAX, JWKS_FETCH_INTERVAL, JWKS_KEPT_MAX, JWKS_STALE_MAX};
use domain::time::Timestamp;
use domain::webhook::AttemptOutcome;

use super::jwt::is_on_curve;
use super::outbound::Outbound;

/// The sets of keys that this process knows.
pub struct KeySets {
    outbound: Arc<Outbound>,
    known: Mutex<HashMap<String, Arc<KeySet>>>,
}

/// The set of one address.
#[derive(Default)]
struct KeySet {
    /// Held by whoever fetches.
    turn: Arc<tokio::sync::Mutex<()>>,
    seen: Mutex<Seen>,
}

#[derive(Clone, Default)]
struct Seen {
    keys: Arc<[IssuerKey]>,
    /// When these came.
    fetched_at: Option<Timestamp>,
    /// When they were last asked for, whatever came of it.
    tried_at: Option<Timestamp>,
}

/// What is known about a key without a fetch.
enum Known {
    /// This is it.
    Key(IssuerKey),
    /// There is none, and it is too soon to ask again.
    None,
    /// The set must be fetched first.
    Unknown,
}

/// Why there is no set of keys at an address: what a person may be told.
pub type Fault = &'static str;

impl KeySets {
    /// None yet.
    pub fn new(outbound: Arc<Outbound>) -> Self {
        Self { outbound, known: Mutex::default() }
    }

    /// Fetches the set now and keeps it; an error when there is none, or no key in it that could be used.
    pub async fn fetch(&self, uri: &str, now: Timestamp) -> Result<(), Fault> {
        let keys = read(self.outbound.get_jwks(uri).await)?;
        if keys.is_empty() {
            return Err("has no key for ES256: one needs `kty` EC, `crv` P-256 and a `kid`");
        }
        self.of(uri).note(Some(keys), now);
        Ok(())
    }

    /// The key of this name.
    pub async fn find(&self, uri: &str, kid: &str, now: Timestamp) -> Option<IssuerKey> {
        let set = self.of(uri);
        if let Known::Unknown = set.look(kid, now) {
            let turn = Arc::clone(&set.turn).lock_owned().await;
            // While this call waited for its turn another may have fetched.
            if let Known::Unknown = set.look(kid, now) {
                let (set, outbound, uri) = (Arc::clone(&set), Arc::clone(&self.outbound), uri.to_owned());
                let fetching = tokio::spawn(async move {
                    let fetched = read(outbound.get_jwks(&uri).await);
                    if let Err(fault) = fetched {
                        tracing::warn!(cause = fault, "an issuer's JWKS could not be fetched");
                    }
                    set.note(fetched.ok(), now);
                    drop(turn);
                });
                // On a task of its own, so that a caller who hangs up does not break it off; it does not panic.
                let _ = fetching.await;
            }
        }
        match set.look(kid, now) {
            Known::Key(key) => Some(key),
            Known::None | Known::Unknown => None,
        }
    }

    fn of(&self, uri: &str) -> Arc<KeySet> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(uri) && known.len() >= JWKS_KEPT_MAX {
            let oldest = known.iter().min_by_key(|(_, set)| set.seen().tried_at).map(|(uri, _)| uri.clone());
            oldest.map(|uri| known.remove(&uri));
        }
        Arc::clone(known.entry(uri.to_owned()).or_default())
    }
}

/// The usable keys of what came.
fn read(came: Result<Bytes, AttemptOutcome>) -> Result<Vec<IssuerKey>, Fault> {
    let text = came.map_err(|outcome| match outcome {
        AttemptOutcome::Redirected => "is redirected, which is not followed",
        AttemptOutcome::TimedOut => "did not answer in time",
        AttemptOutcome::NotResolved => "has a host that cannot be found",
        AttemptOutcome::TargetRefused => "must not lead to an address that is not public",
        AttemptOutcome::NotConnected => "does not take connections",
        AttemptOutcome::TlsFailed => "has no certificate that is trusted for its name",
        AttemptOutcome::Broken => "did not answer in HTTP with at most 65536 bytes",
        AttemptOutcome::Acknowledged | AttemptOutcome::Refused | AttemptOutcome::Gone => "did not answer 200",
    })?;
    let mut keys = jwks::read(&text)?;
    keys.retain(|key| is_on_curve(&key.point));
    Ok(keys)
}

impl KeySet {
    fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what was fetched; what was there before stays when nothing was.
    fn note(&self, fetched: Option<Vec<IssuerKey>>, now: Timestamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.tried_at = Some(now);
        if let Some(keys) = fetched {
            (seen.keys, seen.fetched_at) = (keys.into(), Some(now));
        }
    }

    fn look(&self, kid: &str, now: Timestamp) -> Known {
        let seen = self.seen();
        let age = seen.fetched_at.map(|at| now.since(at));
        let key = seen.keys.iter().find(|key| key.kid == kid).cloned();
        let may_ask = seen.tried_at.is_none_or(|at| now.since(at) >= JWKS_FETCH_INTERVAL);
        match key {
            Some(key) if age.is_some_and(|age| age < JWKS_AGE_MAX) => Known::Key(key),
            _ if may_ask => Known::Unknown,
            Some(key) if age.is_some_and(|age| age < JWKS_STALE_MAX) => Known::Key(key),
            _ => Known::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::webhook::Targets;

    use super::*;
    use crate::edge::outbound::SystemResolver;

    #[test]
    fn addresses_without_end_take_no_memory_and_the_oldest_go_first() {
        let targets = Targets { https_only: true, allowed: Vec::new() };
        let sets = KeySets::new(Arc::new(Outbound::new(targets, Box::new(SystemResolver))));
        for at in 0..3 * i64::try_from(JWKS_KEPT_MAX).unwrap() {
            sets.of(&format!("https://{at}.example")).note(None, Timestamp::from_ms(at));
            assert!(sets.known.lock().unwrap().len() <= JWKS_KEPT_MAX);
        }
        let newest = format!("https://{}.example", 3 * JWKS_KEPT_MAX - 1);
        assert!(sets.known.lock().unwrap().contains_key(&newest));
        assert!(!sets.known.lock().unwrap().contains_key("https://0.example"));
    }
}
