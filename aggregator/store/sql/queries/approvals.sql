-- name: approvals.add
-- An act is asked for.
INSERT INTO approvals (id, kind, holder, document, hash, why, asked_by, asked_at, expires_at, state,
    decided_by, in_place_of, decided_at, decided_why)
VALUES (:id, :kind, :holder, :document, :hash, :why, :asked_by, :asked_at, :expires_at, :state,
    NULL, NULL, NULL, '');

-- name: approvals.one
-- An act that was asked for.
SELECT id, kind, document, hash, why, asked_by, asked_at, expires_at, state, decided_by,
    in_place_of, decided_at, decided_why
FROM approvals WHERE id = :id;

-- name: approvals.newest
-- What was asked for, the latest first.
SELECT id, kind, document, hash, why, asked_by, asked_at, expires_at, state, decided_by,
    in_place_of, decided_at, decided_why
FROM approvals ORDER BY asked_at DESC, id LIMIT :count;

-- name: approvals.set_state
-- What became of it, and who decided.
UPDATE approvals SET state = :state, expires_at = :expires_at, decided_by = :decided_by,
    in_place_of = :in_place_of, decided_at = :decided_at, decided_why = :decided_why
WHERE id = :id;

-- name: approvals.held
-- What was approved for a holder and has not expired, the latest first.
SELECT id, kind, document, hash, why, asked_by, asked_at, expires_at, state, decided_by,
    in_place_of, decided_at, decided_why
FROM approvals
WHERE holder = :holder AND kind = :kind AND state = :state AND expires_at > :now
ORDER BY asked_at DESC, id;
