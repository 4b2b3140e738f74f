-- Which master data have ever named a lot, in whatever version: what to look at for a lot's record.
CREATE TABLE lot_mentions (
    lot   TEXT NOT NULL,  -- the lot's key: GTIN-14 '/' lot
    kind  TEXT NOT NULL,  -- of the document that names it: work_order, job, ...
    key   TEXT NOT NULL,
    PRIMARY KEY (lot, kind, key)
) STRICT, WITHOUT ROWID;

INSERT OR IGNORE INTO lot_mentions (lot, kind, key)
SELECT substr('00000000000000' || json_extract(document, '$.gtin'), -14) || '/'
    || json_extract(document, '$.lot'), kind, key
FROM master_versions
WHERE kind <> 'lot' AND json_extract(document, '$.gtin') <> '' AND json_extract(document, '$.lot') <> '';

INSERT OR IGNORE INTO lot_mentions (lot, kind, key)
SELECT substr('00000000000000' || json_extract(named.value, '$.gtin'), -14) || '/'
    || json_extract(named.value, '$.lot'), v.kind, v.key
FROM master_versions v, json_each(v.document, '$.lots') AS named;
