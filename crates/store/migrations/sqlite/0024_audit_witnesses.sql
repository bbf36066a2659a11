-- What witnesses outside have signed of the logs.

CREATE TABLE audit_witnesses (
    tenant_id TEXT    NOT NULL REFERENCES tenants (id),
    witness   TEXT    NOT NULL,                  -- his public key, as C2SP signed-note spells it
    size      INTEGER NOT NULL,                  -- entries under the last checkpoint that he signed; 0: none
    line      TEXT,                              -- his signature under it
    state     TEXT    NOT NULL CHECK (state IN ('signed', 'away', 'stranger', 'forked')),
    ask_after INTEGER NOT NULL,                  -- he is asked again then
    PRIMARY KEY (tenant_id, witness)
) STRICT;
