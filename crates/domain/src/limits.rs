//! Every limit of the service, in one place. Limits of the enclave's wire are in [`boundary::message`].

use std::ops::RangeInclusive;
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

/// Failed authentications from one address, and with one beginning of a credential, where the settings say
/// nothing else.
pub const fn failures_rate(env: Env) -> Rate {
    match env {
        Env::Production => Rate::per_minute(10),
        Env::Sandbox => Rate::per_minute(60),
    }
}

/// Credentials, addresses, and beginnings of credentials, whose rates one process keeps in mind.
pub const RATED_MAX: usize = 50_000;

/// A JSON request's body, bytes.
pub const JSON_BODY_BYTES_MAX: usize = 256 * 1024;

/// A request's header block, bytes.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Connections of callers that are served at once, where the settings say nothing else.
pub const CONNECTIONS_DEFAULT: usize = 4_096;

/// What that may be set to.
pub const CONNECTIONS_RANGE: RangeInclusive<usize> = 16..=65_536;

/// Connections of scrapers that are served at once.
pub const SCRAPERS_MAX: usize = 16;

/// A request must have arrived whole after this much and a second for each [`BODY_RATE_BYTES_PER_S`].
pub const BODY_GRACE: Duration = Duration::from_secs(10);

/// The slowest a body may arrive, bytes a second.
pub const BODY_RATE_BYTES_PER_S: u64 = 1024;

/// So much of a body that nobody wanted is read, for so long, that its sender can read the answer.
pub const UNWANTED_BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// See [`UNWANTED_BODY_BYTES_MAX`].
pub const UNWANTED_BODY_TIME: Duration = Duration::from_secs(10);

/// A file, bytes.
pub const FILE_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// A form with a file, bytes: the file, and room for its other parts.
pub const FORM_BYTES_MAX: u64 = FILE_BYTES_MAX + 128 * 1024;

/// Parts of a form, those included that nobody asked for.
pub const FORM_PARTS_MAX: usize = 16;

/// A part's header block, bytes, give or take what a connection reads at once.
pub const FORM_HEADER_BYTES_MAX: usize = 32 * 1024;

/// A file that is not kept, waiting for its turn included, after this long is given up.
pub const FILE_DEADLINE: Duration = Duration::from_mins(1);

const _: () = assert!(FILE_DEADLINE.as_secs() < IDEMPOTENCY_LEASE.as_secs());

/// Files on their way into a bucket at once, from one server process: so many are whole in memory.
pub const BUCKET_AT_ONCE: usize = 4;

/// How often a call to a bucket is tried again.
pub const BUCKET_RETRIES_MAX: usize = 3;

/// And for how long after the first try.
pub const BUCKET_RETRY_TIME: Duration = Duration::from_secs(15);

/// A bucket that does not take a connection by then is away.
pub const BUCKET_CONNECT_MAX: Duration = Duration::from_secs(5);

/// A bucket that says nothing for this long is away.
pub const BUCKET_SILENCE_MAX: Duration = Duration::from_secs(15);

/// A file that no row points at is removed this long after the birth of its id: longer than it takes to notice that
/// a database came back older than its files.
pub const ORPHAN_AGE: Duration = Duration::from_hours(7 * 24);

/// How long after a new root key was first seen seals of the one before may still be on their way into the database:
/// more than any call and any job takes.
pub const RESEAL_SETTLE: Duration = Duration::from_mins(10);

/// How often all seals are gone through again, as long as the former root key is not retired.
pub const RESEAL_AGAIN: Duration = Duration::from_mins(1);

/// How often is looked for such files.
pub const ORPHAN_SWEEP_EVERY: Duration = Duration::from_hours(6);

/// So many files are looked up at once.
pub const ORPHAN_LOOK_MAX: usize = 200;

/// A store of key shares that has not answered by then is passed over: others may have enough.
pub const SHARES_READ_MAX: Duration = Duration::from_secs(3);

/// Shares of a new key that a store has not kept by then are given up, and the key with them.
pub const SHARES_WRITE_MAX: Duration = Duration::from_secs(15);

/// How often all shares of all keys are looked at.
pub const SHARES_LOOK_EVERY: Duration = Duration::from_hours(6);

/// Keys whose shares are looked at between two looks into the database.
pub const SHARES_LOOK_KEYS: i64 = 200;

/// Shares of a key, in all stores together.
pub const KEY_SHARES_MAX: usize = 16;

/// Identifiers chosen by a tenant, characters.
pub const IDENTIFIER_CHARS_MAX: usize = 255;

/// An item's name, characters.
pub const ITEM_KEY_CHARS_MAX: usize = 128;

/// A backup's metadata, bytes of JSON.
pub const METADATA_BYTES_MAX: usize = 16 * 1024;

/// Items in one retail store.
pub const STORE_ITEMS_MAX: usize = boundary::message::CHECK_ITEMS_MAX;

/// A public key in hexadecimal, characters.
pub const PUBLIC_KEY_HEX_CHARS: RangeInclusive<usize> = 32..=4096;

/// Backups a user may hold: as many as one release carries, so that nothing is stored that cannot come
/// back.
pub const BACKUPS_PER_USER_MAX: u32 = 1_000;

const _: () = assert!(BACKUPS_PER_USER_MAX as usize <= boundary::message::RELEASE_ITEMS_MAX);

/// A backup whose deletion was asked for is kept for this long, and can be restored until then.
pub const DELETION_DELAY: Duration = Duration::from_hours(30 * 24);

/// A key whose destruction was confirmed is kept for at least so many days, and can be kept for good until then.
pub const DESTRUCTION_DAYS_MIN: i64 = 7;

/// And for at most so many, which is what there is where nobody says otherwise.
pub const DESTRUCTION_DAYS_MAX: i64 = 30;

/// A destruction that nobody confirms for so many days lapses.
pub const DESTRUCTION_ASKED_DAYS: i64 = 7;

/// The owners of an account stay who they are for so long before two of them have a key destroyed; in a sandbox nothing.
pub const OWNERS_SETTLE: Duration = Duration::from_hours(7 * 24);

/// Entries on a page.
pub const PAGE_MAX: u32 = 200;

/// Entries on a page when nobody says how many.
pub const PAGE_DEFAULT: u32 = 50;

/// Entries of the audit log that an export reads at once: what it holds in memory.
pub const AUDIT_EXPORT_PAGE_ENTRIES: i64 = 500;

/// Who takes nothing of an answer for this long is given up, and his connection closed.
pub const STREAM_PATIENCE: Duration = Duration::from_mins(1);

/// An inquiry that nobody finishes expires after this, where the settings say nothing else.
pub const INQUIRY_LIFE: Duration = Duration::from_hours(24);

/// What that may be set to: a minute to 30 days, well within the life of the enclave's session.
pub const INQUIRY_LIFE_RANGE: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(720);

/// Keys and stores are open for this long after an approval, where the settings say nothing else. (For how long
/// recovery is, the enclave says: [`boundary::policy::RETAIL_WINDOW_DEFAULT_S`].)
pub const STORE_WINDOW: Duration = Duration::from_hours(24);

/// What that may be set to: a minute to 30 days.
pub const STORE_WINDOW_RANGE: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(720);

/// A call's name (`Idempotency-Key`), characters.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// A named call's answer is kept for this long.
pub const IDEMPOTENCY_LIFE: Duration = Duration::from_hours(24);

/// A run of a named call that has not ended by then is given up: longer than any call takes.
pub const IDEMPOTENCY_LEASE: Duration = Duration::from_mins(2);

/// How long a report stays in the log of deliveries, and can be delivered again.
pub const EVENT_KEPT: Duration = Duration::from_hours(30 * 24);

/// How long a provider's event is kept once it was judged: longer than anybody disputes an identity check. The
/// enclave's admission, which is what counts, stays with the inquiry.
pub const PROVIDER_EVENT_KEPT: Duration = Duration::from_hours(90 * 24);

/// Old rows that are deleted in one transaction.
pub const FORGET_ROWS: i64 = 500;

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

/// A ceremony of a sandbox that has not ended by then is not waited for: below [`IDEMPOTENCY_LEASE`].
pub const CEREMONY_DEADLINE: Duration = Duration::from_secs(100);

const _: () = assert!(CEREMONY_DEADLINE.as_secs() < IDEMPOTENCY_LEASE.as_secs());

/// Connections to the enclave from one server process.
pub const ENCLAVE_CONNECTIONS_MAX: usize = 16;

/// How far the clocks of a token's issuer and of the service may be apart.
pub const TOKEN_SKEW: Duration = Duration::from_secs(30);

/// The longest that a token of a tenant's own issuer may live: each of them ends by this or with the issuer.
pub const ISSUER_TOKEN_LIFE_MAX: Duration = Duration::from_hours(24);

/// Audiences that a token may name.
pub const TOKEN_AUDIENCES_MAX: usize = 8;

/// A JWKS, bytes.
pub const JWKS_BYTES_MAX: usize = 64 * 1024;

/// Usable keys in a JWKS.
pub const JWKS_KEYS_MAX: usize = 32;

/// A JWKS must have come whole after this, from looking its name up on.
pub const JWKS_DEADLINE: Duration = Duration::from_secs(5);

/// A JWKS older than this is fetched again before it is used: a key that was taken out of it is dead by then.
pub const JWKS_AGE_MAX: Duration = Duration::from_mins(10);

/// While it cannot be fetched, the last one is used until it is this old.
pub const JWKS_STALE_MAX: Duration = Duration::from_hours(1);

/// A JWKS is not fetched again before this is over, whatever tokens name: a flood of invented keys fetches nothing.
pub const JWKS_FETCH_INTERVAL: Duration = Duration::from_secs(30);

/// JWKS that one process keeps in mind.
pub const JWKS_KEPT_MAX: usize = 1_000;

/// Webhook endpoints of a tenant.
pub const WEBHOOKS_PER_TENANT_MAX: i64 = 10;

/// A webhook's URL, characters.
pub const WEBHOOK_URL_CHARS_MAX: usize = 2_048;

/// A webhook's acknowledgement must have come after this, from looking its name up on.
pub const WEBHOOK_DEADLINE: Duration = Duration::from_secs(10);

/// The waits between the tries of a delivery; after the last it is parked.
pub const WEBHOOK_STEPS: [Duration; 8] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(3),
    Duration::from_hours(8),
    Duration::from_hours(12),
];

/// After a rotation the secret before it signs for this long too.
pub const WEBHOOK_ROTATION: Duration = Duration::from_hours(24);

/// An endpoint that did nothing but fail for this long is switched off.
pub const WEBHOOK_FAILING_MAX: Duration = Duration::from_hours(5 * 24);

/// How long a delivery is one process's; then another may take it for lost.
pub const WEBHOOK_LEASE: Duration = Duration::from_mins(1);

/// Deliveries to one endpoint at once, from one server process.
pub const WEBHOOK_AT_ONCE: usize = 4;

/// The same while the endpoint fails.
pub const WEBHOOK_AT_ONCE_FAILING: usize = 1;

/// Deliveries at once, from one server process.
pub const WEBHOOK_AT_ONCE_ALL: usize = 512;

/// What is read of an answer's header block, and then of its body, before the connection is dropped; bytes.
pub const WEBHOOK_ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Events of one inquiry that are kept while nobody can say whether they are genuine.
pub const UNJUDGED_EVENTS_MAX: i64 = 16;

/// An identity provider must have opened an inquiry by then, connecting and reading included.
pub const PROVIDER_DEADLINE: Duration = Duration::from_secs(10);

/// How often an identity provider is asked for one inquiry, when no answer comes back.
pub const PROVIDER_TRIES: u32 = 2;

/// What is read of an identity provider's answer, bytes.
pub const PROVIDER_ANSWER_BYTES_MAX: usize = 256 * 1024;

/// What a caller is told to wait when an identity provider is away or asks for patience: least and most.
pub const PROVIDER_RETRY_AFTER_S: RangeInclusive<u32> = 2..=120;

/// A person's password, characters.
pub const PASSWORD_CHARS: RangeInclusive<usize> = 12..=256;

/// So many failures one after the other lock an account ...
pub const SIGN_IN_FAILURES_MAX: i64 = 5;

/// ... for this long.
pub const SIGN_IN_LOCK: Duration = Duration::from_mins(15);

/// A session that nobody uses ends after this.
pub const SESSION_IDLE: Duration = Duration::from_mins(30);

/// And every session after this.
pub const SESSION_LIFE: Duration = Duration::from_hours(12);

/// Who gave a password must show the second factor, or finish an invitation's steps, within this.
pub const SESSION_UNFINISHED_LIFE: Duration = Duration::from_mins(30);

/// That a session was used is written down no more often than this.
pub const SESSION_SEEN_EVERY: Duration = Duration::from_mins(1);

/// For this long after a proof of who one is, dangerous acts need no other.
pub const PROOF_LIFE: Duration = Duration::from_mins(10);

/// The state of a half-done ceremony is kept for this long.
pub const CEREMONY_LIFE: Duration = Duration::from_mins(5);

/// An invitation ends after this.
pub const INVITATION_LIFE: Duration = Duration::from_hours(7 * 24);

/// A passkey that was not made at a first invitation counts for votes after this; in a sandbox at once.
pub const NEW_PASSKEY_DELAY: Duration = Duration::from_hours(24);

/// Recovery codes of a person.
pub const RECOVERY_CODES: usize = 10;

/// Passkeys of a person.
pub const PASSKEYS_PER_PERSON_MAX: usize = 10;

/// People of a tenant, those who were removed not counted.
pub const PEOPLE_PER_TENANT_MAX: usize = 500;

/// Sessions of a person; one more ends the oldest.
pub const SESSIONS_PER_PERSON_MAX: usize = 20;

/// A form of Control, bytes.
pub const CONTROL_FORM_BYTES_MAX: usize = 256 * 1024;

/// Passwords that are hashed at once, from one server process: each takes 19 MiB and a core for a moment.
pub const PASSWORDS_AT_ONCE: usize = 4;

/// Who waits longer than this for his password's turn is told to come back.
pub const PASSWORD_PATIENCE: Duration = Duration::from_secs(10);
/// How long a mail waits after each failed try; after one more it is parked.
pub const MAIL_STEPS: [Duration; 5] = [
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(8),
];

/// How long one try of a mail may take in all.
pub const MAIL_DEADLINE: Duration = Duration::from_secs(20);

/// For how long a mail that a process is sending is left to it. Longer than a try may take.
pub const MAIL_LEASE: Duration = Duration::from_mins(1);

/// How many mails one look takes up.
pub const MAILS_AT_ONCE: i64 = 8;

/// Characters of a notice's title, which is a mail's subject.
pub const NOTICE_TITLE_CHARS_MAX: usize = 160;

/// How long nothing leaves of a tenant where nobody says for how long, in hours.
pub const FREEZE_HOURS_DEFAULT: u32 = 72;

/// A vote in Control is open for this long, where a list says nothing else.
pub const VOTE_WINDOW: Duration = Duration::from_hours(7 * 24);

/// What passed waits for this long before the enclave packs it, where a list says nothing else: HOT and COLD. In a
/// sandbox nothing waits.
pub const RELEASE_DELAYS: [Duration; 2] = [Duration::from_hours(1), Duration::from_hours(24)];

/// A person's check for a recovery, or for a vote, must have passed after this.
pub const PERSON_CHECK_LIFE: Duration = Duration::from_hours(24);

/// What passed and has waited is packed within this, or not at all.
pub const PACKING_LIFE: Duration = Duration::from_hours(14 * 24);

/// A package is kept for this long.
pub const PACKAGE_LIFE: Duration = Duration::from_hours(7 * 24);

/// A link to a package opens it for this long, once.
pub const PACKAGE_LINK_LIFE: Duration = Duration::from_mins(15);

/// An OpenPGP certificate that is handed in, bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 128 * 1024;

/// Why somebody asks for a recovery, characters.
pub const REASON_CHARS_MAX: usize = 500;

/// Backups of one recovery of Control.
pub const CONTROL_BACKUPS_MAX: usize = 400;

/// Bytes of all of them as stored, files included: the archive of a package must hold them.
pub const CONTROL_BYTES_MAX: i64 = 48 * 1024 * 1024;

/// Keys of one recovery of Control, or of one attachment.
pub const CONTROL_KEYS_MAX: usize = 100;

/// A list's members.
pub const ACL_MEMBERS_MAX: usize = 50;
