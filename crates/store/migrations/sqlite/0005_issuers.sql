-- Tenants' own issuers of tokens, one each.

CREATE TABLE token_issuers (
    tenant_id           TEXT NOT NULL PRIMARY KEY REFERENCES tenants (id),
    id                  TEXT NOT NULL UNIQUE,            -- under which its tokens' calls are counted
    issuer              TEXT NOT NULL,                   -- the claim `iss`
    audience            TEXT NOT NULL,                   -- the claim `aud`
    jwks_uri            TEXT NOT NULL,                   -- where its keys are
    scopes              TEXT NOT NULL,                   -- what its tokens may hold at most, joined by single spaces
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    UNIQUE (issuer, audience)                            -- a token leads to one tenant
) STRICT;
