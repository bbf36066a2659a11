-- Reports and provider's events are not kept for good: the oldest are found without reading the others.

CREATE INDEX events_oldest ON events (created_at);
CREATE INDEX webhook_deliveries_of_event ON webhook_deliveries (event_id);
CREATE INDEX provider_events_oldest ON provider_events (received_at) WHERE state <> 'received';
