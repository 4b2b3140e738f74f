-- name: clocks.doubted
-- The epochs of a gateway in which its clock was not always synchronised.
SELECT e.epoch_id, e.epoch FROM epochs e
WHERE e.gateway = :gateway AND EXISTS (
    SELECT 1 FROM bundles b WHERE b.epoch_id = e.epoch_id AND b.clock_state IN (0, 1)
) ORDER BY e.ordinal;

-- name: clocks.one
-- What a bundle says of the clock.
SELECT number, boot, first_time, last_time, sealed_time, sealed_monotonic, clock_state,
    clock_uncertainty, clock_floor
FROM bundles WHERE epoch_id = :epoch_id AND number = :number;

-- name: clocks.before
-- The nearest bundle before a number whose clock was synchronised.
SELECT number, boot, first_time, last_time, sealed_time, sealed_monotonic, clock_state,
    clock_uncertainty, clock_floor
FROM bundles WHERE epoch_id = :epoch_id AND number < :number AND clock_state = 2
ORDER BY number DESC LIMIT 1;

-- name: clocks.behind
-- The nearest bundle behind a number whose clock was synchronised.
SELECT number, boot, first_time, last_time, sealed_time, sealed_monotonic, clock_state,
    clock_uncertainty, clock_floor
FROM bundles WHERE epoch_id = :epoch_id AND number > :number AND clock_state = 2
ORDER BY number LIMIT 1;

-- name: clocks.around
-- The last synchronised bundle sealed before a time, and the first sealed from another on.
SELECT
    (SELECT number FROM bundles
     WHERE epoch_id = :epoch_id AND clock_state = 2 AND sealed_time < :start
     ORDER BY sealed_time DESC LIMIT 1) AS before,
    (SELECT number FROM bundles
     WHERE epoch_id = :epoch_id AND clock_state = 2 AND sealed_time >= :stop
     ORDER BY sealed_time LIMIT 1) AS behind;

-- name: clocks.anchors
-- The boots that have a time anchor in a run of bundles, when they began by it, and its last one.
SELECT boot, MIN(sealed_time - sealed_monotonic) AS low, MAX(sealed_time - sealed_monotonic) AS high,
    MAX(number) AS last
FROM bundles
WHERE epoch_id = :epoch_id AND clock_state = 2 AND number BETWEEN :first AND :last
    AND boot IS NOT NULL
GROUP BY boot;

-- name: clocks.recorded
-- The bundles in doubt that were, by their own clock, in a window of time.
SELECT number, boot, first_time, last_time, sealed_time, sealed_monotonic, clock_state,
    clock_uncertainty, clock_floor
FROM bundles
WHERE epoch_id = :epoch_id AND clock_state IN (0, 1)
    AND sealed_time >= :low AND sealed_time < :longest AND first_time < :high;

-- name: clocks.recorded_behind
-- The first bundle of a state in doubt that was sealed, by its own clock, from a time on.
SELECT number, boot, first_time, last_time, sealed_time, sealed_monotonic, clock_state,
    clock_uncertainty, clock_floor
FROM bundles
WHERE epoch_id = :epoch_id AND clock_state = :state AND sealed_time >= :time
ORDER BY sealed_time LIMIT 1;

-- name: clocks.of_boot
-- The bundles in doubt that were in a window of a boot's monotonic time.
SELECT number, boot, first_time, last_time, sealed_time, sealed_monotonic, clock_state,
    clock_uncertainty, clock_floor
FROM bundles
WHERE epoch_id = :epoch_id AND boot = :boot AND clock_state < 2
    AND sealed_monotonic >= :low AND sealed_monotonic < :longest
    AND sealed_monotonic - :high < sealed_time - first_time;

-- name: clocks.of_boot_behind
-- The first bundle in doubt of a boot that was sealed from a monotonic time on.
SELECT number, boot, first_time, last_time, sealed_time, sealed_monotonic, clock_state,
    clock_uncertainty, clock_floor
FROM bundles
WHERE epoch_id = :epoch_id AND boot = :boot AND clock_state < 2 AND sealed_monotonic >= :time
ORDER BY sealed_monotonic LIMIT 1;

-- name: clocks.unset
-- The bundles of a run whose clock had no time at all.
SELECT number, boot, first_time, last_time, sealed_time, sealed_monotonic, clock_state,
    clock_uncertainty, clock_floor
FROM bundles
WHERE epoch_id = :epoch_id AND clock_state = 0 AND number > :first AND number < :stop;

-- name: clocks.impossible
-- The bundles in doubt of a run that were, by their own clock, before one time or behind another.
SELECT number, boot, first_time, last_time, sealed_time, sealed_monotonic, clock_state,
    clock_uncertainty, clock_floor
FROM bundles
WHERE epoch_id = :epoch_id AND clock_state IN (0, 1) AND number > :first AND number < :stop
    AND (sealed_time < :low OR first_time > :high);

-- name: clocks.numbered
-- The bundles of a run whose clock was not synchronised.
SELECT number, boot, first_time, last_time, sealed_time, sealed_monotonic, clock_state,
    clock_uncertainty, clock_floor
FROM bundles
WHERE epoch_id = :epoch_id AND clock_state IN (0, 1) AND number BETWEEN :first AND :last;

-- name: clocks.steps
-- The bundles of a run, and the ones before them, between which wall time fell back against
-- monotonic time by more than the clocks' own uncertainty, within a boot. In milliseconds, so that
-- no time is too far from another.
SELECT number, before FROM (
    SELECT number, boot, clock_uncertainty, sealed_time - sealed_monotonic AS began,
        LAG(number) OVER (ORDER BY number) AS before,
        LAG(boot) OVER (ORDER BY number) AS boot_before,
        LAG(sealed_time - sealed_monotonic) OVER (ORDER BY number) AS began_before,
        LAG(clock_uncertainty) OVER (ORDER BY number) AS uncertainty_before
    FROM bundles WHERE epoch_id = :epoch_id AND number >= :first - 1 AND number <= :last
) AS neighbours
WHERE number >= :first AND boot = boot_before
    AND began_before / 1000000 - began / 1000000
        > clock_uncertainty / 1000000 + uncertainty_before / 1000000
ORDER BY number;

-- name: clocks.any
-- Whether a clock ever was in doubt.
SELECT EXISTS (SELECT 1 FROM epochs e WHERE EXISTS (
    SELECT 1 FROM bundles b WHERE b.epoch_id = e.epoch_id AND b.clock_state IN (0, 1)
)) AS any_in_doubt;

-- name: clocks.settled
-- Of new bundles, those in doubt that have readings, and those that stand beside one in doubt.
SELECT DISTINCT e.gateway, e.epoch_id, b.number, b.clock_state
FROM bundles b JOIN epochs e ON e.epoch_id = b.epoch_id
WHERE b.position BETWEEN :low AND :high AND (
    b.clock_state IN (0, 1) AND b.readings > 0
    OR b.clock_state = 2 AND EXISTS (
        SELECT 1 FROM bundles n
        WHERE n.epoch_id = b.epoch_id AND n.clock_state IN (0, 1) AND n.number IN (
            (SELECT MAX(m.number) FROM bundles m
             WHERE m.epoch_id = b.epoch_id AND m.number < b.number),
            (SELECT MIN(m.number) FROM bundles m
             WHERE m.epoch_id = b.epoch_id AND m.number > b.number)))
) ORDER BY e.gateway, e.epoch_id, b.number;

-- name: clocks.extent
-- What the bundles in doubt between two numbers say together.
SELECT MIN(first_time) AS low, MAX(sealed_time) AS high, MIN(clock_floor) AS floor,
    MAX(sealed_monotonic) AS monotonic
FROM bundles
WHERE epoch_id = :epoch_id AND clock_state IN (0, 1) AND number > :first AND number < :stop;
