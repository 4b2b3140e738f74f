"""Use cases: put, read and list master data; every version of every entity is kept for ever.

A change names the version that it changes, so nobody overwrites what he has not seen; it stands in
the audit trail with what was before and after, in the transaction of the change. Versions of some
kinds wait for a second person (``review.approve_master``); which is in force when: ``versions``.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError, InvalidError, NotFoundError
from aggregator.model.binding.fact import FOREVER
from aggregator.model.master.lot import Unit
from aggregator.service.context import Context
from aggregator.service.master.document import EFFECTIVE_DATED
from aggregator.service.master.documents import DOCUMENTS, Document, EntityKind
from aggregator.service.master.versions import (
    PAGE_MAX,
    Versioned,
    VersionState,
    models,
    models_at,
    version_at,
    versioned,
    versions_at,
)
from aggregator.store.base import Transaction
from protocols.wire.dossier.instant import format_time
from protocols.wire.reading import Nanoseconds

__all__ = [
    "NO_TIMES",
    "PAGE_MAX",
    "Times",
    "Versioned",
    "come_into_force",
    "get",
    "models",
    "models_at",
    "page",
    "parse",
    "put",
    "put_in",
    "version_at",
    "versions_at",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """From when until when a version shall be in force; None where nobody said."""

    start: Nanoseconds | None = None
    end: Nanoseconds | None = None


NO_TIMES = Times()


async def put(
    context: Context,
    actor: Actor,
    document: Document,
    *,
    expected_version: int | None,
    why: str,
    times: Times = NO_TIMES,
) -> Versioned:
    """Add ``document`` as a version of its entity and return it, proposed or approved.

    ``expected_version`` is the newest version that the caller knows of (None: none). Without a
    start the first version holds since ever, a later one from now on or from its approval. The same
    document again is no change. Raises ConflictError where another version is the newest or one
    waits for approval, InvalidError where the document contradicts itself or refers to what is not
    there, and where a change has no reason (``why``): what is entered first owes none.
    """
    require(actor, Act.MANAGE_MASTER)
    async with context.store.write() as tx:
        return await put_in(
            context, tx, actor, document, expected_version=expected_version, why=why, times=times
        )


async def put_in(
    context: Context,
    tx: Transaction,
    actor: Actor,
    document: Document,
    *,
    expected_version: int | None,
    why: str,
    times: Times = NO_TIMES,
) -> Versioned:
    """Do as ``put`` does, in a transaction with other changes."""
    require(actor, Act.MANAGE_MASTER)
    document.model()
    kind, key = document.kind.value, document.key
    row = await tx.fetch_one("master.newest_standing", kind=kind, key=key)
    standing = None if row is None else versioned(row)
    if standing is not None and _is_same(standing, document, times):
        return standing
    _check_expected(document, standing, expected_version)
    _check_reason(standing, why)
    _check_times(document, times)
    await _check_references(tx, document)
    newest = await tx.fetch_one("master.newest", kind=kind, key=key)
    now = context.clock.now()
    waits = kind in {each.value for each in context.settings.master.approval}
    added = Versioned(
        document=document,
        key=key,
        version=1 if newest is None else newest["version"] + 1,
        recorded_at=now,
        recorded_by=actor.name,
        state=VersionState.PROPOSED if waits else VersionState.APPROVED,
        effective_from=_start(document, standing, times, None if waits else now),
        effective_to=times.end,
        decided_at=None,
        decided_by=None,
        in_place_of=None,
    )
    await _insert(tx, added)
    if not waits:
        await come_into_force(tx, added)
    await _mention_lots(tx, document)
    await _touch_unit(tx, document, standing)
    entry = audit.Entry(
        who=actor.name,
        act="propose_master" if waits else Act.MANAGE_MASTER.value,
        what=added.name,
        before=None if standing is None else standing.document.model_dump(mode="json"),
        after={**document.model_dump(mode="json"), **_said(times)},
        why=why.strip() or "entered for the first time",
    )
    await audit.record(tx, entry, context.clock)
    return added


async def come_into_force(tx: Transaction, version: Versioned) -> None:
    """Have the records found that a version is about, which is in force from now on."""
    kind = version.document.kind.value
    await tx.execute("rebinding.touch_master", kind=kind, key=version.key, version=version.version)


async def _insert(tx: Transaction, added: Versioned) -> None:
    await tx.execute(
        "master.insert",
        kind=added.document.kind.value,
        key=added.key,
        version=added.version,
        document=audit.canonical(added.document.model_dump(mode="json")),
        recorded_at=added.recorded_at,
        recorded_by=added.recorded_by,
        state=added.state.value,
        effective_from=added.effective_from,
        effective_to=added.effective_to,
    )


async def get(
    context: Context, actor: Actor, kind: EntityKind, key: str, *, version: int | None = None
) -> Versioned:
    """Return the version of an entity that is in force now, or the one asked for.

    Raises NotFoundError if there is none.
    """
    require(actor, Act.READ_MASTER)
    async with context.store.read() as tx:
        if version is None:
            found = await version_at(tx, kind, key, context.clock.now())
        else:
            row = await tx.fetch_one("master.version", kind=kind.value, key=key, version=version)
            found = None if row is None else versioned(row)
        if found is not None:
            return found
        newest = await tx.fetch_one("master.newest", kind=kind.value, key=key)
    hint = "" if newest is None else _not_in_force(versioned(newest))
    raise NotFoundError(
        f"there is no {kind} {key}" + (f" version {version}" if version else ""), hint=hint
    )


async def page(
    context: Context, actor: Actor, kind: EntityKind, *, after: str = "", count: int = 100
) -> list[Versioned]:
    """Return up to ``count`` entities of a kind whose key follows ``after``, in order of keys.

    Each by its version in force now.
    """
    require(actor, Act.READ_MASTER)
    if not 0 < count <= PAGE_MAX:
        raise InvalidError(f"a page has 1 to {PAGE_MAX} entries")
    async with context.store.read() as tx:
        rows = await tx.fetch(
            "master.list_at", kind=kind.value, after=after, at=context.clock.now(), count=count
        )
    return [versioned(row) for row in rows]


def parse(kind: EntityKind, data: object) -> Document:
    """Return ``data`` as a document of its kind; InvalidError names each field that is wrong."""
    try:
        return DOCUMENTS[kind].model_validate(data)
    except ValidationError as error:
        faults = "; ".join(f"{field or 'document'}: {text}" for field, text in faults_of(error))
        raise InvalidError(f"this is no {kind}: {faults}", hint="see /docs for its form") from None


def faults_of(error: ValidationError) -> list[tuple[str, str]]:
    """Return each field that is wrong, as ``lots.0.gtin``, and what is wrong with it."""
    return [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()]


def _not_in_force(newest: Versioned) -> str:
    return f"version {newest.version} is {newest.state}; it may not be in force now"


def _is_same(standing: Versioned, document: Document, times: Times) -> bool:
    """Tell whether nothing would change; times that nobody gives are as they are."""
    return (
        standing.document == document
        and times.start in (None, standing.effective_from)
        and times.end in (None, standing.effective_to)
    )


def _check_expected(document: Document, standing: Versioned | None, expected: int | None) -> None:
    seen = 0 if standing is None else standing.version
    if (expected or 0) != seen:
        raise ConflictError(
            f"{document.kind} {document.key} is at version {seen}, not {expected or 'new'}",
            hint="read it again and repeat the change with its ETag in If-Match",
        )
    if standing is not None and standing.state is VersionState.PROPOSED:
        raise ConflictError(
            f"version {seen} of {standing.name} waits for approval",
            hint="have it approved or rejected first; who proposed it may take it back",
        )


def _check_reason(standing: Versioned | None, why: str) -> None:
    if standing is not None and not why.strip():
        raise InvalidError(
            f"{standing.name} is changed without a reason", hint="say why, by the API in X-Reason"
        )


def _check_times(document: Document, times: Times) -> None:
    if times != NO_TIMES and document.kind not in EFFECTIVE_DATED:
        raise InvalidError(
            f"a {document.kind} has its times in its document, and is in force by them alone",
            hint="leave the effective times out: a new version corrects it for all time",
        )
    start = times.start or 0
    end = FOREVER if times.end is None else times.end
    if not 0 <= start < end <= FOREVER:
        raise InvalidError("a version ends after it comes into force, and is of 1970 to 2262")


def _start(
    document: Document, standing: Versioned | None, times: Times, otherwise: Nanoseconds | None
) -> Nanoseconds | None:
    if times.start is not None:
        return times.start
    return 0 if standing is None or document.kind not in EFFECTIVE_DATED else otherwise


def _said(times: Times) -> dict[str, str]:
    said = {"effective_from": times.start, "effective_to": times.end}
    return {name: format_time(time) for name, time in said.items() if time is not None}


async def _mention_lots(tx: Transaction, document: Document) -> None:
    """Let the lots' records find the document."""
    for reference in document.references():
        if reference.kind is EntityKind.LOT:
            await tx.execute(
                "lot_index.mention", lot=reference.key, kind=document.kind.value, key=document.key
            )


async def _touch_unit(tx: Transaction, document: Document, standing: Versioned | None) -> None:
    """Have the lots looked at that a unit is of, and was of: it may have been read already."""
    for each in (document, *([] if standing is None else [standing.document])):
        unit = each.model()
        if isinstance(unit, Unit) and unit.lot is not None:
            named = {"gtin": unit.lot.gtin, "lot": unit.lot.lot, "why": "fact"}
            nowhere = {"start_time": 0, "end_time": 0, "equipment": None}
            await tx.execute("rebinding.touch", **named, **nowhere)


async def _check_references(tx: Transaction, document: Document) -> None:
    for reference in document.references():
        kind = reference.kind.value
        row = await tx.fetch_one("master.current", kind=kind, key=reference.key)
        if row is None:
            raise InvalidError(
                f"{document.kind} {document.key} needs {reference.kind} {reference.key}",
                hint=f"put the {reference.kind} first",
            )
        document.check_against(versioned(row).document)
