-- The latest freeze of each tenant, for those who look: the enclave holds to what its own log says.

CREATE TABLE tenant_freezes (
    tenant_id    TEXT    NOT NULL PRIMARY KEY REFERENCES tenants (id),
    number       INTEGER NOT NULL,                -- the enclave's own; only ever grows
    frozen_until INTEGER,                         -- null: an owner has ended it
    changed_by   TEXT    NOT NULL,                -- who froze, or ended it
    changed_at   INTEGER NOT NULL
) STRICT;
