-- name: master.current
-- The newest version of one entity.
SELECT kind, key, version, document, recorded_at, recorded_by
FROM master_versions
WHERE kind = :kind AND key = :key
ORDER BY version DESC
LIMIT 1;

-- name: master.version
-- One version of one entity, however old.
SELECT kind, key, version, document, recorded_at, recorded_by
FROM master_versions
WHERE kind = :kind AND key = :key AND version = :version;

-- name: master.list
-- The newest version of each entity of a kind after a key, in order of keys.
SELECT m.kind, m.key, m.version, m.document, m.recorded_at, m.recorded_by
FROM master_versions m
WHERE m.kind = :kind AND m.key > :after
  AND m.version = (
      SELECT max(n.version) FROM master_versions n WHERE n.kind = m.kind AND n.key = m.key
  )
ORDER BY m.key
LIMIT :count;

-- name: master.insert
-- Add a version; the primary key refuses a second one of the same number.
INSERT INTO master_versions (kind, key, version, document, recorded_at, recorded_by)
VALUES (:kind, :key, :version, :document, :recorded_at, :recorded_by);
