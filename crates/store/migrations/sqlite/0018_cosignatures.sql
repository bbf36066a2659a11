-- The enclave's signatures under the checkpoints of the audit logs, and what proves that one goes on from another.

ALTER TABLE audit_checkpoints ADD COLUMN peaks BLOB;             -- of the tree at that size, as audit_heads has them
ALTER TABLE audit_checkpoints ADD COLUMN cosigner TEXT;          -- the enclave's key; null: the enclave has not signed

ALTER TABLE audit_heads ADD COLUMN cosigned_size INTEGER;        -- of the last that the enclave signed; null: none
ALTER TABLE audit_heads ADD COLUMN cosign_after INTEGER;         -- the next waits until then; null: it does not
ALTER TABLE audit_heads ADD COLUMN forked_at INTEGER;            -- the enclave knows another history; null: it does not

UPDATE audit_checkpoints SET peaks =
    (SELECT peaks FROM audit_heads WHERE tenant_id = audit_checkpoints.tenant_id AND seq = audit_checkpoints.size);
