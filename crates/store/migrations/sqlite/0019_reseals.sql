-- How far it has come that what the enclave sealed is sealed anew, in the epoch of a new root key.

CREATE TABLE reseals (
    epoch           INTEGER NOT NULL PRIMARY KEY,        -- into which
    began_at        INTEGER NOT NULL,
    pass_began_at   INTEGER NOT NULL,                    -- everything is gone through again and again,
    due_at          INTEGER NOT NULL,                    -- and not before this
    place           INTEGER NOT NULL,                    -- which column is gone through, counted from 0
    last_id         TEXT    NOT NULL,                    -- the row of it that was looked at last; empty: none
    moved           INTEGER NOT NULL,                    -- sealed anew, since it began
    moved_in_pass   INTEGER NOT NULL,
    broken          INTEGER NOT NULL,                    -- seals that did not hold, in the last whole pass
    broken_in_pass  INTEGER NOT NULL,
    finished_at     INTEGER                              -- a whole pass found nothing left to move
) STRICT;
