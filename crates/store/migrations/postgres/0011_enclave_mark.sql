-- How far the enclave's own log had come when it was last asked: an old copy of that log is told by it.

CREATE TABLE enclave_marks (
    name      text COLLATE "C" NOT NULL PRIMARY KEY CHECK (name = 'latest'),
    sequence  bigint  NOT NULL,                        -- the log's last record
    mark      bytea   NOT NULL,                        -- the enclave's own word for it
    kept_at   bigint  NOT NULL
);
