-- Tokens of services, login links and sessions: only the hash of a secret is kept. A name is never
-- given twice to different holders (21 CFR 11.100), so rows are revoked, not deleted.
CREATE TABLE tokens (
    id          TEXT    PRIMARY KEY,  -- the public half of the token
    name        TEXT    NOT NULL,     -- who acts with it
    kind        TEXT    NOT NULL,     -- service, login (once, for a session), session
    roles       TEXT    NOT NULL,     -- JSON array
    secret_hash BLOB    NOT NULL,     -- SHA-256; the secret is 256 random bits
    created_at  INTEGER NOT NULL,     -- nanoseconds since the Unix epoch
    expires_at  INTEGER NOT NULL,
    ended_at    INTEGER               -- revoked, or a login link that was used
) STRICT;

CREATE INDEX tokens_by_name ON tokens (name);
