-- How far it has come that what the enclave sealed is sealed anew, in the epoch of a new root key.

CREATE TABLE reseals (
    epoch           bigint  NOT NULL PRIMARY KEY,        -- into which
    began_at        bigint  NOT NULL,
    pass_began_at   bigint  NOT NULL,                    -- everything is gone through again and again,
    due_at          bigint  NOT NULL,                    -- and not before this
    place           bigint  NOT NULL,                    -- which column is gone through, counted from 0
    last_id         text COLLATE "C" NOT NULL,                    -- the row of it that was looked at last; empty: none
    moved           bigint  NOT NULL,                    -- sealed anew, since it began
    moved_in_pass   bigint  NOT NULL,
    broken          bigint  NOT NULL,                    -- seals that did not hold, in the last whole pass
    broken_in_pass  bigint  NOT NULL,
    finished_at     bigint                               -- a whole pass found nothing left to move
);
