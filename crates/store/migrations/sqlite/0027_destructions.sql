-- The destruction of each key that somebody had destroyed, or wanted to: the latest of each key. What went before is in
-- the log.

CREATE TABLE key_destructions (
    key_id        TEXT    NOT NULL PRIMARY KEY REFERENCES customer_keys (id),
    tenant_id     TEXT    NOT NULL REFERENCES tenants (id),
    state         TEXT    NOT NULL CHECK (state IN
        ('asked', 'pending', 'halted', 'erasing', 'done', 'stopped', 'lapsed')),
    key_state     TEXT    NOT NULL,                -- what the key was before, and is again if it is stopped
    reason        TEXT    NOT NULL,
    days          INTEGER NOT NULL,                -- between the second person's yes and the end
    asked_by      TEXT    NOT NULL,
    confirmed_by  TEXT,                            -- null: nobody yet
    due_at        INTEGER NOT NULL,                -- while asked: when it lapses; then: when the key is destroyed
    asked_at      INTEGER NOT NULL,
    confirmed_at  INTEGER,
    ended_at      INTEGER                          -- when the key was destroyed, or the destruction stopped or lapsed
) STRICT;
CREATE INDEX key_destructions_due ON key_destructions (due_at) WHERE state IN ('asked', 'pending', 'erasing');
