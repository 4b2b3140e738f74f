-- Versions of master data that came into force, until the records that they are about are found.

CREATE TABLE touched_master (
    touch BIGINT PRIMARY KEY,        -- in the order in which they came
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    version BIGINT NOT NULL
);
