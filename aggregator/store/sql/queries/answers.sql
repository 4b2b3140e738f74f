-- name: answers.one
-- What is known of a caller's key.
SELECT fingerprint, started_time, status, headers, body, acted
FROM answers WHERE caller = :caller AND key = :key;

-- name: answers.start
-- A call begins; one that began so long ago that nothing will come of it is taken over.
INSERT INTO answers (caller, key, fingerprint, started_time, headers, body)
VALUES (:caller, :key, :fingerprint, :started_time, '{}', :body)
ON CONFLICT (caller, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, started_time = excluded.started_time,
        status = NULL, headers = '{}', body = excluded.body;

-- name: answers.acted
-- The act of a call is in this very transaction.
UPDATE answers SET acted = 1 WHERE caller = :caller AND key = :key;

-- name: answers.finish
-- The call was answered.
UPDATE answers SET status = :status, headers = :headers, body = :body
WHERE caller = :caller AND key = :key;

-- name: answers.drop
-- The call came to nothing: it may be made again.
DELETE FROM answers WHERE caller = :caller AND key = :key AND acted = 0;

-- name: answers.forget
-- Drop what is older than answers are kept.
DELETE FROM answers WHERE started_time < :before;
