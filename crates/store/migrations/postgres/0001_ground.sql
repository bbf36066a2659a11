-- The ground schema. Text, 64-bit integers and blobs only; instants are milliseconds since 1970 (UTC);
-- ids are UUIDv7 texts; JSON is text that no statement looks into. "Sealed" means encrypted by the enclave
-- (keys, records) or by the server's key ring (checksums): useless without the key. Ids compare byte by
-- byte (COLLATE "C"), as they do in the other engine.

CREATE TABLE tenants (
    id                  text COLLATE "C" NOT NULL PRIMARY KEY,
    name                text NOT NULL,                           -- as people know the tenant
    kind                text NOT NULL CHECK (kind IN ('retail', 'partner', 'institution')),
    created_at          bigint NOT NULL
);

CREATE TABLE api_credentials (
    id                  text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants (id),
    name                text NOT NULL,                           -- the tenant's own label
    key_hash            bytea NOT NULL UNIQUE,                   -- keyed hash of the full text; the text itself is never kept
    hint                text NOT NULL,                           -- its first characters, so that people recognise it
    scopes              text NOT NULL,                           -- words joined by single spaces
    expires_at          bigint,                                  -- null: never
    revoked_at          bigint,                                  -- null: not revoked
    created_at          bigint NOT NULL
);
CREATE INDEX api_credentials_of_tenant ON api_credentials (tenant_id, id);

CREATE TABLE users (
    id                  text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants (id),
    user_identifier     text COLLATE "C" NOT NULL,               -- the tenant's opaque name for the person
    created_at          bigint NOT NULL,
    UNIQUE (tenant_id, user_identifier)
);

-- Key pairs made ahead of time and not yet anybody's.
CREATE TABLE pool_keys (
    key_id              text COLLATE "C" NOT NULL PRIMARY KEY,
    key_environment     text NOT NULL CHECK (key_environment IN ('HOT', 'COLD')),
    key_type            text NOT NULL CHECK (key_type IN ('rsa4096', 'secp256k1', 'ed25519')),
    public_key          bytea NOT NULL,
    sealed              bytea NOT NULL,                          -- the private half, sealed by the enclave
    created_at          bigint NOT NULL,
    leased_by           text COLLATE "C",                        -- the server process that set it aside; null: nobody
    lease_until         bigint                                   -- from then on anybody may claim it again
);
CREATE INDEX pool_keys_claim ON pool_keys (key_environment, key_type, key_id);
CREATE INDEX pool_keys_lease ON pool_keys (leased_by) WHERE leased_by IS NOT NULL;

CREATE TABLE customer_keys (
    id                  text COLLATE "C" NOT NULL PRIMARY KEY,   -- as the enclave minted it
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants (id),
    user_id             text COLLATE "C" NOT NULL REFERENCES users (id),
    key_type            text NOT NULL CHECK (key_type IN ('rsa4096', 'secp256k1', 'ed25519')),
    key_environment     text NOT NULL CHECK (key_environment IN ('HOT', 'COLD')),
    state               text NOT NULL CHECK (state IN
        ('active', 'superseding', 'superseded', 'released', 'destroy-pending', 'destroyed')),
    public_key          bytea NOT NULL,
    public_key_sha256   bytea NOT NULL UNIQUE,                   -- by which a store names its key
    sealed              bytea NOT NULL,                          -- the private half, sealed to tenant and user
    binding             bytea,                                   -- COLD: the signed binding for the offline side
    signature           text NOT NULL,                           -- base64, as first answered
    signed_payload      text,                                    -- the exact text signed, when fields were asked for
    signed_fields       text,                                    -- JSON list in the order of the request
    kid                 text,                                    -- the assignment key that signed
    assignment_slot     text COLLATE "C",                        -- one active key per slot; null: any number
    customer_id         text COLLATE "C",                        -- the tenant's customer and package, and their names
    customer_name       text,
    package_id          text COLLATE "C",
    package_name        text,
    verification_id     text COLLATE "C",                        -- retail: the inquiry it was made under
    supersedes          text COLLATE "C",                        -- the key that this one replaced
    assigned_at         bigint NOT NULL
);
CREATE UNIQUE INDEX customer_keys_slot ON customer_keys (tenant_id, user_id, assignment_slot)
    WHERE state = 'active';
CREATE INDEX customer_keys_of_user ON customer_keys (tenant_id, user_id, id);

CREATE TABLE verifications (
    id                  text COLLATE "C" NOT NULL PRIMARY KEY,   -- the provider's name for the inquiry
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants (id),
    user_id             text COLLATE "C" NOT NULL REFERENCES users (id),
    provider            text NOT NULL,                           -- which adapter speaks for it
    session_id          text COLLATE "C" NOT NULL,               -- the enclave's session
    ticket              bytea NOT NULL,                          -- the enclave's proof that it opened the session
    state               text NOT NULL CHECK (state IN ('CREATED', 'PENDING', 'COMPLETED', 'NEEDS_REVIEW',
        'FAILED', 'APPROVED', 'DECLINED', 'EXPIRED')),
    gpg_fingerprint     text,                                    -- the OpenPGP key bound at the start
    admission           bytea,                                   -- the enclave's sealed word on the approval
    created_at          bigint NOT NULL,
    updated_at          bigint NOT NULL,
    approved_at         bigint,
    window_closed_at    bigint                                   -- its windows were ended before their time
);
CREATE INDEX verifications_overdue ON verifications (state, created_at);
CREATE INDEX verifications_of_user ON verifications (tenant_id, user_id);

-- What a provider sent, byte for byte, before anybody judged it.
CREATE TABLE provider_events (
    provider            text NOT NULL,
    id                  text COLLATE "C" NOT NULL,               -- the provider's event id: a repeat is the same event
    tenant_id           text COLLATE "C",                        -- known once it is applied
    verification_id     text COLLATE "C",
    signature           text NOT NULL,                           -- the signature header, verbatim
    body                bytea NOT NULL,
    state               text NOT NULL CHECK (state IN ('received', 'applied', 'ignored')),
    received_at         bigint NOT NULL,
    PRIMARY KEY (provider, id)
);
CREATE INDEX provider_events_open ON provider_events (received_at) WHERE state = 'received';

CREATE TABLE backups (
    id                  text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants (id),
    user_id             text COLLATE "C" NOT NULL REFERENCES users (id),
    key_id              text COLLATE "C" NOT NULL REFERENCES customer_keys (id),
    kind                text NOT NULL CHECK (kind IN ('data', 'file')),
    state               text NOT NULL CHECK (state IN ('unconfirmed', 'confirmed', 'delete-pending', 'deleted')),
    check_state         text NOT NULL CHECK (check_state IN
        ('verified', 'unverified-cold', 'check-failed', 'not-checked')),
    verification_id     text COLLATE "C",                        -- retail: the inquiry it was stored under
    session_id          text COLLATE "C",                        -- retail: the enclave's session of that inquiry
    item_key            text,                                    -- the caller's name for the item
    ciphertext          bytea,                                   -- null: a file, or deleted
    checksum_sealed     bytea,                                   -- the plaintext's checksum, sealed by the server
    record              bytea,                                   -- the enclave's sealed record of the store
    metadata            text NOT NULL,                           -- JSON, as it will be answered
    data_size           bigint NOT NULL,                         -- bytes stored
    repeat_tag          bytea,                                   -- keyed hash by which a repeated store is known
    stored_at           bigint NOT NULL,
    updated_at          bigint NOT NULL,
    UNIQUE (tenant_id, repeat_tag)
);
-- A ciphertext is one RSA block: kept in the row, never compressed nor moved out of line.
ALTER TABLE backups ALTER COLUMN ciphertext SET STORAGE PLAIN;
CREATE INDEX backups_of_user ON backups (tenant_id, user_id, state, stored_at DESC, id);
CREATE INDEX backups_of_verification ON backups (verification_id);

CREATE TABLE recoveries (
    id                  text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants (id),
    user_id             text COLLATE "C" NOT NULL REFERENCES users (id),
    verification_id     text COLLATE "C",
    flow                text NOT NULL CHECK (flow IN ('retail', 'control')),
    state               text NOT NULL CHECK (state IN ('releasing', 'released', 'failed')),
    gpg_fingerprint     text NOT NULL,                           -- whom it goes to: the primary key
    subkey_fingerprint  text NOT NULL,                           -- and the subkey it is encrypted to
    intent              bytea NOT NULL,                          -- the exact bytes the enclave was asked with
    items               text NOT NULL,                           -- JSON list of the backups, in order
    deliveries          bigint NOT NULL,                         -- how often it went out
    created_at          bigint NOT NULL,
    updated_at          bigint NOT NULL
);
-- One verification serves one recovery; one that failed used nothing up.
CREATE UNIQUE INDEX recoveries_of_verification ON recoveries (verification_id) WHERE state <> 'failed';
CREATE INDEX recoveries_in_state ON recoveries (state, updated_at);

-- The outbox of webhooks: written with what it reports.
CREATE TABLE events (
    id                  text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants (id),
    type                text NOT NULL,
    body                text NOT NULL,                           -- JSON, exactly as it will be signed and sent
    created_at          bigint NOT NULL
);
CREATE INDEX events_of_tenant ON events (tenant_id, id);

CREATE TABLE audit_entries (
    id                  text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants (id),
    seq                 bigint,                                  -- its place in the tenant's log; null: not chained yet
    time                bigint NOT NULL,
    actor               text NOT NULL,                           -- who did it
    actor_type          text NOT NULL,                           -- what the actor is
    action              text NOT NULL,                           -- what was done
    key_id              text COLLATE "C",                        -- to what
    backup_id           text COLLATE "C",
    recovery_id         text COLLATE "C",
    verification_id     text COLLATE "C",
    customer_id         text COLLATE "C",
    package_id          text COLLATE "C",
    result              text NOT NULL CHECK (result IN ('ok', 'refused', 'failed')),
    reason              text,                                    -- and why
    request_id          text COLLATE "C" NOT NULL,
    prev_hash           bytea,                                   -- the hash of the entry before it
    entry_hash          bytea,
    UNIQUE (tenant_id, seq)
);
CREATE INDEX audit_entries_pending ON audit_entries (tenant_id, id) WHERE seq IS NULL;

-- The last link of each tenant's log; its row is also the lock of the sequencers.
CREATE TABLE audit_heads (
    tenant_id           text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants (id),
    seq                 bigint NOT NULL,                         -- of the last entry; 0: none
    entry_hash          bytea                                    -- its hash; null: none
);

-- Facts about the installation, such as its environment.
CREATE TABLE meta (
    name                text NOT NULL PRIMARY KEY,
    value               text NOT NULL
);
