-- Under what the logs name those for whom the tenants' own issuers speak. Without its row here, what the log calls
-- somebody leads back to nobody.

CREATE TABLE audit_subjects (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    finder     bytea NOT NULL,                   -- keyed hash of the issuer's name for him
    salt       bytea NOT NULL,                   -- sealed; with his name it makes what the log calls him
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant_id, finder)
);
