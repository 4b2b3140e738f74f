-- name: lot_index.mention
-- A document names a lot.
INSERT INTO lot_mentions (lot, kind, key) VALUES (:lot, :kind, :key) ON CONFLICT DO NOTHING;

-- name: lot_index.mentioning
-- The documents of a kind that have ever named a lot.
SELECT key FROM lot_mentions WHERE lot = :lot AND kind = :kind ORDER BY key;
