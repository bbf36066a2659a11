-- What the enclave signed of what it saw, for people to take away: the last one about each thing.

CREATE TABLE signed_records (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    about      text COLLATE "C" NOT NULL,             -- the id of a key, a backup or a recovery
    record     text    NOT NULL,                      -- a compact JWS
    made_at    bigint  NOT NULL,
    PRIMARY KEY (tenant_id, about)
);
