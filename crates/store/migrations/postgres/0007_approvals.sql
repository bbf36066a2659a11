-- Who must agree before anything is released in Control, what was asked for, and who voted. Documents are RFC 8785
-- texts, exactly as people signed their hashes; votes are kept verbatim, as the enclave will be shown them. No row
-- here decides: the enclave reckons the documents and the votes itself.

ALTER TABLE users ADD COLUMN person_id text COLLATE "C";                  -- a person of Control who is checked; null: a tenant's user
CREATE UNIQUE INDEX users_of_person ON users (person_id) WHERE person_id IS NOT NULL;

-- The tenant's owners and their signing keys, version after version.
CREATE TABLE rosters (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
    version     bigint NOT NULL,                -- from 1
    document    text NOT NULL,
    hash        bytea NOT NULL,                -- what was signed
    created_at  bigint NOT NULL,
    PRIMARY KEY (tenant_id, version)
);

CREATE TABLE acls (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
    name        text NOT NULL,
    version     bigint NOT NULL,                -- the one in force
    created_at  bigint NOT NULL,
    updated_at  bigint NOT NULL
);
CREATE INDEX acls_of_tenant ON acls (tenant_id, id);

CREATE TABLE acl_versions (
    acl_id      text COLLATE "C" NOT NULL REFERENCES acls (id),
    version     bigint NOT NULL,                -- from 1
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
    document    text NOT NULL,
    hash        bytea NOT NULL,                -- what was signed
    created_at  bigint NOT NULL,                -- from then on it was in force
    PRIMARY KEY (acl_id, version)
);

-- A list that is to become another. One that has passed and takes effect later is `waiting`.
CREATE TABLE acl_changes (
    id              text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id       text COLLATE "C" NOT NULL REFERENCES tenants (id),
    acl_id          text COLLATE "C" NOT NULL REFERENCES acls (id),
    version         bigint NOT NULL,            -- the one it would become
    document        text NOT NULL,
    hash            bytea NOT NULL,
    state           text NOT NULL CHECK (state IN ('open', 'waiting', 'applied', 'declined', 'expired')),
    asked_by        text COLLATE "C" NOT NULL,            -- a person
    window_ends_at  bigint NOT NULL,
    effective_at    bigint,                     -- null: it has not passed
    created_at      bigint NOT NULL,
    updated_at      bigint NOT NULL
);
CREATE UNIQUE INDEX acl_changes_open ON acl_changes (acl_id) WHERE state IN ('open', 'waiting');
CREATE INDEX acl_changes_moving ON acl_changes (updated_at) WHERE state IN ('open', 'waiting');

CREATE TABLE acl_votes (
    change_id   text COLLATE "C" NOT NULL REFERENCES acl_changes (id),
    person_id   text COLLATE "C" NOT NULL,
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
    approve     boolean NOT NULL,
    ballot      bytea NOT NULL,                -- with the signature
    voted_at    bigint NOT NULL,
    PRIMARY KEY (change_id, person_id)
);

ALTER TABLE customer_keys ADD COLUMN acl_id text COLLATE "C" REFERENCES acls (id);  -- the list that guards it; null: none
CREATE INDEX customer_keys_of_acl ON customer_keys (acl_id) WHERE acl_id IS NOT NULL;

CREATE TABLE control_recoveries (
    id                  text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants (id),
    acl_id              text COLLATE "C" NOT NULL REFERENCES acls (id),
    acl_version         bigint NOT NULL,        -- under which it is voted on
    asked_by            text COLLATE "C" NOT NULL,        -- a person, who alone gets it
    reason              text NOT NULL,        -- his words
    key_environment     text NOT NULL CHECK (key_environment IN ('HOT', 'COLD')),
    state               text NOT NULL CHECK (state IN
        ('requested', 'approved', 'preparing', 'ready', 'downloaded', 'declined', 'expired')),
    why                 text,                    -- why it ended, as a word; null: it has not, or well
    backups             text NOT NULL,        -- JSON list of the backups' ids, sorted
    verification_id     text COLLATE "C" REFERENCES verifications (id),  -- the check of whoever asked; null: none is demanded
    ticket              bytea NOT NULL,        -- the enclave's session
    certificate         bytea NOT NULL,        -- to whom
    gpg_fingerprint     text NOT NULL,
    subkey_fingerprint  text NOT NULL,
    intent              bytea NOT NULL,        -- exactly what people sign the hash of
    intent_hash         bytea NOT NULL,
    window_ends_at      bigint NOT NULL,        -- until then may be voted
    check_ends_at       bigint,                 -- until then the check must have passed
    release_at          bigint,                 -- the delay's end, as the enclave reckons; null: not approved
    keep_until          bigint,                 -- the package's end; null: there is none
    package_sha256      bytea,
    package_size        bigint,                 -- bytes
    created_at          bigint NOT NULL,
    updated_at          bigint NOT NULL
);
CREATE INDEX control_recoveries_of_tenant ON control_recoveries (tenant_id, id);
CREATE INDEX control_recoveries_of_check ON control_recoveries (verification_id) WHERE verification_id IS NOT NULL;
CREATE INDEX control_recoveries_moving ON control_recoveries (state, updated_at);

-- The keys of a recovery. A key has one that runs; the index says so whoever comes at the same time.
CREATE TABLE control_recovery_keys (
    recovery_id  text COLLATE "C" NOT NULL REFERENCES control_recoveries (id),
    key_id       text COLLATE "C" NOT NULL REFERENCES customer_keys (id),
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants (id),
    ended_at     bigint,                        -- null: it runs
    PRIMARY KEY (recovery_id, key_id)
);
CREATE UNIQUE INDEX control_recovery_keys_running ON control_recovery_keys (key_id) WHERE ended_at IS NULL;

CREATE TABLE control_votes (
    recovery_id      text COLLATE "C" NOT NULL REFERENCES control_recoveries (id),
    person_id        text COLLATE "C" NOT NULL,
    tenant_id        text COLLATE "C" NOT NULL REFERENCES tenants (id),
    approve          boolean NOT NULL,
    ballot           bytea NOT NULL,           -- with the signature
    verification_id  text COLLATE "C" REFERENCES verifications (id),     -- the voter's check; null: none is demanded
    check_ends_at    bigint,                    -- until then it must have passed, or the vote lapses
    voted_at         bigint NOT NULL,
    PRIMARY KEY (recovery_id, person_id)
);
CREATE INDEX control_votes_of_check ON control_votes (verification_id) WHERE verification_id IS NOT NULL;

-- Links to a package, each of them for one download.
CREATE TABLE recovery_links (
    token_hash   bytea NOT NULL PRIMARY KEY,   -- keyed; the token itself is never kept
    recovery_id  text COLLATE "C" NOT NULL REFERENCES control_recoveries (id),
    person_id    text COLLATE "C" NOT NULL,
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants (id),
    expires_at   bigint NOT NULL,
    used_at      bigint,                        -- null: not yet
    created_at   bigint NOT NULL
);
CREATE INDEX recovery_links_of_recovery ON recovery_links (recovery_id);
