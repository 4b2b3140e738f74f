"""Named queries, read from the files in ``store/sql``.

    -- name: lots.by_key
    -- The lot of a product, if there is one.
    SELECT * FROM lots WHERE gtin = :gtin AND lot = :lot;

A name is ``<subject>.<query>``, its file ``<subject>.sql``; what follows the name is its meaning.
Parameters are written ``:name``. A query that one store must say differently has an override in
``store/sql/<dialect>/queries``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from aggregator.errors import StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One named query: ``sql`` with ``:name`` parameters, ``numbered`` with ``$1``, ``$2``."""

    name: str
    meaning: str
    sql: str
    numbered: str
    params: tuple[str, ...]  # in the order of their numbers

    def check(self, given: Mapping[str, object]) -> None:
        """Raise StoreError unless ``given`` has exactly the query's parameters."""
        if len(given) != len(self.params) or any(name not in given for name in self.params):
            raise StoreError(
                f"the query {self.name} takes {sorted(self.params)} and was given {sorted(given)}"
            )


@cache
def queries(dialect: str) -> Mapping[str, Query]:
    """Return every query by name, as ``dialect`` (sqlite, postgres) says it."""
    found: dict[str, Query] = {}
    for folder in (_SQL / "queries", _SQL / dialect / "queries"):
        if not folder.is_dir():
            continue
        for file in sorted(folder.iterdir(), key=lambda each: each.name):
            if not file.name.endswith(".sql"):
                continue
            for query in parse(file.read_text(encoding="utf-8"), file.name.removesuffix(".sql")):
                if query.name in found and folder.name == _SQL.name:
                    raise StoreError(f"two queries are named {query.name}")
                found[query.name] = query
    return found


def query_named(dialect: str, name: str) -> Query:
    """Return the query; StoreError where there is none of this name."""
    try:
        return queries(dialect)[name]
    except KeyError:
        raise StoreError(f"there is no query named {name!r}") from None


def parse(text: str, subject: str) -> Iterator[Query]:
    """Yield the queries of one file; StoreError for a query without a name of its file."""
    _, *blocks = re.split(r"^-- name: *", text, flags=re.MULTILINE)
    for block in blocks:
        name, _, rest = block.partition("\n")
        lines = rest.splitlines()
        meaning = []
        while lines and lines[0].startswith("--"):
            meaning.append(lines.pop(0).removeprefix("--").strip())
        sql = "\n".join(lines).strip().removesuffix(";")
        if not name.startswith(f"{subject}.") or not meaning or not sql:
            raise StoreError(f"the query {name!r} has another subject, no meaning or no SQL")
        yield _query(name.strip(), " ".join(meaning), sql)


def migrations(dialect: str) -> Iterator[tuple[int, str, str]]:
    """Yield (number, subject, SQL) of every migration of ``dialect``, in order."""
    names = sorted(each.name for each in (_SQL / dialect).iterdir() if each.name.endswith(".sql"))
    for name in names:
        number, _, subject = name.removesuffix(".sql").partition("_")
        yield int(number), subject, (_SQL / dialect / name).read_text(encoding="utf-8")


_SQL: Final[Traversable] = files("aggregator.store") / "sql"
_PARAMETER: Final = re.compile(r"'[^']*'|::|:([a-z_][a-z0-9_]*)")


def _query(name: str, meaning: str, sql: str) -> Query:
    params: list[str] = []

    def number(found: re.Match[str]) -> str:
        param = found[1]
        if param is None:  # a quoted text, or a cast of PostgreSQL
            return found[0]
        if param not in params:
            params.append(param)
        return f"${params.index(param) + 1}"

    numbered = _PARAMETER.sub(number, sql)
    return Query(name=name, meaning=meaning, sql=sql, numbered=numbered, params=tuple(params))
