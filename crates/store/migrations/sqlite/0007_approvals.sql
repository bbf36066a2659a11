-- Who must agree before anything is released in Control, what was asked for, and who voted. Documents are RFC 8785
-- texts, exactly as people signed their hashes; votes are kept verbatim, as the enclave will be shown them. No row
-- here decides: the enclave reckons the documents and the votes itself.

ALTER TABLE users ADD COLUMN person_id TEXT;                  -- a person of Control who is checked; null: a tenant's user
CREATE UNIQUE INDEX users_of_person ON users (person_id) WHERE person_id IS NOT NULL;

-- The tenant's owners and their signing keys, version after version.
CREATE TABLE rosters (
    tenant_id   TEXT    NOT NULL REFERENCES tenants (id),
    version     INTEGER NOT NULL,                -- from 1
    document    TEXT    NOT NULL,
    hash        BLOB    NOT NULL,                -- what was signed
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, version)
) STRICT;

CREATE TABLE acls (
    id          TEXT    NOT NULL PRIMARY KEY,
    tenant_id   TEXT    NOT NULL REFERENCES tenants (id),
    name        TEXT    NOT NULL,
    version     INTEGER NOT NULL,                -- the one in force
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX acls_of_tenant ON acls (tenant_id, id);

CREATE TABLE acl_versions (
    acl_id      TEXT    NOT NULL REFERENCES acls (id),
    version     INTEGER NOT NULL,                -- from 1
    tenant_id   TEXT    NOT NULL REFERENCES tenants (id),
    document    TEXT    NOT NULL,
    hash        BLOB    NOT NULL,                -- what was signed
    created_at  INTEGER NOT NULL,                -- from then on it was in force
    PRIMARY KEY (acl_id, version)
) STRICT;

-- A list that is to become another. One that has passed and takes effect later is `waiting`.
CREATE TABLE acl_changes (
    id              TEXT    NOT NULL PRIMARY KEY,
    tenant_id       TEXT    NOT NULL REFERENCES tenants (id),
    acl_id          TEXT    NOT NULL REFERENCES acls (id),
    version         INTEGER NOT NULL,            -- the one it would become
    document        TEXT    NOT NULL,
    hash            BLOB    NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('open', 'waiting', 'applied', 'declined', 'expired')),
    asked_by        TEXT    NOT NULL,            -- a person
    window_ends_at  INTEGER NOT NULL,
    effective_at    INTEGER,                     -- null: it has not passed
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX acl_changes_open ON acl_changes (acl_id) WHERE state IN ('open', 'waiting');
CREATE INDEX acl_changes_moving ON acl_changes (updated_at) WHERE state IN ('open', 'waiting');

CREATE TABLE acl_votes (
    change_id   TEXT    NOT NULL REFERENCES acl_changes (id),
    person_id   TEXT    NOT NULL,
    tenant_id   TEXT    NOT NULL REFERENCES tenants (id),
    approve     INTEGER NOT NULL CHECK (approve IN (0, 1)),
    ballot      BLOB    NOT NULL,                -- with the signature
    voted_at    INTEGER NOT NULL,
    PRIMARY KEY (change_id, person_id)
) STRICT;

ALTER TABLE customer_keys ADD COLUMN acl_id TEXT REFERENCES acls (id);  -- the list that guards it; null: none
CREATE INDEX customer_keys_of_acl ON customer_keys (acl_id) WHERE acl_id IS NOT NULL;

CREATE TABLE control_recoveries (
    id                  TEXT    NOT NULL PRIMARY KEY,
    tenant_id           TEXT    NOT NULL REFERENCES tenants (id),
    acl_id              TEXT    NOT NULL REFERENCES acls (id),
    acl_version         INTEGER NOT NULL,        -- under which it is voted on
    asked_by            TEXT    NOT NULL,        -- a person, who alone gets it
    reason              TEXT    NOT NULL,        -- his words
    key_environment     TEXT    NOT NULL CHECK (key_environment IN ('HOT', 'COLD')),
    state               TEXT    NOT NULL CHECK (state IN
        ('requested', 'approved', 'preparing', 'ready', 'downloaded', 'declined', 'expired')),
    why                 TEXT,                    -- why it ended, as a word; null: it has not, or well
    backups             TEXT    NOT NULL,        -- JSON list of the backups' ids, sorted
    verification_id     TEXT REFERENCES verifications (id),  -- the check of whoever asked; null: none is demanded
    ticket              BLOB    NOT NULL,        -- the enclave's session
    certificate         BLOB    NOT NULL,        -- to whom
    gpg_fingerprint     TEXT    NOT NULL,
    subkey_fingerprint  TEXT    NOT NULL,
    intent              BLOB    NOT NULL,        -- exactly what people sign the hash of
    intent_hash         BLOB    NOT NULL,
    window_ends_at      INTEGER NOT NULL,        -- until then may be voted
    check_ends_at       INTEGER,                 -- until then the check must have passed
    release_at          INTEGER,                 -- the delay's end, as the enclave reckons; null: not approved
    keep_until          INTEGER,                 -- the package's end; null: there is none
    package_sha256      BLOB,
    package_size        INTEGER,                 -- bytes
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL
) STRICT;
CREATE INDEX control_recoveries_of_tenant ON control_recoveries (tenant_id, id);
CREATE INDEX control_recoveries_of_check ON control_recoveries (verification_id) WHERE verification_id IS NOT NULL;
CREATE INDEX control_recoveries_moving ON control_recoveries (state, updated_at);

-- The keys of a recovery. A key has one that runs; the index says so whoever comes at the same time.
CREATE TABLE control_recovery_keys (
    recovery_id  TEXT    NOT NULL REFERENCES control_recoveries (id),
    key_id       TEXT    NOT NULL REFERENCES customer_keys (id),
    tenant_id    TEXT    NOT NULL REFERENCES tenants (id),
    ended_at     INTEGER,                        -- null: it runs
    PRIMARY KEY (recovery_id, key_id)
) STRICT;
CREATE UNIQUE INDEX control_recovery_keys_running ON control_recovery_keys (key_id) WHERE ended_at IS NULL;

CREATE TABLE control_votes (
    recovery_id      TEXT    NOT NULL REFERENCES control_recoveries (id),
    person_id        TEXT    NOT NULL,
    tenant_id        TEXT    NOT NULL REFERENCES tenants (id),
    approve          INTEGER NOT NULL CHECK (approve IN (0, 1)),
    ballot           BLOB    NOT NULL,           -- with the signature
    verification_id  TEXT REFERENCES verifications (id),     -- the voter's check; null: none is demanded
    check_ends_at    INTEGER,                    -- until then it must have passed, or the vote lapses
    voted_at         INTEGER NOT NULL,
    PRIMARY KEY (recovery_id, person_id)
) STRICT;
CREATE INDEX control_votes_of_check ON control_votes (verification_id) WHERE verification_id IS NOT NULL;

-- Links to a package, each of them for one download.
CREATE TABLE recovery_links (
    token_hash   BLOB    NOT NULL PRIMARY KEY,   -- keyed; the token itself is never kept
    recovery_id  TEXT    NOT NULL REFERENCES control_recoveries (id),
    person_id    TEXT    NOT NULL,
    tenant_id    TEXT    NOT NULL REFERENCES tenants (id),
    expires_at   INTEGER NOT NULL,
    used_at      INTEGER,                        -- null: not yet
    created_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX recovery_links_of_recovery ON recovery_links (recovery_id);
