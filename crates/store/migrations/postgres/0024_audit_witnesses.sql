-- What witnesses outside have signed of the logs.

CREATE TABLE audit_witnesses (
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    witness   text COLLATE "C" NOT NULL,         -- his public key, as C2SP signed-note spells it
    size      bigint NOT NULL,                   -- entries under the last checkpoint that he signed; 0: none
    line      text,                              -- his signature under it
    state     text COLLATE "C" NOT NULL CHECK (state IN ('signed', 'away', 'stranger', 'forked')),
    ask_after bigint NOT NULL,                   -- he is asked again then
    PRIMARY KEY (tenant_id, witness)
);
