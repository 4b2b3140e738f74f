-- Bindings: sightings by time, and the lots whose records have been overtaken by what came since.
-- Times are nanoseconds since 1970-01-01T00:00:00Z.

-- A stay of a carrier ends with its last read from now on; all sightings are looked for again.
DELETE FROM sightings;
UPDATE sightings_state SET position = 0;
CREATE INDEX sightings_by_length ON sightings (gateway, signal, (end_time - start_time));

CREATE INDEX master_lots_by_id ON master_versions (substr(key, 16)) WHERE kind = 'lot';
CREATE INDEX genealogy_holding ON genealogy_edges (latest)
    WHERE kind IN ('aggregation', 'association');

CREATE TABLE overtaken (             -- lots of which something came that their newest record lacks
    gtin TEXT NOT NULL,
    lot TEXT NOT NULL,
    mark BIGINT NOT NULL,            -- rises; an assembly that saw it takes the row away
    since BIGINT NOT NULL,           -- record time of the first that came
    why TEXT NOT NULL,               -- readings, fact or genealogy
    PRIMARY KEY (gtin, lot)
);

CREATE TABLE touched (               -- stretches that something new speaks of, until looked at
    touch BIGINT PRIMARY KEY,        -- in the order in which they came
    start_time BIGINT NOT NULL,
    end_time BIGINT NOT NULL,
    equipment TEXT,                  -- null: only the lot is spoken of
    gtin TEXT,                       -- the lot that is named
    lot TEXT,
    why TEXT NOT NULL                -- readings or fact
);

CREATE TABLE rebinding_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    position BIGINT NOT NULL,        -- bundles at lower positions of the log have been looked at
    edges BIGINT NOT NULL,           -- and edges of the genealogy with lower numbers
    mark BIGINT NOT NULL             -- the last one given
);
INSERT INTO rebinding_state
SELECT 1, (SELECT COALESCE(MAX(position), -1) + 1 FROM bundles),
    (SELECT COALESCE(MAX(edge), -1) + 1 FROM genealogy_edges), 0;
