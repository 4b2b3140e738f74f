-- Master data: every version of every entity, kept for ever. The newest version of a key is the
-- current one; a record cites versions, so an old record keeps its old limits.
CREATE TABLE master_versions (
    kind         TEXT    NOT NULL,  -- equipment, signal, limit, material, lot, work_order, job
    key          TEXT    NOT NULL,  -- unique in its kind; parts joined by '/'
    version      INTEGER NOT NULL,  -- from 1, without gaps
    document     TEXT    NOT NULL,  -- canonical JSON
    recorded_at  INTEGER NOT NULL,  -- nanoseconds since the Unix epoch
    recorded_by  TEXT    NOT NULL,
    PRIMARY KEY (kind, key, version)
) STRICT;
