-- name: records.latest
-- The newest version of a lot's record.
SELECT gtin, lot, version, content_hash, state, readings, exceptions, start_time, end_time,
    recorded_time, recorded_by, checkpoint, bytes
FROM record_versions WHERE gtin = :gtin AND lot = :lot ORDER BY version DESC LIMIT 1;

-- name: records.version
-- One version of a lot's record, however old.
SELECT gtin, lot, version, content_hash, state, readings, exceptions, start_time, end_time,
    recorded_time, recorded_by, checkpoint, bytes
FROM record_versions WHERE gtin = :gtin AND lot = :lot AND version = :version;

-- name: records.first_complete
-- The first version of a lot's record that was complete.
SELECT content_hash, readings, bytes FROM record_versions
WHERE gtin = :gtin AND lot = :lot AND state = 'complete' ORDER BY version LIMIT 1;

-- name: records.list
-- The newest version of each lot's record, without its bytes, latest first.
SELECT r.gtin, r.lot, r.version, r.content_hash, r.state, r.readings, r.exceptions,
    r.start_time, r.end_time, r.recorded_time, r.recorded_by
FROM record_versions r
WHERE r.version = (
    SELECT MAX(n.version) FROM record_versions n WHERE n.gtin = r.gtin AND n.lot = r.lot
)
ORDER BY r.recorded_time DESC, r.gtin, r.lot LIMIT :count;

-- name: records.add
-- A version of a lot's record.
INSERT INTO record_versions (gtin, lot, version, content_hash, state, readings, exceptions,
    start_time, end_time, recorded_time, recorded_by, checkpoint, bytes)
VALUES (:gtin, :lot, :version, :content_hash, :state, :readings, :exceptions,
    :start_time, :end_time, :recorded_time, :recorded_by, :checkpoint, :bytes);

-- name: records.audit
-- What the audit trail says of a lot and its record.
SELECT sequence, record_time, who, act, what, before, after, why, hash FROM audit
WHERE what = :record OR what = :lot ORDER BY sequence;
