-- Which master data have ever named a lot, in whatever version: what to look at for a lot's record.
CREATE TABLE lot_mentions (
    lot   TEXT NOT NULL,  -- the lot's key: GTIN-14 '/' lot
    kind  TEXT NOT NULL,  -- of the document that names it: work_order, job, ...
    key   TEXT NOT NULL,
    PRIMARY KEY (lot, kind, key)
);

INSERT INTO lot_mentions (lot, kind, key)
SELECT lpad(document::jsonb ->> 'gtin', 14, '0') || '/' || (document::jsonb ->> 'lot'), kind, key
FROM master_versions
WHERE kind <> 'lot' AND document::jsonb ->> 'gtin' <> '' AND document::jsonb ->> 'lot' <> ''
ON CONFLICT DO NOTHING;

INSERT INTO lot_mentions (lot, kind, key)
SELECT lpad(named ->> 'gtin', 14, '0') || '/' || (named ->> 'lot'), kind, key
FROM master_versions, jsonb_array_elements(document::jsonb -> 'lots') AS named
WHERE jsonb_typeof(document::jsonb -> 'lots') = 'array'
ON CONFLICT DO NOTHING;
