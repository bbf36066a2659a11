-- What was done about people, by when: asked before a key is destroyed, of a log of any length.
CREATE INDEX audit_entries_of_people ON audit_entries (tenant_id, time) WHERE action LIKE 'person.%';
