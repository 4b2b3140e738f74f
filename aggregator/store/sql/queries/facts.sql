-- name: facts.add
-- A fact, or the correction of one.
INSERT INTO facts (fact, kind, equipment, gtin, lot, carrier, start_time, end_time,
    recorded_time, recorded_by, supersedes, document)
VALUES (:fact, :kind, :equipment, :gtin, :lot, :carrier, :start_time, :end_time,
    :recorded_time, :recorded_by, :supersedes, :document);

-- name: facts.one
-- A fact, and the one that corrected it.
SELECT f.document, s.fact AS superseded_by
FROM facts f LEFT JOIN facts s ON s.supersedes = f.fact
WHERE f.fact = :fact;

-- name: facts.of_lot
-- The facts that name a lot, in force as of a record time.
SELECT f.document FROM facts f
WHERE f.gtin = :gtin AND f.lot = :lot AND f.recorded_time <= :as_of
    AND NOT EXISTS (
        SELECT 1 FROM facts s WHERE s.supersedes = f.fact AND s.recorded_time <= :as_of
    )
ORDER BY f.start_time, f.fact;

-- name: facts.between
-- The facts that touch a window of time, in force as of a record time.
SELECT f.document FROM facts f
WHERE f.end_time >= :start AND f.start_time <= :stop AND f.recorded_time <= :as_of
    AND NOT EXISTS (
        SELECT 1 FROM facts s WHERE s.supersedes = f.fact AND s.recorded_time <= :as_of
    )
ORDER BY f.start_time, f.fact;

-- name: facts.unended
-- Where lots were said to be without an end, by the facts in force.
SELECT f.document FROM facts f
WHERE f.end_time = 9223372036854775807 AND f.kind = 'occupancy' AND f.lot IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM facts s WHERE s.supersedes = f.fact)
ORDER BY f.start_time, f.fact;
