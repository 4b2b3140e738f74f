-- name: bundles.add
-- A verified bundle, exactly as it came.
INSERT INTO bundles (epoch_id, number, leaf, previous, position, kid, first_reading, readings,
    first_time, last_time, sealed_time, record_time, gaps, wrong, bytes)
VALUES (:epoch_id, :number, :leaf, :previous, :position, :kid, :first_reading, :readings,
    :first_time, :last_time, :sealed_time, :record_time, :gaps, 0, :bytes);

-- name: bundles.leaf
-- The leaf hash stored under a number, if any.
SELECT leaf FROM bundles WHERE epoch_id = :epoch_id AND number = :number;

-- name: bundles.waiting
-- What is stored beyond a gap.
SELECT number, previous, leaf, first_reading, readings, position, sealed_time
FROM bundles WHERE epoch_id = :epoch_id AND number > :head ORDER BY number;

-- name: bundles.range
-- Bundles of an epoch by number, exactly as they came.
SELECT number, leaf, position, record_time, wrong, bytes
FROM bundles WHERE epoch_id = :epoch_id AND number >= :first AND number < :end
ORDER BY number LIMIT :count;

-- name: bundles.index
-- What is known of the bundles of an epoch by number, without their bytes.
SELECT number, leaf, position, first_time, last_time, sealed_time, readings, gaps, wrong
FROM bundles WHERE epoch_id = :epoch_id AND number >= :first AND number < :end ORDER BY number;

-- name: bundles.with_gaps
-- Bundles of an epoch that declare gaps, exactly as they came.
SELECT number, bytes FROM bundles
WHERE epoch_id = :epoch_id AND gaps > 0 AND number >= :first AND number < :end ORDER BY number;

-- name: bundles.wrong_between
-- Numbers of bundles whose columns are not what their headers say.
SELECT number FROM bundles
WHERE epoch_id = :epoch_id AND wrong = 1 AND number >= :first AND number < :end ORDER BY number;

-- name: bundles.touching
-- The first and last bundle of an epoch whose readings fall in a window of gateway time.
SELECT MIN(number) AS first, MAX(number) AS last FROM bundles
WHERE epoch_id = :epoch_id AND last_time >= :start AND first_time < :stop;

-- name: bundles.neighbours
-- The nearest bundles stored before one number and after another.
SELECT
    (SELECT MAX(number) FROM bundles WHERE epoch_id = :epoch_id AND number < :first) AS before,
    (SELECT MIN(number) FROM bundles WHERE epoch_id = :epoch_id AND number > :last) AS after;

-- name: bundles.mark_wrong
-- The columns of a bundle are not what its header says.
UPDATE bundles SET wrong = 1 WHERE epoch_id = :epoch_id AND number = :number;

-- name: bundles.unsegmented
-- How many bundles the index does not cover yet.
SELECT COUNT(*) AS count FROM bundles b JOIN epochs e ON e.epoch_id = b.epoch_id
WHERE b.number >= e.segmented;
