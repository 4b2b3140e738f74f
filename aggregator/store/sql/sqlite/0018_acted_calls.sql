-- A call with an Idempotency-Key whose act is committed: it is never made again, answered or not.

ALTER TABLE answers ADD COLUMN acted INTEGER NOT NULL DEFAULT 0;
