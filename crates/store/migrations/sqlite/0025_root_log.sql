-- The root log: a log like the others that is no tenant's, and names each checkpoint of every other log. The tables of
-- logs therefore refer to tenants no longer; SQLite can drop that only with the table.

CREATE TABLE new_entries (
    id               TEXT    NOT NULL PRIMARY KEY,
    tenant_id        TEXT    NOT NULL,                 -- whose log; the nil UUID: the root log
    seq              INTEGER,                          -- its place in that log; null: not chained yet
    time             INTEGER NOT NULL,
    actor            TEXT    NOT NULL,                 -- who did it
    actor_type       TEXT    NOT NULL,                 -- what the actor is
    action           TEXT    NOT NULL,                 -- what was done
    key_id           TEXT,                             -- to what
    backup_id        TEXT,
    recovery_id      TEXT,
    verification_id  TEXT,
    customer_id      TEXT,
    package_id       TEXT,
    result           TEXT    NOT NULL CHECK (result IN ('ok', 'refused', 'failed')),
    reason           TEXT,                             -- and why
    request_id       TEXT    NOT NULL,
    prev_hash        BLOB,                             -- the hash of the entry before it
    entry_hash       BLOB,
    UNIQUE (tenant_id, seq)
) STRICT;
INSERT INTO new_entries SELECT id, tenant_id, seq, time, actor, actor_type, action, key_id, backup_id, recovery_id,
    verification_id, customer_id, package_id, result, reason, request_id, prev_hash, entry_hash FROM audit_entries;
DROP TABLE audit_entries;
ALTER TABLE new_entries RENAME TO audit_entries;
CREATE INDEX audit_entries_pending ON audit_entries (tenant_id, id) WHERE seq IS NULL;
CREATE INDEX audit_entries_of_key ON audit_entries (tenant_id, key_id, id) WHERE key_id IS NOT NULL;

CREATE TABLE new_heads (
    tenant_id        TEXT    NOT NULL PRIMARY KEY,     -- whose log; the nil UUID: the root log
    seq              INTEGER NOT NULL,                 -- of the last entry; 0: none
    entry_hash       BLOB,                             -- its hash; null: none
    log              INTEGER NOT NULL DEFAULT 1,       -- which of the tenant's logs; a reset begins another
    peaks            BLOB,                             -- roots of the perfect subtrees; null: to be computed
    checkpoint_size  INTEGER,                          -- entries under the last checkpoint; null: none
    checkpoint_at    INTEGER,                          -- when it was made
    cosigned_size    INTEGER,                          -- of the last that the enclave signed; null: none
    cosign_after     INTEGER,                          -- the next waits until then; null: it does not
    forked_at        INTEGER                           -- the enclave knows another history; null: it does not
) STRICT;
INSERT INTO new_heads SELECT tenant_id, seq, entry_hash, log, peaks, checkpoint_size, checkpoint_at, cosigned_size,
    cosign_after, forked_at FROM audit_heads;
DROP TABLE audit_heads;
ALTER TABLE new_heads RENAME TO audit_heads;

CREATE TABLE new_checkpoints (
    tenant_id        TEXT    NOT NULL,                 -- whose log; the nil UUID: the root log
    size             INTEGER NOT NULL,                 -- entries that it covers
    root             BLOB    NOT NULL,                 -- of the tree over them
    note             TEXT    NOT NULL,                 -- the same, signed
    made_at          INTEGER NOT NULL,
    peaks            BLOB,                             -- of the tree at that size, as audit_heads has them
    cosigner         TEXT,                             -- the enclave's key; null: the enclave has not signed
    PRIMARY KEY (tenant_id, size)
) STRICT;
INSERT INTO new_checkpoints SELECT tenant_id, size, root, note, made_at, peaks, cosigner FROM audit_checkpoints;
DROP TABLE audit_checkpoints;
ALTER TABLE new_checkpoints RENAME TO audit_checkpoints;

CREATE TABLE new_witnesses (
    tenant_id        TEXT    NOT NULL,                 -- whose log; the nil UUID: the root log
    witness          TEXT    NOT NULL,                 -- his public key, as C2SP signed-note spells it
    size             INTEGER NOT NULL,                 -- entries under the last checkpoint that he signed; 0: none
    line             TEXT,                             -- his signature under it
    state            TEXT    NOT NULL CHECK (state IN ('signed', 'away', 'stranger', 'forked')),
    ask_after        INTEGER NOT NULL,                 -- he is asked again then
    PRIMARY KEY (tenant_id, witness)
) STRICT;
INSERT INTO new_witnesses SELECT tenant_id, witness, size, line, state, ask_after FROM audit_witnesses;
DROP TABLE audit_witnesses;
ALTER TABLE new_witnesses RENAME TO audit_witnesses;

-- The logs that there are begin in it with their last checkpoints: a note's first three lines are origin, size and root.
WITH lasts AS (
    SELECT c.made_at, substr(c.note, 1, instr(c.note, char(10)) - 1) AS origin, c.size,
        substr(c.note, instr(c.note, char(10)) + 1) AS after_origin
    FROM audit_heads h JOIN audit_checkpoints c ON c.tenant_id = h.tenant_id AND c.size = h.checkpoint_size
), roots AS (
    SELECT made_at, origin, size, substr(after_origin, instr(after_origin, char(10)) + 1) AS after_size,
        lower(hex(randomblob(16))) AS chance
    FROM lasts
)
INSERT INTO audit_entries (id, tenant_id, time, actor, actor_type, action, result, reason, request_id)
SELECT substr(chance, 1, 8) || '-' || substr(chance, 9, 4) || '-' || substr(chance, 13, 4) || '-' ||
        substr(chance, 17, 4) || '-' || substr(chance, 21),
    '00000000-0000-0000-0000-000000000000', made_at, origin, 'service', 'checkpoint.signed', 'ok',
    size || ' ' || substr(after_size, 1, instr(after_size, char(10)) - 1), 'service'
FROM roots;
