"""Use cases: find the lots that a failed calibration puts in doubt, and open their records again.

A calibration that finds a sensor outside of its tolerance says nothing of when it had gone wrong:
every lot that it measured since its last good calibration is in doubt (record.md section 2, rule
15). Such a lot's record is assembled again: the new version has the exception, and so the lot's
review restarts, or after its release an addendum is due.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aggregator.access.roles import Act, Actor, require
from aggregator.errors import NotFoundError
from aggregator.model.binding.fact import FOREVER
from aggregator.model.genealogy.edge import EdgeKind
from aggregator.model.genealogy.item import Item, ItemKind, lot_of
from aggregator.model.master.lot import LotKey
from aggregator.model.master.physical_asset import Calibration, Installation, doubted
from aggregator.model.master.validity import Validity
from aggregator.model.record.exceptions import ExceptionKind
from aggregator.model.series import SignalKey
from aggregator.service.assemble_record import StoredRecord, assemble_record, stored
from aggregator.service.context import Context
from aggregator.service.genealogy import uses
from aggregator.service.genealogy.edges import edges_with
from aggregator.service.master.document import EntityKind
from aggregator.service.master.versions import statements_about, version_at
from aggregator.service.record.master import model_of
from aggregator.store.base import Transaction

EDGES_MAX = 100_000
"""Uses of one signal that are looked at, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted:
    """A lot that was measured while its sensor's calibration is in doubt."""

    lot: LotKey
    version: int  # the newest of its record
    told: bool  # its newest version has the exception


async def lots_in_doubt(context: Context, actor: Actor, certificate: str) -> tuple[Doubted, ...]:
    """Return the lots that a calibration puts in doubt, in order; none where it found no fault.

    Raises NotFoundError for a certificate that is not known.
    """
    require(actor, Act.READ_RECORDS)
    return await _lots(context, certificate)


async def reopen(context: Context, actor: Actor, certificate: str) -> tuple[Doubted, ...]:
    """Assemble the record of each lot in doubt again; return the lots as they stand then."""
    require(actor, Act.ASSEMBLE_RECORD)
    for each in await _lots(context, certificate):
        if not each.told:
            await assemble_record(context, actor, each.lot.gtin, each.lot.lot)
    return await _lots(context, certificate)


async def _lots(context: Context, certificate: str) -> tuple[Doubted, ...]:
    await uses.refresh(context)
    async with context.store.read() as tx:
        times, signals = await _doubts(tx, certificate)
        lots: set[LotKey] = set()
        for signal, fitted in signals:
            lots |= await _measured(tx, signal, [each for each in times if each.overlaps(fitted)])
        return tuple([_doubted(await stored(tx, lot), certificate) for lot in sorted(lots)])


async def _doubts(
    tx: Transaction, certificate: str
) -> tuple[list[Validity], list[tuple[SignalKey, Validity]]]:
    """Return the times that a calibration puts in doubt, and the signals it is about, and when."""
    row = await version_at(tx, EntityKind.CALIBRATION, certificate, FOREVER)
    if row is None:
        raise NotFoundError(f"there is no calibration {certificate[:60]!r}")
    own = model_of(Calibration, row)
    said = await statements_about(tx, EntityKind.CALIBRATION, [own.subject])
    about = [model_of(Calibration, each) for each in said]
    times = [time for time, failed in doubted(about) if failed == own]
    if isinstance(own.subject, SignalKey):
        return times, [(own.subject, Validity())]
    installed = await statements_about(tx, EntityKind.INSTALLATION, [own.subject])
    fitted = [model_of(Installation, each) for each in installed]
    return times, [
        (each.role, each.validity)
        for each in fitted
        if each.physical_asset == own.subject and isinstance(each.role, SignalKey)
    ]


async def _measured(tx: Transaction, signal: SignalKey, times: Iterable[Validity]) -> set[LotKey]:
    """Return the lots that a signal measured at one of the times, as their records say."""
    wanted = list(times)
    item = Item(ItemKind.SIGNAL, f"{signal.gateway}/{signal.signal}")
    found = set()
    for edge in await edges_with(tx, item, EDGES_MAX):
        lasted = Validity(start=edge.start, end=max(edge.start + 1, edge.end or 0))
        if edge.kind is EdgeKind.USE and any(lasted.overlaps(each) for each in wanted):
            found |= {lot for part in edge.outputs if (lot := lot_of(part.item)) is not None}
    return found


def _doubted(record: StoredRecord, certificate: str) -> Doubted:
    told = any(
        item["kind"] == ExceptionKind.CALIBRATION and item["details"]["certificate"] == certificate
        for item in record.document["exceptions"]
    )
    return Doubted(lot=record.summary.lot, version=record.summary.version, told=told)
