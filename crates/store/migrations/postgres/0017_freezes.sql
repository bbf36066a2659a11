-- The latest freeze of each tenant, for those who look: the enclave holds to what its own log says.

CREATE TABLE tenant_freezes (
    tenant_id    text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants (id),
    number       bigint NOT NULL,                -- the enclave's own; only ever grows
    frozen_until bigint,                         -- null: an owner has ended it
    changed_by   text COLLATE "C" NOT NULL,                -- who froze, or ended it
    changed_at   bigint NOT NULL
);
