-- The people of tenants, by what they sign in, and what is half done.

CREATE TABLE people (
    id            TEXT    NOT NULL PRIMARY KEY,
    tenant_id     TEXT    NOT NULL REFERENCES tenants (id),
    email         TEXT    NOT NULL,                -- in lower case
    name          TEXT    NOT NULL,
    role          TEXT    NOT NULL CHECK (role IN ('owner', 'member', 'officer', 'auditor')),
    state         TEXT    NOT NULL CHECK (state IN ('invited', 'active', 'removed')),
    created_at    INTEGER NOT NULL,
    removed_at    INTEGER,                         -- null: still one of the tenant's
    password      TEXT,                            -- the Argon2id hash as a PHC string; null: none yet
    totp_sealed   BLOB,                            -- the secret of the app's codes, sealed; null: none
    totp_step     INTEGER NOT NULL DEFAULT 0,      -- the time step of the last code that counted: none before it does again
    failures      INTEGER NOT NULL DEFAULT 0,      -- to sign in, one after the other
    locked_until  INTEGER                          -- until then no signing in; null: not locked
) STRICT;
CREATE UNIQUE INDEX people_email ON people (email) WHERE state <> 'removed';
CREATE INDEX people_of_tenant ON people (tenant_id, id);

CREATE TABLE passkeys (
    id             TEXT    NOT NULL PRIMARY KEY,
    person_id      TEXT    NOT NULL REFERENCES people (id),
    credential_id  BLOB    NOT NULL UNIQUE,        -- as the authenticator minted it
    data           TEXT    NOT NULL,               -- what the library keeps of it, JSON
    point          BLOB    NOT NULL,               -- the public key, an uncompressed point of P-256
    name           TEXT    NOT NULL,               -- the person's own label
    counts_from    INTEGER NOT NULL,               -- from then on votes by it count
    created_at     INTEGER NOT NULL,
    revoked_at     INTEGER                         -- null: not revoked
) STRICT;
CREATE INDEX passkeys_of_person ON passkeys (person_id, id);

CREATE TABLE recovery_codes (
    code_hash   BLOB    NOT NULL PRIMARY KEY,      -- keyed hash of person and code
    person_id   TEXT    NOT NULL REFERENCES people (id),
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX recovery_codes_of_person ON recovery_codes (person_id);

CREATE TABLE sessions (
    token_hash     BLOB    NOT NULL PRIMARY KEY,   -- keyed hash of the cookie's text, which is never kept
    id             TEXT    NOT NULL UNIQUE,        -- what its owner ends it by
    tenant_id      TEXT    NOT NULL REFERENCES tenants (id),
    person_id      TEXT    NOT NULL REFERENCES people (id),
    stage          TEXT    NOT NULL CHECK (stage IN ('password', 'onboarding', 'whole')),
    csrf           TEXT    NOT NULL,               -- what each of its forms carries
    agent          TEXT    NOT NULL,               -- what the browser called itself
    created_at     INTEGER NOT NULL,
    seen_at        INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    proven_at      INTEGER                         -- the last proof of who one is; null: none
) STRICT;
CREATE INDEX sessions_of_person ON sessions (person_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE invitations (
    token_hash  BLOB    NOT NULL PRIMARY KEY,      -- keyed hash of the link's token
    person_id   TEXT    NOT NULL UNIQUE REFERENCES people (id),
    purpose     TEXT    NOT NULL CHECK (purpose IN ('join', 'return')),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE ceremonies (
    token_hash  BLOB    NOT NULL REFERENCES sessions (token_hash) ON DELETE CASCADE,
    purpose     TEXT    NOT NULL CHECK (purpose IN ('sign-in', 'prove', 'register', 'totp')),
    sealed      BLOB    NOT NULL,                  -- the state, sealed
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (token_hash, purpose)
) STRICT;
