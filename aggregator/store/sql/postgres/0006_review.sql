-- Electronic signatures, and where each lot stands by them. A signature's bytes never change; they
-- are a leaf of the log too.
CREATE TABLE signatures (
    id          TEXT    PRIMARY KEY,  -- SHA-256 of the bytes, hexadecimal
    gtin        TEXT    NOT NULL,
    lot         TEXT    NOT NULL,
    signer      TEXT    NOT NULL REFERENCES accounts (user_id),
    series      TEXT    NOT NULL,     -- the session that it was made in
    signed_time BIGINT  NOT NULL,
    position    BIGINT  NOT NULL,     -- of its leaf in the log
    data        BYTEA   NOT NULL      -- what was signed, canonical JSON
);

CREATE INDEX signatures_by_lot ON signatures (gtin, lot, signed_time);
CREATE INDEX signatures_by_series ON signatures (series, signed_time);

-- Where a lot stands (aggregator/model/disposition.py); no row before a person's first act.
CREATE TABLE dispositions (
    gtin     TEXT    NOT NULL,
    lot      TEXT    NOT NULL,
    revision BIGINT  NOT NULL,        -- grows with every act
    stage    TEXT    NOT NULL,
    version  BIGINT  NOT NULL,        -- of the record that the stage is about
    covered  TEXT    NOT NULL,        -- hash of the newest version that an addendum covers, or empty
    reviewer TEXT,
    releaser TEXT,
    holder   TEXT,
    before   TEXT,                    -- stage at which the hold came in
    PRIMARY KEY (gtin, lot)
);

-- The decision on an exception, by the hash of the finding: it holds in every version that has it.
CREATE TABLE decisions (
    gtin      TEXT NOT NULL,
    lot       TEXT NOT NULL,
    exception TEXT NOT NULL,
    verdict   TEXT NOT NULL,
    signature TEXT NOT NULL REFERENCES signatures (id),
    PRIMARY KEY (gtin, lot, exception)
);

-- Second checks of manual entries.
CREATE TABLE entry_checks (
    gtin      TEXT NOT NULL,
    lot       TEXT NOT NULL,
    fact      TEXT NOT NULL,
    signature TEXT NOT NULL REFERENCES signatures (id),
    PRIMARY KEY (gtin, lot, fact)
);
