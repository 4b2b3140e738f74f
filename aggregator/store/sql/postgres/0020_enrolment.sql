-- Gateways that are let in: a token invites one, two persons admit it, certificates are issued.
-- Times are nanoseconds since 1970-01-01T00:00:00Z.
CREATE TABLE enrolment_tokens (
    token_hash    BYTEA    PRIMARY KEY, -- SHA-256; the token itself is shown once and not kept
    gateway       TEXT    NOT NULL,
    made_by       TEXT    NOT NULL,
    made_time     BIGINT  NOT NULL,
    expires_time  BIGINT  NOT NULL,
    used_time     BIGINT                 -- null: it can still be used
);

CREATE TABLE enrolments (
    enrolment     TEXT    PRIMARY KEY,
    gateway       TEXT    NOT NULL,
    token_hash    BYTEA    NOT NULL REFERENCES enrolment_tokens,
    request       BYTEA    NOT NULL,    -- certificate request, DER
    seal_key      TEXT    NOT NULL,
    fingerprint   TEXT    NOT NULL,    -- as the gateway printed it
    asked_time    BIGINT  NOT NULL,
    state         TEXT    NOT NULL,    -- waiting, admitted, refused
    decided_by    TEXT,
    decided_time  BIGINT ,
    serial        TEXT                 -- of the certificate that was issued
);

CREATE TABLE gateway_certificates (
    serial        TEXT    PRIMARY KEY,
    gateway       TEXT    NOT NULL,
    fingerprint   TEXT    NOT NULL,    -- SHA-256 of the DER
    not_before    BIGINT  NOT NULL,
    not_after     BIGINT  NOT NULL,
    issued_time   BIGINT  NOT NULL,
    why           TEXT    NOT NULL,    -- enrolment or renewal
    pem           TEXT    NOT NULL
);
CREATE INDEX gateway_certificates_by_gateway ON gateway_certificates (gateway, not_after);
