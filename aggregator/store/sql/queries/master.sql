-- name: master.current
-- The approved version of an entity that comes into force last, be it later than now.
SELECT kind, key, version, document, recorded_at, recorded_by,
       state, effective_from, effective_to, decided_at, decided_by, in_place_of
FROM master_versions
WHERE kind = :kind AND key = :key AND state = 'approved'
ORDER BY effective_from DESC, version DESC
LIMIT 1;

-- name: master.at
-- The version of an entity that is in force at a time.
SELECT kind, key, version, document, recorded_at, recorded_by,
       state, effective_from, effective_to, decided_at, decided_by, in_place_of
FROM (
    SELECT *
    FROM master_versions
    WHERE kind = :kind AND key = :key AND state = 'approved' AND effective_from <= :at
    ORDER BY effective_from DESC, version DESC
    LIMIT 1
) AS newest
WHERE effective_to IS NULL OR effective_to > :at;

-- name: master.version
-- One version of one entity, however old.
SELECT kind, key, version, document, recorded_at, recorded_by,
       state, effective_from, effective_to, decided_at, decided_by, in_place_of
FROM master_versions
WHERE kind = :kind AND key = :key AND version = :version;

-- name: master.history
-- Every version of one entity, the newest first.
SELECT kind, key, version, document, recorded_at, recorded_by,
       state, effective_from, effective_to, decided_at, decided_by, in_place_of
FROM master_versions
WHERE kind = :kind AND key = :key
ORDER BY version DESC;

-- name: master.came_into_force
-- Approved versions of a kind that came into force within a stretch of time, as they did.
SELECT kind, key, version, document, recorded_at, recorded_by,
       state, effective_from, effective_to, decided_at, decided_by, in_place_of
FROM master_versions
WHERE kind = :kind AND state = 'approved' AND effective_from > :start AND effective_from < :stop
ORDER BY key, effective_from, version;

-- name: master.newest
-- The newest version of one entity, whatever its state.
SELECT kind, key, version, document, recorded_at, recorded_by,
       state, effective_from, effective_to, decided_at, decided_by, in_place_of
FROM master_versions
WHERE kind = :kind AND key = :key
ORDER BY version DESC
LIMIT 1;

-- name: master.newest_standing
-- The newest version of one entity that nobody has rejected.
SELECT kind, key, version, document, recorded_at, recorded_by,
       state, effective_from, effective_to, decided_at, decided_by, in_place_of
FROM master_versions
WHERE kind = :kind AND key = :key AND state <> 'rejected'
ORDER BY version DESC
LIMIT 1;

-- name: master.list
-- Of each entity of a kind after a key the approved version that comes into force last.
SELECT m.kind, m.key, m.version, m.document, m.recorded_at, m.recorded_by,
       m.state, m.effective_from, m.effective_to, m.decided_at, m.decided_by, m.in_place_of
FROM master_versions m
WHERE m.kind = :kind AND m.key > :after AND m.state = 'approved'
  AND NOT EXISTS (
      SELECT 1 FROM master_versions n
      WHERE n.kind = m.kind AND n.key = m.key AND n.state = 'approved'
        AND (n.effective_from > m.effective_from
             OR (n.effective_from = m.effective_from AND n.version > m.version))
  )
ORDER BY m.key
LIMIT :count;

-- name: master.list_at
-- Of each entity of a kind after a key the version in force at a time, in order of keys.
SELECT m.kind, m.key, m.version, m.document, m.recorded_at, m.recorded_by,
       m.state, m.effective_from, m.effective_to, m.decided_at, m.decided_by, m.in_place_of
FROM master_versions m
WHERE m.kind = :kind AND m.key > :after AND m.state = 'approved'
  AND m.effective_from <= :at AND (m.effective_to IS NULL OR m.effective_to > :at)
  AND NOT EXISTS (
      SELECT 1 FROM master_versions n
      WHERE n.kind = m.kind AND n.key = m.key AND n.state = 'approved'
        AND n.effective_from <= :at
        AND (n.effective_from > m.effective_from
             OR (n.effective_from = m.effective_from AND n.version > m.version))
  )
ORDER BY m.key
LIMIT :count;

-- name: master.proposed
-- Versions that wait for a second person, the oldest first.
SELECT kind, key, version, document, recorded_at, recorded_by,
       state, effective_from, effective_to, decided_at, decided_by, in_place_of
FROM master_versions
WHERE state = 'proposed'
ORDER BY recorded_at, kind, key
LIMIT :count;

-- name: master.insert
-- Add a version; the primary key refuses a second one of the same number.
INSERT INTO master_versions (
    kind, key, version, document, recorded_at, recorded_by, state, effective_from, effective_to
)
VALUES (
    :kind, :key, :version, :document, :recorded_at, :recorded_by, :state, :effective_from,
    :effective_to
);

-- name: master.decide
-- A second person has approved or rejected a version.
UPDATE master_versions
SET state = :state, effective_from = :effective_from, decided_at = :decided_at,
    decided_by = :decided_by, in_place_of = :in_place_of
WHERE kind = :kind AND key = :key AND version = :version AND state = 'proposed';

-- name: master.newest_dictionary
-- The newest version of the data dictionary that the aggregator has worked with.
SELECT version, hash FROM dictionary_versions ORDER BY version DESC LIMIT 1;

-- name: master.add_dictionary
-- The aggregator begins to work with a version of the data dictionary.
INSERT INTO dictionary_versions (version, hash, content, recorded_at)
VALUES (:version, :hash, :content, :recorded_at);

-- name: master.about
-- The statements of a kind about some things, each by its newest approved version, in order of
-- keys; names is a JSON array of signals (gateway/signal), physical assets and persons.
SELECT m.kind, m.key, m.version, m.document, m.recorded_at, m.recorded_by,
       m.state, m.effective_from, m.effective_to, m.decided_at, m.decided_by, m.in_place_of
FROM master_versions m
WHERE m.kind = :kind AND m.state = 'approved'
  AND EXISTS (
      SELECT 1 FROM json_each(:names) AS name WHERE name.value IN (
          json_extract(m.document, '$.physical_asset'), json_extract(m.document, '$.person'),
          json_extract(m.document, '$.gateway') || '/' || json_extract(m.document, '$.signal')
      )
  )
  AND NOT EXISTS (
      SELECT 1 FROM master_versions n
      WHERE n.kind = m.kind AND n.key = m.key AND n.state = 'approved' AND n.version > m.version
  )
ORDER BY m.key;
