-- The people of tenants, by what they sign in, and what is half done.

CREATE TABLE people (
    id            text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id     text COLLATE "C" NOT NULL REFERENCES tenants (id),
    email         text COLLATE "C" NOT NULL,                     -- in lower case
    name          text NOT NULL,
    role          text COLLATE "C" NOT NULL CHECK (role IN ('owner', 'member', 'officer', 'auditor')),
    state         text COLLATE "C" NOT NULL CHECK (state IN ('invited', 'active', 'removed')),
    created_at    bigint NOT NULL,
    removed_at    bigint,                                        -- null: still one of the tenant's
    password      text,                                          -- the Argon2id hash as a PHC string; null: none yet
    totp_sealed   bytea,                                         -- the secret of the app's codes, sealed; null: none
    totp_step     bigint NOT NULL DEFAULT 0,                     -- the time step of the last code that counted: none before it does again
    failures      bigint NOT NULL DEFAULT 0,                     -- to sign in, one after the other
    locked_until  bigint                                         -- until then no signing in; null: not locked
);
CREATE UNIQUE INDEX people_email ON people (email) WHERE state <> 'removed';
CREATE INDEX people_of_tenant ON people (tenant_id, id);

CREATE TABLE passkeys (
    id             text COLLATE "C" NOT NULL PRIMARY KEY,
    person_id      text COLLATE "C" NOT NULL REFERENCES people (id),
    credential_id  bytea NOT NULL UNIQUE,                        -- as the authenticator minted it
    data           text NOT NULL,                                -- what the library keeps of it, JSON
    point          bytea NOT NULL,                               -- the public key, an uncompressed point of P-256
    name           text NOT NULL,                                -- the person's own label
    counts_from    bigint NOT NULL,                              -- from then on votes by it count
    created_at     bigint NOT NULL,
    revoked_at     bigint                                        -- null: not revoked
);
CREATE INDEX passkeys_of_person ON passkeys (person_id, id);

CREATE TABLE recovery_codes (
    code_hash   bytea NOT NULL PRIMARY KEY,                      -- keyed hash of person and code
    person_id   text COLLATE "C" NOT NULL REFERENCES people (id),
    created_at  bigint NOT NULL
);
CREATE INDEX recovery_codes_of_person ON recovery_codes (person_id);

CREATE TABLE sessions (
    token_hash     bytea NOT NULL PRIMARY KEY,                   -- keyed hash of the cookie's text, which is never kept
    id             text COLLATE "C" NOT NULL UNIQUE,             -- what its owner ends it by
    tenant_id      text COLLATE "C" NOT NULL REFERENCES tenants (id),
    person_id      text COLLATE "C" NOT NULL REFERENCES people (id),
    stage          text COLLATE "C" NOT NULL CHECK (stage IN ('password', 'onboarding', 'whole')),
    csrf           text NOT NULL,                                -- what each of its forms carries
    agent          text NOT NULL,                                -- what the browser called itself
    created_at     bigint NOT NULL,
    seen_at        bigint NOT NULL,
    expires_at     bigint NOT NULL,
    proven_at      bigint                                        -- the last proof of who one is; null: none
);
CREATE INDEX sessions_of_person ON sessions (person_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE invitations (
    token_hash  bytea NOT NULL PRIMARY KEY,                      -- keyed hash of the link's token
    person_id   text COLLATE "C" NOT NULL UNIQUE REFERENCES people (id),
    purpose     text COLLATE "C" NOT NULL CHECK (purpose IN ('join', 'return')),
    created_at  bigint NOT NULL,
    expires_at  bigint NOT NULL
);

CREATE TABLE ceremonies (
    token_hash  bytea NOT NULL REFERENCES sessions (token_hash) ON DELETE CASCADE,
    purpose     text COLLATE "C" NOT NULL CHECK (purpose IN ('sign-in', 'prove', 'register', 'totp')),
    sealed      bytea NOT NULL,                                  -- the state, sealed
    expires_at  bigint NOT NULL,
    PRIMARY KEY (token_hash, purpose)
);
