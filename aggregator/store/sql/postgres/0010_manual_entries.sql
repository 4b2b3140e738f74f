-- Values that persons typed, and the second person's check of each. Times are nanoseconds since
-- 1970-01-01T00:00:00Z. Neither changes once it is written: an entry is corrected by another.
CREATE TABLE manual_entries (
    entry         TEXT    PRIMARY KEY,  -- aggregator.model.record.entry.EntryId
    gtin          TEXT    NOT NULL,
    lot           TEXT    NOT NULL,
    parameter     TEXT    NOT NULL,
    value         TEXT,                 -- as typed; NULL: withdraws what it supersedes
    unit          TEXT    NOT NULL,     -- UCUM; empty for a text
    seen_time     BIGINT NOT NULL,     -- when the person saw it
    entered_by    TEXT    NOT NULL REFERENCES accounts (user_id),
    reason        TEXT    NOT NULL,
    recorded_time BIGINT NOT NULL,
    supersedes    TEXT    UNIQUE REFERENCES manual_entries  -- an entry is corrected once
);
CREATE INDEX manual_entries_by_lot ON manual_entries (gtin, lot, seen_time);

CREATE TABLE manual_checks (
    entry         TEXT    PRIMARY KEY REFERENCES manual_entries,
    checked_by    TEXT    NOT NULL REFERENCES accounts (user_id),
    checked_time  BIGINT NOT NULL,
    reason        TEXT    NOT NULL
);
