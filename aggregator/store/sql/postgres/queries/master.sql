-- name: master.about
-- The statements of a kind about some things, as PostgreSQL reads JSON.
SELECT m.kind, m.key, m.version, m.document, m.recorded_at, m.recorded_by,
       m.state, m.effective_from, m.effective_to, m.decided_at, m.decided_by, m.in_place_of
FROM master_versions m CROSS JOIN LATERAL (SELECT m.document::jsonb AS said) d
WHERE m.kind = :kind AND m.state = 'approved'
  AND EXISTS (
      SELECT 1 FROM jsonb_array_elements_text(CAST(:names AS JSONB)) AS name(value)
      WHERE name.value IN (
          d.said ->> 'physical_asset', d.said ->> 'person',
          (d.said ->> 'gateway') || '/' || (d.said ->> 'signal')
      )
  )
  AND NOT EXISTS (
      SELECT 1 FROM master_versions n
      WHERE n.kind = m.kind AND n.key = m.key AND n.state = 'approved' AND n.version > m.version
  )
ORDER BY m.key;
