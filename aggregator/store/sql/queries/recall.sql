-- name: recall.add
-- A case is opened.
INSERT INTO recall_cases (id, kind, state, item_kind, item_key, since, until, reason,
    opened_time, opened_by, located, accounted)
VALUES (:id, :kind, :state, :item_kind, :item_key, :since, :until, :reason,
    :opened_time, :opened_by, 0, 0);

-- name: recall.one
-- A case.
SELECT id, kind, state, item_kind, item_key, since, until, reason, opened_time, opened_by,
    located, accounted
FROM recall_cases WHERE id = :id;

-- name: recall.list
-- Cases, the latest first.
SELECT id, kind, state, item_kind, item_key, since, until, reason, opened_time, opened_by,
    located, accounted
FROM recall_cases ORDER BY opened_time DESC, id LIMIT :count;

-- name: recall.set_state
-- A case has gone on; its counts are taken from its items.
UPDATE recall_cases SET state = :state,
    located = (SELECT COUNT(*) FROM recall_items WHERE case_id = :id),
    accounted = (SELECT COUNT(*) FROM recall_items WHERE case_id = :id AND fate IS NOT NULL)
WHERE id = :id;

-- name: recall.last_event
-- How many events a case has.
SELECT COUNT(*) AS events FROM recall_events WHERE case_id = :id;

-- name: recall.add_event
-- Something happened in a case.
INSERT INTO recall_events (case_id, sequence, event, state, record_time, who, why, document)
VALUES (:id, :sequence, :event, :state, :record_time, :who, :why, :document);

-- name: recall.events
-- The timeline of a case.
SELECT sequence, event, state, record_time, who, why, document
FROM recall_events WHERE case_id = :id ORDER BY sequence;

-- name: recall.add_item
-- An item is located; one that was located before stays as it is.
INSERT INTO recall_items (case_id, item, time, level, edge, source)
VALUES (:id, :item, :time, :level, :edge, :source)
ON CONFLICT (case_id, item) DO NOTHING;

-- name: recall.items
-- A page of what a case located, nearest first.
SELECT r.item, i.kind, i.key, r.time, r.level, e.id AS edge, s.kind AS source_kind,
    s.key AS source_key, r.fate, r.fate_reason, r.fate_by, r.fate_time
FROM recall_items r
JOIN genealogy_items i ON i.item = r.item
LEFT JOIN genealogy_edges e ON e.edge = r.edge
LEFT JOIN genealogy_items s ON s.item = r.source
WHERE r.case_id = :id ORDER BY r.level, r.item LIMIT :count OFFSET :start;

-- name: recall.set_fate
-- What became of a located item.
UPDATE recall_items SET fate = :fate, fate_reason = :fate_reason, fate_by = :fate_by,
    fate_time = :fate_time
WHERE case_id = :id AND item = :item;

-- name: recall.lots
-- How many lots the genealogy knows.
SELECT COUNT(*) AS lots FROM genealogy_items WHERE kind = 'lot';

-- name: recall.nth_lot
-- A lot by its place in the order in which lots became known.
SELECT kind, key FROM genealogy_items WHERE kind = 'lot' ORDER BY item LIMIT 1 OFFSET :at;
