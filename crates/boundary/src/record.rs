//! Signed records, of which each is a compact JWS: what their header and their payload are called.

/// Their `typ`: no other token of this service has it (RFC 8725 §3.11).
pub const TYPE: &str = "holdfast-record";
/// Their form.
pub const VERSION: i64 = 1;
/// The `kind` of one that says that a key, or an item under it, is whole.
pub const CHECK: &str = "check";
/// The `kind` of one that says what was released.
pub const RELEASE: &str = "release";
