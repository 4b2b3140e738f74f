-- Bindings: sightings by time, and which lots' records have been overtaken.
-- A stay of a carrier ends with its last read from now on; all sightings are looked for again.

DELETE FROM sightings;
UPDATE sightings_state SET position = 0;
CREATE INDEX sightings_by_length ON sightings (gateway, signal, (end_time - start_time));

CREATE INDEX genealogy_holding ON genealogy_edges (latest)
    WHERE kind IN ('aggregation', 'association');
