-- A tenant's own rule for recoveries by its users: RFC 8785 texts, exactly as an owner signed their hashes. No row here
-- decides: the enclave is shown the documents.

CREATE TABLE tenant_policies (
    tenant_id    TEXT    NOT NULL REFERENCES tenants (id),
    version      INTEGER NOT NULL,                -- from 1
    document     TEXT    NOT NULL,
    hash         BLOB    NOT NULL,                -- what was signed
    effective_at INTEGER NOT NULL,                -- from then on in force, unless a later version is
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, version)
) STRICT;
CREATE UNIQUE INDEX tenant_policies_by_hash ON tenant_policies (tenant_id, hash);
