-- name: epochs.by_key
-- An epoch with its chain's head and its newest receipt.
SELECT e.epoch_id, e.gateway, e.epoch, e.ordinal, e.state, e.opening_reason, e.approved_by,
    e.head, e.head_leaf, e.head_position, e.end_reading, e.sealed_through, e.waiting, e.segmented,
    r.number AS receipt_number, r.state AS receipt_state, r.bytes AS receipt
FROM epochs e LEFT JOIN receipts r ON r.epoch_id = e.epoch_id
WHERE e.gateway = :gateway AND e.epoch = :epoch;

-- name: epochs.newest
-- A gateway's newest epoch, if it has any.
SELECT epoch_id, epoch, ordinal, state, head, waiting
FROM epochs WHERE gateway = :gateway ORDER BY ordinal DESC LIMIT 1;

-- name: epochs.of_gateway
-- A gateway's epochs, oldest first.
SELECT epoch_id, gateway, epoch, ordinal, state, opening_reason, previous_epoch, previous_head,
    first_seen, approved_by, approved_time, closed_reason,
    head, head_leaf, head_position, end_reading, sealed_through, waiting, segmented
FROM epochs WHERE gateway = :gateway ORDER BY ordinal;

-- name: epochs.all
-- Every epoch of every gateway, oldest first.
SELECT epoch_id, gateway, epoch, ordinal, state, head, segmented FROM epochs ORDER BY epoch_id;

-- name: epochs.next_id
-- The number that the next epoch is stored under.
SELECT COALESCE(MAX(epoch_id), 0) + 1 AS epoch_id FROM epochs;

-- name: epochs.add
-- An epoch is seen for the first time.
INSERT INTO epochs (epoch_id, gateway, epoch, ordinal, state, first_seen,
    head, head_leaf, head_position, end_reading, sealed_through, waiting, segmented)
VALUES (:epoch_id, :gateway, :epoch, :ordinal, :state, :first_seen,
    -1, :head_leaf, -1, 0, 0, 0, 0);

-- name: epochs.set_opening
-- The first bundle of an epoch came, with its opening statement.
UPDATE epochs SET state = :state, opening_reason = :opening_reason,
    previous_epoch = :previous_epoch, previous_head = :previous_head
WHERE epoch_id = :epoch_id;

-- name: epochs.set_chain
-- The chain of an epoch has grown.
UPDATE epochs SET head = :head, head_leaf = :head_leaf, head_position = :head_position,
    end_reading = :end_reading, sealed_through = :sealed_through, waiting = :waiting
WHERE epoch_id = :epoch_id;

-- name: epochs.approve
-- A person vouches for an epoch.
UPDATE epochs SET state = 0, approved_by = :approved_by, approved_time = :approved_time
WHERE epoch_id = :epoch_id AND state = 1;

-- name: epochs.close
-- An epoch is not to be trusted any more.
UPDATE epochs SET state = 2, closed_reason = :closed_reason
WHERE epoch_id = :epoch_id AND state <> 2;

-- name: epochs.set_segmented
-- The index covers the bundles of the epoch up to this number.
UPDATE epochs SET segmented = :segmented WHERE epoch_id = :epoch_id;

-- name: epochs.add_receipt
-- The newest receipt of an epoch, as it was sealed.
INSERT INTO receipts (epoch_id, number, state, record_time, bytes)
VALUES (:epoch_id, :number, :state, :record_time, :bytes)
ON CONFLICT (epoch_id) DO UPDATE SET number = excluded.number, state = excluded.state,
    record_time = excluded.record_time, bytes = excluded.bytes;

-- name: epochs.newest_receipts
-- The receipt of each gateway's newest epoch.
SELECT e.gateway, r.bytes FROM epochs e JOIN receipts r ON r.epoch_id = e.epoch_id
WHERE e.ordinal = (SELECT MAX(ordinal) FROM epochs WHERE gateway = e.gateway)
ORDER BY e.gateway;

-- name: epochs.told_otherwise
-- Each gateway's newest epoch whose newest receipt tells another state than it is in.
SELECT e.gateway, e.epoch FROM epochs e JOIN receipts r ON r.epoch_id = e.epoch_id
WHERE r.state <> e.state
    AND e.ordinal = (SELECT MAX(ordinal) FROM epochs WHERE gateway = e.gateway)
ORDER BY e.gateway;
