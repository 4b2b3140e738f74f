-- name: rebinding.state
-- How far everything that came has been looked at.
SELECT position, edges, mark FROM rebinding_state WHERE id = 1;

-- name: rebinding.advance
-- Everything up to here has been looked at.
UPDATE rebinding_state SET position = :position, edges = :edges, mark = :mark WHERE id = 1;

-- name: rebinding.standing
-- Whether anything came that has not been looked at, and whether any lot is marked.
SELECT EXISTS (SELECT 1 FROM bundles b WHERE b.position >= s.position)
    OR EXISTS (SELECT 1 FROM bundles b WHERE b.position >= n.position)
    OR EXISTS (SELECT 1 FROM genealogy_edges e WHERE e.edge >= s.edges)
    OR EXISTS (SELECT 1 FROM touched)
    OR EXISTS (SELECT 1 FROM touched_master) AS news,
    EXISTS (SELECT 1 FROM overtaken) AS marked
FROM rebinding_state s CROSS JOIN sightings_state n;

-- name: rebinding.touch
-- A fact says something new of a stretch of time.
INSERT INTO touched (touch, start_time, end_time, equipment, gtin, lot, why)
SELECT COALESCE(MAX(touch), 0) + 1, CAST(:start_time AS BIGINT), CAST(:end_time AS BIGINT),
    CAST(:equipment AS TEXT), CAST(:gtin AS TEXT), CAST(:lot AS TEXT),
    CAST(:why AS TEXT)
FROM touched;

-- name: rebinding.touched
-- The stretches that facts spoke of.
SELECT touch, start_time, end_time, equipment, gtin, lot, why FROM touched ORDER BY touch LIMIT :count;

-- name: rebinding.looked
-- Stretches that have been looked at.
DELETE FROM touched WHERE touch <= :touch;

-- name: rebinding.edges
-- Edges that have not been looked at, and those that they correct.
SELECT e.edge, e.document, w.document AS corrected
FROM genealogy_edges e LEFT JOIN genealogy_edges w ON w.edge = e.supersedes
WHERE e.edge >= :edges ORDER BY e.edge LIMIT :count;

-- name: rebinding.mark
-- Something came about a lot. It may have no record yet: its first may be under way, without this.
INSERT INTO overtaken (gtin, lot, mark, since, why)
VALUES (:gtin, :lot, :mark, :since, :why)
ON CONFLICT (gtin, lot) DO UPDATE SET mark = excluded.mark;

-- name: rebinding.overtaken
-- The lots whose records are to be assembled again, the longest waiting first.
SELECT gtin, lot, mark, since, why FROM overtaken o
WHERE EXISTS (SELECT 1 FROM record_versions r WHERE r.gtin = o.gtin AND r.lot = o.lot)
ORDER BY since, gtin, lot LIMIT :count;

-- name: rebinding.caught_up
-- A lot was assembled from all that had come by a mark.
DELETE FROM overtaken WHERE gtin = :gtin AND lot = :lot AND mark <= :mark;

-- name: rebinding.touch_master
-- A version of master data comes into force.
INSERT INTO touched_master (touch, kind, key, version)
SELECT COALESCE(MAX(touch), 0) + 1, CAST(:kind AS TEXT), CAST(:key AS TEXT),
    CAST(:version AS BIGINT)
FROM touched_master;

-- name: rebinding.touched_master
-- The versions whose records have not been looked for.
SELECT touch, kind, key, version FROM touched_master ORDER BY touch LIMIT :count;

-- name: rebinding.looked_master
-- Versions whose records have been found.
DELETE FROM touched_master WHERE touch <= :touch;

-- name: rebinding.begun
-- The lots of a material whose records begin within a time, or do not know when.
SELECT DISTINCT gtin, lot FROM record_versions
WHERE gtin = :gtin AND (start_time IS NULL OR (start_time >= :start AND start_time < :stop));

-- name: rebinding.mastered_since
-- Whether master data have changed since an entry of the audit trail.
SELECT EXISTS (
    SELECT 1 FROM audit
    WHERE sequence > :sequence AND act IN ('manage_master', 'approve_master')
) AS changed;
