-- Settings that the aggregator gives gateways (aggregator/model/rollout.py): a document for one or
-- several of them, some first. Times are nanoseconds since 1970-01-01T00:00:00Z.
CREATE TABLE settings_rollouts (
    rollout       TEXT    PRIMARY KEY,
    document      TEXT    NOT NULL,   -- canonical JSON
    hash          TEXT    NOT NULL,   -- SHA-256 of the document
    hold_seconds  BIGINT  NOT NULL,   -- how long those that go first must stay well
    trial_seconds BIGINT  NOT NULL,   -- how long a gateway waits for its sources to come up
    state         TEXT    NOT NULL,
    why           TEXT    NOT NULL,
    offered_by    TEXT    NOT NULL,
    offered_time  BIGINT  NOT NULL,
    approved_by   TEXT,
    approved_time BIGINT 
);

CREATE TABLE gateway_settings (       -- a row a gateway and version
    gateway       TEXT    NOT NULL REFERENCES gateways,
    version       BIGINT  NOT NULL,   -- from 1, rising
    rollout       TEXT    NOT NULL REFERENCES settings_rollouts,
    canary        BIGINT  NOT NULL,   -- 1: goes first
    state         TEXT    NOT NULL,
    why           TEXT    NOT NULL,
    settings_hash BYTEA,               -- as the gateway says it, once in force
    changed_time  BIGINT  NOT NULL,
    command       BYTEA    NOT NULL,   -- sealed, as the gateway's topic holds it
    PRIMARY KEY (gateway, version)
);
CREATE INDEX gateway_settings_by_rollout ON gateway_settings (rollout);
