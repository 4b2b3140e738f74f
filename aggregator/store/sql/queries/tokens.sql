-- name: tokens.insert
-- Keep a new token's hash.
INSERT INTO tokens (id, name, kind, roles, secret_hash, created_at, expires_at, ended_at)
VALUES (:id, :name, :kind, :roles, :secret_hash, :created_at, :expires_at, NULL);

-- name: tokens.by_id
-- The token with this public half, ended or not.
SELECT id, name, kind, roles, secret_hash, created_at, expires_at, ended_at
FROM tokens
WHERE id = :id;

-- name: tokens.of_kind
-- All tokens of a kind, newest first, without their hashes.
SELECT id, name, kind, roles, created_at, expires_at, ended_at
FROM tokens
WHERE kind = :kind
ORDER BY created_at DESC, id;

-- name: tokens.end
-- End a token that has not ended; tells by its count whether it was this call that ended it.
UPDATE tokens SET ended_at = :ended_at WHERE id = :id AND ended_at IS NULL;

-- name: tokens.end_of_name
-- End every token that acts as somebody.
UPDATE tokens SET ended_at = :ended_at WHERE name = :name AND ended_at IS NULL;

-- name: tokens.of_name
-- Whether a name was ever given to a token.
SELECT id FROM tokens WHERE name = :name LIMIT 1;

-- name: tokens.in_force
-- The tokens of a kind with which somebody acts now, newest first.
SELECT id, name, kind, roles, created_at, expires_at, ended_at
FROM tokens
WHERE name = :name AND kind = :kind AND ended_at IS NULL AND expires_at > :now
ORDER BY created_at DESC, id;
