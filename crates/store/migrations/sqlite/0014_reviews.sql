-- Identity checks that people decide, and what they signed.

CREATE TABLE reviews (
    verification_id  TEXT NOT NULL PRIMARY KEY REFERENCES verifications (id),
    tenant_id        TEXT NOT NULL REFERENCES tenants (id),
    why              TEXT NOT NULL CHECK (why IN ('provider-asked', 'identity-differs', 'declined-often')),
    state            TEXT NOT NULL CHECK (state IN ('open', 'signed', 'approved', 'declined')),
    came_at          INTEGER NOT NULL,
    document         TEXT,     -- what is signed, exactly; null: nobody has signed
    first_by         TEXT,  -- the officer who decided
    first_ballot     BLOB,
    second_by        TEXT,  -- who signed beside him
    second_ballot    BLOB,
    signed_at        INTEGER,
    ended_at         INTEGER,
    CHECK ((state = 'signed') <= (first_by IS NOT NULL)),
    CHECK ((document IS NULL) = (first_by IS NULL))
) STRICT;
CREATE INDEX reviews_of_tenant ON reviews (tenant_id, came_at, verification_id);
CREATE INDEX reviews_signed ON reviews (signed_at) WHERE state = 'signed';

-- What was in review before there was a place for it: why it came, the log knows.
INSERT INTO reviews (verification_id, tenant_id, why, state, came_at)
SELECT v.id, v.tenant_id, COALESCE((SELECT max(e.reason) FROM audit_entries e WHERE e.tenant_id = v.tenant_id
    AND e.verification_id = v.id AND e.action = 'inquiry.marked-for-review'
    AND e.reason IN ('identity-differs', 'declined-often')), 'provider-asked'), 'open', v.updated_at
FROM verifications v WHERE v.state = 'NEEDS_REVIEW';
