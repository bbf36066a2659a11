-- The tree over each tenant's log, as far as growing needs it, and the signed checkpoints of it.

ALTER TABLE audit_heads ADD COLUMN log bigint NOT NULL DEFAULT 1;  -- which of the tenant's logs; a reset begins another
ALTER TABLE audit_heads ADD COLUMN peaks bytea;                    -- roots of the perfect subtrees; null: to be computed
ALTER TABLE audit_heads ADD COLUMN checkpoint_size bigint;         -- entries under the last checkpoint; null: none
ALTER TABLE audit_heads ADD COLUMN checkpoint_at bigint;           -- when it was made

CREATE TABLE audit_checkpoints (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    size       bigint  NOT NULL,                      -- entries that it covers
    root       bytea   NOT NULL,                      -- of the tree over them
    note       text    NOT NULL,                      -- the same, signed
    made_at    bigint  NOT NULL,
    PRIMARY KEY (tenant_id, size)
);
