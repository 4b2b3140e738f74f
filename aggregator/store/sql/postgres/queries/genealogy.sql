-- name: genealogy.parts_after
-- One side of the edges after a number, as one text of "edge item" pairs in any order: a row for
-- each of millions of parts would take most of the time.
SELECT string_agg(edge || ' ' || item, ' ') AS pairs FROM genealogy_parts
WHERE edge > :after AND edge <= :last AND side = :side;
