-- How far the enclave's own log had come when it was last asked: an old copy of that log is told by it.

CREATE TABLE enclave_marks (
    name      TEXT    NOT NULL PRIMARY KEY CHECK (name = 'latest'),
    sequence  INTEGER NOT NULL,                        -- the log's last record
    mark      BLOB    NOT NULL,                        -- the enclave's own word for it
    kept_at   INTEGER NOT NULL
) STRICT;
