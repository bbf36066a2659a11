-- Where tenants are told of events, and what was told.

CREATE TABLE webhook_endpoints (
    id                  TEXT NOT NULL PRIMARY KEY,
    tenant_id           TEXT NOT NULL REFERENCES tenants (id),
    url                 TEXT NOT NULL,
    description         TEXT NOT NULL,                   -- the tenant's own words; empty: none
    events              TEXT NOT NULL,                   -- types joined by single spaces; empty: all
    state               TEXT NOT NULL CHECK (state IN ('enabled', 'disabled')),
    disabled_reason     TEXT CHECK (disabled_reason IN ('asked', 'gone', 'failing')),
    secret              BLOB NOT NULL,                   -- sealed by the server's key ring
    previous_secret     BLOB,                            -- likewise: the one before,
    previous_until      INTEGER,                         -- which signs too until then
    failing_since       INTEGER,                         -- the first failure after the last success
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_endpoints_of_tenant ON webhook_endpoints (tenant_id, id);

-- One event on its way to one endpoint: written with the event.
CREATE TABLE webhook_deliveries (
    endpoint_id         TEXT NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    event_id            TEXT NOT NULL REFERENCES events (id),
    tenant_id           TEXT NOT NULL REFERENCES tenants (id),
    state               TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'parked')),
    tries               INTEGER NOT NULL,                -- how often it was tried in all
    round_from          INTEGER NOT NULL,                -- of those, before it was last begun anew
    due_at              INTEGER NOT NULL,                -- not to be tried before
    leased_by           TEXT,                            -- the server process that tries it; null: nobody
    lease_until         INTEGER,                         -- from then on anybody may claim it again
    updated_at          INTEGER NOT NULL,
    PRIMARY KEY (endpoint_id, event_id)
) STRICT;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_lease ON webhook_deliveries (leased_by) WHERE leased_by IS NOT NULL;

-- Each try. What the endpoint said beside its status is not kept.
CREATE TABLE webhook_attempts (
    endpoint_id         TEXT NOT NULL,
    event_id            TEXT NOT NULL,
    number              INTEGER NOT NULL,                -- from 1
    began_at            INTEGER NOT NULL,
    duration_ms         INTEGER NOT NULL,
    outcome             TEXT NOT NULL,
    answer_code         INTEGER,                         -- null: no answer came
    PRIMARY KEY (endpoint_id, event_id, number),
    FOREIGN KEY (endpoint_id, event_id) REFERENCES webhook_deliveries (endpoint_id, event_id) ON DELETE CASCADE
) STRICT;
