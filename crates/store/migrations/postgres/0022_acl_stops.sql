-- Vetoes over changes of lists that have passed and wait to take effect, each with what its member signed.

CREATE TABLE acl_stops (
    change_id   text COLLATE "C" NOT NULL REFERENCES acl_changes (id),
    person_id   text COLLATE "C" NOT NULL,
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
    ballot      bytea  NOT NULL,                 -- with the signature
    stopped_at  bigint NOT NULL,
    PRIMARY KEY (change_id, person_id)
);
