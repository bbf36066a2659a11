-- What people are told: each row is both the line of the page's bell and the mail.

CREATE TABLE notices (
    id          TEXT    NOT NULL PRIMARY KEY,
    tenant_id   TEXT    NOT NULL REFERENCES tenants (id),
    person_id   TEXT    NOT NULL REFERENCES people (id),
    kind        TEXT    NOT NULL,
    title       TEXT    NOT NULL,
    text        TEXT    NOT NULL,
    link        BLOB    NOT NULL,                  -- a path of Control, sealed: an invitation's opens an account
    created_at  INTEGER NOT NULL,
    read_at     INTEGER,                           -- null: not read yet
    mail_state  TEXT    NOT NULL CHECK (mail_state IN ('none', 'waiting', 'sent', 'parked')),
    mail_tries  INTEGER NOT NULL,                  -- those begun
    due_at      INTEGER NOT NULL                   -- the mail is not to be tried before
) STRICT;
CREATE INDEX notices_of_person ON notices (person_id, id);
CREATE INDEX notices_unread ON notices (person_id) WHERE read_at IS NULL;
CREATE INDEX notices_due ON notices (due_at) WHERE mail_state = 'waiting';
CREATE INDEX notices_of_tenant ON notices (tenant_id);
