-- The ground schema. Text, 64-bit integers and blobs only; instants are milliseconds since 1970 (UTC);
-- ids are UUIDv7 texts; JSON is text that no statement looks into. "Sealed" means encrypted by the enclave
-- (keys, records) or by the server's key ring (checksums): useless without the key.

CREATE TABLE tenants (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,                -- as people know the tenant
    kind        TEXT    NOT NULL CHECK (kind IN ('retail', 'partner', 'institution')),
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE api_credentials (
    id          TEXT    NOT NULL PRIMARY KEY,
    tenant_id   TEXT    NOT NULL REFERENCES tenants (id),
    name        TEXT    NOT NULL,                -- the tenant's own label
    key_hash    BLOB    NOT NULL UNIQUE,         -- keyed hash of the full text; the text itself is never kept
    hint        TEXT    NOT NULL,                -- its first characters, so that people recognise it
    scopes      TEXT    NOT NULL,                -- words joined by single spaces
    expires_at  INTEGER,                         -- null: never
    revoked_at  INTEGER,                         -- null: not revoked
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX api_credentials_of_tenant ON api_credentials (tenant_id, id);

CREATE TABLE users (
    id               TEXT    NOT NULL PRIMARY KEY,
    tenant_id        TEXT    NOT NULL REFERENCES tenants (id),
    user_identifier  TEXT    NOT NULL,           -- the tenant's opaque name for the person
    created_at       INTEGER NOT NULL,
    UNIQUE (tenant_id, user_identifier)
) STRICT;

-- Key pairs made ahead of time and not yet anybody's.
CREATE TABLE pool_keys (
    key_id           TEXT    NOT NULL PRIMARY KEY,
    key_environment  TEXT    NOT NULL CHECK (key_environment IN ('HOT', 'COLD')),
    key_type         TEXT    NOT NULL CHECK (key_type IN ('rsa4096', 'secp256k1', 'ed25519')),
    public_key       BLOB    NOT NULL,
    sealed           BLOB    NOT NULL,           -- the private half, sealed by the enclave
    created_at       INTEGER NOT NULL,
    leased_by        TEXT,                       -- the server process that set it aside; null: nobody
    lease_until      INTEGER                     -- from then on anybody may claim it again
) STRICT;
CREATE INDEX pool_keys_claim ON pool_keys (key_environment, key_type, key_id);
CREATE INDEX pool_keys_lease ON pool_keys (leased_by) WHERE leased_by IS NOT NULL;

CREATE TABLE customer_keys (
    id                 TEXT    NOT NULL PRIMARY KEY,   -- as the enclave minted it
    tenant_id          TEXT    NOT NULL REFERENCES tenants (id),
    user_id            TEXT    NOT NULL REFERENCES users (id),
    key_type           TEXT    NOT NULL CHECK (key_type IN ('rsa4096', 'secp256k1', 'ed25519')),
    key_environment    TEXT    NOT NULL CHECK (key_environment IN ('HOT', 'COLD')),
    state              TEXT    NOT NULL CHECK (state IN
        ('active', 'superseding', 'superseded', 'released', 'destroy-pending', 'destroyed')),
    public_key         BLOB    NOT NULL,
    public_key_sha256  BLOB    NOT NULL UNIQUE,        -- by which a store names its key
    sealed             BLOB    NOT NULL,               -- the private half, sealed to tenant and user
    binding            BLOB,                           -- COLD: the signed binding for the offline side
    signature          TEXT    NOT NULL,               -- base64, as first answered
    signed_payload     TEXT,                           -- the exact text signed, when fields were asked for
    signed_fields      TEXT,                           -- JSON list in the order of the request
    kid                TEXT,                           -- the assignment key that signed
    assignment_slot    TEXT,                           -- one active key per slot; null: any number
    customer_id        TEXT,                           -- the tenant's customer and package, and their names
    customer_name      TEXT,
    package_id         TEXT,
    package_name       TEXT,
    verification_id    TEXT,                           -- retail: the inquiry it was made under
    supersedes         TEXT,                           -- the key that this one replaced
    assigned_at        INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX customer_keys_slot ON customer_keys (tenant_id, user_id, assignment_slot)
    WHERE state = 'active';
CREATE INDEX customer_keys_of_user ON customer_keys (tenant_id, user_id, id);

CREATE TABLE verifications (
    id                TEXT    NOT NULL PRIMARY KEY,    -- the provider's name for the inquiry
    tenant_id         TEXT    NOT NULL REFERENCES tenants (id),
    user_id           TEXT    NOT NULL REFERENCES users (id),
    provider          TEXT    NOT NULL,                -- which adapter speaks for it
    session_id        TEXT    NOT NULL,                -- the enclave's session
    ticket            BLOB    NOT NULL,                -- the enclave's proof that it opened the session
    state             TEXT    NOT NULL CHECK (state IN ('CREATED', 'PENDING', 'COMPLETED', 'NEEDS_REVIEW',
        'FAILED', 'APPROVED', 'DECLINED', 'EXPIRED')),
    gpg_fingerprint   TEXT,                            -- the OpenPGP key bound at the start
    admission         BLOB,                            -- the enclave's sealed word on the approval
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    approved_at       INTEGER,
    window_closed_at  INTEGER                          -- its windows were ended before their time
) STRICT;
CREATE INDEX verifications_overdue ON verifications (state, created_at);
CREATE INDEX verifications_of_user ON verifications (tenant_id, user_id);

-- What a provider sent, byte for byte, before anybody judged it.
CREATE TABLE provider_events (
    provider         TEXT    NOT NULL,
    id               TEXT    NOT NULL,                 -- the provider's event id: a repeat is the same event
    tenant_id        TEXT,                             -- known once it is applied
    verification_id  TEXT,
    signature        TEXT    NOT NULL,                 -- the signature header, verbatim
    body             BLOB    NOT NULL,
    state            TEXT    NOT NULL CHECK (state IN ('received', 'applied', 'ignored')),
    received_at      INTEGER NOT NULL,
    PRIMARY KEY (provider, id)
) STRICT;
CREATE INDEX provider_events_open ON provider_events (received_at) WHERE state = 'received';

CREATE TABLE backups (
    id               TEXT    NOT NULL PRIMARY KEY,
    tenant_id        TEXT    NOT NULL REFERENCES tenants (id),
    user_id          TEXT    NOT NULL REFERENCES users (id),
    key_id           TEXT    NOT NULL REFERENCES customer_keys (id),
    kind             TEXT    NOT NULL CHECK (kind IN ('data', 'file')),
    state            TEXT    NOT NULL CHECK (state IN ('unconfirmed', 'confirmed', 'delete-pending', 'deleted')),
    check_state      TEXT    NOT NULL CHECK (check_state IN
        ('verified', 'unverified-cold', 'check-failed', 'not-checked')),
    verification_id  TEXT,                             -- retail: the inquiry it was stored under
    session_id       TEXT,                             -- retail: the enclave's session of that inquiry
    item_key         TEXT,                             -- the caller's name for the item
    ciphertext       BLOB,                             -- null: a file, or deleted
    checksum_sealed  BLOB,                             -- the plaintext's checksum, sealed by the server
    record           BLOB,                             -- the enclave's sealed record of the store
    metadata         TEXT    NOT NULL,                 -- JSON, as it will be answered
    data_size        INTEGER NOT NULL,                 -- bytes stored
    repeat_tag       BLOB,                             -- keyed hash by which a repeated store is known
    stored_at        INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    UNIQUE (tenant_id, repeat_tag)
) STRICT;
CREATE INDEX backups_of_user ON backups (tenant_id, user_id, state, stored_at DESC, id);
CREATE INDEX backups_of_verification ON backups (verification_id);

CREATE TABLE recoveries (
    id                  TEXT    NOT NULL PRIMARY KEY,
    tenant_id           TEXT    NOT NULL REFERENCES tenants (id),
    user_id             TEXT    NOT NULL REFERENCES users (id),
    verification_id     TEXT,
    flow                TEXT    NOT NULL CHECK (flow IN ('retail', 'control')),
    state               TEXT    NOT NULL CHECK (state IN ('releasing', 'released', 'failed')),
    gpg_fingerprint     TEXT    NOT NULL,              -- whom it goes to: the primary key
    subkey_fingerprint  TEXT    NOT NULL,              -- and the subkey it is encrypted to
    intent              BLOB    NOT NULL,              -- the exact bytes the enclave was asked with
    items               TEXT    NOT NULL,              -- JSON list of the backups, in order
    deliveries          INTEGER NOT NULL,              -- how often it went out
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL
) STRICT;
-- One verification serves one recovery; one that failed used nothing up.
CREATE UNIQUE INDEX recoveries_of_verification ON recoveries (verification_id) WHERE state <> 'failed';
CREATE INDEX recoveries_in_state ON recoveries (state, updated_at);

-- The outbox of webhooks: written with what it reports.
CREATE TABLE events (
    id          TEXT    NOT NULL PRIMARY KEY,
    tenant_id   TEXT    NOT NULL REFERENCES tenants (id),
    type        TEXT    NOT NULL,
    body        TEXT    NOT NULL,                      -- JSON, exactly as it will be signed and sent
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX events_of_tenant ON events (tenant_id, id);

CREATE TABLE audit_entries (
    id               TEXT    NOT NULL PRIMARY KEY,
    tenant_id        TEXT    NOT NULL REFERENCES tenants (id),
    seq              INTEGER,                          -- its place in the tenant's log; null: not chained yet
    time             INTEGER NOT NULL,
    actor            TEXT    NOT NULL,                 -- who did it
    actor_type       TEXT    NOT NULL,                 -- what the actor is
    action           TEXT    NOT NULL,                 -- what was done
    key_id           TEXT,                             -- to what
    backup_id        TEXT,
    recovery_id      TEXT,
    verification_id  TEXT,
    customer_id      TEXT,
    package_id       TEXT,
    result           TEXT    NOT NULL CHECK (result IN ('ok', 'refused', 'failed')),
    reason           TEXT,                             -- and why
    request_id       TEXT    NOT NULL,
    prev_hash        BLOB,                             -- the hash of the entry before it
    entry_hash       BLOB,
    UNIQUE (tenant_id, seq)
) STRICT;
CREATE INDEX audit_entries_pending ON audit_entries (tenant_id, id) WHERE seq IS NULL;

-- The last link of each tenant's log; its row is also the lock of the sequencers.
CREATE TABLE audit_heads (
    tenant_id   TEXT    NOT NULL PRIMARY KEY REFERENCES tenants (id),
    seq         INTEGER NOT NULL,                      -- of the last entry; 0: none
    entry_hash  BLOB                                   -- its hash; null: none
) STRICT;

-- Facts about the installation, such as its environment.
CREATE TABLE meta (
    name   TEXT NOT NULL PRIMARY KEY,
    value  TEXT NOT NULL
) STRICT;
