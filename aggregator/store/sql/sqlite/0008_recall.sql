-- Recalls and drills: cases, what happened in them, and what they located. Times are nanoseconds
-- since 1970-01-01T00:00:00Z.

CREATE TABLE recall_cases (
    id TEXT PRIMARY KEY,             -- aggregator.model.genealogy.recall.CaseId
    kind TEXT NOT NULL,              -- CaseKind
    state TEXT NOT NULL,             -- CaseState
    item_kind TEXT NOT NULL,         -- of the trigger
    item_key TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,          -- 2^63 - 1: no end
    reason TEXT NOT NULL,
    opened_time INTEGER NOT NULL,
    opened_by TEXT NOT NULL,
    located INTEGER NOT NULL,        -- items
    accounted INTEGER NOT NULL       -- of them
) STRICT;
CREATE INDEX recall_cases_by_time ON recall_cases (opened_time);

CREATE TABLE recall_events (         -- the case's timeline; added, never changed
    case_id TEXT NOT NULL REFERENCES recall_cases,
    sequence INTEGER NOT NULL,       -- from 1
    event TEXT NOT NULL,             -- CaseEvent
    state TEXT NOT NULL,             -- after it
    record_time INTEGER NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    document TEXT NOT NULL,          -- canonical JSON
    PRIMARY KEY (case_id, sequence)
) STRICT;

CREATE TABLE recall_items (          -- what was located
    case_id TEXT NOT NULL REFERENCES recall_cases,
    item INTEGER NOT NULL REFERENCES genealogy_items,
    time INTEGER NOT NULL,           -- in doubt since
    level INTEGER NOT NULL,          -- steps from the trigger
    edge INTEGER,                    -- by which it was reached
    source INTEGER,                  -- the item before it on the way
    fate TEXT,                       -- Fate; null: not accounted for
    fate_reason TEXT,
    fate_by TEXT,
    fate_time INTEGER,
    PRIMARY KEY (case_id, item)
) STRICT;
CREATE INDEX recall_items_in_order ON recall_items (case_id, level, item);
