-- name: bundles.add
-- What the header of a verified bundle says.
INSERT INTO bundles (position, epoch_id, number, leaf, previous, kid, first_reading, readings,
    first_time, last_time, sealed_time, record_time, clock_state, clock_uncertainty,
    clock_floor, boot, sealed_monotonic, settings_hash, gaps, wrong)
VALUES (:position, :epoch_id, :number, :leaf, :previous, :kid, :first_reading, :readings,
    :first_time, :last_time, :sealed_time, :record_time, :clock_state, :clock_uncertainty,
    :clock_floor, :boot, :sealed_monotonic, :settings_hash, :gaps, 0);

-- name: bundles.add_bytes
-- A verified bundle, exactly as it came.
INSERT INTO bundle_bytes (position, bytes) VALUES (:position, :bytes);

-- name: bundles.leaf
-- The leaf hash stored under a number, if any.
SELECT leaf FROM bundles WHERE epoch_id = :epoch_id AND number = :number;

-- name: bundles.waiting
-- What is stored beyond a gap.
SELECT number, previous, leaf, first_reading, readings, position, sealed_time
FROM bundles WHERE epoch_id = :epoch_id AND number > :head ORDER BY number;

-- name: bundles.range
-- Bundles of an epoch by number, exactly as they came.
SELECT b.number, b.leaf, b.previous, b.kid, b.position, b.first_time, b.last_time, b.record_time,
    b.wrong, d.bytes
FROM bundles b JOIN bundle_bytes d ON d.position = b.position
WHERE b.epoch_id = :epoch_id AND b.number >= :first AND b.number < :stop
ORDER BY b.number LIMIT :count;

-- name: bundles.recorded_after
-- The bundles of a run that were stored after a record time.
SELECT b.number FROM bundles b JOIN epochs e ON e.epoch_id = b.epoch_id
WHERE e.gateway = :gateway AND e.epoch = :epoch AND b.number BETWEEN :first AND :last
    AND b.record_time > :as_of;

-- name: bundles.leaves
-- The leaf hashes of an epoch by number.
SELECT number, leaf FROM bundles
WHERE epoch_id = :epoch_id AND number >= :first AND number < :stop ORDER BY number;

-- name: bundles.one
-- What is known of one bundle.
SELECT number, leaf, position, first_time, last_time, sealed_time, record_time, readings, wrong
FROM bundles WHERE epoch_id = :epoch_id AND number = :number;

-- name: bundles.with_gaps
-- Bundles of an epoch that declare gaps, exactly as they came.
SELECT b.number, d.bytes FROM bundles b JOIN bundle_bytes d ON d.position = b.position
WHERE b.epoch_id = :epoch_id AND b.number >= :first AND b.number < :stop AND b.gaps > 0
ORDER BY b.number;

-- name: bundles.touching
-- The first and last bundle with readings in a window of gateway time, by a synchronised clock.
SELECT MIN(number) AS first, MAX(number) AS last FROM bundles
WHERE epoch_id = :epoch_id AND clock_state = 2 AND last_time >= :start AND last_time < :stop_longest
    AND first_time < :stop;

-- name: bundles.sealed_between
-- The first bundle sealed from a time on by a synchronised clock, and the last one sealed before
-- another.
SELECT
    (SELECT MIN(number) FROM bundles
     WHERE epoch_id = :epoch_id AND clock_state = 2 AND sealed_time =
        (SELECT MIN(sealed_time) FROM bundles
         WHERE epoch_id = :epoch_id AND clock_state = 2 AND sealed_time >= :start)) AS first,
    (SELECT MAX(number) FROM bundles
     WHERE epoch_id = :epoch_id AND clock_state = 2 AND sealed_time =
        (SELECT MAX(sealed_time) FROM bundles
         WHERE epoch_id = :epoch_id AND clock_state = 2 AND sealed_time < :stop)) AS last;

-- name: bundles.neighbours
-- The nearest bundles stored before one number and after another.
SELECT
    (SELECT MAX(number) FROM bundles WHERE epoch_id = :epoch_id AND number < :first) AS before,
    (SELECT MIN(number) FROM bundles WHERE epoch_id = :epoch_id AND number > :last) AS after;

-- name: bundles.summary
-- What a run of bundles says together.
SELECT COUNT(*) AS bundles, CAST(COALESCE(SUM(readings), 0) AS BIGINT) AS readings,
    MAX(CASE WHEN clock_state = 2 THEN clock_uncertainty ELSE 0 END) AS uncertainty,
    MIN(clock_state) AS clock
FROM bundles WHERE epoch_id = :epoch_id AND number >= :first AND number < :stop;

-- name: bundles.holes
-- The numbers before and after each hole in a run of bundles.
SELECT before, number FROM (
    SELECT number, LAG(number) OVER (ORDER BY number) AS before
    FROM bundles WHERE epoch_id = :epoch_id AND number >= :first AND number < :stop
) AS neighbours WHERE before < number - 1 ORDER BY number;

-- name: bundles.settings_changes
-- Where the settings in force changed within a run of bundles; its first bundle is one.
SELECT number, sealed_time, settings_hash FROM (
    SELECT number, sealed_time, settings_hash,
        LAG(settings_hash) OVER (ORDER BY number) AS before
    FROM bundles WHERE epoch_id = :epoch_id AND number >= :first AND number < :stop
) AS neighbours WHERE before IS NULL OR before <> settings_hash ORDER BY number;

-- name: bundles.mark_wrong
-- The columns of a bundle are not what its header says.
UPDATE bundles SET wrong = 1 WHERE epoch_id = :epoch_id AND number = :number;

-- name: bundles.unsegmented
-- How many bundles the index does not cover yet.
SELECT COUNT(*) AS count FROM epochs e JOIN bundles b
    ON b.epoch_id = e.epoch_id AND b.number >= e.segmented;
