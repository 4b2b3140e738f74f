-- name: log.state
-- The size and right edge of the log, its newest checkpoint, and the version of what is trusted.
SELECT log_size, log_frontier, checkpoint, checkpoint_size, checkpoint_time, trust_version
FROM evidence_state WHERE id = 1;

-- name: log.grow
-- The log has more leaves.
UPDATE evidence_state SET log_size = :size, log_frontier = :frontier WHERE id = 1;

-- name: log.add_hash
-- A subtree is complete.
INSERT INTO log_hashes (level, position, hash) VALUES (:level, :position, :hash);

-- name: log.add_entry
-- What a leaf says that is no bundle.
INSERT INTO log_entries (position, kind, data) VALUES (:position, :kind, :data);

-- name: log.hash
-- One complete subtree.
SELECT hash FROM log_hashes WHERE level = :level AND position = :position;

-- name: log.add_checkpoint
-- A signed checkpoint, kept for ever.
INSERT INTO checkpoints (size, note, record_time) VALUES (:size, :note, :record_time);

-- name: log.set_checkpoint
-- The newest signed checkpoint.
UPDATE evidence_state
SET checkpoint = :note, checkpoint_size = :size, checkpoint_time = :record_time
WHERE id = 1;

-- name: log.touch_trust
-- A gateway, a key or an approval changed: whoever remembers them reads them again.
UPDATE evidence_state SET trust_version = trust_version + 1 WHERE id = 1;

-- name: log.entries
-- Every leaf that is no bundle, with what it says.
SELECT position, kind, data FROM log_entries ORDER BY position;

-- name: log.checkpoints
-- Every checkpoint that was signed.
SELECT size, note, record_time FROM checkpoints ORDER BY size;

-- name: log.hashes_of_level
-- Every complete subtree of one height, from the left.
SELECT hash FROM log_hashes WHERE level = :level ORDER BY position;

-- name: log.entry
-- What one leaf says that is no bundle.
SELECT kind, data FROM log_entries WHERE position = :position;
