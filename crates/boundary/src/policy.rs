//! Under which rule a session was opened.
//!
//! Until a tenant has signed a policy of its own, the built-in one applies: no delay, one window, which the
//! operator sets. Its document is hashed into every ticket and every intent, so that a session opened under it
//! cannot be finished under another.

use std::ops::RangeInclusive;

use crate::Env;
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
