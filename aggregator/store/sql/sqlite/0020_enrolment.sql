-- Gateways that are let in: a token invites one, two persons admit it, certificates are issued.
-- Times are nanoseconds since 1970-01-01T00:00:00Z.
CREATE TABLE enrolment_tokens (
    token_hash    BLOB    PRIMARY KEY, -- SHA-256; the token itself is shown once and not kept
    gateway       TEXT    NOT NULL,
    made_by       TEXT    NOT NULL,
    made_time     INTEGER NOT NULL,
    expires_time  INTEGER NOT NULL,
    used_time     INTEGER                -- null: it can still be used
) STRICT;

CREATE TABLE enrolments (
    enrolment     TEXT    PRIMARY KEY,
    gateway       TEXT    NOT NULL,
    token_hash    BLOB    NOT NULL REFERENCES enrolment_tokens,
    request       BLOB    NOT NULL,    -- certificate request, DER
    seal_key      TEXT    NOT NULL,
    fingerprint   TEXT    NOT NULL,    -- as the gateway printed it
    asked_time    INTEGER NOT NULL,
    state         TEXT    NOT NULL,    -- waiting, admitted, refused
    decided_by    TEXT,
    decided_time  INTEGER,
    serial        TEXT                 -- of the certificate that was issued
) STRICT;

CREATE TABLE gateway_certificates (
    serial        TEXT    PRIMARY KEY,
    gateway       TEXT    NOT NULL,
    fingerprint   TEXT    NOT NULL,    -- SHA-256 of the DER
    not_before    INTEGER NOT NULL,
    not_after     INTEGER NOT NULL,
    issued_time   INTEGER NOT NULL,
    why           TEXT    NOT NULL,    -- enrolment or renewal
    pem           TEXT    NOT NULL
) STRICT;
CREATE INDEX gateway_certificates_by_gateway ON gateway_certificates (gateway, not_after);
