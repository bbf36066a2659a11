//! Under which rule a session was opened.
//!
//! Until a tenant has signed a [`TenantPolicy`] of its own, the built-in one applies: no delay, and no signature. The
//! window is one for all, which the operator sets. The hash of the policy in force goes into every ticket, and from
//! there into every intent: what a session is judged by is [`TenantPolicy::judged_with`].

use std::ops::RangeInclusive;

use crate::Env;
use crate::approval::{Demand, TenantPolicy};
use crate::json::{Value, canonical};

/// How long after an approval a retail recovery is open where the operator says nothing else, in seconds.
pub const RETAIL_WINDOW_DEFAULT_S: u32 = 3_600;

/// What the operator may set it to, in seconds: a minute, in which somebody may still act, to a week, far below
/// the life of a session.
pub const RETAIL_WINDOW_RANGE_S: RangeInclusive<u32> = 60..=604_800;

/// The version of the built-in policy document.
pub const BUILT_IN_VERSION: i64 = 0;

/// The bytes that are hashed into a policy hash: the built-in document of a tenant, canonical.
///
/// `retail_window_s` is part of it. When the operator changes the window, the sessions opened before are judged
/// by neither: they release nothing more, and their users begin a new check. What was stored under them stays
/// recoverable by that new one.
pub fn preimage(env: Env, tenant_id: &str, retail_window_s: u32) -> Vec<u8> {
    let document = Value::object([
        ("v", Value::Integer(1)),
        ("tenant_id", Value::text(tenant_id)),
        ("env", Value::text(env.as_str())),
        ("version", Value::Integer(BUILT_IN_VERSION)),
        ("retail_delay_s", Value::Integer(0)),
        ("retail_window_s", Value::Integer(retail_window_s.into())),
        ("identity_match", Value::text("required")),
        ("partner_signature", Value::text("optional")),
    ]);
    // Canonical form refuses only non-integers, and there is none above.
    [b"policy/v1\0".as_slice(), canonical(&document).unwrap_or_default().as_bytes()].concat()
}

/// What the built-in document says, in a tenant's own words.
pub fn built_in(env: Env, tenant_id: &str) -> TenantPolicy {
    TenantPolicy {
        env,
        tenant_id: tenant_id.to_owned(),
        version: BUILT_IN_VERSION,
        prev_hash: None,
        retail_delay_s: 0,
        partner_signature: Demand::Optional,
        request_keys: Vec::new(),
        change_delay_s: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_pinned() {
        let golden = concat!(
            "policy/v1\0",
            r#"{"env":"sandbox","identity_match":"required","partner_signature":"optional","retail_delay_s":0,"#,
            r#""retail_window_s":3600,"tenant_id":"t","v":1,"version":0}"#,
        );
        assert_eq!(preimage(Env::Sandbox, "t", RETAIL_WINDOW_DEFAULT_S), golden.as_bytes());
    }
}
