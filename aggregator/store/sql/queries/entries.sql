-- name: entries.add
-- A value that a person typed, or the correction of one.
INSERT INTO manual_entries (entry, gtin, lot, parameter, value, unit, seen_time, entered_by,
    reason, recorded_time, supersedes)
VALUES (:entry, :gtin, :lot, :parameter, :value, :unit, :seen_time, :entered_by,
    :reason, :recorded_time, :supersedes);

-- name: entries.check
-- A second person vouches for an entry; the first to do so counts.
INSERT INTO manual_checks (entry, checked_by, checked_time, reason)
VALUES (:entry, :checked_by, :checked_time, :reason);

-- name: entries.one
-- An entry, its check, and the entry that corrected it.
SELECT e.entry, e.gtin, e.lot, e.parameter, e.value, e.unit, e.seen_time, e.entered_by, e.reason,
    e.recorded_time, e.supersedes, c.checked_by, c.checked_time, c.reason AS check_reason,
    s.entry AS superseded_by
FROM manual_entries e
LEFT JOIN manual_checks c ON c.entry = e.entry
LEFT JOIN manual_entries s ON s.supersedes = e.entry
WHERE e.entry = :entry;

-- name: entries.of_lot
-- Every entry about a lot, the corrected ones too, oldest first.
SELECT e.entry, e.gtin, e.lot, e.parameter, e.value, e.unit, e.seen_time, e.entered_by, e.reason,
    e.recorded_time, e.supersedes, c.checked_by, c.checked_time, c.reason AS check_reason
FROM manual_entries e LEFT JOIN manual_checks c ON c.entry = e.entry
WHERE e.gtin = :gtin AND e.lot = :lot ORDER BY e.seen_time, e.entry;
