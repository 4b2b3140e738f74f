-- name: genealogy.size
-- How many items and edges there are.
SELECT (SELECT COALESCE(MAX(item), -1) + 1 FROM genealogy_items) AS items,
    (SELECT COALESCE(MAX(edge), -1) + 1 FROM genealogy_edges) AS edges;

-- name: genealogy.item
-- The number of an item.
SELECT item FROM genealogy_items WHERE kind = :kind AND key = :key;

-- name: genealogy.named
-- An item by its number.
SELECT kind, key FROM genealogy_items WHERE item = :item;

-- name: genealogy.add_item
-- An item that is named for the first time.
INSERT INTO genealogy_items (item, kind, key) VALUES (:item, :kind, :key);

-- name: genealogy.add_edge
-- An edge, or the correction of one.
INSERT INTO genealogy_edges
    (edge, id, kind, earliest, latest, supersedes, recorded_time, recorded_by, document)
VALUES
    (:edge, :id, :kind, :earliest, :latest, :supersedes, :recorded_time, :recorded_by, :document);

-- name: genealogy.add_part
-- An item on one side of an edge.
INSERT INTO genealogy_parts (edge, side, item) VALUES (:edge, :side, :item);

-- name: genealogy.edge
-- An edge by its id, and the id of the one that corrected it.
SELECT e.edge, e.document, s.id AS superseded_by
FROM genealogy_edges e LEFT JOIN genealogy_edges s ON s.supersedes = e.edge
WHERE e.id = :id;

-- name: genealogy.numbered
-- An edge by its number.
SELECT e.id, e.document FROM genealogy_edges e WHERE e.edge = :edge;

-- name: genealogy.of_item
-- The edges in force that an item is part of, oldest first.
SELECT e.edge, e.id, e.document FROM genealogy_edges e
WHERE e.edge IN (SELECT p.edge FROM genealogy_parts p WHERE p.item = :item)
    AND NOT EXISTS (SELECT 1 FROM genealogy_edges s WHERE s.supersedes = e.edge)
ORDER BY e.earliest, e.edge LIMIT :count;

-- name: genealogy.of_item_after
-- The edges in force that an item is part of, oldest first, behind one of them.
SELECT e.edge, e.earliest, e.document FROM genealogy_edges e
WHERE e.edge IN (SELECT p.edge FROM genealogy_parts p WHERE p.item = :item)
    AND (e.earliest > :earliest OR (e.earliest = :earliest AND e.edge > :edge))
    AND NOT EXISTS (SELECT 1 FROM genealogy_edges s WHERE s.supersedes = e.edge)
ORDER BY e.earliest, e.edge LIMIT :count;

-- name: genealogy.of_item_as_of
-- The edges that an item is part of, in force as of a record time, oldest first.
SELECT e.edge, e.id, e.document FROM genealogy_edges e
WHERE e.edge IN (SELECT p.edge FROM genealogy_parts p WHERE p.item = :item)
    AND e.recorded_time <= :as_of
    AND NOT EXISTS (
        SELECT 1 FROM genealogy_edges s WHERE s.supersedes = e.edge AND s.recorded_time <= :as_of
    )
ORDER BY e.earliest, e.edge LIMIT :count;

-- name: genealogy.makings
-- The steps in force that made an item, oldest first; what it was used for later is none of them.
SELECT e.document FROM genealogy_parts p
JOIN genealogy_items i ON i.item = p.item
JOIN genealogy_edges e ON e.edge = p.edge
WHERE i.kind = :kind AND i.key = :key AND p.side = 1
    AND e.kind IN ('transformation', 'split', 'merge', 'rework')
    AND NOT EXISTS (SELECT 1 FROM genealogy_edges s WHERE s.supersedes = e.edge)
ORDER BY e.earliest, e.edge;

-- name: genealogy.holding
-- The edges by which carriers held something within a time, in force as of a record time.
SELECT e.edge, e.id, e.document FROM genealogy_edges e
WHERE e.kind IN ('aggregation', 'association') AND e.latest >= :start AND e.earliest <= :stop
    AND e.recorded_time <= :as_of
    AND NOT EXISTS (
        SELECT 1 FROM genealogy_edges s WHERE s.supersedes = e.edge AND s.recorded_time <= :as_of
    )
ORDER BY e.edge;

-- name: genealogy.edges_after
-- What the arrays need of the edges after a number.
SELECT edge, kind, earliest, latest, COALESCE(supersedes, -1) AS supersedes
FROM genealogy_edges WHERE edge > :after AND edge <= :last ORDER BY edge;

-- name: genealogy.parts_after
-- One side of the edges after a number, as one text of "edge item" pairs in any order: a row for
-- each of millions of parts would take most of the time.
SELECT group_concat(edge || ' ' || item, ' ') AS pairs FROM genealogy_parts
WHERE edge > :after AND edge <= :last AND side = :side;

-- name: genealogy.circle
-- An input of an edge that its outputs lead to, within a stretch of time; holding is 0 for material
-- that flows and 1 for carriers that hold.
WITH RECURSIVE below (item) AS (
    SELECT item FROM genealogy_parts WHERE edge = :edge AND side = 1
    UNION
    SELECT p.item
    FROM below b
    JOIN genealogy_parts u ON u.item = b.item AND u.side = 0
    JOIN genealogy_edges e ON e.edge = u.edge
    JOIN genealogy_parts p ON p.edge = u.edge AND p.side = 1
    WHERE e.latest >= :low AND e.earliest <= :high AND e.kind NOT IN ('use', 'withdrawal')
        AND CASE WHEN e.kind IN ('aggregation', 'association') THEN 1 ELSE 0 END = :holding
        AND NOT EXISTS (SELECT 1 FROM genealogy_edges s WHERE s.supersedes = e.edge)
)
SELECT i.kind, i.key
FROM genealogy_parts g
JOIN below b ON b.item = g.item
JOIN genealogy_items i ON i.item = g.item
WHERE g.edge = :edge AND g.side = 0
LIMIT 1;

-- name: genealogy.used_before_made
-- An item of an edge that was used up, for certain, before any of it was made, within a stretch of
-- time.
WITH flows AS (
    SELECT p.item, p.side, e.earliest, e.latest
    FROM genealogy_parts own
    JOIN genealogy_parts p ON p.item = own.item
    JOIN genealogy_edges e ON e.edge = p.edge
    WHERE own.edge = :edge AND e.latest >= :low AND e.earliest <= :high
        AND e.kind NOT IN ('use', 'withdrawal', 'aggregation', 'association')
        AND NOT EXISTS (SELECT 1 FROM genealogy_edges s WHERE s.supersedes = e.edge)
)
SELECT i.kind, i.key
FROM genealogy_items i
JOIN (SELECT item, MIN(latest) AS used FROM flows WHERE side = 0 GROUP BY item) u
    ON u.item = i.item
JOIN (SELECT item, MIN(earliest) AS made FROM flows WHERE side = 1 GROUP BY item) m
    ON m.item = i.item
WHERE u.used < m.made
LIMIT 1;

-- name: genealogy.unread_records
-- Newest versions of records whose use is not in the genealogy yet, oldest first.
SELECT r.gtin, r.lot, r.version, r.content_hash, r.bytes, g.edges
FROM record_versions r
LEFT JOIN genealogy_records g ON g.gtin = r.gtin AND g.lot = r.lot
WHERE r.version = (
    SELECT MAX(n.version) FROM record_versions n WHERE n.gtin = r.gtin AND n.lot = r.lot
) AND (g.version IS NULL OR g.version < r.version)
ORDER BY r.recorded_time, r.gtin, r.lot LIMIT :count;

-- name: genealogy.set_record
-- The use of a lot was taken from this version of its record.
INSERT INTO genealogy_records (gtin, lot, version, edges) VALUES (:gtin, :lot, :version, :edges)
ON CONFLICT (gtin, lot) DO UPDATE SET version = excluded.version, edges = excluded.edges;

-- name: genealogy.kids
-- The keys that sealed a stretch of a chain.
SELECT DISTINCT b.kid FROM bundles b JOIN epochs e ON e.epoch_id = b.epoch_id
WHERE e.gateway = :gateway AND e.epoch = :epoch AND b.number BETWEEN :first AND :last;
