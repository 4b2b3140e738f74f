-- name: quarantine.add
-- A message that was refused; one that came before is counted.
INSERT INTO quarantine (digest, check_number, reason, message, topic, gateway, size, bytes,
    first_time, last_time, seen)
VALUES (:digest, :check_number, :reason, :message, :topic, :gateway, :size, :bytes,
    :record_time, :record_time, 1)
ON CONFLICT (digest) DO UPDATE
    SET seen = quarantine.seen + 1, last_time = excluded.last_time;

-- name: quarantine.known
-- Whether a message was refused before.
SELECT seen FROM quarantine WHERE digest = :digest;

-- name: quarantine.kept_bytes
-- Bytes of refused messages that are kept.
SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) AS bytes FROM quarantine WHERE bytes IS NOT NULL;

-- name: quarantine.newest
-- What was refused last.
SELECT digest, check_number, reason, message, topic, gateway, size, first_time, last_time, seen
FROM quarantine ORDER BY last_time DESC, digest LIMIT :count;
