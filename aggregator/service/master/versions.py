"""Versions of master data: what one is, and which of them is in force at a time.

In force at a time is the approved version that came into force last before it, unless that has
ended. So a record that is made for a lot of last year is made by last year's limits, in whatever
order the versions were proposed and approved since.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from aggregator.model.series import SignalKey
from aggregator.service.master.documents import DOCUMENTS, Document, EntityKind, Model
from aggregator.store.base import Row, Transaction
from protocols.wire.reading import Nanoseconds

PAGE_MAX: Final = 1_000


class VersionState(StrEnum):
    """What has become of a version."""

    PROPOSED = "proposed"  # waits for a second person
    APPROVED = "approved"  # a second person has approved it, or none was needed
    REJECTED = "rejected"  # it never was in force


@dataclass(frozen=True, slots=True, kw_only=True)
class Versioned:
    """One version of an entity."""

    document: Document
    key: str
    version: int  # from 1
    recorded_at: Nanoseconds
    recorded_by: str
    state: VersionState
    effective_from: Nanoseconds | None  # None: from its approval, which has not come
    effective_to: Nanoseconds | None  # None: until another takes its place
    decided_at: Nanoseconds | None  # None: nobody has decided, or had to
    decided_by: str | None
    in_place_of: str | None  # whose delegate decided

    @property
    def name(self) -> str:
        """How a record cites the entity: ``limit 09506000134352/plate temperature``."""
        return f"{self.document.kind} {self.key}"


async def version_at(
    tx: Transaction, kind: EntityKind, key: str, at: Nanoseconds
) -> Versioned | None:
    """Return the version of an entity that is in force at ``at``, None where there is none."""
    row = await tx.fetch_one("master.at", kind=kind.value, key=key, at=at)
    return None if row is None else versioned(row)


async def versions_at(
    tx: Transaction, kind: EntityKind, at: Nanoseconds, *, prefix: str = ""
) -> AsyncIterator[Versioned]:
    """Yield the version in force at ``at`` of each entity whose key starts with ``prefix``.

    In order of keys. Kinds that are not effective-dated have one version in force, the newest that
    is approved: ``at`` makes no difference to them.
    """
    async for row in _rows_at(tx, kind, at, prefix):
        yield versioned(row)


async def models_at(tx: Transaction, kind: EntityKind, at: Nanoseconds) -> list[Model]:
    """Return the model of every entity of a kind, each by its version in force at ``at``."""
    return [_model(row["kind"], row["document"]) async for row in _rows_at(tx, kind, at, "")]


async def models(tx: Transaction, kind: EntityKind) -> list[Model]:
    """Return the model of every entity of a kind, each by the version that comes into force last.

    For kinds that are not effective-dated, which have but one; for the others ``models_at``.
    """
    found: list[Model] = []
    after = ""
    while rows := await tx.fetch("master.list", kind=kind.value, after=after, count=PAGE_MAX):
        found += [_model(row["kind"], row["document"]) for row in rows]
        after = rows[-1]["key"]
    return found


async def statements_about(
    tx: Transaction, kind: EntityKind, subjects: Iterable[SignalKey | str]
) -> list[Versioned]:
    """Return what is said of signals, physical assets or persons, and of nothing else.

    For kinds that are not effective-dated; in order of keys.
    """
    names = sorted(
        f"{each.gateway}/{each.signal}" if isinstance(each, SignalKey) else each
        for each in subjects
    )
    rows = await tx.fetch("master.about", kind=kind.value, names=json.dumps(names))
    return [versioned(row) for row in rows]


def versioned(row: Row) -> Versioned:
    """Return the version that a row holds."""
    return Versioned(
        document=_document(row["kind"], row["document"]),
        key=row["key"],
        version=row["version"],
        recorded_at=row["recorded_at"],
        recorded_by=row["recorded_by"],
        state=VersionState(row["state"]),
        effective_from=row["effective_from"],
        effective_to=row["effective_to"],
        decided_at=row["decided_at"],
        decided_by=row["decided_by"],
        in_place_of=row["in_place_of"],
    )


async def _rows_at(
    tx: Transaction, kind: EntityKind, at: Nanoseconds, prefix: str
) -> AsyncIterator[Row]:
    after = prefix
    while True:
        rows = await tx.fetch("master.list_at", kind=kind.value, after=after, at=at, count=PAGE_MAX)
        for row in rows:
            if not row["key"].startswith(prefix):
                return
            yield row
        if len(rows) < PAGE_MAX:
            return
        after = rows[-1]["key"]


# A version never changes, and all signals of a plant are asked for many times a second: what a text
# says, and what that means to the rules, is found out once. Both are immutable.
_KEPT: Final = 16_384


@lru_cache(maxsize=_KEPT)
def _document(kind: str, text: str) -> Document:
    return DOCUMENTS[EntityKind(kind)].model_validate(json.loads(text))


@lru_cache(maxsize=_KEPT)
def _model(kind: str, text: str) -> Model:
    return _document(kind, text).model()
