-- Evidence: what gateways sent, exactly as they sent it, and the log that vouches for it.
-- Times are nanoseconds since 1970-01-01T00:00:00Z.

CREATE TABLE evidence_state (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    log_size BIGINT NOT NULL,       -- leaves in the log
    log_frontier BYTEA NOT NULL,      -- its complete subtrees, largest first, 32 bytes each
    checkpoint TEXT NOT NULL,        -- newest signed checkpoint; '' before the first
    checkpoint_size BIGINT NOT NULL,
    checkpoint_time BIGINT NOT NULL,
    trust_version BIGINT NOT NULL   -- rises with every change of a gateway, key or approval
);
INSERT INTO evidence_state VALUES (1, 0, '', '', 0, 0, 0);

CREATE TABLE log_hashes (            -- every completed subtree of the log (RFC 9162)
    level BIGINT NOT NULL,
    position BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (level, position)
);

CREATE TABLE log_entries (           -- leaves that are no bundle; a bundle's is its sealed header
    position BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    data BYTEA NOT NULL
);

CREATE TABLE checkpoints (
    size BIGINT PRIMARY KEY,
    note TEXT NOT NULL,
    record_time BIGINT NOT NULL
);

CREATE TABLE gateways (
    gateway TEXT PRIMARY KEY,
    registered_time BIGINT NOT NULL,
    registered_by TEXT NOT NULL
);

CREATE TABLE gateway_keys (
    gateway TEXT NOT NULL REFERENCES gateways,
    kid BYTEA NOT NULL,
    public_key TEXT NOT NULL,        -- ED25519:<hex> or ESP256:<hex>
    added_time BIGINT NOT NULL,
    added_by TEXT NOT NULL,
    revoked_time BIGINT,            -- null: in force
    revoked_by TEXT,
    revoked_reason TEXT,
    revoked_ordinal BIGINT,         -- bundles of later epochs are refused, and of this epoch
    revoked_number BIGINT,          -- those from this number on; never judged by wall clock
    PRIMARY KEY (gateway, kid)
);

CREATE TABLE epochs (
    epoch_id BIGINT PRIMARY KEY,
    gateway TEXT NOT NULL REFERENCES gateways,
    epoch BYTEA NOT NULL,             -- 16 bytes
    ordinal BIGINT NOT NULL,        -- order in which the gateway's epochs were first seen, from 0
    state BIGINT NOT NULL,          -- protocols.wire.receipt.EpochState
    opening_reason BIGINT,          -- protocols.wire.header.OpeningReason; null until number 0 came
    previous_epoch BYTEA,
    previous_head BYTEA,
    first_seen BIGINT NOT NULL,
    approved_by TEXT,
    approved_time BIGINT,
    closed_reason TEXT,
    head BIGINT NOT NULL,           -- number up to which all are stored; -1: none is
    head_leaf BYTEA NOT NULL,
    head_position BIGINT NOT NULL,  -- of that leaf in the log
    end_reading BIGINT NOT NULL,    -- number of the first reading after the head
    sealed_through BIGINT NOT NULL, -- sealed time of the head, gateway's clock
    waiting BIGINT NOT NULL,        -- bundles stored beyond a gap
    segmented BIGINT NOT NULL,      -- number of the first bundle that no segment covers
    UNIQUE (gateway, epoch),
    UNIQUE (gateway, ordinal)
);

CREATE TABLE bundles (               -- what their headers say, for looking them up
    position BIGINT PRIMARY KEY,    -- of the leaf in the log
    epoch_id BIGINT NOT NULL REFERENCES epochs,
    number BIGINT NOT NULL,
    leaf BYTEA NOT NULL,
    previous BYTEA NOT NULL,
    kid BYTEA NOT NULL,
    first_reading BIGINT NOT NULL,
    readings BIGINT NOT NULL,
    first_time BIGINT NOT NULL,     -- gateway time of the readings
    last_time BIGINT NOT NULL,
    sealed_time BIGINT NOT NULL,    -- gateway time
    record_time BIGINT NOT NULL,    -- aggregator's clock
    clock_state BIGINT NOT NULL,    -- protocols.wire.header.ClockState
    clock_uncertainty BIGINT NOT NULL,
    settings_hash BYTEA NOT NULL,
    gaps BIGINT NOT NULL,           -- gap declarations in the header
    wrong BIGINT NOT NULL           -- 1: its columns are not what its header says
);
CREATE UNIQUE INDEX bundles_by_number ON bundles (epoch_id, number);
CREATE INDEX bundles_by_last_time ON bundles (epoch_id, last_time);
CREATE INDEX bundles_by_sealed_time ON bundles (epoch_id, sealed_time);

CREATE TABLE bundle_bytes (          -- exactly as they came; apart, so that looking up stays quick
    position BIGINT PRIMARY KEY REFERENCES bundles,
    bytes BYTEA NOT NULL
);

CREATE TABLE receipts (              -- the newest of each epoch, exactly as it was sealed
    epoch_id BIGINT PRIMARY KEY REFERENCES epochs,
    number BIGINT NOT NULL,
    state BIGINT NOT NULL,
    record_time BIGINT NOT NULL,
    bytes BYTEA NOT NULL
);

CREATE TABLE lives (                 -- what each gateway last said of itself
    gateway TEXT PRIMARY KEY REFERENCES gateways,
    kind BIGINT NOT NULL,           -- protocols.wire.life.LifeKind
    boot BYTEA NOT NULL,
    connection BIGINT NOT NULL,
    gateway_time BIGINT NOT NULL,
    record_time BIGINT NOT NULL,
    bytes BYTEA NOT NULL              -- the sealed statement
);

CREATE TABLE quarantine (
    digest BYTEA PRIMARY KEY,         -- SHA-256 of topic, a zero byte and the message
    check_number BIGINT NOT NULL,   -- of docs/specs/intake.md
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    topic TEXT NOT NULL,
    gateway TEXT,                    -- that the topic names; it is not proved
    size BIGINT NOT NULL,
    bytes BYTEA,                      -- null where the quarantine was full, or the bundle is kept
    first_time BIGINT NOT NULL,     -- record time
    last_time BIGINT NOT NULL,
    seen BIGINT NOT NULL            -- how often it came
);

CREATE TABLE audit (
    sequence BIGINT PRIMARY KEY,    -- from 0, without gaps
    position BIGINT NOT NULL,       -- of its leaf in the log
    record_time BIGINT NOT NULL,
    who TEXT NOT NULL,
    act TEXT NOT NULL,
    what TEXT NOT NULL,
    before TEXT,                     -- canonical JSON
    after TEXT,                      -- canonical JSON
    why TEXT NOT NULL,
    previous BYTEA NOT NULL,          -- hash of the entry before; 32 zero bytes for the first
    hash BYTEA NOT NULL
);

CREATE TABLE signals (
    signal_id BIGINT PRIMARY KEY,
    gateway TEXT NOT NULL REFERENCES gateways,
    signal TEXT NOT NULL,
    kind BIGINT NOT NULL,           -- protocols.wire.reading.Kind
    UNIQUE (gateway, signal, kind)
);

CREATE TABLE segments (              -- an index over bundles; made again from them at any time
    segment_id BIGINT PRIMARY KEY,
    epoch_id BIGINT NOT NULL REFERENCES epochs,
    first_number BIGINT NOT NULL,
    end_number BIGINT NOT NULL,     -- number of the first bundle after it
    readings BIGINT NOT NULL,
    first_time BIGINT NOT NULL,
    last_time BIGINT NOT NULL,
    leaves BYTEA NOT NULL,            -- SHA-256 over the leaf hashes of the bundles it covers
    shared BYTEA NOT NULL             -- arrays that several of its columns have in common
);
CREATE UNIQUE INDEX segments_by_number ON segments (epoch_id, first_number);

CREATE TABLE segment_columns (
    segment_id BIGINT NOT NULL REFERENCES segments ON DELETE CASCADE,
    signal_id BIGINT NOT NULL REFERENCES signals,
    readings BIGINT NOT NULL,
    first_time BIGINT NOT NULL,     -- least and greatest of the times that windows are cut on
    last_time BIGINT NOT NULL,
    data BYTEA NOT NULL
);
CREATE UNIQUE INDEX segment_columns_by_signal ON segment_columns (signal_id, segment_id);
CREATE INDEX segment_columns_by_segment ON segment_columns (segment_id);
