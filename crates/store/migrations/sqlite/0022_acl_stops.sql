-- Vetoes over changes of lists that have passed and wait to take effect, each with what its member signed.

CREATE TABLE acl_stops (
    change_id   TEXT    NOT NULL REFERENCES acl_changes (id),
    person_id   TEXT    NOT NULL,
    tenant_id   TEXT    NOT NULL REFERENCES tenants (id),
    ballot      BLOB    NOT NULL,                -- with the signature
    stopped_at  INTEGER NOT NULL,
    PRIMARY KEY (change_id, person_id)
) STRICT;
