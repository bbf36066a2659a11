-- A tenant's own rule for recoveries by its users: RFC 8785 texts, exactly as an owner signed their hashes. No row here
-- decides: the enclave is shown the documents.

CREATE TABLE tenant_policies (
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants (id),
    version      bigint NOT NULL,                -- from 1
    document     text NOT NULL,
    hash         bytea NOT NULL,                 -- what was signed
    effective_at bigint NOT NULL,                -- from then on in force, unless a later version is
    created_at   bigint NOT NULL,
    PRIMARY KEY (tenant_id, version)
);
CREATE UNIQUE INDEX tenant_policies_by_hash ON tenant_policies (tenant_id, hash);
