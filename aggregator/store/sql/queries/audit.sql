-- name: audit.last
-- The newest entry, whose hash the next one carries.
SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1;

-- name: audit.add
-- One act.
INSERT INTO audit
    (sequence, position, record_time, who, act, what, before, after, why, previous, hash)
VALUES
    (:sequence, :position, :record_time, :who, :act, :what, :before, :after, :why, :previous, :hash);

-- name: audit.after
-- Entries that follow a number, oldest first.
SELECT sequence, position, record_time, who, act, what, before, after, why, previous, hash
FROM audit WHERE sequence > :sequence ORDER BY sequence LIMIT :count;
