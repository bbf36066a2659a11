-- The destruction of each key that somebody had destroyed, or wanted to: the latest of each key. What went before is in
-- the log.

CREATE TABLE key_destructions (
    key_id        text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES customer_keys (id),
    tenant_id     text COLLATE "C" NOT NULL REFERENCES tenants (id),
    state         text   NOT NULL CHECK (state IN
        ('asked', 'pending', 'halted', 'erasing', 'done', 'stopped', 'lapsed')),
    key_state     text   NOT NULL,                 -- what the key was before, and is again if it is stopped
    reason        text   NOT NULL,
    days          bigint NOT NULL,                 -- between the second person's yes and the end
    asked_by      text COLLATE "C" NOT NULL,
    confirmed_by  text COLLATE "C",               -- null: nobody yet
    due_at        bigint NOT NULL,                 -- while asked: when it lapses; then: when the key is destroyed
    asked_at      bigint NOT NULL,
    confirmed_at  bigint,
    ended_at      bigint                           -- when the key was destroyed, or the destruction stopped or lapsed
);
CREATE INDEX key_destructions_due ON key_destructions (due_at) WHERE state IN ('asked', 'pending', 'erasing');
