-- The tree over each tenant's log, as far as growing needs it, and the signed checkpoints of it.

ALTER TABLE audit_heads ADD COLUMN log INTEGER NOT NULL DEFAULT 1;  -- which of the tenant's logs; a reset begins another
ALTER TABLE audit_heads ADD COLUMN peaks BLOB;                      -- roots of the perfect subtrees; null: to be computed
ALTER TABLE audit_heads ADD COLUMN checkpoint_size INTEGER;         -- entries under the last checkpoint; null: none
ALTER TABLE audit_heads ADD COLUMN checkpoint_at INTEGER;           -- when it was made

CREATE TABLE audit_checkpoints (
    tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
    size       INTEGER NOT NULL,                      -- entries that it covers
    root       BLOB    NOT NULL,                      -- of the tree over them
    note       TEXT    NOT NULL,                      -- the same, signed
    made_at    INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, size)
) STRICT;
