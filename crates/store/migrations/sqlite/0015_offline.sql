-- What the offline enclave is to be told, and the bundles that have left for it.

CREATE TABLE offline_requests (                       -- gone once the offline enclave has taken it
    id         TEXT    NOT NULL PRIMARY KEY,          -- in the order in which it happened
    tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
    entry      BLOB    NOT NULL,                      -- as it goes into a bundle
    made_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE offline_bundles (
    hash         BLOB    NOT NULL PRIMARY KEY,        -- of the bundle, as the online enclave signed it
    sequence     INTEGER NOT NULL,                    -- from 1; one that was never answered gives its number on
    offline      BLOB    NOT NULL,                    -- the public key of the enclave that it is for
    subjects     TEXT    NOT NULL,                    -- what each entry is about, a line each
    made_at      INTEGER NOT NULL,
    answered_at  INTEGER                              -- null: its answers were not imported
) STRICT;
CREATE UNIQUE INDEX offline_bundles_answered ON offline_bundles (sequence) WHERE answered_at IS NOT NULL;

CREATE INDEX backups_unverified ON backups (id) WHERE check_state = 'unverified-cold';
