-- Clocks: what a bundle's header says of the gateway's, so that readings can be placed by anchors.
-- Of a bundle that was stored before, these are null, and its header is read.

ALTER TABLE bundles ADD COLUMN boot BLOB;                -- 16 bytes, new at each start
ALTER TABLE bundles ADD COLUMN sealed_monotonic INTEGER; -- nanoseconds since boot
ALTER TABLE bundles ADD COLUMN clock_floor INTEGER;      -- wall time was not before this

-- Of a gateway whose clock was always synchronised there is nothing in it.
CREATE INDEX bundles_in_doubt ON bundles (epoch_id, boot, sealed_monotonic, sealed_time, first_time)
    WHERE clock_state < 2;

-- Time anchors by their number and by their time, and bundles in doubt beside them.
CREATE INDEX bundles_by_clock ON bundles (epoch_id, clock_state, number);
DROP INDEX bundles_by_sealed_time;
CREATE INDEX bundles_by_sealed_time ON bundles (epoch_id, clock_state, sealed_time, first_time);
