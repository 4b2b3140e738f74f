"""Master data: every version of every entity kept for ever, the newest the current one.

A change names the version that it changes, so nobody overwrites what he has not seen; it stands in
the audit trail with what was before and after, in the transaction of the change.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError, InvalidError, NotFoundError
from aggregator.service.context import Context
from aggregator.service.master.documents import DOCUMENTS, Document, EntityKind, Model
from aggregator.store.base import Row, Transaction
from protocols.wire.reading import Nanoseconds

PAGE_MAX: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Versioned:
    """One version of an entity."""

    document: Document
    key: str
    version: int  # from 1
    recorded_at: Nanoseconds
    recorded_by: str


async def put(
    context: Context,
    actor: Actor,
    document: Document,
    *,
    expected_version: int | None,
    why: str,
) -> Versioned:
    """Make ``document`` the current version of its entity and return it.

    ``expected_version`` is the version that the caller saw (None: none). The same document again is
    no change. Raises ConflictError where another version is current, InvalidError where the
    document contradicts itself or refers to what is not there.
    """
    require(actor, Act.MANAGE_MASTER)
    key = document.key
    document.model()
    async with context.store.write() as tx:
        row = await tx.fetch_one("master.current", kind=document.kind.value, key=key)
        current = None if row is None else _versioned(row)
        if current is not None and current.document == document:
            return current
        seen = 0 if current is None else current.version
        if (expected_version or 0) != seen:
            raise ConflictError(
                f"{document.kind} {key} is at version {seen}, not {expected_version or 'new'}",
                hint="read it again and repeat the change with its ETag in If-Match",
            )
        await _check_references(tx, document)
        now = context.clock.now()
        await tx.execute(
            "master.insert",
            kind=document.kind.value,
            key=key,
            version=seen + 1,
            document=audit.canonical(document.model_dump(mode="json")),
            recorded_at=now,
            recorded_by=actor.name,
        )
        entry = audit.Entry(
            who=actor.name,
            act=Act.MANAGE_MASTER.value,
            what=f"{document.kind} {key}",
            before=None if current is None else current.document.model_dump(mode="json"),
            after=document.model_dump(mode="json"),
            why=why,
        )
        await audit.record(tx, entry, context.clock)
    return Versioned(
        document=document, key=key, version=seen + 1, recorded_at=now, recorded_by=actor.name
    )


async def get(
    context: Context, actor: Actor, kind: EntityKind, key: str, *, version: int | None = None
) -> Versioned:
    """Return an entity's current version, or the one asked for; NotFoundError if there is none."""
    require(actor, Act.READ_MASTER)
    async with context.store.read() as tx:
        if version is None:
            row = await tx.fetch_one("master.current", kind=kind.value, key=key)
        else:
            row = await tx.fetch_one("master.version", kind=kind.value, key=key, version=version)
    if row is None:
        raise NotFoundError(f"there is no {kind} {key}" + (f" version {version}" * bool(version)))
    return _versioned(row)


async def page(
    context: Context, actor: Actor, kind: EntityKind, *, after: str = "", count: int = 100
) -> list[Versioned]:
    """Return up to ``count`` entities of a kind whose key follows ``after``, in order of keys."""
    require(actor, Act.READ_MASTER)
    if not 0 < count <= PAGE_MAX:
        raise InvalidError(f"a page has 1 to {PAGE_MAX} entries")
    async with context.store.read() as tx:
        rows = await tx.fetch("master.list", kind=kind.value, after=after, count=count)
    return [_versioned(row) for row in rows]


async def models(tx: Transaction, kind: EntityKind) -> list[Model]:
    """Return the current model of every entity of a kind, for rules that need them all."""
    found: list[Model] = []
    after = ""
    while rows := await tx.fetch("master.list", kind=kind.value, after=after, count=PAGE_MAX):
        found += [_versioned(row).document.model() for row in rows]
        after = rows[-1]["key"]
    return found


def parse(kind: EntityKind, data: object) -> Document:
    """Return ``data`` as a document of its kind; InvalidError names each field that is wrong."""
    try:
        return DOCUMENTS[kind].model_validate(data)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise InvalidError(f"this is no {kind}: {faults}", hint="see /docs for its form") from None


async def _check_references(tx: Transaction, document: Document) -> None:
    for reference in document.references():
        kind = reference.kind.value
        if await tx.fetch_one("master.current", kind=kind, key=reference.key) is None:
            raise InvalidError(
                f"{document.kind} {document.key} needs {reference.kind} {reference.key}",
                hint=f"put the {reference.kind} first",
            )


def _versioned(row: Row) -> Versioned:
    return Versioned(
        document=DOCUMENTS[EntityKind(row["kind"])].model_validate(json.loads(row["document"])),
        key=row["key"],
        version=row["version"],
        recorded_at=row["recorded_at"],
        recorded_by=row["recorded_by"],
    )
