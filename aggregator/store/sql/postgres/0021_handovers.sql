-- Seal keys that gateways hand over to the next ones: evidence, which lets no key be trusted.
-- Times are nanoseconds since 1970-01-01T00:00:00Z.
CREATE TABLE key_handovers (
    gateway       TEXT    NOT NULL REFERENCES gateways,
    kid           BYTEA   NOT NULL,    -- of the next key
    public_key    TEXT    NOT NULL,    -- the next key
    former_kid    BYTEA   NOT NULL,    -- of the key that was in force
    said_time     BIGINT  NOT NULL,    -- by the gateway's clock
    record_time   BIGINT  NOT NULL,
    statement     BYTEA   NOT NULL,    -- under the seals of both keys
    PRIMARY KEY (gateway, kid, former_kid)
);
