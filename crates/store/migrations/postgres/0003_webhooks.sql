-- Where tenants are told of events, and what was told.

CREATE TABLE webhook_endpoints (
    id                  text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants (id),
    url                 text NOT NULL,
    description         text NOT NULL,                           -- the tenant's own words; empty: none
    events              text NOT NULL,                           -- types joined by single spaces; empty: all
    state               text NOT NULL CHECK (state IN ('enabled', 'disabled')),
    disabled_reason     text CHECK (disabled_reason IN ('asked', 'gone', 'failing')),
    secret              bytea NOT NULL,                          -- sealed by the server's key ring
    previous_secret     bytea,                                   -- likewise: the one before,
    previous_until      bigint,                                  -- which signs too until then
    failing_since       bigint,                                  -- the first failure after the last success
    created_at          bigint NOT NULL,
    updated_at          bigint NOT NULL
);
CREATE INDEX webhook_endpoints_of_tenant ON webhook_endpoints (tenant_id, id);

-- One event on its way to one endpoint: written with the event.
CREATE TABLE webhook_deliveries (
    endpoint_id         text COLLATE "C" NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    event_id            text COLLATE "C" NOT NULL REFERENCES events (id),
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants (id),
    state               text NOT NULL CHECK (state IN ('pending', 'delivered', 'parked')),
    tries               bigint NOT NULL,                         -- how often it was tried in all
    round_from          bigint NOT NULL,                         -- of those, before it was last begun anew
    due_at              bigint NOT NULL,                         -- not to be tried before
    leased_by           text COLLATE "C",                        -- the server process that tries it; null: nobody
    lease_until         bigint,                                  -- from then on anybody may claim it again
    updated_at          bigint NOT NULL,
    PRIMARY KEY (endpoint_id, event_id)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_lease ON webhook_deliveries (leased_by) WHERE leased_by IS NOT NULL;

-- Each try. What the endpoint said beside its status is not kept.
CREATE TABLE webhook_attempts (
    endpoint_id         text COLLATE "C" NOT NULL,
    event_id            text COLLATE "C" NOT NULL,
    number              bigint NOT NULL,                         -- from 1
    began_at            bigint NOT NULL,
    duration_ms         bigint NOT NULL,
    outcome             text NOT NULL,
    answer_code         bigint,                                  -- null: no answer came
    PRIMARY KEY (endpoint_id, event_id, number),
    FOREIGN KEY (endpoint_id, event_id) REFERENCES webhook_deliveries (endpoint_id, event_id) ON DELETE CASCADE
);
