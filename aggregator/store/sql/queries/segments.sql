-- name: segments.signal_ids
-- Every signal that was seen, with its number.
SELECT signal_id, gateway, signal, kind FROM signals ORDER BY gateway, signal, kind;

-- name: segments.signals_of
-- The signals of a gateway that have this name, one a kind.
SELECT signal_id, signal, kind FROM signals
WHERE gateway = :gateway AND signal = :signal ORDER BY kind;

-- name: segments.signals_of_gateway
-- Every signal of a gateway that was seen, with its number, one a kind.
SELECT signal_id, signal, kind FROM signals WHERE gateway = :gateway ORDER BY signal, kind;

-- name: segments.next_signal_id
-- The number that the next signal is stored under.
SELECT COALESCE(MAX(signal_id), 0) + 1 AS signal_id FROM signals;

-- name: segments.add_signal
-- A signal is seen for the first time.
INSERT INTO signals (signal_id, gateway, signal, kind)
VALUES (:signal_id, :gateway, :signal, :kind);

-- name: segments.next_id
-- The number that the next segment is stored under.
SELECT COALESCE(MAX(segment_id), 0) + 1 AS segment_id FROM segments;

-- name: segments.add
-- A segment over a run of bundles.
INSERT INTO segments (segment_id, epoch_id, first_number, end_number, readings,
    first_time, last_time, leaves, shared)
VALUES (:segment_id, :epoch_id, :first_number, :end_number, :readings,
    :first_time, :last_time, :leaves, :shared);

-- name: segments.add_column
-- The readings of one signal in a segment.
INSERT INTO segment_columns (segment_id, signal_id, readings, first_time, last_time, data)
VALUES (:segment_id, :signal_id, :readings, :first_time, :last_time, :data);

-- name: segments.columns_between
-- What segments hold of a signal in a window of time.
SELECT c.signal_id, c.segment_id, s.epoch_id, e.epoch, c.data
FROM segment_columns c JOIN segments s ON s.segment_id = c.segment_id
JOIN epochs e ON e.epoch_id = s.epoch_id
WHERE c.signal_id = :signal_id AND c.last_time >= :start AND c.first_time < :stop
ORDER BY c.first_time, c.segment_id;

-- name: segments.columns_of_gateway
-- What segments hold of every signal of a gateway in a window of time.
SELECT c.signal_id, c.segment_id, e.epoch, c.data
FROM segments s JOIN epochs e ON e.epoch_id = s.epoch_id
JOIN segment_columns c ON c.segment_id = s.segment_id
WHERE e.gateway = :gateway AND s.last_time >= :start AND s.first_time < :stop
    AND c.last_time >= :start AND c.first_time < :stop
ORDER BY c.first_time, c.segment_id;

-- name: segments.shared
-- The arrays that columns of a segment have in common.
SELECT shared FROM segments WHERE segment_id = :segment_id;

-- name: segments.of_epoch
-- The segments of an epoch in the order of their bundles.
SELECT segment_id, first_number, end_number, readings, first_time, last_time, leaves
FROM segments WHERE epoch_id = :epoch_id ORDER BY first_number;

-- name: segments.trailing
-- The newest segments of an epoch, newest first.
SELECT segment_id, first_number, end_number, readings, first_time, last_time
FROM segments WHERE epoch_id = :epoch_id ORDER BY first_number DESC LIMIT :count;

-- name: segments.columns_of
-- Every column of a segment.
SELECT signal_id, data FROM segment_columns WHERE segment_id = :segment_id;

-- name: segments.remove_columns
-- A segment is being replaced.
DELETE FROM segment_columns WHERE segment_id = :segment_id;

-- name: segments.remove
-- A segment is being replaced.
DELETE FROM segments WHERE segment_id = :segment_id;

-- name: segments.latest
-- The column of each signal of a gateway that reaches furthest.
SELECT c.signal_id, g.gateway, g.signal, g.kind, MAX(c.last_time) AS last_time
FROM signals g JOIN segment_columns c ON c.signal_id = g.signal_id
WHERE g.gateway = :gateway
GROUP BY c.signal_id, g.gateway, g.signal, g.kind ORDER BY g.signal, g.kind;

-- name: segments.unsegmented
-- Epochs of a gateway with bundles that the index does not cover.
SELECT e.epoch_id, e.epoch, e.ordinal, e.segmented, e.head, e.waiting
FROM epochs e WHERE e.gateway = :gateway AND (e.head >= e.segmented OR e.waiting > 0)
ORDER BY e.ordinal;
