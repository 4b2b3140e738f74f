-- Integration: what is told to other systems, to whom, how far, and what came that does not fit.
-- Times are nanoseconds since 1970-01-01T00:00:00Z.

CREATE TABLE events (                -- written in the transaction of the act that they tell of
    sequence INTEGER PRIMARY KEY,    -- from 1; in the order of commits, never given twice
    type TEXT NOT NULL,              -- aggregator.model.integration.event.EventType
    subject TEXT NOT NULL,
    record_time INTEGER NOT NULL,
    data TEXT NOT NULL               -- canonical JSON: ids, never values
) STRICT;
CREATE INDEX events_by_time ON events (record_time);

CREATE TABLE receivers (             -- whom events are delivered to
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    url TEXT NOT NULL,               -- "" for the broker
    types TEXT NOT NULL,             -- JSON list of event types; an empty one: all
    secret BLOB NOT NULL,            -- wrapped under the aggregator's key
    position INTEGER NOT NULL,       -- every event up to it is delivered, or is a dead letter
    failures INTEGER NOT NULL,       -- in a row, of the event after the position
    retry_time INTEGER NOT NULL,     -- not before it
    error TEXT NOT NULL,             -- of the last failure; "" after a success
    created_time INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    ended_time INTEGER
) STRICT;

CREATE TABLE dead_letters (          -- given up after so many attempts; sent again when asked
    receiver TEXT NOT NULL REFERENCES receivers,
    sequence INTEGER NOT NULL REFERENCES events,
    attempts INTEGER NOT NULL,
    error TEXT NOT NULL,
    given_up_time INTEGER NOT NULL,
    asked_time INTEGER,              -- when a person asked that it be sent again
    PRIMARY KEY (receiver, sequence)
) STRICT;

CREATE TABLE answers (               -- by Idempotency-Key: what a call was answered
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,       -- keyed hash of method, address and body
    started_time INTEGER NOT NULL,
    status INTEGER,                  -- null: under way
    headers TEXT NOT NULL,           -- JSON object
    body BLOB NOT NULL,              -- wrapped under the aggregator's key
    PRIMARY KEY (caller, key)
) STRICT;
CREATE INDEX answers_by_time ON answers (started_time);

CREATE TABLE misfits (               -- incoming items that do not fit; kept as evidence
    id TEXT PRIMARY KEY,             -- of the interface and the bytes: the same item is one misfit
    interface TEXT NOT NULL,         -- orders, lots, genealogy, test-results, or an adapter
    state TEXT NOT NULL,             -- MisfitState
    document TEXT NOT NULL,          -- as received
    error TEXT NOT NULL,             -- of the last attempt
    hint TEXT NOT NULL,
    sender TEXT NOT NULL,
    first_time INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    corrected TEXT,                  -- the document that was taken in its place
    closed_time INTEGER,
    closed_by TEXT,
    why TEXT
) STRICT;
CREATE INDEX misfits_by_state ON misfits (state, last_time);

CREATE TABLE test_results (          -- every version of every result, kept for ever
    gtin TEXT NOT NULL,
    lot TEXT NOT NULL,
    result TEXT NOT NULL,            -- its id, as the laboratory's system gave it
    version INTEGER NOT NULL,        -- from 1
    document TEXT NOT NULL,          -- canonical JSON of aggregator.model.test_result.TestResult
    recorded_time INTEGER NOT NULL,
    recorded_by TEXT NOT NULL,
    PRIMARY KEY (gtin, lot, result, version)
) STRICT;
