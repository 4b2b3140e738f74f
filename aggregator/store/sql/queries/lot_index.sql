-- name: lot_index.mention
-- A document names a lot.
INSERT INTO lot_mentions (lot, kind, key) VALUES (:lot, :kind, :key) ON CONFLICT DO NOTHING;

-- name: lot_index.mentioning
-- The documents of a kind that have ever named a lot.
SELECT key FROM lot_mentions WHERE lot = :lot AND kind = :kind ORDER BY key;

-- name: lot_index.units
-- The units that have ever been said to be of a lot, each as is known now.
SELECT v.kind, v.key, v.version, v.document, v.recorded_at, v.recorded_by,
       v.state, v.effective_from, v.effective_to, v.decided_at, v.decided_by, v.in_place_of
FROM lot_mentions m JOIN master_versions v ON v.kind = m.kind AND v.key = m.key
WHERE m.lot = :lot AND m.kind = 'unit' AND v.version = (
    SELECT MAX(n.version) FROM master_versions n
    WHERE n.kind = v.kind AND n.key = v.key AND n.state = 'approved'
)
ORDER BY v.key;
