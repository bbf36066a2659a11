-- The root log: a log like the others that is no tenant's (its owner is the nil UUID), and names each checkpoint of every
-- other log. The tables of logs therefore refer to tenants no longer.

ALTER TABLE audit_entries DROP CONSTRAINT audit_entries_tenant_id_fkey;
ALTER TABLE audit_heads DROP CONSTRAINT audit_heads_tenant_id_fkey;
ALTER TABLE audit_checkpoints DROP CONSTRAINT audit_checkpoints_tenant_id_fkey;
ALTER TABLE audit_witnesses DROP CONSTRAINT audit_witnesses_tenant_id_fkey;

-- The logs that there are begin in it with their last checkpoints: a note's first three lines are origin, size and root.
INSERT INTO audit_entries (id, tenant_id, time, actor, actor_type, action, result, reason, request_id)
SELECT gen_random_uuid()::text, '00000000-0000-0000-0000-000000000000', c.made_at, split_part(c.note, E'\n', 1),
    'service', 'checkpoint.signed', 'ok', c.size || ' ' || split_part(c.note, E'\n', 3), 'service'
FROM audit_heads h JOIN audit_checkpoints c ON c.tenant_id = h.tenant_id AND c.size = h.checkpoint_size;
