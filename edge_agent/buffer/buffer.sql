-- The gateway's buffer: one file is one epoch. Statements are named; buffer.py runs them by name.

-- name: schema
CREATE TABLE epoch ( -- one row: whose buffer this is, and the head of its chain
  one            INTEGER PRIMARY KEY CHECK (one = 1),
  gateway        TEXT    NOT NULL,
  epoch          BLOB    NOT NULL CHECK (length(epoch) = 16),
  reason         INTEGER NOT NULL, -- OpeningReason
  previous_epoch BLOB,
  previous_head  BLOB,
  last_receipt   BLOB,
  head           INTEGER NOT NULL, -- number of the last sealed bundle, -1 before the first
  head_leaf      BLOB    NOT NULL,
  end_reading    INTEGER NOT NULL,
  sealed_time    INTEGER NOT NULL, -- of the head, gateway time; of the epoch's making before it
  read           INTEGER NOT NULL,
  sealed         INTEGER NOT NULL,
  refused        TEXT    NOT NULL, -- JSON, reason: readings
  floor          INTEGER NOT NULL  -- wall time is certainly not before this
) STRICT;

CREATE TABLE bundle ( -- what was sealed and is not freed yet, byte for byte as it travels
  number        INTEGER PRIMARY KEY,
  leaf          BLOB    NOT NULL CHECK (length(leaf) = 32),
  sealed_time   INTEGER NOT NULL,
  sealed_header BLOB    NOT NULL,
  body          BLOB    NOT NULL
) STRICT;

CREATE TABLE receipt ( -- one row: the newest receipt, as it came
  one    INTEGER PRIMARY KEY CHECK (one = 1),
  number INTEGER NOT NULL,
  sealed BLOB    NOT NULL
) STRICT;

CREATE TABLE checkpoint ( -- one row: the newest checkpoint of the aggregator's log, as it came
  one  INTEGER PRIMARY KEY CHECK (one = 1),
  time INTEGER NOT NULL, -- record time of the receipt that brought it
  note TEXT    NOT NULL
) STRICT;

-- name: create_epoch
INSERT INTO epoch VALUES (1, ?, ?, ?, ?, ?, ?, -1, zeroblob(32), 0, ?, 0, 0, '{}', ?);

-- name: epoch
SELECT gateway, epoch, reason, previous_epoch, previous_head, last_receipt,
       head, head_leaf, end_reading, sealed_time, read, sealed, refused, floor
FROM epoch;

-- name: append
INSERT INTO bundle (number, leaf, sealed_time, sealed_header, body) VALUES (?, ?, ?, ?, ?);

-- name: move_head
UPDATE epoch SET head = ?, head_leaf = ?, end_reading = ?, sealed_time = ?,
                 read = ?, sealed = ?, refused = ?, floor = max(floor, ?);

-- name: bundle
SELECT leaf, sealed_header, body FROM bundle WHERE number = ?;

-- name: leaf
SELECT leaf FROM bundle WHERE number = ?;

-- name: sealed_time
SELECT sealed_time FROM bundle WHERE number >= ? ORDER BY number LIMIT 1;

-- name: numbers
SELECT number FROM bundle WHERE number > ? ORDER BY number LIMIT ?;

-- name: extent
SELECT count(*), min(number) FROM bundle;

-- name: receipt
SELECT number, sealed FROM receipt;

-- name: store_receipt
INSERT INTO receipt VALUES (1, ?, ?)
ON CONFLICT (one) DO UPDATE SET number = excluded.number, sealed = excluded.sealed;

-- name: checkpoint
SELECT time, note FROM checkpoint;

-- name: store_checkpoint
INSERT INTO checkpoint VALUES (1, ?, ?)
ON CONFLICT (one) DO UPDATE SET time = excluded.time, note = excluded.note;

-- name: raise_floor
UPDATE epoch SET floor = max(floor, ?);

-- name: free_older
-- Only what a receipt covers, never the head, oldest first, a bounded number at a time.
DELETE FROM bundle WHERE number IN (
  SELECT number FROM bundle
  WHERE number <= (SELECT number FROM receipt) AND number < (SELECT head FROM epoch)
    AND sealed_time < ?
  ORDER BY number LIMIT ?);
