-- What keys and backups are listed by, backups that wait for their deletion, and the digests of files.

ALTER TABLE backups ADD COLUMN delete_after INTEGER;            -- null: nobody asked for its deletion
ALTER TABLE backups ADD COLUMN stored_sha256 BLOB;            -- of a file's bytes, as they came; null: no file

CREATE INDEX backups_newest ON backups (tenant_id, stored_at DESC, id DESC);
CREATE INDEX backups_of_key ON backups (tenant_id, key_id);
CREATE INDEX backups_due ON backups (delete_after) WHERE delete_after IS NOT NULL;
CREATE INDEX customer_keys_newest ON customer_keys (tenant_id, assigned_at DESC, id DESC);
CREATE INDEX audit_entries_of_key ON audit_entries (tenant_id, key_id, id) WHERE key_id IS NOT NULL;
