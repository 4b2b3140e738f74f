-- name: test_results.current
-- The newest version of one result.
SELECT gtin, lot, result, version, document, recorded_time, recorded_by
FROM test_results WHERE gtin = :gtin AND lot = :lot AND result = :result
ORDER BY version DESC LIMIT 1;

-- name: test_results.add
-- A version of a result.
INSERT INTO test_results (gtin, lot, result, version, document, recorded_time, recorded_by)
VALUES (:gtin, :lot, :result, :version, :document, :recorded_time, :recorded_by);

-- name: test_results.of_lot
-- The newest version of each of a lot's results.
SELECT gtin, lot, result, version, document, recorded_time, recorded_by
FROM test_results t
WHERE gtin = :gtin AND lot = :lot AND version = (
    SELECT MAX(version) FROM test_results n
    WHERE n.gtin = t.gtin AND n.lot = t.lot AND n.result = t.result
)
ORDER BY result;

-- name: test_results.versions
-- Every version of each of a lot's results, the corrected ones too.
SELECT gtin, lot, result, version, document, recorded_time, recorded_by
FROM test_results WHERE gtin = :gtin AND lot = :lot ORDER BY result, version;
