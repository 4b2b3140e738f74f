-- Facts about lots, an index of where lots and carriers were seen, and versions of batch records.
-- Times are nanoseconds since 1970-01-01T00:00:00Z.

CREATE TABLE facts (                 -- added, never changed; a correction supersedes
    fact TEXT PRIMARY KEY,           -- aggregator.model.binding.fact.FactId
    kind TEXT NOT NULL,
    equipment TEXT,
    gtin TEXT,
    lot TEXT,
    carrier TEXT,                    -- EPC in hexadecimal
    start_time INTEGER NOT NULL,
    end_time INTEGER NOT NULL,       -- 2^63 - 1 while it lasts
    recorded_time INTEGER NOT NULL,
    recorded_by TEXT NOT NULL,
    supersedes TEXT UNIQUE REFERENCES facts, -- a fact is corrected once; then its correction is
    document TEXT NOT NULL           -- canonical JSON
) STRICT;
CREATE INDEX facts_by_lot ON facts (gtin, lot);
CREATE INDEX facts_by_time ON facts (end_time, start_time);

CREATE TABLE sightings (             -- an index over readings; made again from them at any time
    gateway TEXT NOT NULL,
    signal TEXT NOT NULL,
    said TEXT NOT NULL,              -- a lot id as the equipment gave it, or a carrier's EPC
    start_time INTEGER NOT NULL,
    end_time INTEGER NOT NULL,       -- 2^63 - 1 while it lasts
    PRIMARY KEY (gateway, signal, start_time, said)
) STRICT, WITHOUT ROWID;
CREATE INDEX sightings_by_said ON sightings (said);

CREATE TABLE sightings_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL        -- bundles at lower positions of the log have been looked at
) STRICT;
INSERT INTO sightings_state VALUES (1, 0);

CREATE TABLE record_versions (
    gtin TEXT NOT NULL,
    lot TEXT NOT NULL,
    version INTEGER NOT NULL,        -- from 1, without gaps
    content_hash TEXT NOT NULL,      -- SHA-256 of the bytes
    state TEXT NOT NULL,             -- aggregator.model.record.batch_record.RecordState
    readings INTEGER NOT NULL,
    exceptions INTEGER NOT NULL,
    start_time INTEGER,
    end_time INTEGER,
    recorded_time INTEGER NOT NULL,
    recorded_by TEXT NOT NULL,
    checkpoint TEXT NOT NULL,        -- the log's newest signed note then; '' before the first
    bytes BLOB NOT NULL,             -- canonical JSON
    PRIMARY KEY (gtin, lot, version)
) STRICT;
