"""Use cases: record a lot's test results, and read them.

A result that is corrected by the laboratory is a new version of it; the old ones stay. Either is
part of the lot's record: one that was assembled before is overtaken.
"""

from __future__ import annotations

import json

from aggregator import audit
from aggregator.access.roles import Act, Actor, require
from aggregator.errors import ConflictError, InvalidError
from aggregator.model.lab_result import LabResult, ResultVersion, from_document, to_document
from aggregator.model.master.lot import LotKey, check_lot_key
from aggregator.service.context import Context
from aggregator.service.facts import Touch, touch
from aggregator.service.master.documents import EntityKind, lot_key
from aggregator.store.base import Row, Transaction
from protocols.wire.dossier.series import Interval


async def record(
    context: Context,
    tx: Transaction,
    actor: Actor,
    result: LabResult,
    *,
    expected_version: int | None,
    why: str,
) -> ResultVersion:
    """Make ``result`` the current version of its result and return it.

    ``expected_version`` is the version that is changed (None: none is). The same again is no
    change. Raises ConflictError where another version is current, InvalidError for a lot that is
    not known.
    """
    require(actor, Act.WRITE_RESULTS)
    key = {"gtin": result.lot.gtin, "lot": result.lot.lot, "result": result.result}
    row = await tx.fetch_one("test_results.current", **key)
    current = None if row is None else _stored(row)
    if current is not None and current.result == result:
        return current
    seen = 0 if current is None else current.version
    if (expected_version or 0) != seen:
        raise ConflictError(
            f"the result {result.result} of {result.lot} is at version {seen}, and says otherwise",
            hint="send it with `changes=take` where the laboratory has corrected it",
        )
    if await tx.fetch_one("master.current", kind=EntityKind.LOT, key=lot_key(result.lot)) is None:
        raise InvalidError(f"there is no lot {result.lot}", hint="put the lot first")
    now = context.clock.now()
    document = to_document(result)
    await tx.execute(
        "test_results.add",
        **key,
        version=seen + 1,
        document=audit.canonical(document),
        recorded_time=now,
        recorded_by=actor.name,
    )
    found = Interval(result.time, result.time)
    await touch(tx, found, equipment=None, lot=result.lot, why=Touch.TEST_RESULT)
    entry = audit.Entry(
        who=actor.name,
        act=Act.WRITE_RESULTS.value,
        what=f"results of {result.lot}",
        before=None if current is None else to_document(current.result),
        after={**document, "version": seen + 1},
        why=why,
    )
    await audit.record(tx, entry, context.clock)
    return ResultVersion(result=result, version=seen + 1, recorded_time=now, recorded_by=actor.name)


async def of_lot(context: Context, actor: Actor, gtin: str, lot: str) -> list[ResultVersion]:
    """Return the current version of each result of a lot."""
    require(actor, Act.READ_RECORDS)
    key = check_lot_key(gtin, lot)
    async with context.store.read() as tx:
        return await results_of(tx, key)


async def results_of(tx: Transaction, key: LotKey) -> list[ResultVersion]:
    """Return the current version of each result of a lot, in the order of their ids."""
    return [
        _stored(row) for row in await tx.fetch("test_results.of_lot", gtin=key.gtin, lot=key.lot)
    ]


async def versions_of(tx: Transaction, key: LotKey) -> list[ResultVersion]:
    """Return every version of each result of a lot, the corrected ones too."""
    return [
        _stored(row) for row in await tx.fetch("test_results.versions", gtin=key.gtin, lot=key.lot)
    ]


async def current_version(tx: Transaction, result: LabResult) -> int | None:
    """Return which version of a result is current, None where there is none."""
    key = {"gtin": result.lot.gtin, "lot": result.lot.lot, "result": result.result}
    row = await tx.fetch_one("test_results.current", **key)
    return None if row is None else int(row["version"])


def _stored(row: Row) -> ResultVersion:
    return ResultVersion(
        result=from_document(json.loads(row["document"])),
        version=row["version"],
        recorded_time=row["recorded_time"],
        recorded_by=row["recorded_by"],
    )
