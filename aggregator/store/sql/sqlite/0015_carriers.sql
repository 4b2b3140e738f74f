-- Carriers: a stay stands under the one name that tag and label share.

-- All sightings are looked for again.
DELETE FROM sightings;
UPDATE sightings_state SET position = 0;
