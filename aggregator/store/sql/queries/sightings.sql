-- name: sightings.position
-- How far into the log sightings have been looked for.
SELECT position FROM sightings_state WHERE id = 1;

-- name: sightings.waiting
-- One row where sightings have not been looked for in all bundles.
SELECT s.position FROM sightings_state s
WHERE EXISTS (SELECT 1 FROM bundles b WHERE b.position >= s.position);

-- name: sightings.advance
-- Sightings have been looked for up to this position of the log.
UPDATE sightings_state SET position = :position WHERE id = 1;

-- name: sightings.fresh
-- Bundles from a position of the log on, in its order.
SELECT b.position, e.gateway, b.number, b.first_time, b.last_time, b.readings, b.wrong
FROM bundles b JOIN epochs e ON e.epoch_id = b.epoch_id
WHERE b.position >= :position ORDER BY b.position LIMIT :count;

-- name: sightings.last
-- The position of the newest bundle in the log.
SELECT MAX(position) AS position FROM bundles WHERE position >= :position;

-- name: sightings.bundle
-- A bundle exactly as it came.
SELECT bytes FROM bundle_bytes WHERE position = :position;

-- name: sightings.before
-- The last sighting of a signal that began before a time.
SELECT start_time, end_time FROM sightings
WHERE gateway = :gateway AND signal = :signal AND start_time < :time
ORDER BY start_time DESC LIMIT 1;

-- name: sightings.behind
-- The first sighting of a signal that began after a time.
SELECT start_time, end_time FROM sightings
WHERE gateway = :gateway AND signal = :signal AND start_time > :time
ORDER BY start_time LIMIT 1;

-- name: sightings.earliest
-- When the first of the stays began that a signal saw within a time; none began longer before it
-- than the longest stay is, so that no more than these are looked at.
SELECT MIN(start_time) AS start_time FROM sightings
WHERE gateway = :gateway AND signal = :signal AND end_time >= :low AND start_time <= :high
    AND start_time >= :low - COALESCE((
        SELECT end_time - start_time FROM sightings
        WHERE gateway = :gateway AND signal = :signal
        ORDER BY end_time - start_time DESC LIMIT 1
    ), 0);

-- name: sightings.near
-- The stays of one carrier that touch a time.
SELECT start_time, end_time FROM sightings
WHERE gateway = :gateway AND signal = :signal AND said = :said
    AND end_time >= :low AND start_time <= :high
ORDER BY start_time;

-- name: sightings.touching
-- The stays that a signal saw any part of in a time; none began longer before it than the longest
-- stay is, so that no more than these are looked at.
SELECT said, start_time, end_time FROM sightings
WHERE gateway = :gateway AND signal = :signal AND end_time >= :low AND start_time <= :high
    AND start_time >= :low - COALESCE((
        SELECT end_time - start_time FROM sightings
        WHERE gateway = :gateway AND signal = :signal
        ORDER BY end_time - start_time DESC LIMIT 1
    ), 0)
ORDER BY start_time, said;

-- name: sightings.within
-- Sightings of a signal that began within a time.
SELECT said, start_time, end_time FROM sightings
WHERE gateway = :gateway AND signal = :signal AND start_time >= :start AND start_time < :stop;

-- name: sightings.remove
-- A sighting that is no more: it became part of another one.
DELETE FROM sightings
WHERE gateway = :gateway AND signal = :signal AND said = :said AND start_time = :start;

-- name: sightings.add
-- Equipment named a lot, or a reader saw a carrier.
INSERT INTO sightings (gateway, signal, said, start_time, end_time)
VALUES (:gateway, :signal, :said, :start_time, :end_time);

-- name: sightings.of
-- Where and when something was named or seen.
SELECT gateway, signal, start_time, end_time FROM sightings
WHERE said = :said ORDER BY start_time, gateway, signal;

-- name: sightings.of_units
-- Where and when the units were seen that have ever been said to be of a lot.
SELECT s.gateway, s.signal, s.start_time, s.end_time
FROM lot_mentions m JOIN sightings s ON s.said = m.key
WHERE m.lot = :lot AND m.kind = 'unit' ORDER BY s.start_time, s.gateway, s.signal;

-- name: sightings.lots_called
-- The keys of the lots of one id, whatever their GTIN of 14 digits is.
SELECT DISTINCT key FROM master_versions
WHERE kind = 'lot' AND substr(key, 16) = :lot AND state = 'approved' ORDER BY key;
