-- Tenants' own issuers of tokens, one each.

CREATE TABLE token_issuers (
    tenant_id           text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants (id),
    id                  text COLLATE "C" NOT NULL UNIQUE,        -- under which its tokens' calls are counted
    issuer              text COLLATE "C" NOT NULL,               -- the claim `iss`
    audience            text COLLATE "C" NOT NULL,               -- the claim `aud`
    jwks_uri            text NOT NULL,                           -- where its keys are
    scopes              text NOT NULL,                           -- what its tokens may hold at most, joined by single spaces
    created_at          bigint NOT NULL,
    updated_at          bigint NOT NULL,
    UNIQUE (issuer, audience)                                    -- a token leads to one tenant
);
