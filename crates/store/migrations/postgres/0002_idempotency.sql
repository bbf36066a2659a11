-- Calls that were named by an `Idempotency-Key`, and what they were answered. A row lives for a day.

CREATE TABLE idempotency_keys (
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants (id),
    key_hash            bytea NOT NULL,                          -- keyed hash of the name; the caller's text is not kept
    fingerprint         bytea NOT NULL,                          -- keyed hash of method, path and body
    state               text NOT NULL CHECK (state IN ('running', 'answered', 'secret-shown')),
    owner               text NOT NULL,                           -- the one run of the call that may write its end
    lease_until         bigint NOT NULL,                         -- a run that has not ended by then is given up
    answer              bytea,                                   -- status and body, sealed by the server
    expires_at          bigint NOT NULL,                         -- from then on the name is free
    PRIMARY KEY (tenant_id, key_hash)
);
CREATE INDEX idempotency_keys_old ON idempotency_keys (expires_at);
