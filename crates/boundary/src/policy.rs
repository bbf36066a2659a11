//! Under which rule a session was opened.
//!
//! Until a tenant has signed a policy of its own, the built-in one applies: no delay, one window. Its document
//! is hashed into every ticket and every intent, so that a session opened under it cannot be finished under
//! another.

use crate::Env;
use crate::json::{Value, canonical};

/// How long after an approval a retail recovery is open, in seconds.
pub const RETAIL_WINDOW_S: i64 = 3_600;

/// How long after an approval keys may be made and items stored, in seconds.
pub const STORE_WINDOW_S: i64 = 86_400;

/// The version of the built-in policy document.
pub const BUILT_IN_VERSION: i64 = 0;

/// The bytes that are hashed into a policy hash: the built-in document of a tenant, canonical.
pub fn preimage(env: Env, tenant_id: &str) -> Vec<u8> {
    let document = Value::object([
        ("v", Value::Integer(1)),
        ("tenant_id", Value::text(tenant_id)),
        ("env", Value::text(env.as_str())),
        ("version", Value::Integer(BUILT_IN_VERSION)),
        ("retail_delay_s", Value::Integer(0)),
        ("retail_window_s", Value::Integer(RETAIL_WINDOW_S)),
        ("identity_match", Value::text("required")),
        ("partner_signature", Value::text("optional")),
    ]);
    // Canonical form refuses only non-integers, and there is none above.
    [b"policy/v1\0".as_slice(), canonical(&document).unwrap_or_default().as_bytes()].concat()
}
