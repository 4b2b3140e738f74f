-- name: delegations.add
-- A person names another to act in their place for a time.
INSERT INTO delegations (id, principal, delegate, start_time, end_time, created_at, ended_at)
VALUES (:id, :principal, :delegate, :start_time, :end_time, :created_at, NULL);

-- name: delegations.every
-- Every delegation, newest first.
SELECT id, principal, delegate, start_time, end_time, created_at, ended_at
FROM delegations ORDER BY created_at DESC, id;

-- name: delegations.end
-- End a delegation that its principal gave.
UPDATE delegations SET ended_at = :ended_at
WHERE id = :id AND principal = :principal AND ended_at IS NULL;

-- name: delegations.principals
-- Whom a person may act for at a time.
SELECT principal FROM delegations
WHERE delegate = :delegate AND start_time <= :now AND end_time > :now AND ended_at IS NULL
ORDER BY principal;
