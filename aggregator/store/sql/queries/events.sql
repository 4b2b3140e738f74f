-- name: events.add
-- One event, after the newest; writers take turns, so no number is given twice.
INSERT INTO events (sequence, type, subject, record_time, data)
SELECT COALESCE(MAX(sequence), 0) + 1, :type, :subject, :record_time, :data FROM events;

-- name: events.after
-- Events that follow a number, in order.
SELECT sequence, type, subject, record_time, data
FROM events WHERE sequence > :sequence ORDER BY sequence LIMIT :count;

-- name: events.bounds
-- The first and the last number kept; 0 and 0 where there is none.
SELECT COALESCE(MIN(sequence), 0) AS first, COALESCE(MAX(sequence), 0) AS last FROM events;

-- name: events.forget
-- Drop events that are old, that every receiver has had, and that are no dead letter. The newest
-- stays, so that no number is given twice.
DELETE FROM events
WHERE record_time < :before
  AND sequence <= COALESCE((SELECT MIN(position) FROM receivers WHERE ended_time IS NULL),
                           9223372036854775807)
  AND sequence < (SELECT MAX(sequence) FROM events)
  AND NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.sequence = events.sequence);
