-- Evidence: what gateways sent, exactly as they sent it, and the log that vouches for it.
-- Times are nanoseconds since 1970-01-01T00:00:00Z.

CREATE TABLE evidence_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    log_size INTEGER NOT NULL,       -- leaves in the log
    log_frontier BLOB NOT NULL,      -- its complete subtrees, largest first, 32 bytes each
    checkpoint TEXT NOT NULL,        -- newest signed checkpoint; '' before the first
    checkpoint_size INTEGER NOT NULL,
    checkpoint_time INTEGER NOT NULL,
    trust_version INTEGER NOT NULL   -- rises with every change of a gateway, key or approval
) STRICT;
INSERT INTO evidence_state VALUES (1, 0, x'', '', 0, 0, 0);

CREATE TABLE log_hashes (            -- every completed subtree of the log (RFC 9162)
    level INTEGER NOT NULL,
    position INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_entries (           -- leaves that are no bundle; a bundle's is its sealed header
    position INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    data BLOB NOT NULL
) STRICT;

CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL,
    record_time INTEGER NOT NULL
) STRICT;

CREATE TABLE gateways (
    gateway TEXT PRIMARY KEY,
    registered_time INTEGER NOT NULL,
    registered_by TEXT NOT NULL
) STRICT;

CREATE TABLE gateway_keys (
    gateway TEXT NOT NULL REFERENCES gateways,
    kid BLOB NOT NULL,
    public_key TEXT NOT NULL,        -- ED25519:<hex> or ESP256:<hex>
    added_time INTEGER NOT NULL,
    added_by TEXT NOT NULL,
    revoked_time INTEGER,            -- null: in force
    revoked_by TEXT,
    revoked_reason TEXT,
    revoked_ordinal INTEGER,         -- bundles of later epochs are refused, and of this epoch
    revoked_number INTEGER,          -- those from this number on; never judged by wall clock
    PRIMARY KEY (gateway, kid)
) STRICT;

CREATE TABLE epochs (
    epoch_id INTEGER PRIMARY KEY,
    gateway TEXT NOT NULL REFERENCES gateways,
    epoch BLOB NOT NULL,             -- 16 bytes
    ordinal INTEGER NOT NULL,        -- order in which the gateway's epochs were first seen, from 0
    state INTEGER NOT NULL,          -- protocols.wire.receipt.EpochState
    opening_reason INTEGER,          -- protocols.wire.header.OpeningReason; null until number 0 came
    previous_epoch BLOB,
    previous_head BLOB,
    first_seen INTEGER NOT NULL,
    approved_by TEXT,
    approved_time INTEGER,
    closed_reason TEXT,
    head INTEGER NOT NULL,           -- number up to which all are stored; -1: none is
    head_leaf BLOB NOT NULL,
    head_position INTEGER NOT NULL,  -- of that leaf in the log
    end_reading INTEGER NOT NULL,    -- number of the first reading after the head
    sealed_through INTEGER NOT NULL, -- sealed time of the head, gateway's clock
    waiting INTEGER NOT NULL,        -- bundles stored beyond a gap
    segmented INTEGER NOT NULL,      -- number of the first bundle that no segment covers
    UNIQUE (gateway, epoch),
    UNIQUE (gateway, ordinal)
) STRICT;

CREATE TABLE bundles (               -- what their headers say, for looking them up
    position INTEGER PRIMARY KEY,    -- of the leaf in the log
    epoch_id INTEGER NOT NULL REFERENCES epochs,
    number INTEGER NOT NULL,
    leaf BLOB NOT NULL,
    previous BLOB NOT NULL,
    kid BLOB NOT NULL,
    first_reading INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    first_time INTEGER NOT NULL,     -- gateway time of the readings
    last_time INTEGER NOT NULL,
    sealed_time INTEGER NOT NULL,    -- gateway time
    record_time INTEGER NOT NULL,    -- aggregator's clock
    clock_state INTEGER NOT NULL,    -- protocols.wire.header.ClockState
    clock_uncertainty INTEGER NOT NULL,
    settings_hash BLOB NOT NULL,
    gaps INTEGER NOT NULL,           -- gap declarations in the header
    wrong INTEGER NOT NULL           -- 1: its columns are not what its header says
) STRICT;
CREATE UNIQUE INDEX bundles_by_number ON bundles (epoch_id, number);
CREATE INDEX bundles_by_last_time ON bundles (epoch_id, last_time);
CREATE INDEX bundles_by_sealed_time ON bundles (epoch_id, sealed_time);

CREATE TABLE bundle_bytes (          -- exactly as they came; apart, so that looking up stays quick
    position INTEGER PRIMARY KEY REFERENCES bundles,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE receipts (              -- the newest of each epoch, exactly as it was sealed
    epoch_id INTEGER PRIMARY KEY REFERENCES epochs,
    number INTEGER NOT NULL,
    state INTEGER NOT NULL,
    record_time INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE lives (                 -- what each gateway last said of itself
    gateway TEXT PRIMARY KEY REFERENCES gateways,
    kind INTEGER NOT NULL,           -- protocols.wire.life.LifeKind
    boot BLOB NOT NULL,
    connection INTEGER NOT NULL,
    gateway_time INTEGER NOT NULL,
    record_time INTEGER NOT NULL,
    bytes BLOB NOT NULL              -- the sealed statement
) STRICT;

CREATE TABLE quarantine (
    digest BLOB PRIMARY KEY,         -- SHA-256 of topic, a zero byte and the message
    check_number INTEGER NOT NULL,   -- of docs/specs/intake.md
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    topic TEXT NOT NULL,
    gateway TEXT,                    -- that the topic names; it is not proved
    size INTEGER NOT NULL,
    bytes BLOB,                      -- null where the quarantine was full, or the bundle is kept
    first_time INTEGER NOT NULL,     -- record time
    last_time INTEGER NOT NULL,
    seen INTEGER NOT NULL            -- how often it came
) STRICT;

CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,    -- from 0, without gaps
    position INTEGER NOT NULL,       -- of its leaf in the log
    record_time INTEGER NOT NULL,
    who TEXT NOT NULL,
    act TEXT NOT NULL,
    what TEXT NOT NULL,
    before TEXT,                     -- canonical JSON
    after TEXT,                      -- canonical JSON
    why TEXT NOT NULL,
    previous BLOB NOT NULL,          -- hash of the entry before; 32 zero bytes for the first
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE signals (
    signal_id INTEGER PRIMARY KEY,
    gateway TEXT NOT NULL REFERENCES gateways,
    signal TEXT NOT NULL,
    kind INTEGER NOT NULL,           -- protocols.wire.reading.Kind
    UNIQUE (gateway, signal, kind)
) STRICT;

CREATE TABLE segments (              -- an index over bundles; made again from them at any time
    segment_id INTEGER PRIMARY KEY,
    epoch_id INTEGER NOT NULL REFERENCES epochs,
    first_number INTEGER NOT NULL,
    end_number INTEGER NOT NULL,     -- number of the first bundle after it
    readings INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    leaves BLOB NOT NULL,            -- SHA-256 over the leaf hashes of the bundles it covers
    shared BLOB NOT NULL             -- arrays that several of its columns have in common
) STRICT;
CREATE UNIQUE INDEX segments_by_number ON segments (epoch_id, first_number);

CREATE TABLE segment_columns (
    segment_id INTEGER NOT NULL REFERENCES segments ON DELETE CASCADE,
    signal_id INTEGER NOT NULL REFERENCES signals,
    readings INTEGER NOT NULL,
    first_time INTEGER NOT NULL,     -- least and greatest of the times that windows are cut on
    last_time INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX segment_columns_by_signal ON segment_columns (signal_id, segment_id);
CREATE INDEX segment_columns_by_segment ON segment_columns (segment_id);
