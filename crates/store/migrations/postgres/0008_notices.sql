-- What people are told: each row is both the line of the page's bell and the mail.

CREATE TABLE notices (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
    person_id   text COLLATE "C" NOT NULL REFERENCES people (id),
    kind        text NOT NULL,
    title       text NOT NULL,
    text        text NOT NULL,
    link        bytea NOT NULL,                    -- a path of Control, sealed: an invitation's opens an account
    created_at  bigint NOT NULL,
    read_at     bigint,                            -- null: not read yet
    mail_state  text NOT NULL CHECK (mail_state IN ('none', 'waiting', 'sent', 'parked')),
    mail_tries  bigint NOT NULL,                   -- those begun
    due_at      bigint NOT NULL                    -- the mail is not to be tried before
);
CREATE INDEX notices_of_person ON notices (person_id, id);
CREATE INDEX notices_unread ON notices (person_id) WHERE read_at IS NULL;
CREATE INDEX notices_due ON notices (due_at) WHERE mail_state = 'waiting';
CREATE INDEX notices_of_tenant ON notices (tenant_id);
