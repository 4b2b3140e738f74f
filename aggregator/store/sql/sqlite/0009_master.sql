-- Master data by time and by approval. Of a version nothing changes but its state, once, when a second
-- person decides. In force at a time is the approved version that came into force last before it,
-- unless that has ended.
ALTER TABLE master_versions ADD COLUMN state TEXT NOT NULL DEFAULT 'approved';  -- proposed, approved, rejected
ALTER TABLE master_versions ADD COLUMN effective_from INTEGER DEFAULT 0;  -- 0: since ever; NULL: since its approval
ALTER TABLE master_versions ADD COLUMN effective_to INTEGER;  -- NULL: until another takes its place
ALTER TABLE master_versions ADD COLUMN decided_at INTEGER;  -- NULL: nobody has decided, or had to
ALTER TABLE master_versions ADD COLUMN decided_by TEXT;
ALTER TABLE master_versions ADD COLUMN in_place_of TEXT;  -- whose delegate decided; NULL: in their own right

-- What was there before came into force when it was recorded, the first version since ever.
UPDATE master_versions SET effective_from = recorded_at
WHERE version > 1 AND kind IN ('equipment', 'signal', 'material', 'limit');

CREATE INDEX master_versions_by_time ON master_versions (kind, key, effective_from, version);
CREATE INDEX master_versions_proposed ON master_versions (kind, key) WHERE state = 'proposed';

-- Versions of the data dictionary (config/dictionary) that the aggregator has worked with.
CREATE TABLE dictionary_versions (
    version     INTEGER PRIMARY KEY,
    hash        TEXT    NOT NULL,  -- SHA-256 of the content, hexadecimal
    content     TEXT    NOT NULL,  -- canonical JSON
    recorded_at INTEGER NOT NULL   -- nanoseconds since the Unix epoch
) STRICT;
