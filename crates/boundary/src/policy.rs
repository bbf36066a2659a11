//! Under which rule a session was opened.
//!
//! Until a tenant has signed a [`TenantPolicy`] of its own, the built-in one applies: no delay, and no signature. The
//! window is one for all, which the operator sets. The hash of the policy in force goes into every ticket, and from
//! there into every intent: what a session is judged by is [`TenantPolicy::judged_with`].

use std::ops::RangeInclusive;

use crate::Env;
use crate::approval::{Demand, Document as _, TenantPolicy, limits};

/// How long after an approval a retail recovery is open where the operator says nothing else, in seconds.
pub const RETAIL_WINDOW_DEFAULT_S: u32 = 3_600;

/// What the operator may set it to, in seconds: a minute, in which somebody may still act, to a week, far below
/// the life of a session.
pub const RETAIL_WINDOW_RANGE_S: RangeInclusive<u32> = 60..=604_800;

/// The version of the built-in policy document.
pub const BUILT_IN_VERSION: i64 = 0;

/// The bytes that are hashed into a policy hash: the built-in policy of a tenant, canonical, and the window.
///
/// When the operator changes the window, the sessions opened before are judged by neither: they release nothing more,
/// and their users begin a new check. What was stored under them stays recoverable by that new one.
pub fn preimage(env: Env, tenant_id: &str, retail_window_s: u32) -> Vec<u8> {
    let document = built_in(env, tenant_id).to_canonical();
    [b"policy/v1\0", document.as_bytes(), &retail_window_s.to_be_bytes()].concat()
}

/// What the built-in policy says, in a tenant's own words.
pub fn built_in(env: Env, tenant_id: &str) -> TenantPolicy {
    let [releases, sessions] = limits(BUILT_IN_VERSION);
    TenantPolicy {
        env,
        tenant_id: tenant_id.to_owned(),
        version: BUILT_IN_VERSION,
        prev_hash: None,
        retail_delay_s: 0,
        partner_signature: Demand::Optional,
        request_keys: Vec::new(),
        change_delay_s: 0,
        max_releases_per_hour: *releases.end(),
        max_sessions_per_user_day: *sessions.end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_pinned() {
        let golden = concat!(
            "policy/v1\0",
            r#"{"change_delay_s":0,"env":"sandbox","kind":"tenant-policy","max_releases_per_hour":100,"#,
            r#""max_sessions_per_user_day":5,"partner_signature":"optional","prev_hash":null,"request_keys":[],"#,
            r#""retail_delay_s":0,"tenant_id":"t","v":1,"version":0}"#,
            "\0\0\u{e}\u{10}",
        );
        assert_eq!(preimage(Env::Sandbox, "t", RETAIL_WINDOW_DEFAULT_S), golden.as_bytes());
    }
}
