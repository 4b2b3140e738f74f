-- name: review.disposition
-- Where a lot stands by what persons did.
SELECT revision, stage, version, covered, reviewer, releaser, holder, before
FROM dispositions WHERE gtin = :gtin AND lot = :lot;

-- name: review.set_disposition
-- Where a lot stands after an act.
INSERT INTO dispositions
    (gtin, lot, revision, stage, version, covered, reviewer, releaser, holder, before)
VALUES
    (:gtin, :lot, :revision, :stage, :version, :covered, :reviewer, :releaser, :holder, :before)
ON CONFLICT (gtin, lot) DO UPDATE SET revision = excluded.revision, stage = excluded.stage,
    version = excluded.version, covered = excluded.covered, reviewer = excluded.reviewer,
    releaser = excluded.releaser, holder = excluded.holder, before = excluded.before;

-- name: review.decisions
-- The newest decision on each exception of a lot.
SELECT exception, verdict, signature FROM decisions
WHERE gtin = :gtin AND lot = :lot ORDER BY exception;

-- name: review.decide
-- A decision on an exception, in the place of an earlier one.
INSERT INTO decisions (gtin, lot, exception, verdict, signature)
VALUES (:gtin, :lot, :exception, :verdict, :signature)
ON CONFLICT (gtin, lot, exception) DO UPDATE
SET verdict = excluded.verdict, signature = excluded.signature;

-- name: review.checks
-- The manual entries of a lot that a second person has checked.
SELECT fact, signature FROM entry_checks WHERE gtin = :gtin AND lot = :lot ORDER BY fact;

-- name: review.check
-- A second person vouches for a manual entry; the first to do so counts.
INSERT INTO entry_checks (gtin, lot, fact, signature) VALUES (:gtin, :lot, :fact, :signature)
ON CONFLICT (gtin, lot, fact) DO NOTHING;

-- name: review.signatures
-- Every signature about a lot, in the order of the log.
SELECT id, position, data FROM signatures WHERE gtin = :gtin AND lot = :lot ORDER BY position;

-- name: review.add_signature
-- A signature.
INSERT INTO signatures (id, gtin, lot, signer, series, signed_time, position, data)
VALUES (:id, :gtin, :lot, :signer, :series, :signed_time, :position, :data);

-- name: review.series
-- When a session's signatures were made.
SELECT signed_time FROM signatures WHERE series = :series ORDER BY signed_time;

-- name: review.every_signature
-- Every signature there is.
SELECT id, position, data FROM signatures ORDER BY position;

-- name: review.stopped
-- Every lot that is held or rejected.
SELECT gtin, lot FROM dispositions WHERE stage IN ('held', 'rejected') ORDER BY gtin, lot;
