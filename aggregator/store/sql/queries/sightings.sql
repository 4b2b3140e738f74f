-- name: sightings.position
-- How far into the log sightings have been looked for.
SELECT position FROM sightings_state WHERE id = 1;

-- name: sightings.advance
-- Sightings have been looked for up to this position of the log.
UPDATE sightings_state SET position = :position WHERE id = 1;

-- name: sightings.fresh
-- Of each gateway, the time that bundles from a position of the log on speak of.
SELECT e.gateway, MIN(b.first_time) AS first_time, MAX(b.position) AS position
FROM bundles b JOIN epochs e ON e.epoch_id = b.epoch_id
WHERE b.position >= :position
GROUP BY e.gateway ORDER BY e.gateway;

-- name: sightings.earliest
-- When the first sighting of a signal began that lasted to a time or beyond.
SELECT MIN(start_time) AS start_time FROM sightings
WHERE gateway = :gateway AND signal = :signal AND end_time >= :time;

-- name: sightings.forget
-- Sightings of a signal that are about to be made again.
DELETE FROM sightings
WHERE gateway = :gateway AND signal = :signal AND start_time >= :time;

-- name: sightings.add
-- Equipment named a lot, or a reader saw a carrier.
INSERT INTO sightings (gateway, signal, said, start_time, end_time)
VALUES (:gateway, :signal, :said, :start_time, :end_time);

-- name: sightings.of
-- Where and when something was named or seen.
SELECT gateway, signal, start_time, end_time FROM sightings
WHERE said = :said ORDER BY start_time, gateway, signal;
