"""Named queries: read as the files say, each of them used, each name in use there is."""

from __future__ import annotations

import ast

import pytest

from aggregator.errors import SchemaError, StoreError
from aggregator.store.queries import migrations, parse, queries
from aggregator.store.schema import Migration, pending
from tests.arch.sources import sources

STORES = (
    "aggregator/store/postgres.py",
    "aggregator/store/sqlite.py",
    "aggregator/store/table_file.py",  # an archive: whole tables, whatever they are called
)
CALLS = ("fetch", "fetch_one", "execute", "execute_many")
FILE = """\
-- name: lots.one
-- A lot.
-- Of a product.
SELECT 'a:b' AS text, :lot::text FROM lots WHERE lot = :lot AND gtin = :gtin;

-- name: lots.all
-- Every lot.
SELECT 1;
"""


def test_a_file_is_read_query_by_query() -> None:
    one, every = parse(FILE, "lots")
    assert (one.name, one.meaning, one.params) == (
        "lots.one",
        "A lot. Of a product.",
        ("lot", "gtin"),
    )
    assert one.numbered == "SELECT 'a:b' AS text, $1::text FROM lots WHERE lot = $1 AND gtin = $2"
    assert (every.name, every.sql) == ("lots.all", "SELECT 1")


@pytest.mark.parametrize(
    "text",
    [
        "-- name: other.one\n-- x\nSELECT 1;",
        "-- name: lots.one\nSELECT 1;",
        "-- name: lots.one\n-- x\n",
    ],
)
def test_a_query_without_its_subject_meaning_or_sql_is_refused(text: str) -> None:
    with pytest.raises(StoreError):
        list(parse(text, "lots"))


def test_parameters_are_exactly_those_of_the_query() -> None:
    one, _ = parse(FILE, "lots")
    one.check({"lot": 1, "gtin": 2})
    for given in ({}, {"lot": 1}, {"lot": 1, "gtin": 2, "more": 3}, {"lot": 1, "gtim": 2}):
        with pytest.raises(StoreError, match=r"lots\.one"):
            one.check(given)


def test_both_dialects_have_the_same_queries() -> None:
    sqlite, postgres = queries("sqlite"), queries("postgres")
    assert sqlite.keys() == postgres.keys()
    for name, query in sqlite.items():
        assert set(query.params) == set(postgres[name].params)


def test_every_query_is_used_and_every_name_in_use_is_a_query() -> None:
    known = set(queries("sqlite"))
    said, called = set(), set()
    for source in sources("aggregator"):
        if source.path in STORES:
            continue
        for each in ast.walk(source.tree):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                said.add(each.value)
            elif isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute):
                first = each.args[0] if each.args else None
                if each.func.attr in CALLS and isinstance(first, ast.Constant):
                    called.add(first.value)
    assert known - said == set(), "no code uses these queries; remove them"
    assert called - known == set(), "there are no such queries"


def test_both_dialects_have_the_same_migrations_in_one_row() -> None:
    steps = [(number, subject) for number, subject, _ in migrations("sqlite")]
    assert steps == [(number, subject) for number, subject, _ in migrations("postgres")]
    assert [number for number, _ in steps] == list(range(1, len(steps) + 1))


def test_an_applied_step_is_never_edited() -> None:
    steps = [
        Migration(number=number, subject=subject, sql=sql)
        for number, subject, sql in migrations("sqlite")
    ]
    applied = {step.number: step.digest for step in steps}
    assert pending("sqlite", applied) == []
    assert pending("sqlite", {}) == steps
    with pytest.raises(SchemaError, match="0001_evidence"):
        pending("sqlite", {**applied, 1: "another"})
    with pytest.raises(SchemaError, match="does not know"):
        pending("sqlite", {**applied, 9_999: "x"})
