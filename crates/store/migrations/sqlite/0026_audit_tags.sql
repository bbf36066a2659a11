-- What tells an entry that waits for its place in a log from one that somebody wrote past the service. With its place it
-- loses its tag: from then on the chain guards it, and nobody can have it chained a second time.

-- Over its id, whose it is and all it says; null: none.
ALTER TABLE audit_entries ADD COLUMN tag BLOB;
-- 1: its tag did not fit, and it gets no place.
ALTER TABLE audit_entries ADD COLUMN refused INTEGER NOT NULL DEFAULT 0 CHECK (refused IN (0, 1));

DROP INDEX audit_entries_pending;
CREATE INDEX audit_entries_waiting ON audit_entries (tenant_id, refused, id) WHERE seq IS NULL;

-- What tells the head of a log from one that somebody wrote past the service: the chain's hashes need no key.

-- Over whose it is, which log, its last place, the hash there and the peaks; null: none, as of a log without entries.
ALTER TABLE audit_heads ADD COLUMN tag BLOB;
-- 1: it is not the service's: nothing is added to the log, and none of it is signed.
ALTER TABLE audit_heads ADD COLUMN refused INTEGER NOT NULL DEFAULT 0 CHECK (refused IN (0, 1));
CREATE INDEX audit_heads_refused ON audit_heads (tenant_id) WHERE refused <> 0;
