//! A tenant's own rule for what leaves by the retail path: how long an approval waits, and whether the tenant's
//! signature is needed beside it.

use super::{Document, KEYS_MAX, SPAN_MAX_S, is_chained, is_hex, is_name};
use crate::json::{Value, canonical, json_struct};
use crate::{Env, words};

/// What a version may set the limits to: that of an hour's releases, and that of a user's sessions in a day. Before a
/// tenant's first there is none whose delay it could wait for, so the first raises nothing.
pub fn limits(version: i64) -> [std::ops::RangeInclusive<u16>; 2] {
    if version > 1 { [5..=10_000, 1..=100] } else { [5..=100, 1..=5] }
}

json_struct! {
    /// One version of a tenant's policy, signed by an Owner of the roster in force.
    pub struct TenantPolicy {
        /// The installation.
        pub env: Env,
        /// The tenant.
        pub tenant_id: String,
        /// Counted from one.
        pub version: i64,
        /// Lower-case hexadecimal of the hash of the version before; none for the first.
        pub prev_hash: Option<String>,
        /// How long an approved recovery still waits, in seconds: up to 30 days.
        pub retail_delay_s: i64,
        /// Whether a recovery needs the tenant's signature.
        pub partner_signature: Demand,
        /// What the tenant signs recoveries with: up to [`KEYS_MAX`], sorted by `kid`.
        pub request_keys: Vec<RequestKey>,
        /// How long a version that weakens this one waits, in seconds: up to 30 days.
        pub change_delay_s: i64,
        /// How many recoveries by users may go out in an hour, and ten times as many in a day. Of recoveries that lists
        /// approve it is a fifth in an hour, and as many in a day. See [`limits`].
        pub max_releases_per_hour: u16,
        /// How many sessions of one user may release something in a day. See [`limits`].
        pub max_sessions_per_user_day: u16,
    }

    /// A public key on P-256.
    pub struct RequestKey {
        /// What the tenant calls it.
        pub kid: String,
        /// Lower-case hexadecimal of the uncompressed point: 65 bytes.
        pub public_key: String,
    }
}

words! {
    /// Whether something has to be there.
    pub enum Demand {
        /// Nothing goes without it.
        Required = "required",
        /// Checked where it is there.
        Optional = "optional",
    }
}

impl Document for TenantPolicy {
    const KIND: &'static str = "tenant-policy";

    fn is_sound(&self) -> bool {
        let key = |key: &RequestKey| {
            let is_point = key.public_key.len() == 130 && key.public_key.starts_with("04");
            is_name(&key.kid) && is_point && is_hex(&key.public_key)
        };
        let [releases, sessions] = limits(self.version);
        let mut points: Vec<_> = self.request_keys.iter().map(|key| &key.public_key).collect();
        points.sort_unstable();
        is_chained(self.version, self.prev_hash.as_deref())
            && is_name(&self.tenant_id)
            && [self.retail_delay_s, self.change_delay_s].iter().all(|delay| (0..=SPAN_MAX_S).contains(delay))
            && releases.contains(&self.max_releases_per_hour)
            && sessions.contains(&self.max_sessions_per_user_day)
            && self.request_keys.len() <= KEYS_MAX
            && self.request_keys.iter().all(key)
            && self.request_keys.windows(2).all(|pair| pair[0].kid < pair[1].kid)
            && points.windows(2).all(|pair| pair[0] != pair[1])
            && (self.partner_signature == Demand::Optional || !points.is_empty())
    }
}

impl TenantPolicy {
    /// Whether anything becomes easier by a change to `next`: a shorter delay of either kind, a higher limit, no
    /// signature where one was needed, or another key beside or in place of those that were.
    pub fn is_weakened_by(&self, next: &Self) -> bool {
        let known = |key: &RequestKey| self.request_keys.iter().any(|old| old.public_key == key.public_key);
        next.retail_delay_s < self.retail_delay_s
            || next.change_delay_s < self.change_delay_s
            || next.max_releases_per_hour > self.max_releases_per_hour
            || next.max_sessions_per_user_day > self.max_sessions_per_user_day
            || self.partner_signature == Demand::Required && next.partner_signature == Demand::Optional
            || !self.request_keys.is_empty() && !next.request_keys.iter().all(known)
    }

    /// What a session that was opened under this one is judged by once `now` is in force: the stricter of both, and
    /// the keys and limits of the latter. So neither does a weaker version reach back, nor does a stricter one, or a change of
    /// keys, leave open sessions useless.
    #[must_use]
    pub fn judged_with(&self, now: &Self) -> Self {
        let required = [self, now].iter().any(|policy| policy.partner_signature == Demand::Required);
        Self {
            retail_delay_s: self.retail_delay_s.max(now.retail_delay_s),
            partner_signature: if required { Demand::Required } else { Demand::Optional },
            ..now.clone()
        }
    }
}

/// What the tenant signs for a recovery, by ES256 in a compact JWS (RFC 7515 §3.1): canonical.
pub fn request_payload(user_identifier: &str, verification_id: &str, openpgp_fpr: &str) -> String {
    let request = Value::object([
        ("user_identifier", Value::text(user_identifier)),
        ("verification_id", Value::text(verification_id)),
        ("openpgp_fpr", Value::text(openpgp_fpr)),
    ]);
    // Canonical form refuses only non-integers, and there is none above.
    canonical(&request).unwrap_or_default()
}
