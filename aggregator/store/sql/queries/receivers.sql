-- name: receivers.add
-- A receiver; it gets what happens from now on.
INSERT INTO receivers (id, name, url, types, secret, position, failures, retry_time, error,
    created_time, created_by)
SELECT :id, :name, :url, :types, :secret, COALESCE(MAX(sequence), 0), 0, 0, '',
    :created_time, :created_by
FROM events;

-- name: receivers.one
-- A receiver, ended or not.
SELECT id, name, url, types, secret, position, failures, retry_time, error, created_time,
    created_by, ended_time
FROM receivers WHERE id = :id;

-- name: receivers.active
-- Those that have not ended.
SELECT id, name, url, types, secret, position, failures, retry_time, error, created_time,
    created_by, ended_time,
    EXISTS (SELECT 1 FROM dead_letters d WHERE d.receiver = receivers.id
            AND d.asked_time IS NOT NULL) AS asked
FROM receivers WHERE ended_time IS NULL ORDER BY created_time, id;

-- name: receivers.end
-- Deliver nothing more; tells by its count whether it was this call that ended it.
UPDATE receivers SET ended_time = :ended_time WHERE id = :id AND ended_time IS NULL;

-- name: receivers.resume
-- Deliver again, from now on.
UPDATE receivers SET ended_time = NULL, failures = 0, retry_time = 0, error = '',
    position = (SELECT COALESCE(MAX(sequence), 0) FROM events)
WHERE id = :id AND ended_time IS NOT NULL;

-- name: receivers.advance
-- Events up to a number are delivered, or given up.
UPDATE receivers SET position = :position, failures = 0, error = :error,
    retry_time = CASE WHEN retry_time = :paused THEN retry_time ELSE 0 END
WHERE id = :id;

-- name: receivers.fail
-- The event after the position was not taken.
UPDATE receivers SET failures = :failures, error = :error,
    retry_time = CASE WHEN retry_time = :paused THEN retry_time ELSE :retry_time END
WHERE id = :id;

-- name: receivers.retry_at
-- A person pauses a receiver, or lets it go on.
UPDATE receivers SET retry_time = :retry_time WHERE id = :id AND ended_time IS NULL;

-- name: receivers.progress
-- Of each that has not ended: how many events wait for it and how many are dead letters, of which
-- some are to be sent again, and when the event at its position was recorded.
SELECT r.id,
    CAST(COALESCE((SELECT MAX(sequence) FROM events) - r.position, 0) AS BIGINT) AS waiting,
    (SELECT COUNT(*) FROM dead_letters d WHERE d.receiver = r.id) AS dead,
    (SELECT COUNT(*) FROM dead_letters d WHERE d.receiver = r.id
     AND d.asked_time IS NOT NULL) AS asked,
    (SELECT e.record_time FROM events e WHERE e.sequence = r.position) AS told_time
FROM receivers r WHERE r.ended_time IS NULL;

-- name: receivers.give_up
-- An event becomes a dead letter, or stays one.
INSERT INTO dead_letters (receiver, sequence, attempts, error, given_up_time)
VALUES (:receiver, :sequence, :attempts, :error, :given_up_time)
ON CONFLICT (receiver, sequence) DO UPDATE
    SET attempts = dead_letters.attempts + excluded.attempts, error = excluded.error,
        given_up_time = excluded.given_up_time, asked_time = NULL;

-- name: receivers.dead_letters
-- What was given up, oldest first.
SELECT d.sequence, d.attempts, d.error, d.given_up_time, d.asked_time, e.type, e.subject,
    e.record_time, e.data
FROM dead_letters d JOIN events e ON e.sequence = d.sequence
WHERE d.receiver = :receiver AND d.sequence > :after ORDER BY d.sequence LIMIT :count;

-- name: receivers.ask
-- A person asks that dead letters be sent again.
UPDATE dead_letters SET asked_time = :now
WHERE receiver = :receiver AND sequence BETWEEN :first AND :last AND asked_time IS NULL;

-- name: receivers.asked
-- The oldest dead letter that is to be sent again.
SELECT e.sequence, e.type, e.subject, e.record_time, e.data
FROM dead_letters d JOIN events e ON e.sequence = d.sequence
WHERE d.receiver = :receiver AND d.asked_time IS NOT NULL ORDER BY d.sequence LIMIT 1;

-- name: receivers.revive
-- A dead letter was delivered after all.
DELETE FROM dead_letters WHERE receiver = :receiver AND sequence = :sequence;

-- name: receivers.counts
-- How many events wait for the receiver that is furthest behind, and how many were given up.
SELECT
    CAST(COALESCE((SELECT MAX(sequence) FROM events) - MIN(position), 0) AS BIGINT) AS waiting,
    (SELECT COUNT(*) FROM dead_letters d JOIN receivers r ON r.id = d.receiver
     WHERE r.ended_time IS NULL) AS dead
FROM receivers WHERE ended_time IS NULL;
