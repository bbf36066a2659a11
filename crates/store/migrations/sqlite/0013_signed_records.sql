-- What the enclave signed of what it saw, for people to take away: the last one about each thing.

CREATE TABLE signed_records (
    tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
    about      TEXT    NOT NULL,                      -- the id of a key, a backup or a recovery
    record     TEXT    NOT NULL,                      -- a compact JWS
    made_at    INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, about)
) STRICT;
