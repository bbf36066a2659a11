//! Every limit of the service, in one place. Limits of the enclave's wire are in [`boundary::message`].

use std::time::Duration;

use boundary::Env;

use crate::rate::Rate;

/// Calls of one credential, where the settings say nothing else.
pub const fn calls_rate(env: Env) -> Rate {
    match env {
        Env::Production => Rate::per_second(100, 200),
        Env::Sandbox => Rate::per_second(10, 20),
    }
}

/// Failed authentications from one address, where the settings say nothing else.
pub const fn failures_rate(env: Env) -> Rate {
    match env {
        Env::Production => Rate::per_minute(10),
        Env::Sandbox => Rate::per_minute(60),
    }
}

/// Credentials, and addresses, whose rates one process keeps in mind.
pub const RATED_MAX: usize = 50_000;

/// A JSON request's body, bytes.
pub const JSON_BODY_BYTES_MAX: usize = 256 * 1024;

/// A request's header block, bytes.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// A request must have arrived whole after this much and a second for each [`BODY_RATE_BYTES_PER_S`].
pub const BODY_GRACE: Duration = Duration::from_secs(10);

/// The slowest a body may arrive, bytes a second.
pub const BODY_RATE_BYTES_PER_S: u64 = 1024;

/// So much of a body that nobody wanted is read, for so long, that its sender can read the answer.
pub const UNWANTED_BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// See [`UNWANTED_BODY_BYTES_MAX`].
pub const UNWANTED_BODY_TIME: Duration = Duration::from_secs(10);

/// Identifiers chosen by a tenant, characters.
pub const IDENTIFIER_CHARS_MAX: usize = 255;

/// An item's name, characters.
pub const ITEM_KEY_CHARS_MAX: usize = 128;

/// A backup's metadata, bytes of JSON.
pub const METADATA_BYTES_MAX: usize = 16 * 1024;

/// Items in one retail store.
pub const STORE_ITEMS_MAX: usize = boundary::message::CHECK_ITEMS_MAX;

/// A public key in hexadecimal, characters.
pub const PUBLIC_KEY_HEX_CHARS: std::ops::RangeInclusive<usize> = 32..=4096;

/// Data backups a user may hold: as many as one release carries, so that nothing is stored that cannot come
/// back.
pub const DATA_BACKUPS_PER_USER_MAX: u32 = 1_000;

const _: () = assert!(DATA_BACKUPS_PER_USER_MAX as usize <= boundary::message::RELEASE_ITEMS_MAX);

/// Entries on a page.
pub const PAGE_MAX: u32 = 200;

/// Entries on a page when nobody says how many.
pub const PAGE_DEFAULT: u32 = 50;

/// An inquiry that nobody finishes expires after this.
pub const INQUIRY_LIFE: Duration = Duration::from_hours(24);

/// Recovery is open for this long after an approval.
pub const RECOVERY_WINDOW: Duration = Duration::from_secs(boundary::policy::RETAIL_WINDOW_S.unsigned_abs());

/// Keys and stores are open for this long after an approval.
pub const STORE_WINDOW: Duration = Duration::from_secs(boundary::policy::STORE_WINDOW_S.unsigned_abs());

/// A call's name (`Idempotency-Key`), characters.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// A named call's answer is kept for this long.
pub const IDEMPOTENCY_LIFE: Duration = Duration::from_hours(24);

/// A run of a named call that has not ended by then is given up: longer than any call takes.
pub const IDEMPOTENCY_LEASE: Duration = Duration::from_mins(2);

/// Kept answers that are deleted in one transaction.
pub const IDEMPOTENCY_SWEEP_ROWS: i64 = 500;

/// Deliveries of one verification's recovery.
pub const DELIVERIES_MAX: i64 = 3;

/// Pool keys that one server process holds on lease, for each kind.
pub const POOL_LEASE_KEYS: u32 = 8;

/// How long a lease of pool keys lasts; what is left of it then returns to the pool.
pub const POOL_LEASE: Duration = Duration::from_mins(1);

/// What a caller is told to wait when the pool is dry: about one RSA-4096 pair's time.
pub const POOL_RETRY_AFTER_S: u32 = 2;

/// What a caller is told to wait when the enclave or the database is away.
pub const UNAVAILABLE_RETRY_AFTER_S: u32 = 2;

/// An enclave call that has not been answered by then is given up.
pub const ENCLAVE_DEADLINE: Duration = Duration::from_secs(30);

/// Connections to the enclave from one server process.
pub const ENCLAVE_CONNECTIONS_MAX: usize = 16;
