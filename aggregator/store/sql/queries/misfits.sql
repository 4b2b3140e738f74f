-- name: misfits.add
-- An item that does not fit; the same again is counted, and what a person decided of it stands.
INSERT INTO misfits (id, interface, state, document, error, hint, sender, first_time, last_time,
    seen)
VALUES (:id, :interface, 'waiting', :document, :error, :hint, :sender, :record_time,
    :record_time, 1)
ON CONFLICT (id) DO UPDATE SET last_time = excluded.last_time, seen = misfits.seen + 1;

-- name: misfits.one
-- A misfit.
SELECT id, interface, state, document, error, hint, sender, first_time, last_time, seen,
    corrected, closed_time, closed_by, why
FROM misfits WHERE id = :id;

-- name: misfits.page
-- Misfits in a state, in the order of their ids.
SELECT id, interface, state, document, error, hint, sender, first_time, last_time, seen,
    corrected, closed_time, closed_by, why
FROM misfits WHERE state = :state AND id > :after ORDER BY id LIMIT :count;

-- name: misfits.close
-- A person saw to it.
UPDATE misfits SET state = :state, corrected = :corrected, closed_time = :closed_time,
    closed_by = :closed_by, why = :why
WHERE id = :id;

-- name: misfits.still_wrong
-- Another attempt failed too.
UPDATE misfits SET error = :error, hint = :hint WHERE id = :id;

-- name: misfits.waiting
-- How many wait, by interface.
SELECT interface, COUNT(*) AS count FROM misfits WHERE state = 'waiting'
GROUP BY interface ORDER BY interface;
