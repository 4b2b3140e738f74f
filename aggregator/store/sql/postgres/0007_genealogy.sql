-- Genealogy: items, and what became of what. Times are nanoseconds since 1970-01-01T00:00:00Z.
-- Items and edges are numbered from 0 without gaps, so that they can be looked at as arrays.

CREATE TABLE genealogy_items (
    item BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,              -- aggregator.model.genealogy.item.ItemKind
    key TEXT NOT NULL,
    UNIQUE (kind, key)
);

CREATE TABLE genealogy_edges (       -- added, never changed; a correction supersedes
    edge BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,         -- aggregator.model.genealogy.edge.EdgeId
    kind TEXT NOT NULL,
    earliest BIGINT NOT NULL,       -- start, less its uncertainty
    latest BIGINT NOT NULL,         -- end, and its uncertainty; 2^63 - 1 while it lasts
    supersedes BIGINT UNIQUE REFERENCES genealogy_edges, -- an edge is corrected once
    recorded_time BIGINT NOT NULL,
    recorded_by TEXT NOT NULL,
    document TEXT NOT NULL           -- canonical JSON
);

CREATE TABLE genealogy_parts (
    edge BIGINT NOT NULL REFERENCES genealogy_edges,
    side BIGINT NOT NULL,           -- 0: input, 1: output
    item BIGINT NOT NULL REFERENCES genealogy_items,
    PRIMARY KEY (edge, side, item)
);
CREATE INDEX genealogy_parts_by_item ON genealogy_parts (item, side, edge);

CREATE TABLE genealogy_records (     -- which version of a lot's record its use was taken from
    gtin TEXT NOT NULL,
    lot TEXT NOT NULL,
    version BIGINT NOT NULL,
    edges TEXT NOT NULL,             -- ids of the edges that say so, as JSON
    PRIMARY KEY (gtin, lot)
);
