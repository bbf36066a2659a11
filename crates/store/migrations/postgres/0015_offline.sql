-- What the offline enclave is to be told, and the bundles that have left for it.

CREATE TABLE offline_requests (                       -- gone once the offline enclave has taken it
    id         text COLLATE "C" NOT NULL PRIMARY KEY, -- in the order in which it happened
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    entry      bytea   NOT NULL,                      -- as it goes into a bundle
    made_at    bigint  NOT NULL
);

CREATE TABLE offline_bundles (
    hash         bytea   NOT NULL PRIMARY KEY,        -- of the bundle, as the online enclave signed it
    sequence     bigint  NOT NULL,                    -- from 1; one that was never answered gives its number on
    offline      bytea   NOT NULL,                    -- the public key of the enclave that it is for
    subjects     text    NOT NULL,                    -- what each entry is about, a line each
    made_at      bigint  NOT NULL,
    answered_at  bigint                               -- null: its answers were not imported
);
CREATE UNIQUE INDEX offline_bundles_answered ON offline_bundles (sequence) WHERE answered_at IS NOT NULL;

CREATE INDEX backups_unverified ON backups (id) WHERE check_state = 'unverified-cold';
